//! Functions: DataFusion's own, JSON, the hub's pure ones, those that tools ask of a PostgreSQL server, and those of the session.

mod arrays;
mod average;
mod bounded;
mod by_value;
mod bytes;
mod catalog;
mod checked;
mod choice;
mod clients;
mod convert;
mod division;
mod finite;
mod in_array;
mod lengths;
mod privileges;
mod reg;
mod rounding;
mod server;
mod session;
mod single_value;
mod sleep;
mod sliding;
pub(super) mod spans;
mod sum;
mod text;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use super::Scope;

pub(super) use arrays::{array_in, row_for_none, without_nulls};
pub(super) use by_value::by_value;
pub(super) use convert::{convert, cut, differs, float_scale, limited, own_scale};
pub(super) use division::divide;
pub(super) use single_value::single_value;
pub use text::texts_of;
pub(super) use text::{shown, text};

/// Registers what does not depend on the session.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for function in json() {
        state.register_udf(function)?;
    }
    state.register_udaf(Arc::new(AggregateUDF::from(sum::Sum::new())))?;
    state.register_udaf(Arc::new(AggregateUDF::from(average::Average::new())))?;
    state.register_function_rewrite(Arc::new(checked::CheckedArithmetic))?;
    for function in server::functions().into_iter().chain(arrays::functions()) {
        state.register_udf(Arc::new(function))?;
    }
    for make in weir_udfs::FUNCTIONS {
        state.register_udf(Arc::new(make()))?;
    }
    if let Some(series) = state.table_functions().get("generate_series").cloned() {
        state.register_udtf(super::rewrite::sets::SERIES, Arc::clone(series.function()));
    }
    state.register_udf(Arc::new(weir_udfs::row::marked("jsonb")))?;
    state.register_udf(Arc::new(in_array::in_array()))?;
    if let Ok(variance) = state.udaf("var_samp") {
        state.register_udaf(Arc::new(variance.as_ref().clone().with_aliases(["variance", "var_samp", "var_sample"])))?;
    }
    for (of_text, of_bytes) in bytes::BOTH {
        let either = bytes::either(state.udf(of_text)?, state.udf(of_bytes)?);
        state.register_udf(Arc::new(either))?;
    }
    for name in choice::CHOICES {
        let choice = choice::choice(state.udf(name)?);
        state.register_udf(Arc::new(choice))?;
    }
    for name in ["round", "trunc", "ceil", "floor"] {
        let rounding = rounding::rounding(state.udf(name)?);
        state.register_udf(Arc::new(rounding))?;
    }
    for name in finite::WATCHED {
        let finite = finite::finite(state.udf(name)?);
        state.register_udf(Arc::new(finite))?;
    }
    for (name, growth) in bounded::GROWING {
        let bounded = bounded::bounded(state.udf(name)?, *growth);
        state.register_udf(Arc::new(bounded))?;
    }
    state.register_udf(Arc::new(text::text()))?;
    state.register_udf(Arc::new(text::shown()))?;
    for name in ["character_length", "octet_length", "bit_length"] {
        let of_text = state.udf(name)?;
        state.register_udf(Arc::new(lengths::length(of_text)))?;
    }
    Ok(())
}

/// Reading JSON; the operators are planned to these.
fn json() -> Vec<Arc<ScalarUDF>> {
    use datafusion_functions_json::udfs::{
        json_as_text_udf, json_contains_udf, json_get_bool_udf, json_get_float_udf, json_get_int_udf, json_get_json_udf, json_get_str_udf,
        json_length_udf, json_object_keys_udf,
    };
    vec![
        json_as_text_udf(),
        json_contains_udf(),
        json_get_bool_udf(),
        json_get_float_udf(),
        json_get_int_udf(),
        json_get_json_udf(),
        json_get_str_udf(),
        json_length_udf(),
        json_object_keys_udf(),
    ]
}

/// Functions that answer for one session.
pub(super) fn of_session(scope: &Scope) -> Vec<Arc<ScalarUDF>> {
    session::functions(scope).into_iter().map(Arc::new).collect()
}

/// Functions that read the catalog, or act on the hub's sessions.
pub(super) fn of_catalog(engine: &Arc<super::Engine>, scope: &Scope) -> Vec<Arc<ScalarUDF>> {
    let mut functions = catalog::functions(engine, scope);
    functions.extend(clients::functions(engine, scope));
    functions.push(sleep::pg_sleep(engine.clock().clone()));
    functions.push(sleep::clock_timestamp(engine.clock().clone()));
    functions.into_iter().map(Arc::new).collect()
}
