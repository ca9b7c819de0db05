//! What a query may do to sessions: its own settings, notifications, and ending what others run.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use weir_catalog::access::SIGNAL_BACKEND;
use weir_udfs::row::{RowFunction, text};

use super::super::clients::{Caller, Client};
use super::super::errors::{catalog_error, external};
use super::super::{Engine, Scope};
use super::catalog::oid;
use crate::error::{Code, Error};

pub(super) fn functions(engine: &Arc<Engine>, scope: &Scope) -> Vec<ScalarUDF> {
    vec![
        pg_backend_pid(scope),
        set_config(scope),
        pg_notify(scope),
        ending("pg_cancel_backend", engine, scope, Client::cancel),
        ending("pg_terminate_backend", engine, scope, Client::terminate),
    ]
}

fn of(caller: Option<&Arc<dyn Caller>>) -> Result<&Arc<dyn Caller>, DataFusionError> {
    caller.ok_or_else(|| external(Error::new(Code::NotSupported, "this can only be asked by a client")))
}

fn pg_backend_pid(scope: &Scope) -> ScalarUDF {
    let process = scope.caller.as_ref().map(|caller| caller.process());
    RowFunction::exact("pg_backend_pid", Vec::new(), DataType::Int32).body(move |_| Ok(ScalarValue::Int32(process)))
}

fn set_config(scope: &Scope) -> ScalarUDF {
    let caller = scope.caller.clone();
    let arguments = vec![DataType::Utf8, DataType::Utf8, DataType::Boolean];
    RowFunction::exact("set_config", arguments, DataType::Utf8).volatility(Volatility::Volatile).body(move |args| {
        let [name, value, ScalarValue::Boolean(Some(only_transaction))] = args else { return Ok(ScalarValue::Utf8(None)) };
        let value = of(caller.as_ref())?.set(text(name)?, text(value)?, *only_transaction).map_err(external)?;
        Ok(ScalarValue::Utf8(Some(value)))
    })
}

fn pg_notify(scope: &Scope) -> ScalarUDF {
    let caller = scope.caller.clone();
    let arguments = vec![DataType::Utf8, DataType::Utf8];
    RowFunction::exact("pg_notify", arguments, DataType::Utf8).takes_null().volatility(Volatility::Volatile).body(move |args| {
        let [channel, payload] = args else { return Ok(ScalarValue::Utf8(None)) };
        let payload = if payload.is_null() { "" } else { text(payload)? };
        let channel = if channel.is_null() { "" } else { text(channel)? };
        of(caller.as_ref())?.notify(channel, payload).map_err(external)?;
        Ok(ScalarValue::Utf8(Some(String::new())))
    })
}

/// True when there is such a client. The role must be the client's own, or a superuser.
fn ending(name: &str, engine: &Arc<Engine>, scope: &Scope, end: fn(&Client)) -> ScalarUDF {
    // Also a parameter that nobody gave a type, which comes as text.
    let signature = Signature::one_of(vec![TypeSignature::Any(1), TypeSignature::Any(2)], Volatility::Volatile);
    let (engine, role) = (Arc::clone(engine), scope.role.clone());
    let what = name.trim_start_matches("pg_").trim_end_matches("_backend").to_owned();
    RowFunction::new(name, signature, DataType::Boolean).body(move |args| {
        let Some(process) = oid(args.first()) else { return Ok(ScalarValue::Boolean(None)) };
        let client = i32::try_from(process).ok().and_then(|process| engine.clients().get(process));
        let Some(client) = client else { return Ok(ScalarValue::Boolean(Some(false))) };
        let access = engine.store().access().map_err(|error| external(catalog_error(error)))?;
        let may_signal = access.has_rights_of_id(&role, SIGNAL_BACKEND) && !access.is_superuser(&client.role);
        if !access.has_rights_of(&role, &client.role) && !may_signal {
            return Err(external(Error::new(Code::NoPrivilege, format!("permission denied to {what} process"))));
        }
        end(&client);
        Ok(ScalarValue::Boolean(Some(true)))
    })
}
