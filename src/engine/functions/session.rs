//! What a statement may ask about its own session.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use weir_udfs::row::{RowFunction, text};

use super::super::errors::external;
use super::super::state::database;
use super::super::{Scope, resolve};
use crate::error::{Code, Error};

/// What `version()` says: tools read the first two words.
const VERSION: &str = concat!("PostgreSQL 16.9 (Weir ", env!("CARGO_PKG_VERSION"), ")");

pub(super) fn functions(scope: &Scope) -> Vec<ScalarUDF> {
    let path: Vec<String> = resolve::path(scope).filter(|schema| *schema != scope.role).map(str::to_owned).collect();
    let mut functions = vec![
        constant("version", VERSION),
        constant("current_database", database(scope)),
        constant("current_catalog", database(scope)),
        constant("current_user", &scope.role),
        constant("session_user", &scope.caller.as_ref().map_or_else(|| scope.role.clone(), |caller| caller.session_role())),
        constant("user", &scope.role),
        constant("current_role", &scope.role),
        match path.first() {
            Some(schema) => constant("current_schema", schema),
            None => RowFunction::exact("current_schema", Vec::new(), DataType::Utf8).body(|_| Ok(ScalarValue::Utf8(None))),
        },
        current_schemas(path),
        current_setting(scope),
        txid_current("txid_current", scope.now),
        txid_current("pg_current_xact_id", scope.now),
    ];
    functions.extend(weir_udfs::timestamps::in_zone(&scope.time_zone));
    functions.push(weir_udfs::age::age(&scope.time_zone, scope.now));
    functions
}

/// A number that grows from statement to statement: editors ask whether anything may have changed since they looked.
fn txid_current(name: &str, now: crate::clock::Micros) -> ScalarUDF {
    RowFunction::exact(name, Vec::new(), DataType::Int64).body(move |_| Ok(ScalarValue::Int64(Some(now))))
}

fn constant(name: &str, value: &str) -> ScalarUDF {
    let value = ScalarValue::Utf8(Some(value.to_owned()));
    RowFunction::exact(name, Vec::new(), DataType::Utf8).body(move |_| Ok(value.clone()))
}

fn current_schemas(path: Vec<String>) -> ScalarUDF {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    RowFunction::exact("current_schemas", vec![DataType::Boolean], list).body(move |args| {
        let implicit = matches!(args.first(), Some(ScalarValue::Boolean(Some(true))));
        let names = implicit.then(|| "pg_catalog".to_owned()).into_iter().chain(path.iter().cloned());
        let values: Vec<ScalarValue> = names.map(|name| ScalarValue::Utf8(Some(name))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8)))
    })
}

fn current_setting(scope: &Scope) -> ScalarUDF {
    let settings = Arc::clone(&scope.settings);
    let one = TypeSignature::Exact(vec![DataType::Utf8]);
    let two = TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean]);
    let signature = Signature::one_of(vec![one, two], Volatility::Stable);
    RowFunction::new("current_setting", signature, DataType::Utf8).body(move |args| {
        let Some(name) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let name = text(name)?.to_lowercase();
        let found = settings.iter().find(|(own, _)| own.eq_ignore_ascii_case(&name)).map(|(_, value)| value.clone());
        let missing_ok = matches!(args.get(1), Some(ScalarValue::Boolean(Some(true))));
        match (found, missing_ok) {
            (None, false) => Err(external(Error::new(Code::UndefinedObject, format!("unrecognized configuration parameter \"{name}\"")))),
            (value, _) => Ok(ScalarValue::Utf8(value)),
        }
    })
}
