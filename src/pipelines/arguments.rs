//! Values of a pipeline's parameters: given, defaulted, typed.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use serde_json::Value as Json;
use weir_sql::Argument;
use weir_sql::statements::create_pipeline::CreatePipeline;

use crate::engine::{Engine, Scope};
use crate::error::{Code, Error, Result};
use crate::formats::arrow_type;

/// What a caller hands to a run.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// `name => expr`, or by position.
    pub given: Vec<Argument>,
    /// The WHERE of a replay.
    pub condition: Option<weir_sql::Expr>,
}

pub(super) type Values = Vec<(String, ScalarValue)>;

/// Every parameter with its value.
///
/// # Errors
/// `UndefinedParameter` for an unknown name; `InvalidParameter` when one has neither a value nor a default.
pub(super) async fn values(engine: &Arc<Engine>, definition: &CreatePipeline, arguments: &Arguments, scope: &Scope) -> Result<Values> {
    let parameters = &definition.parameters;
    let mut named: Vec<Option<&weir_sql::Expr>> = vec![None; parameters.len()];
    for (position, argument) in arguments.given.iter().enumerate() {
        let at = match &argument.name {
            Some(name) => parameters.iter().position(|parameter| parameter.name == *name).ok_or_else(|| {
                let near = weir_sql::nearest(&name.value, parameters.iter().map(|parameter| parameter.name.value.as_str()));
                Error::new(Code::UndefinedParameter, format!("pipeline \"{}\" has no parameter \"{}\"", definition.name, name.value))
                    .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
                    .at(name.position)
            })?,
            None => position,
        };
        match named.get_mut(at) {
            Some(slot @ None) => *slot = Some(&argument.value),
            Some(Some(_)) => return Err(Error::new(Code::Syntax, "a parameter is given twice").at(argument.value.position)),
            None => {
                return Err(Error::new(
                    Code::UndefinedParameter,
                    format!("pipeline \"{}\" takes {} arguments", definition.name, parameters.len()),
                )
                .at(argument.value.position));
            }
        }
    }
    let mut values = Vec::new();
    for (parameter, given) in parameters.iter().zip(named) {
        let expr = given.or(parameter.default.as_ref()).ok_or_else(|| {
            Error::new(Code::InvalidParameter, format!("parameter \"{}\" has no value", parameter.name.value))
                .hint(format!("RUN PIPELINE {} ({} => ..)", definition.name, parameter.name))
        })?;
        let wanted = arrow_type(&parameter.data_type.ast)?;
        let value = engine.constant(expr, scope)?;
        let value = value.cast_to(&wanted).map_err(|error| Engine::error(error).at(expr.position))?;
        values.push((parameter.name.value.clone(), value));
    }
    Ok(values)
}

/// The values as a run keeps them.
pub(super) fn json(values: &Values) -> Json {
    let entry = |(name, value): &(String, ScalarValue)| {
        let text = if value.is_null() { Json::Null } else { Json::String(text_of(value)) };
        (name.clone(), text)
    };
    Json::Object(values.iter().map(entry).collect())
}

/// The value as text that casts back to it.
pub(super) fn text_of(value: &ScalarValue) -> String {
    match value.cast_to(&arrow::datatypes::DataType::Utf8) {
        Ok(ScalarValue::Utf8(Some(text))) => text,
        _ => value.to_string(),
    }
}

/// The values of a frozen run.
pub(super) async fn from_json(engine: &Arc<Engine>, definition: &CreatePipeline, params: &Json, scope: &Scope) -> Result<Values> {
    let Json::Object(fields) = params else { return values(engine, definition, &Arguments::default(), scope).await };
    let mut values = Vec::new();
    for parameter in &definition.parameters {
        let wanted = arrow_type(&parameter.data_type.ast)?;
        let text = match fields.get(&parameter.name.value) {
            Some(Json::String(text)) => Some(text.clone()),
            _ => None,
        };
        let value = ScalarValue::Utf8(text).cast_to(&wanted).map_err(Engine::error)?;
        values.push((parameter.name.value.clone(), value));
    }
    Ok(values)
}
