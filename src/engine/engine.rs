//! The door: opened once per hub, shared by all sessions and runs.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use parking_lot::Mutex;
use sqlparser::ast::ExprWithAlias;
use tokio::runtime::Handle;
use weir_catalog::{Definitions, Kind, Object, ObjectId, Store, TableBody};

use super::clients::Clients;
use super::open_source::Opened;
use super::plan::{Changed, Context, Pin};
use super::position::Place;
use super::settled::Settled;
use super::source_state::SourceState;
use super::state::{self, EngineLimits};
use super::{Planned, Relations, Scope, bus, constant, errors, floats, memory, parameters, rewrite, system, typing};
use crate::clock::Clock;
use crate::delta::{Lake, Table};
use crate::error::{Code, Error, Result};
use crate::sources::Source;
use crate::spec::Spec;

/// An opened source and the versions it was opened with.
type OpenSource = (Opened, Arc<dyn Source>);

/// Planning and execution over one lake and one catalog.
pub struct Engine {
    me: Weak<Engine>,
    store: Arc<dyn Store>,
    lake: Arc<Lake>,
    clock: Clock,
    threads: usize,
    base: SessionState,
    /// Tables of pg_catalog that say nothing about the hub's own objects.
    fixed: system::Fixed,
    sources: Mutex<HashMap<ObjectId, OpenSource>>,
    pub(super) source_states: Mutex<HashMap<ObjectId, Arc<SourceState>>>,
    /// Options of rooms above, for hub.option_catalog: what they are options of.
    pub(super) options: Mutex<Vec<(&'static str, &'static Spec)>>,
    /// Whoever stores columns of a source has it: two that found some must not number them alike.
    pub(super) keeping_columns: Mutex<()>,
    /// Statements that change one table take turns.
    turns: Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>,
    clients: Clients,
    work: Handle,
    settled: Settled,
}

impl Engine {
    /// Prepares memory, spill space and functions. Reads neither catalog nor lake.
    ///
    /// # Errors
    /// `Io` when the spill folder cannot be emptied and made.
    pub fn open(store: Arc<dyn Store>, lake: Arc<Lake>, clock: Clock, limits: EngineLimits) -> Result<Arc<Engine>> {
        let mut base = state::base(&limits)?;
        let tables = PgCatalogStaticTables::try_new().map_err(errors::error)?;
        base.register_udtf("pg_get_keywords", Arc::clone(&tables.pg_get_keywords) as _);
        let fixed = system::Fixed::new(Arc::new(tables)).map_err(errors::error)?;
        let threads = limits.threads.max(1);
        let engine = Arc::new_cyclic(|me| Engine {
            me: Weak::clone(me),
            store,
            lake,
            clock,
            threads,
            base,
            fixed,
            sources: Mutex::default(),
            source_states: Mutex::default(),
            keeping_columns: Mutex::default(),
            options: Mutex::default(),
            turns: Mutex::default(),
            clients: Clients::default(),
            work: Handle::current(),
            settled: Settled::default(),
        });
        let listening = Arc::downgrade(&engine);
        engine.store.when_events(Box::new(move |events| {
            if let Some(engine) = listening.upgrade() {
                bus::publish(&engine.clients, events);
            }
        }));
        Ok(engine)
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
    }

    /// Lists options in hub.option_catalog that a room above this one reads.
    pub fn list_options(&self, of: &'static str, spec: &'static Spec) {
        self.options.lock().push((of, spec));
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Binds a query: every name, version and type is settled, nothing has run.
    ///
    /// `definitions` is the store, or the draft of the transaction the statement is in. `relations` answers first for every relation, so a
    /// run can pin versions and ranges. With values in the scope every placeholder must have one; without any, placeholders stay and the
    /// plan is only good for describing.
    ///
    /// # Errors
    /// Whatever is wrong with the query, with the position of the character where that is known.
    pub async fn plan(
        &self,
        query: &weir_sql::Query,
        scope: &Scope,
        definitions: &dyn Definitions,
        relations: Option<&dyn Relations>,
    ) -> Result<Planned> {
        let pinned = scope.as_of.map(Pin::Time);
        self.plan_query(query, &Context { scope, definitions, relations, views: Vec::new(), pinned, changed: Changed::default() }).await
    }

    /// Binds an expression over the columns of `schema`: rules, DELETE WHEN, SEQUENCE BY, defaults.
    ///
    /// # Errors
    /// As [`Engine::plan`]; `NotSupported` for a sub-query.
    pub async fn plan_expr(&self, expr: &weir_sql::Expr, schema: &DFSchema, scope: &Scope) -> Result<Expr> {
        self.bind_expr(expr, schema, scope)
    }

    /// The value of an expression that names no column, now.
    ///
    /// # Errors
    /// As [`Engine::plan_expr`], and whatever its evaluation says.
    pub fn constant(&self, expr: &weir_sql::Expr, scope: &Scope) -> Result<ScalarValue> {
        let bound = self.bind_expr(expr, &DFSchema::empty(), scope)?;
        constant::evaluated(bound, &state::of_scope(self, scope)).map_err(|error| match error.position() {
            Some(_) => error,
            None => error.at(expr.position),
        })
    }

    pub(super) fn bind_expr(&self, expr: &weir_sql::Expr, schema: &DFSchema, scope: &Scope) -> Result<Expr> {
        let place = Place::expr(expr);
        let state = state::of_scope(self, scope);
        self.bind_expr_in((*expr.ast).clone(), &place, &state, schema, scope)
    }

    pub(super) fn bind_expr_in(
        &self,
        tree: sqlparser::ast::Expr,
        place: &Place<'_>,
        state: &SessionState,
        schema: &DFSchema,
        scope: &Scope,
    ) -> Result<Expr> {
        if rewrite::has_query(&tree) {
            return Err(Error::new(Code::NotSupported, "a sub-query cannot be used here"));
        }
        let aliased = ExprWithAlias { expr: rewrite::expr(tree), alias: None };
        let bound = state.create_logical_expr_from_sql_expr(aliased, schema).map_err(|e| {
            let position = errors::spot(&e).and_then(|spot| place.offset(spot));
            errors::error(e).at(position)
        })?;
        let bound = match bound {
            Expr::Alias(alias) => *alias.expr,
            other => other,
        };
        let bound = typing::typed_expr(bound, schema).and_then(|bound| floats::compared_in(bound, schema)).map_err(errors::error)?.data;
        parameters::fill_expr(bound, scope)
    }

    /// Optimises and runs a bound query. Rows come as they are made; errors inside the stream are DataFusion's, see [`Engine::error`].
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn rows(&self, planned: Planned) -> Result<SendableRecordBatchStream> {
        let Planned { plan, state, used: _, notices: _ } = planned;
        let physical = Self::physical(&state, plan).await?;
        self.run_in(physical, &state)
    }

    /// The answer to a statement that always has the same.
    pub fn settled(&self, text: &str) -> Option<Arc<RecordBatch>> {
        self.settled.answer(text)
    }

    /// Whether a statement without parameters always has the same answer.
    pub fn is_settled(text: &str, planned: &Planned) -> bool {
        // What a CTE reads that nobody asks for is no part of the plan, and yet a right is needed for it.
        planned.notices.is_empty() && planned.used.is_empty() && Settled::takes(text, &planned.plan)
    }

    pub fn keep_settled(&self, text: &str, answer: &RecordBatch) {
        self.settled.keep(text, answer);
    }

    /// A fresh state for one statement: shared memory, functions and planner, the scope's time and zone, no relations.
    pub fn state(&self, scope: &Scope) -> SessionState {
        state::of_scope(self, scope)
    }

    /// What a plan of this state runs in: memory up to the limit of one statement.
    pub fn context(state: &SessionState) -> Arc<TaskContext> {
        memory::context(state)
    }

    /// The Delta table of a TABLE object.
    ///
    /// # Errors
    /// `WrongType` for any other object, `UndefinedTable` when the lake does not have it.
    pub async fn table(&self, object: &Object) -> Result<Arc<Table>> {
        let body = table_body(object)?;
        self.lake.table(&body.location).await
    }

    /// What went wrong in a plan or a stream, in the hub's own terms.
    pub fn error(error: DataFusionError) -> Error {
        errors::error(error)
    }

    /// The threads that queries and runs compute on.
    pub fn work(&self) -> &Handle {
        &self.work
    }

    /// The clients that are connected.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(super) fn base(&self) -> &SessionState {
        &self.base
    }

    /// Threads that one run may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn me(&self) -> Result<Arc<Engine>> {
        self.me.upgrade().ok_or_else(|| Error::new(Code::ShuttingDown, "the hub is shutting down"))
    }

    pub(super) fn me_weak(&self) -> Weak<Engine> {
        Weak::clone(&self.me)
    }

    pub(super) fn fixed(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        self.fixed.table(name)
    }

    /// Name and columns of each of them.
    pub(super) fn fixed_tables(&self) -> &[(&'static str, SchemaRef)] {
        self.fixed.listed()
    }

    pub(super) fn turn_of(&self, table: ObjectId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().entry(table).or_default())
    }

    pub(super) fn opened(&self, key: &Opened) -> Option<Arc<dyn Source>> {
        let sources = self.sources.lock();
        sources.get(&key.0).filter(|(own, _)| own == key).map(|(_, source)| Arc::clone(source))
    }

    pub(super) fn keep_open(&self, key: Opened, source: Arc<dyn Source>) {
        self.sources.lock().insert(key.0, (key, source));
    }
}

/// The body of a TABLE object.
pub(super) fn table_body(object: &Object) -> Result<TableBody> {
    if object.kind != Kind::Table {
        return Err(Error::new(Code::WrongType, format!("\"{}\" is not a table", object.full_name())));
    }
    serde_json::from_value(object.body.clone())
        .map_err(|e| Error::internal(format!("what is stored about table \"{}\" cannot be read", object.full_name())).caused_by(e))
}
