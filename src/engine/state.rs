//! DataFusion's session state: one base for the hub, one cheap copy per statement.
//!
//! Memory and spill space are shared by all statements. A copy differs from the base only in what the statement's scope says: names, time
//! zone, clock, session functions. No catalog of DataFusion's own, no files, no variables.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::common::config::Dialect;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::generate_series_arg_coercion::CoerceIntArgsToBigInt;

use super::errors;
use super::functions;
use super::guarded;
use super::memory::StatementMemory;
use super::planner::{JsonOperators, Types};
use super::{Engine, Scope};
use crate::error::{Code, Error, Result};

/// How much of the machine all statements together may use.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    pub memory_bytes: usize,
    /// What one statement may have of it.
    pub statement_bytes: usize,
    /// Emptied at start.
    pub spill_dir: PathBuf,
    pub threads: usize,
}

/// Name of the catalog that holds every relation of a statement when the scope names no database.
pub(super) const DATABASE: &str = "weir";

fn runtime(limits: &EngineLimits) -> Result<Arc<RuntimeEnv>> {
    let unusable = |e: std::io::Error| {
        Error::new(Code::Io, format!("the spill folder \"{}\" cannot be used", limits.spill_dir.display())).caused_by(e)
    };
    match std::fs::remove_dir_all(&limits.spill_dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(unusable(e)),
        _ => std::fs::create_dir_all(&limits.spill_dir).map_err(unusable)?,
    }
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![limits.spill_dir.clone()]));
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(errors::error)
}

fn config(limits: &EngineLimits) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(limits.threads.max(1))
        .with_extension(Arc::new(StatementMemory(limits.statement_bytes)))
        .with_default_catalog_and_schema(DATABASE, "public")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.time_zone = Some("UTC".to_owned());
    // Dictionary keys make the pushed IN list panic inside Arrow.
    options.optimizer.hash_join_inlist_pushdown_max_size = 0;
    config
}

/// The state that every statement's own is a copy of.
pub(super) fn base(limits: &EngineLimits) -> Result<SessionState> {
    let runtime = runtime(limits)?;
    let state = SessionStateBuilder::new()
        .with_config(config(limits))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(guarded::logical())
        .with_physical_optimizer_rules(guarded::physical())
        .with_query_planner(crate::delta::query_planner())
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
        .with_type_planner(Arc::new(Types::in_zone("UTC")))
        .build();
    let context = SessionContext::new_with_state(state);
    CoerceIntArgsToBigInt::widen(&context);
    let mut state = context.state();
    functions::register(&mut state).map_err(errors::error)?;
    state.register_expr_planner(Arc::new(JsonOperators)).map_err(errors::error)?;
    Ok(state)
}

/// A state for one statement: no relations yet.
pub(super) fn of_scope(engine: &Engine, scope: &Scope) -> SessionState {
    let base = engine.base();
    let mut state = match scope.time_zone.as_str() {
        "UTC" => base.clone(),
        zone => in_zone(base, zone),
    };
    let options = state.config_mut().options_mut();
    options.execution.time_zone = Some(scope.time_zone.clone());
    options.catalog.default_catalog = database(scope).to_owned();
    options.catalog.default_schema =
        scope.search_path.iter().find(|schema| *schema != "$user").cloned().unwrap_or_else(|| "public".to_owned());
    let config_options = Arc::clone(state.config_options());
    let props = state.execution_props_mut();
    props.query_execution_start_time = DateTime::from_timestamp_micros(scope.now);
    props.config_options = Some(config_options);
    let of_catalog = engine.me().map(|engine| functions::of_catalog(&engine, scope)).unwrap_or_default();
    for function in functions::of_session(scope).into_iter().chain(of_catalog) {
        // Replaces the one of the base by name; a plain map insert that cannot fail.
        let _ = state.register_udf(function);
    }
    state.register_catalog_list(Arc::new(MemoryCatalogProviderList::new()));
    state
}

/// The base with the types of another zone.
///
/// The builder registers each function anew under its names and other names, in no certain order: one that another has replaced, and that is
/// still known by its other name, would take its place back.
fn in_zone(base: &SessionState, zone: &str) -> SessionState {
    let mut state = SessionStateBuilder::new_from_existing(base.clone()).with_type_planner(Arc::new(Types::in_zone(zone))).build();
    // Maps of the state that fail for nothing.
    for (name, function) in base.scalar_functions() {
        if name == function.name() && !state.scalar_functions().get(name).is_some_and(|now| Arc::ptr_eq(now, function)) {
            let _ = state.register_udf(Arc::clone(function));
        }
    }
    for (name, function) in base.aggregate_functions() {
        if name == function.name() && !state.aggregate_functions().get(name).is_some_and(|now| Arc::ptr_eq(now, function)) {
            let _ = state.register_udaf(Arc::clone(function));
        }
    }
    for (name, function) in base.window_functions() {
        if name == function.name() && !state.window_functions().get(name).is_some_and(|now| Arc::ptr_eq(now, function)) {
            let _ = state.register_udwf(Arc::clone(function));
        }
    }
    state
}

pub(super) fn database(scope: &Scope) -> &str {
    match scope.database.as_str() {
        "" => DATABASE,
        name => name,
    }
}
