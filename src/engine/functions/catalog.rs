//! Functions that look an object up: visibility, owners, comments, the text of a view, a key or a rule.
//!
//! The catalog is read once per statement, at the first call.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use weir_udfs::row::{RowFunction, text};

use super::super::errors::{catalog_error, external};
use super::super::system::{Asked, Constraint, Relation, constraints, is_visible, relations, view_text};
use super::super::{Engine, Scope};
use super::{privileges, reg};
use crate::error::Error;

/// What the functions of one statement know.
pub(super) struct Known {
    pub(super) engine: Arc<Engine>,
    pub(super) scope: Scope,
    relations: OnceLock<Result<Vec<Relation>, Error>>,
    constraints: OnceLock<Result<Vec<Constraint>, Error>>,
}

impl Known {
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { engine: &self.engine, scope: &self.scope, run_id: None, pipeline: None, kind: None, after: 0, limit: None }
    }

    pub(super) fn relations(&self) -> Result<&[Relation], DataFusionError> {
        self.relations.get_or_init(|| relations(&self.asked())).as_deref().map_err(|error| external(error.clone()))
    }

    fn constraints(&self) -> Result<&[Constraint], DataFusionError> {
        self.constraints.get_or_init(|| constraints(&self.asked())).as_deref().map_err(|error| external(error.clone()))
    }

    pub(super) fn relation(&self, oid: i64) -> Result<Option<&Relation>, DataFusionError> {
        Ok(self.relations()?.iter().find(|relation| relation.oid == oid))
    }
}

pub(super) fn functions(engine: &Arc<Engine>, scope: &Scope) -> Vec<ScalarUDF> {
    let known =
        Arc::new(Known { engine: Arc::clone(engine), scope: scope.clone(), relations: OnceLock::new(), constraints: OnceLock::new() });
    let mut functions = vec![
        pg_table_is_visible(Arc::clone(&known)),
        pg_get_userbyid(Arc::clone(&known)),
        obj_description(Arc::clone(&known)),
        col_description(Arc::clone(&known)),
        pg_get_viewdef(Arc::clone(&known)),
        pg_get_constraintdef(Arc::clone(&known)),
        pg_get_indexdef(Arc::clone(&known)),
    ];
    functions.extend(reg::functions(&known));
    functions.extend(privileges::functions(&known));
    functions
}

/// A number, or whatever else a tool passes, and up to two more arguments.
fn about(name: &str, returns: DataType) -> RowFunction {
    let any = (1..=3).map(TypeSignature::Any).collect();
    RowFunction::new(name, Signature::one_of(any, Volatility::Stable), returns)
}

/// The object identifier that an argument is, or that its text is.
pub(super) fn oid(value: Option<&ScalarValue>) -> Option<i64> {
    match value?.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(oid)) => oid,
        _ => None,
    }
}

const NO_TEXT: ScalarValue = ScalarValue::Utf8(None);

fn pg_table_is_visible(known: Arc<Known>) -> ScalarUDF {
    about("pg_table_is_visible", DataType::Boolean).body(move |args| {
        let Some(oid) = oid(args.first()) else { return Ok(ScalarValue::Boolean(None)) };
        let relations = known.relations()?;
        let visible = match known.relation(oid)? {
            Some(relation) => is_visible(relation, relations, &known.scope),
            // The index of a key is where its table is.
            None => {
                let table = known.constraints()?.iter().find(|own| own.index == Some(oid)).map(|own| own.table_oid);
                table
                    .and_then(|table| relations.iter().find(|own| own.oid == table))
                    .is_some_and(|own| is_visible(own, relations, &known.scope))
            }
        };
        Ok(ScalarValue::Boolean(Some(visible)))
    })
}

fn pg_get_userbyid(known: Arc<Known>) -> ScalarUDF {
    about("pg_get_userbyid", DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args.first()) else { return Ok(NO_TEXT) };
        let access = known.engine.store().access().map_err(|e| external(catalog_error(e)))?;
        let name = access.name_of(weir_catalog::ObjectId(oid));
        Ok(ScalarValue::Utf8(Some(name)))
    })
}

fn obj_description(known: Arc<Known>) -> ScalarUDF {
    about("obj_description", DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args.first()) else { return Ok(NO_TEXT) };
        let catalog = args.get(1).map(text).transpose()?;
        if !matches!(catalog, None | Some("pg_class" | "pg_namespace" | "pg_foreign_server")) {
            return Ok(NO_TEXT);
        }
        if let Some(relation) = known.relation(oid)? {
            return Ok(ScalarValue::Utf8(relation.comment.clone()));
        }
        let object = known.engine.store().object_by_id(weir_catalog::ObjectId(oid)).map_err(|e| external(catalog_error(e)))?;
        Ok(ScalarValue::Utf8(object.and_then(|object| object.comment)))
    })
}

fn col_description(known: Arc<Known>) -> ScalarUDF {
    about("col_description", DataType::Utf8).body(move |args| {
        let (Some(table), Some(place)) = (oid(args.first()), oid(args.get(1))) else { return Ok(NO_TEXT) };
        let index = usize::try_from(place - 1).ok();
        let columns = known.relation(table)?.and_then(|relation| relation.columns.as_ref());
        let field = columns.zip(index).and_then(|(columns, index)| columns.fields().get(index));
        Ok(ScalarValue::Utf8(field.and_then(|field| field.metadata().get("comment").cloned())))
    })
}

fn pg_get_viewdef(known: Arc<Known>) -> ScalarUDF {
    about("pg_get_viewdef", DataType::Utf8).body(move |args| {
        let oid = match oid(args.first()) {
            Some(oid) => oid,
            None => match args.first().map(text).transpose()?.map(|name| reg::relation_named(&known, name)).transpose()?.flatten() {
                Some(relation) => relation.oid,
                None => return Ok(NO_TEXT),
            },
        };
        let text = known.relation(oid)?.and_then(|relation| relation.object.as_ref()).and_then(view_text);
        Ok(ScalarValue::Utf8(text))
    })
}

fn pg_get_constraintdef(known: Arc<Known>) -> ScalarUDF {
    about("pg_get_constraintdef", DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args.first()) else { return Ok(NO_TEXT) };
        Ok(ScalarValue::Utf8(known.constraints()?.iter().find(|own| own.oid == oid).map(Constraint::definition)))
    })
}

/// `pg_get_indexdef(index [, column, pretty])`: with a column greater than 0, that column alone.
fn pg_get_indexdef(known: Arc<Known>) -> ScalarUDF {
    about("pg_get_indexdef", DataType::Utf8).body(move |args| {
        let Some(index) = oid(args.first()) else { return Ok(NO_TEXT) };
        let Some(key) = known.constraints()?.iter().find(|own| own.index == Some(index)) else { return Ok(NO_TEXT) };
        let column = oid(args.get(1)).filter(|column| *column > 0);
        Ok(ScalarValue::Utf8(match column {
            Some(column) => usize::try_from(column - 1).ok().and_then(|at| key.columns.get(at)).map(|name| weir_sql::quote_ident(name)),
            None => Some(key.index_definition()),
        }))
    })
}
