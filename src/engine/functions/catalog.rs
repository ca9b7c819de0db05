//! Functions that look an object up: visibility, owners, comments, the text of a view.
//!
//! The catalog is read once per statement, at the first call.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use weir_udfs::row::{RowFunction, text};

use super::super::errors::{catalog_error, external};
use super::super::system::{Asked, Relation, is_visible, relations, view_text};
use super::super::{Engine, Scope, resolve};
use crate::error::Error;

/// What the functions of one statement know.
struct Known {
    engine: Arc<Engine>,
    scope: Scope,
    relations: OnceLock<Result<Vec<Relation>, Error>>,
}

impl Known {
    fn relations(&self) -> Result<&[Relation], DataFusionError> {
        let read = || {
            let asked = Asked { engine: &self.engine, scope: &self.scope, run_id: None, pipeline: None, limit: None };
            relations(&asked)
        };
        self.relations.get_or_init(read).as_deref().map_err(|error| external(error.clone()))
    }

    fn relation(&self, oid: i64) -> Result<Option<&Relation>, DataFusionError> {
        Ok(self.relations()?.iter().find(|relation| relation.oid == oid))
    }
}

pub(super) fn functions(engine: &Arc<Engine>, scope: &Scope) -> Vec<ScalarUDF> {
    let known = Arc::new(Known { engine: Arc::clone(engine), scope: scope.clone(), relations: OnceLock::new() });
    vec![
        pg_table_is_visible(Arc::clone(&known)),
        pg_get_userbyid(Arc::clone(&known)),
        obj_description(Arc::clone(&known)),
        pg_get_viewdef(Arc::clone(&known)),
        to_regclass(known),
    ]
}

fn by_oid(name: &str, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::exact(vec![DataType::Int64], Volatility::Stable), returns)
}

fn oid(args: &[ScalarValue]) -> Option<i64> {
    match args.first() {
        Some(ScalarValue::Int64(oid)) => *oid,
        _ => None,
    }
}

fn pg_table_is_visible(known: Arc<Known>) -> ScalarUDF {
    by_oid("pg_table_is_visible", DataType::Boolean).body(move |args| {
        let Some(oid) = oid(args) else { return Ok(ScalarValue::Boolean(None)) };
        let visible = match known.relation(oid)? {
            Some(relation) => is_visible(relation, known.relations()?, &known.scope),
            None => false,
        };
        Ok(ScalarValue::Boolean(Some(visible)))
    })
}

fn pg_get_userbyid(known: Arc<Known>) -> ScalarUDF {
    by_oid("pg_get_userbyid", DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args) else { return Ok(ScalarValue::Utf8(None)) };
        let roles = known.engine.store().roles().map_err(|e| external(catalog_error(e)))?;
        let name = roles.into_iter().find(|role| role.id.0 == oid).map_or_else(|| "weir".to_owned(), |role| role.name);
        Ok(ScalarValue::Utf8(Some(name)))
    })
}

fn obj_description(known: Arc<Known>) -> ScalarUDF {
    let one = TypeSignature::Exact(vec![DataType::Int64]);
    let two = TypeSignature::Exact(vec![DataType::Int64, DataType::Utf8]);
    let signature = Signature::one_of(vec![one, two], Volatility::Stable);
    RowFunction::new("obj_description", signature, DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args) else { return Ok(ScalarValue::Utf8(None)) };
        if let Some(relation) = known.relation(oid)? {
            return Ok(ScalarValue::Utf8(relation.comment.clone()));
        }
        let object = known.engine.store().object_by_id(weir_catalog::ObjectId(oid)).map_err(|e| external(catalog_error(e)))?;
        Ok(ScalarValue::Utf8(object.and_then(|object| object.comment)))
    })
}

fn pg_get_viewdef(known: Arc<Known>) -> ScalarUDF {
    let one = TypeSignature::Exact(vec![DataType::Int64]);
    let two = TypeSignature::Exact(vec![DataType::Int64, DataType::Boolean]);
    let signature = Signature::one_of(vec![one, two], Volatility::Stable);
    RowFunction::new("pg_get_viewdef", signature, DataType::Utf8).body(move |args| {
        let Some(oid) = oid(args) else { return Ok(ScalarValue::Utf8(None)) };
        let text = known.relation(oid)?.and_then(|relation| relation.object.as_ref()).and_then(view_text);
        Ok(ScalarValue::Utf8(text))
    })
}

fn to_regclass(known: Arc<Known>) -> ScalarUDF {
    RowFunction::new("to_regclass", Signature::exact(vec![DataType::Utf8], Volatility::Stable), DataType::Int32).body(move |args| {
        let parts = match args.first() {
            Some(name) => resolve::parts_of_text(text(name)?),
            None => None,
        };
        let relations = known.relations()?;
        let found = match parts.as_deref() {
            Some([schema, name]) => relations.iter().find(|relation| relation.schema == *schema && relation.name == *name),
            Some([name]) => relations.iter().find(|relation| relation.name == *name && is_visible(relation, relations, &known.scope)),
            _ => None,
        };
        Ok(ScalarValue::Int32(found.and_then(|relation| i32::try_from(relation.oid).ok())))
    })
}
