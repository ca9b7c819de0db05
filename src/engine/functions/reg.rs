//! `regclass` and its kin: names of objects to numbers and back.
//!
//! Casts arrive here as functions. `regclass('t')` is the number of a relation, `regclass(oid)` its name, as the argument's type says;
//! `regclass_oid` and `regclass_name` are the casts that go on to a number or a text. A name that is not there is an error; `to_regclass` gives
//! NULL instead. Functions and operators go by their name alone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use weir_udfs::row::{RowFunction, text};

use super::super::errors::{catalog_error, external};
use super::super::resolve;
use super::super::system::{Relation, catalog_oid, is_visible, schema_oids};
use super::super::types::{named_type, type_of_oid};
use super::catalog::Known;
use crate::error::{Code, Error};

pub(super) fn functions(known: &Arc<Known>) -> Vec<ScalarUDF> {
    let mut functions = Vec::new();
    for (name, what) in KINDS {
        for (suffix, form) in [("", Form::Other), ("_oid", Form::Number), ("_name", Form::Name)] {
            let known = Arc::clone(known);
            let signature = Signature::any(1, Volatility::Stable);
            functions.push(ScalarUDF::new_from_impl(Reg { name: format!("{name}{suffix}"), what: *what, form, known, signature }));
        }
        functions.push(to_reg(name, *what, Arc::clone(known)));
    }
    functions
}

const KINDS: &[(&str, What)] = &[
    ("regclass", What::Relation),
    ("regtype", What::Type),
    ("regnamespace", What::Schema),
    ("regrole", What::Role),
    ("regproc", What::Other("function")),
    ("regprocedure", What::Other("function")),
    ("regoper", What::Other("operator")),
    ("regoperator", What::Other("operator")),
    ("regconfig", What::Other("text search configuration")),
    ("regcollation", What::Other("collation")),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Relation,
    Type,
    Schema,
    Role,
    /// Kept in PostgreSQL's own tables by name.
    Other(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// A name to its number, a number to its name.
    Other,
    Number,
    Name,
}

struct Reg {
    name: String,
    what: What,
    form: Form,
    known: Arc<Known>,
    signature: Signature,
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Reg {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.known, &other.known)
    }
}

impl Eq for Reg {}

impl Hash for Reg {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Reg {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let is_number = arguments.first().is_some_and(DataType::is_integer);
        Ok(match (self.form, self.what, is_number) {
            (Form::Number, _, _) => DataType::Int32,
            (Form::Name, _, _) | (Form::Other, _, true) | (Form::Other, What::Other(_), false) => DataType::Utf8,
            (Form::Other, _, false) => DataType::Int32,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type();
        match args.args.first() {
            Some(ColumnarValue::Scalar(value)) => self.one(value, returns).map(ColumnarValue::Scalar),
            Some(ColumnarValue::Array(values)) => {
                let mut found = Vec::with_capacity(values.len());
                for row in 0..values.len() {
                    found.push(self.one(&ScalarValue::try_from_array(values, row)?, returns)?);
                }
                match found.is_empty() {
                    true => Ok(ColumnarValue::Array(arrow::array::new_empty_array(returns))),
                    false => Ok(ColumnarValue::Array(ScalarValue::iter_to_array(found)?)),
                }
            }
            None => Err(DataFusionError::Internal("a name is missing".to_owned())),
        }
    }
}

impl Reg {
    fn one(&self, value: &ScalarValue, returns: &DataType) -> Result<ScalarValue> {
        if value.is_null() {
            return ScalarValue::try_new_null(returns);
        }
        let given = match value.data_type().is_integer() {
            true => Given::Number(super::catalog::oid(Some(value)).unwrap_or(0)),
            false => Given::Name(text(value)?.trim().to_owned()),
        };
        let wants_number = *returns == DataType::Int32;
        Ok(match (given, wants_number) {
            (Given::Number(oid), true) => number(oid),
            (Given::Number(oid), false) => ScalarValue::Utf8(Some(name_of(&self.known, self.what, oid)?)),
            (Given::Name(name), true) => match find(&self.known, self.what, &name)? {
                Some(oid) => number(oid),
                None => return Err(external(undefined(self.what, &name))),
            },
            (Given::Name(name), false) => ScalarValue::Utf8(Some(match (self.what, find(&self.known, self.what, &name)?) {
                (What::Other(_), _) => name,
                (what, Some(oid)) => name_of(&self.known, what, oid)?,
                (what, None) => return Err(external(undefined(what, &name))),
            })),
        })
    }
}

enum Given {
    Number(i64),
    Name(String),
}

fn number(oid: i64) -> ScalarValue {
    ScalarValue::Int32(i32::try_from(oid).ok())
}

fn undefined(what: What, name: &str) -> Error {
    match what {
        What::Relation => Error::new(Code::UndefinedTable, format!("relation \"{name}\" does not exist")),
        What::Type => Error::new(Code::UndefinedObject, format!("type \"{name}\" does not exist")),
        What::Schema => Error::new(Code::UndefinedSchema, format!("schema \"{name}\" does not exist")),
        What::Role => Error::new(Code::UndefinedObject, format!("role \"{name}\" does not exist")),
        What::Other("function") => Error::new(Code::UndefinedFunction, format!("function \"{name}\" does not exist")),
        What::Other(noun) => Error::new(Code::UndefinedObject, format!("{noun} \"{name}\" does not exist")),
    }
}

/// `to_regclass(text)`: NULL for what is not there.
fn to_reg(name: &str, what: What, known: Arc<Known>) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Stable);
    RowFunction::new(&format!("to_{name}"), signature, DataType::Int32).body(move |args| {
        let name = args.first().map(text).transpose()?;
        Ok(match name.map(|name| find(&known, what, name)).transpose()?.flatten() {
            Some(oid) => number(oid),
            None => ScalarValue::Int32(None),
        })
    })
}

/// The relation of that name, as a query would find it.
pub(super) fn relation_named<'a>(known: &'a Known, name: &str) -> Result<Option<&'a Relation>> {
    let relations = known.relations()?;
    Ok(match resolve::parts_of_text(name).as_deref() {
        Some([schema, name]) => relations.iter().find(|relation| relation.schema == *schema && relation.name == *name),
        Some([name]) => relations.iter().find(|relation| relation.name == *name && is_visible(relation, relations, &known.scope)),
        _ => None,
    })
}

fn find(known: &Known, what: What, name: &str) -> Result<Option<i64>> {
    if let Ok(oid) = name.parse::<i64>() {
        return Ok(Some(oid));
    }
    Ok(match what {
        What::Relation => match relation_named(known, name)? {
            Some(relation) => Some(relation.oid),
            None => catalog_oid(name.strip_prefix("pg_catalog.").unwrap_or(name)),
        },
        What::Type => named_type(name).map(|found| found.oid),
        What::Schema => schema_oids(&known.asked()).map_err(external)?.get(&name.replace('"', "")).copied(),
        What::Role => {
            let roles = known.engine.store().access().map_err(|e| external(catalog_error(e)))?.roles();
            roles.into_iter().find(|role| role.name == name.replace('"', "")).map(|role| role.id.0)
        }
        What::Other(_) => None,
    })
}

/// The name of a number; what is not there keeps its digits.
fn name_of(known: &Known, what: What, oid: i64) -> Result<String> {
    if oid == 0 {
        return Ok("-".to_owned());
    }
    let name = match what {
        What::Relation => match known.relation(oid)? {
            Some(relation) if is_visible(relation, known.relations()?, &known.scope) => Some(weir_sql::quote_ident(&relation.name)),
            Some(relation) => Some(format!("{}.{}", weir_sql::quote_ident(&relation.schema), weir_sql::quote_ident(&relation.name))),
            None => None,
        },
        What::Type => type_of_oid(oid).map(|found| found.name.to_owned()),
        What::Schema => {
            let schemas = schema_oids(&known.asked()).map_err(external)?;
            schemas.into_iter().find(|(_, own)| *own == oid).map(|(name, _)| weir_sql::quote_ident(&name))
        }
        What::Role => {
            let roles = known.engine.store().access().map_err(|e| external(catalog_error(e)))?.roles();
            roles.into_iter().find(|role| role.id.0 == oid).map(|role| weir_sql::quote_ident(&role.name))
        }
        What::Other(_) => None,
    };
    Ok(name.unwrap_or_else(|| oid.to_string()))
}
