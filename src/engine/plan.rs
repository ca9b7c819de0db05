//! A query's tree to a bound plan: names looked up, versions pinned, views unfolded, sources opened.
//!
//! Each statement gets relations of its own, made for it and for nothing else: what the query does not name is never opened. Views are
//! planned from their text at each use, so they always show what their relations are now, or were at the time asked for.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col};
use datafusion::sql::parser::Statement as PlannerStatement;
use futures::future::BoxFuture;
use sqlparser::ast::{Query, Statement};
use weir_catalog::{Definitions, Kind, Object, ObjectId, RelationBody, events};
use weir_sql::{Privilege, Temporal, TemporalPoint};

use super::errors::Spot;
use super::position::Place;
use super::resolve::{Ask, Misplaced, Moment, Target, walk};
use super::{
    Engine, Planned, RelationKey, Relations, Scope, Used, Wanted, apart, constant, definition, dependent, errors, floats, from_calls,
    letters, multisets, output_names, parameters, placed, privileges, rewrite, state, streams, subqueries, system, typing,
};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::sources::ScanRequest;

/// Views may stand on views this deep.
const MAX_VIEWS: usize = 32;

/// What stays the same while one statement is planned.
#[derive(Clone)]
pub(super) struct Context<'a> {
    pub(super) scope: &'a Scope,
    pub(super) definitions: &'a dyn Definitions,
    pub(super) relations: Option<&'a dyn Relations>,
    /// The views being unfolded, outermost first.
    pub(super) views: Vec<ObjectId>,
    /// The state of the lake that everything inside is read at.
    pub(super) pinned: Option<Pin>,
    /// What a statement changes and, where it says so, is no read of.
    pub(super) changed: Changed,
}

/// The table that UPDATE or DELETE is about, while the rows it means are planned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changed {
    /// No column of it is read: changing it is right enough.
    pub(super) unread: Option<ObjectId>,
    /// All of its rows are given; what the role may change among them is decided by the statement.
    pub(super) whole: Option<ObjectId>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pin {
    Version(u64),
    Time(Micros),
}

/// The relations that one statement names.
pub(super) struct Named {
    pub(super) catalog: MemoryCatalogProvider,
    /// How many columns they have: large ones are planned on a thread of their own.
    columns: usize,
}

/// What was read while planning.
#[derive(Default)]
pub(super) struct Reads {
    pub(super) used: Vec<Used>,
    pub(super) notices: Vec<String>,
    /// System tables: they show what is now and nothing else.
    pub(super) unversioned: Vec<String>,
}

impl Engine {
    pub(super) async fn plan_query(&self, query: &weir_sql::Query, context: &Context<'_>) -> Result<Planned> {
        let state = Arc::new(state::of_scope(self, context.scope));
        let mut reads = Reads::default();
        let plan = self.bind(query, &state, context, &mut reads).await?;
        let plan = parameters::fill(plan, context.scope)?;
        Ok(Planned { plan, state, used: reads.used, notices: reads.notices })
    }

    /// Plans in `state`, whose relations are replaced by those of this query.
    pub(super) async fn bind(
        &self,
        query: &weir_sql::Query,
        state: &Arc<SessionState>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<LogicalPlan> {
        let place = Place::query(query);
        self.bind_tree((*query.ast).clone(), &query.temporals, &place, state, context, reads).await
    }

    pub(super) async fn bind_tree(
        &self,
        mut tree: Query,
        temporals: &[Temporal],
        place: &Place<'_>,
        state: &Arc<SessionState>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<LogicalPlan> {
        output_names::name(&mut tree);
        from_calls::give_values(&mut tree, context.scope);
        let mut tree = rewrite::query(tree);
        from_calls::as_rows(&mut tree, state);
        let named = self.catalog_of(&mut tree, temporals, place, state, context, reads).await?;
        if rewrite::loses_keys(&tree) {
            return Err(Error::new(Code::NotSupported, "this form of RIGHT or FULL JOIN with merged columns is not supported")
                .hint("Write the condition with ON and name the columns.".to_owned()));
        }
        let plan = self.logical(tree, named, place, state, context.scope).await?;
        let plan = multisets::counted(plan).map_err(errors::error)?;
        if !dependent::has_queries(&plan).map_err(errors::error)? {
            return subqueries::aggregated(plan).map_err(errors::error);
        }
        let plan = dependent::deepened(plan).and_then(placed::placed);
        plan.and_then(subqueries::aggregated).map_err(errors::error)
    }

    /// Every relation that a tree names, as a catalog of this statement only; the tree is made to name them there.
    pub(super) async fn catalog_of(
        &self,
        tree: &mut Query,
        temporals: &[Temporal],
        place: &Place<'_>,
        state: &Arc<SessionState>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<Named> {
        let misplaced = |m: Box<Misplaced>| {
            let position = m.position.or_else(|| m.spot.and_then(|spot| place.offset(spot)));
            m.error.at(position)
        };
        let found = walk(tree, temporals, context.scope, context.definitions).map_err(misplaced)?;
        rewrite::qualified(tree);
        if found.about_catalog {
            *tree = rewrite::catalog_query(tree.clone());
        }
        let catalog = MemoryCatalogProvider::new();
        let (mut shapes, mut hidden) = (rewrite::Shapes::new(), rewrite::Hidden::new());
        let mut columns = 0;
        for ask in &found.asks {
            let known = reads.used.len();
            let provider = self.provider(ask, temporals, state, context, reads).await.map_err(|error| match ask.spot {
                Some(spot) if error.position().is_none() => error.at(place.offset(spot)),
                _ => error,
            })?;
            // A view's own relations come before it.
            if let Some(used) = reads.used.get_mut(known..).and_then(<[Used]>::last_mut) {
                used.reference.clone_from(&ask.reference);
            }
            columns += provider.schema().fields().len();
            let (shown, unshown) = parted(provider.schema(), &hidden_by(ask, context));
            shapes.insert(ask.reference.clone(), shown);
            hidden.extend(Some((ask.reference.clone(), unshown)).filter(|(_, unshown)| !unshown.is_empty()));
            register(&catalog, &ask.reference, provider)?;
        }
        rewrite::valued(tree, &shapes);
        rewrite::joined(tree, &shapes);
        rewrite::left_out(tree, &hidden, &shapes);
        Ok(Named { catalog, columns })
    }

    /// A tree over its relations as a plan.
    pub(super) async fn logical(
        &self,
        tree: Query,
        named: Named,
        place: &Place<'_>,
        state: &Arc<SessionState>,
        scope: &Scope,
    ) -> Result<LogicalPlan> {
        let list = state.catalog_list();
        list.register_catalog(state::database(scope).to_owned(), Arc::new(named.catalog));
        let statement = PlannerStatement::Statement(Box::new(Statement::Query(Box::new(tree))));
        let plan = apart::bound(state, statement, apart::is_small(place.len(), named.columns)).await.map_err(|e| {
            let position = errors::spot(&e).and_then(|spot| place.offset(spot));
            errors::error(e).at(position)
        })?;
        only_reads(&plan)?;
        typing::typed(plan).and_then(floats::compared).map_err(errors::error)
    }

    async fn provider(
        &self,
        ask: &Ask,
        temporals: &[Temporal],
        state: &Arc<SessionState>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<Arc<dyn TableProvider>> {
        match &ask.target {
            Target::System(table) => {
                if table.schema == "hub" && table.name == "audit" {
                    privileges::require_audit(context.definitions, context.scope.judged())?;
                }
                reads.unversioned.push(format!("{}.{}", table.schema, table.name));
                Ok(system::provider(table, self.me()?, context.scope))
            }
            Target::Upload => self.upload_rows(context, reads).await,
            Target::Events => {
                let relation =
                    RelationKey { id: events::RELATION, kind: Kind::Source, schema: "hub".to_owned(), name: "events".to_owned() };
                let provider = match context.relations {
                    Some(relations) => relations.provider(&relation, &Wanted::Stream).await?,
                    None => None,
                };
                let provider = provider.ok_or_else(|| only_in_pipelines("hub.events"))?;
                reads.used.push(Used { reference: own_name(&relation), relation, wanted: Wanted::Stream, version: None });
                Ok(provider)
            }
            Target::Fixed => {
                reads.unversioned.push(format!("{}.{}", ask.reference.0, ask.reference.1));
                self.fixed(&ask.reference.1)
            }
            Target::Changes { object, from, to, after } => {
                privileges::require(context.definitions, context.scope.judged(), object, Privilege::Select)?;
                let from = constant::bound(from, state, context.scope)?;
                let to = to.as_ref().map(|to| constant::bound(to, state, context.scope)).transpose()?;
                self.changes(object, from, to, *after, reads).await
            }
            Target::Trace { object, given } => {
                privileges::require(context.definitions, context.scope.judged(), object, Privilege::Select)?;
                // What is shown is as of now, whatever the rest of the statement is read at.
                reads.unversioned.push("hub.trace".to_owned());
                self.trace(object, given, state, context.scope).await
            }
            Target::Object { object, moment } => {
                let wanted = match moment {
                    Moment::Now => None,
                    Moment::Stream => Some(Wanted::Stream),
                    Moment::At(index) => match temporals.get(*index) {
                        Some(temporal) => match constant::point(&temporal.point, state, context.scope) {
                            Ok(wanted) => Some(wanted),
                            Err(error) if error.code() == Code::UndefinedParameter && parameters::are_unknown(context.scope) => {
                                let now = self.object(object, None, context, reads).await?;
                                return awaiting(now, &temporal.point);
                            }
                            Err(error) if error.position().is_none() => return Err(error.at(temporal.position)),
                            Err(error) => return Err(error),
                        },
                        None => return Err(Error::internal("a versioned table has lost its version")),
                    },
                };
                self.object(object, wanted, context, reads).await
            }
        }
    }

    /// The rows of the file that a client sends: only a run of COPY PIPELINE has them.
    async fn upload_rows(&self, context: &Context<'_>, reads: &mut Reads) -> Result<Arc<dyn TableProvider>> {
        let key = key(&streams::upload_object());
        if let Some(relations) = context.relations
            && let Some(provider) = relations.provider(&key, &Wanted::Stream).await?
        {
            reads.used.push(Used { reference: own_name(&key), relation: key, wanted: Wanted::Stream, version: None });
            return Ok(provider);
        }
        Err(Error::new(Code::NotSupported, "STREAM is only understood in the query of a pipeline"))
    }

    /// What a query names, without planning it: for one whose columns are not known yet.
    ///
    /// # Errors
    /// `UndefinedTable`; `NoPrivilege` for what the role may not read.
    pub fn named_by(&self, query: &weir_sql::Query, scope: &Scope, definitions: &dyn Definitions) -> Result<Vec<ObjectId>> {
        let (place, mut tree) = (Place::query(query), (*query.ast).clone());
        let at = |spot: Option<Spot>| spot.and_then(|spot| place.offset(spot));
        let misplaced = |m: Box<Misplaced>| {
            let position = m.position.or_else(|| at(m.spot));
            m.error.at(position)
        };
        let found = walk(&mut tree, &query.temporals, scope, definitions).map_err(misplaced)?;
        let mut ids = Vec::new();
        for ask in found.asks {
            let (Target::Object { object, .. } | Target::Changes { object, .. } | Target::Trace { object, .. }) = &ask.target else {
                continue;
            };
            if !letters::are(object) {
                let judged = privileges::require(definitions, scope.judged(), object, Privilege::Select);
                judged.map_err(|error| error.at(at(ask.spot)))?;
            }
            ids.push(object.id);
        }
        Ok(ids)
    }

    /// The rows of an object, if the role may read it.
    async fn object(
        &self,
        object: &Object,
        asked: Option<Wanted>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<Arc<dyn TableProvider>> {
        let changed = if context.views.is_empty() { context.changed } else { Changed::default() };
        let role = context.scope.judged();
        if letters::are(object) {
            let rows = self.rows_of(object, asked, context, reads).await?;
            if changed.whole == Some(object.id) {
                return Ok(rows);
            }
            let state = Arc::new(state::of_scope(self, context.scope));
            return letters::seen_by(role, context.definitions, rows, &state).await;
        }
        if changed.unread != Some(object.id) {
            privileges::require(context.definitions, role, object, Privilege::Select)?;
        }
        self.rows_of(object, asked, context, reads).await
    }

    /// The rows of an object: what a run pinned, or what there is.
    async fn rows_of(
        &self,
        object: &Object,
        asked: Option<Wanted>,
        context: &Context<'_>,
        reads: &mut Reads,
    ) -> Result<Arc<dyn TableProvider>> {
        let key = key(object);
        let wanted = asked.unwrap_or(match context.pinned {
            None => Wanted::Plain,
            Some(Pin::Version(version)) => Wanted::Version(version),
            Some(Pin::Time(at)) => Wanted::Time(at),
        });
        if let Some(relations) = context.relations
            && let Some(provider) = relations.provider(&key, &wanted).await?
        {
            reads.used.push(Used { reference: own_name(&key), relation: key, wanted, version: None });
            return Ok(provider);
        }
        if wanted == Wanted::Stream {
            return Err(only_in_pipelines(&object.full_name()));
        }
        let (provider, version) = match object.kind {
            Kind::Table => self.table_rows(object, &wanted, context.scope).await?,
            Kind::View => (self.view_rows(object, &wanted, context, reads).await?, None),
            Kind::Source => (self.source_rows(object, &wanted).await?, None),
            kind => return Err(Error::new(Code::WrongType, format!("\"{}\" is a {}, not a relation", object.full_name(), kind.noun()))),
        };
        reads.used.push(Used { reference: own_name(&key), relation: key, wanted, version });
        Ok(provider)
    }

    async fn table_rows(&self, object: &Object, wanted: &Wanted, scope: &Scope) -> Result<(Arc<dyn TableProvider>, Option<u64>)> {
        if let (Wanted::Plain, Some(snapshot)) = (wanted, &scope.snapshot) {
            let (rows, version) = snapshot.rows(self, object).await?;
            return Ok((rows, Some(version)));
        }
        let table = self.table(object).await?;
        let version = match wanted {
            Wanted::Plain | Wanted::Stream => None,
            Wanted::Version(version) => Some(*version),
            Wanted::Time(at) => Some(self.version_at(object, &table, *at).await?),
        };
        let shown = match version {
            Some(version) => version,
            None => table.version().await?,
        };
        Ok((table.scan(Some(shown)).await?, Some(shown)))
    }

    async fn source_rows(&self, object: &Object, wanted: &Wanted) -> Result<Arc<dyn TableProvider>> {
        if *wanted != Wanted::Plain {
            return Err(Error::new(Code::NotSupported, format!("source \"{}\" has no earlier versions", object.full_name()))
                .hint("Only lake tables keep their versions: read the table that a pipeline fills from it.".to_owned()));
        }
        let source = self.source(object).await?;
        let request = ScanRequest { provenance: false, rejects: None, ordered: false, partitions: self.threads() };
        source.scan(None, request).await
    }

    fn view_rows<'a>(
        &'a self,
        object: &'a Object,
        wanted: &'a Wanted,
        context: &'a Context<'_>,
        reads: &'a mut Reads,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            let name = object.full_name();
            if context.views.contains(&object.id) {
                return Err(Error::new(Code::InvalidDefinition, format!("view \"{name}\" reads itself")));
            }
            if context.views.len() >= MAX_VIEWS {
                return Err(Error::new(Code::NotSupported, format!("view \"{name}\" stands on more than {MAX_VIEWS} other views")));
            }
            let mut inner = context.clone();
            inner.views.push(object.id);
            inner.pinned = match wanted {
                Wanted::Plain | Wanted::Stream => None,
                Wanted::Version(version) => Some(Pin::Version(*version)),
                Wanted::Time(at) => Some(Pin::Time(*at)),
            };
            // The parameters of the statement are not those of the view.
            let scope = Scope { positional: Vec::new(), named: Vec::new(), ..context.scope.clone() };
            let state = Arc::new(state::of_scope(self, &scope));
            // Names mean what they meant to whoever made the view, and are read with its owner's rights; functions see the caller.
            let scope = Scope { search_path: path_of_view(object), rights_of: Some(object.owner.clone()), ..scope };
            inner.scope = &scope;
            let view = definition::view(object)?;
            let plan = self.bind(&view.query, &state, &inner, reads).await.map_err(|error| in_view(&name, &error))?;
            let names: Vec<String> = view.columns.iter().map(|column| column.value.clone()).collect();
            let plan = renamed(plan, &names, &name)?;
            Ok(Arc::new(ViewTable::new(plan, Some(object.definition.clone()))) as Arc<dyn TableProvider>)
        })
    }

    async fn changes(
        &self,
        object: &Object,
        from: Wanted,
        to: Option<Wanted>,
        after: bool,
        reads: &mut Reads,
    ) -> Result<Arc<dyn TableProvider>> {
        if object.kind != Kind::Table {
            return Err(Error::new(Code::NotSupported, format!("{} \"{}\" keeps no changes", object.kind.noun(), object.full_name())));
        }
        let table = self.table(object).await?;
        let from = match from {
            Wanted::Version(version) if after => version.saturating_add(1),
            Wanted::Version(version) => version,
            Wanted::Time(at) => self.first_version_from(object, &table, at).await?,
            Wanted::Plain | Wanted::Stream => 0,
        };
        let newest = table.version().await?;
        let to = match to {
            Some(Wanted::Version(version)) => version,
            Some(Wanted::Time(at)) => self.version_at(object, &table, at).await?,
            _ => newest,
        };
        // Following the newest version: nothing has come since.
        if !(after && from == newest.saturating_add(1) && to == newest) && (from > to || to > newest) {
            return Err(Error::new(
                Code::InvalidParameter,
                format!("table \"{}\" has no changes from version {from} to {to}", object.full_name()),
            )
            .hint(format!("Its newest version is {newest}.")));
        }
        let provider = match from > to {
            true => nothing(table.changes(newest, Some(newest)).await?),
            false => table.changes(from, Some(to)).await?,
        };
        let (relation, wanted) = (key(object), Wanted::Version(to));
        reads.used.push(Used { reference: own_name(&relation), relation, wanted, version: Some(to) });
        Ok(provider)
    }
}

fn only_in_pipelines(relation: &str) -> Error {
    Error::new(Code::NotSupported, "STREAM is only understood in the query of a pipeline")
        .hint(format!("Write {relation} to read what is there now."))
}

/// Columns of a stream that `*` does not give.
fn hidden_by(ask: &Ask, context: &Context<'_>) -> SchemaRef {
    match (&ask.target, context.relations) {
        (Target::Object { object, moment: Moment::Stream }, Some(relations)) => relations.hidden(&key(object)),
        _ => Arc::new(Schema::empty()),
    }
}

/// The columns without the hidden ones, and the names of those.
fn parted(columns: SchemaRef, hidden: &SchemaRef) -> (SchemaRef, Vec<String>) {
    if hidden.fields().is_empty() {
        return (columns, Vec::new());
    }
    let (unshown, shown): (Vec<FieldRef>, Vec<FieldRef>) =
        columns.fields().iter().cloned().partition(|field| hidden.column_with_name(field.name()).is_some());
    (Arc::new(Schema::new(shown)), unshown.iter().map(|field| field.name().clone()).collect())
}

/// A table whose version is a parameter that has no value yet: it can be described, and cannot run before the value is there.
fn awaiting(now: Arc<dyn TableProvider>, point: &TemporalPoint) -> Result<Arc<dyn TableProvider>> {
    let condition = constant::parameters_of(point).into_iter().map(Expr::is_not_null).reduce(Expr::and);
    let plan = LogicalPlanBuilder::scan("now", provider_as_source(now), None);
    let plan = match condition {
        Some(condition) => plan.and_then(|plan| plan.filter(condition)),
        None => plan,
    };
    let plan = plan.and_then(LogicalPlanBuilder::build).map_err(errors::error)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Where a view looks for names without a schema.
fn path_of_view(view: &Object) -> Vec<String> {
    let body: RelationBody = serde_json::from_value(view.body.clone()).unwrap_or_default();
    match body.search_path {
        Some(path) => path,
        // Made before the path was kept.
        None => vec![view.schema.clone(), "public".to_owned()],
    }
}

fn nothing(like: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    Arc::new(datafusion::datasource::empty::EmptyTable::new(like.schema()))
}

fn own_name(key: &RelationKey) -> (String, String) {
    (key.schema.clone(), key.name.clone())
}

pub(super) fn key(object: &Object) -> RelationKey {
    RelationKey { id: object.id, kind: object.kind, schema: object.schema.clone(), name: object.name.clone() }
}

/// Puts a table into a statement's own catalog, under schema and name.
pub(super) fn register(
    catalog: &MemoryCatalogProvider,
    (schema, table): &(String, String),
    provider: Arc<dyn TableProvider>,
) -> Result<()> {
    let in_schema = match catalog.schema(schema) {
        Some(existing) => existing,
        None => {
            let made: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(schema, Arc::clone(&made)).map_err(errors::error)?;
            made
        }
    };
    in_schema.register_table(table.clone(), provider).map_err(errors::error)?;
    Ok(())
}

/// The planner's own DDL, COPY and DML never run.
pub(super) fn only_reads(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        refused = match node {
            LogicalPlan::Ddl(_) => Some("SELECT INTO"),
            LogicalPlan::Dml(_) => Some("INSERT, UPDATE or DELETE inside a query"),
            LogicalPlan::Copy(_) => Some("COPY inside a query"),
            LogicalPlan::Statement(_) => Some("this statement"),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })
    .map_err(errors::error)?;
    match refused {
        Some(what) => Err(Error::new(Code::NotSupported, format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// An error of a view's own text: its position means nothing in the statement.
fn in_view(name: &str, error: &Error) -> Error {
    Error::new(error.code(), error.message().to_owned())
        .hint(error.hint_text().map(str::to_owned))
        .detail(match error.detail_text() {
            Some(detail) => format!("In view \"{name}\". {detail}"),
            None => format!("In view \"{name}\"."),
        })
        .caused_by(error.clone())
}

/// The view's own column names over the query's.
fn renamed(plan: LogicalPlan, names: &[String], view: &str) -> Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    if names.len() > columns.len() {
        return Err(Error::new(Code::InvalidDefinition, format!("view \"{view}\" names more columns than its query has")));
    }
    let exprs: Vec<_> = columns
        .into_iter()
        .enumerate()
        .map(|(index, column)| match names.get(index) {
            Some(name) => col(column).alias(name),
            None => col(column),
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(exprs).and_then(LogicalPlanBuilder::build).map_err(errors::error)
}
