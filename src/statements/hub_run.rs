//! `SELECT * FROM hub.run('pipeline' [, '{"argument": value}'])`
//!
//! RUN PIPELINE as a query, for clients that can only bind and select. Only this shape: a run is no relation to be joined or filtered, since it
//! must happen exactly once.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::Value as Json;
use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, SelectItem, SetExpr, TableFactor, Value};
use weir_sql::statements::run_pipeline::{RunHow, RunPipeline};
use weir_sql::{Argument, Ident, Name, Options, Query};

use super::{query, run_pipeline};
use crate::error::{Code, Error, Result};
use crate::session::{Description, Outcome, Session};

/// The arguments, when the query is such a call.
pub(super) fn call(query: &Query) -> Option<Vec<&Expr>> {
    if query.ast.with.is_some() || query.ast.order_by.is_some() || query.ast.limit_clause.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.ast.body.as_ref() else { return None };
    let ([SelectItem::Wildcard(_)], [table]) = (select.projection.as_slice(), select.from.as_slice()) else { return None };
    if select.selection.is_some() || !table.joins.is_empty() {
        return None;
    }
    let TableFactor::Table { name, args: Some(args), .. } = &table.relation else { return None };
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.to_lowercase()).collect();
    if parts != ["hub", "run"] {
        return None;
    }
    let exprs = args.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    exprs.collect()
}

pub(super) fn describe(arguments: &[&Expr], hints: &[Option<DataType>]) -> Description {
    let numbers = arguments.iter().filter_map(|expr| placeholder(expr)).map(|number| (number, Some(DataType::Utf8)));
    let found: Vec<(usize, Option<DataType>)> = numbers.collect();
    Description { parameters: query::parameters(&found, hints), columns: Some(run_pipeline::report_columns()), ..Description::default() }
}

pub(super) async fn execute(session: &Session, query: &Query, arguments: &[&Expr], parameters: &[ScalarValue]) -> Result<Outcome> {
    session.refuse_write("RUN PIPELINE")?;
    let at = |error: Error| error.at(query.position);
    let wrong = || at(Error::new(Code::InvalidParameter, "hub.run takes the name of a pipeline and, as JSON, its arguments"));
    let texts: Vec<Option<String>> = arguments.iter().map(|expr| text(expr, parameters).ok_or_else(wrong)).collect::<Result<_>>()?;
    let (name, json) = match texts.as_slice() {
        [Some(name)] => (name, None),
        [Some(name), json] => (name, json.as_deref()),
        _ => return Err(wrong()),
    };
    let arguments = match json {
        Some(json) => pipeline_arguments(json).map_err(at)?,
        None => Vec::new(),
    };
    let statement = RunPipeline { name: pipeline_name(name, query.position), arguments, how: RunHow::New, options: Options::default() };
    run_pipeline::execute(session, &statement).await
}

fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(text) => text.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        Expr::Cast { expr, .. } => placeholder(expr),
        _ => None,
    }
}

/// The text of a literal or of a bound parameter; None when it is neither.
fn text(expr: &Expr, parameters: &[ScalarValue]) -> Option<Option<String>> {
    if let Some(number) = placeholder(expr) {
        return match parameters.get(number.checked_sub(1)?)? {
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => Some(text.clone()),
            _ => None,
        };
    }
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(Some(text.clone())),
            Value::Null => Some(None),
            _ => None,
        },
        Expr::Cast { expr, .. } => text(expr, parameters),
        _ => None,
    }
}

/// The name as it is written in a statement: folded, unless it is quoted.
fn pipeline_name(text: &str, position: usize) -> Name {
    let mut parts: Vec<Ident> = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(Ident { value: std::mem::take(&mut value), position }),
            c if quoted => value.push(c),
            c => value.extend(c.to_lowercase()),
        }
    }
    let name = Ident { value, position };
    Name { schema: parts.pop(), name }
}

fn pipeline_arguments(json: &str) -> Result<Vec<Argument>> {
    let invalid = || Error::new(Code::InvalidText, "the arguments of hub.run are not a JSON object");
    let Json::Object(fields) = serde_json::from_str::<Json>(json).map_err(|error| invalid().caused_by(error))? else {
        return Err(invalid());
    };
    let argument = |(name, value): (String, Json)| {
        let literal = match value {
            Json::Null => "NULL".to_owned(),
            Json::Bool(flag) => flag.to_string(),
            Json::Number(number) => number.to_string(),
            Json::String(text) => format!("'{}'", text.replace('\'', "''")),
            nested @ (Json::Array(_) | Json::Object(_)) => format!("'{}'", nested.to_string().replace('\'', "''")),
        };
        let value = weir_sql::parse_expr(&literal).map_err(Error::from)?;
        Ok(Argument { name: Some(Ident { value: name, position: 1 }), value })
    };
    fields.into_iter().map(argument).collect()
}
