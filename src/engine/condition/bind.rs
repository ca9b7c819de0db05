//! A condition's tree to an expression over the row's columns, in which each sub-query has become a look-up.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use sqlparser::ast::{self, Ident, Query, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut};
use weir_catalog::{Definitions, Kind};

use super::super::errors::{self, Spot, did_you_mean};
use super::super::memory;
use super::super::plan::{Changed, Context, Reads};
use super::super::position::Place;
use super::super::resolve::{APART, folded};
use super::super::{Engine, Relations, Scope, Used, parameters, rewrite, state};
use super::pull::{Question, questions};
use crate::error::{Code, Error, Result};

/// The row's relation inside a plan; no user can name it by accident.
pub(super) const ROW: &str = "__weir_row";

/// A condition that was bound.
pub struct Condition {
    /// Over the row's columns, without qualifiers. Its value is known only after [`Condition::settle`].
    pub expr: Expr,
    /// What its sub-queries read.
    pub used: Vec<Used>,
    /// The condition as a query of one column over the row; None without sub-queries.
    pub plan: Option<LogicalPlan>,
    questions: Vec<Question>,
    state: Arc<SessionState>,
}

/// Whether a sub-query is in the expression.
pub fn asks_tables(expr: &weir_sql::Expr) -> bool {
    rewrite::has_query(&expr.ast)
}

impl Engine {
    /// Binds a condition over the columns of one row, which may ask other tables in sub-queries.
    ///
    /// There the row's columns go by their own names, or by `row.name`, or by `table.name` where `table` is what the row will land in.
    /// `relations` answers first for every relation, as in [`Engine::plan`].
    ///
    /// # Errors
    /// As [`Engine::plan`]; `NotSupported` for a sub-query that reads what has no versions, and for one whose tie to the row cannot be looked up.
    pub async fn plan_condition(
        &self,
        expr: &weir_sql::Expr,
        row: &Schema,
        table: &str,
        scope: &Scope,
        definitions: &dyn Definitions,
        relations: Option<&dyn Relations>,
    ) -> Result<Condition> {
        let columns = DFSchema::try_from(row.clone()).map_err(errors::error)?;
        if !asks_tables(expr) {
            let bound = self.bind_expr(expr, &columns, scope)?;
            let state = Arc::new(state::of_scope(self, scope));
            return Ok(Condition { expr: bound, used: Vec::new(), plan: None, questions: Vec::new(), state });
        }
        let place = Place::expr(expr);
        let state = Arc::new(state::of_scope(self, scope));
        let mut reads = Reads::default();
        let pinned = scope.as_of.map(super::super::plan::Pin::Time);
        let context = Context { scope, definitions, relations, views: Vec::new(), pinned, changed: Changed::default() };
        let tree = by_row((*expr.ast).clone(), row, table, &place)?;
        let mut tree = rewrite::query(query_of(tree, expr.position)?);
        let named = self.catalog_of(&mut tree, &expr.temporals, &place, &state, &context, &mut reads).await?;
        refuse_unversioned(&reads, expr.position)?;
        super::super::plan::register(
            &named.catalog,
            &(APART.to_owned(), ROW.to_owned()),
            Arc::new(EmptyTable::new(Arc::new(row.clone()))),
        )?;
        let tree = over_row(tree, state::database(scope));
        let plan = self.logical(tree, named, &place, &state, scope).await?;
        let plan = parameters::fill(plan, scope)?;
        let bound = condition_of(&plan, expr.position)?;
        let (bound, questions) = questions(bound, &columns, &state).map_err(|error| match error.position() {
            None => error.at(expr.position),
            Some(_) => error,
        })?;
        Ok(Condition { expr: unqualified(bound)?, used: reads.used, plan: Some(plan), questions, state })
    }
}

impl Condition {
    /// Runs the sub-queries and holds what they found. To be called once, before the condition is computed.
    ///
    /// # Errors
    /// Whatever running them meets; `OutOfMemory` when it is too much to hold.
    pub async fn settle(&self) -> Result<()> {
        for question in &self.questions {
            let physical = Engine::physical(&self.state, question.plan.clone()).await?;
            let schema = physical.schema();
            let context = memory::context(&self.state);
            let memory = MemoryConsumer::new("rule").register(context.memory_pool());
            let mut rows = execute_stream(Engine::paced(physical)?.0, context).map_err(errors::error)?;
            let mut found = Vec::new();
            while let Some(batch) = rows.try_next().await.map_err(errors::error)? {
                memory.try_grow(batch.get_array_memory_size()).map_err(errors::error)?;
                found.push(batch);
            }
            question.probe.answer(&schema, &found, memory).map_err(errors::error)?;
        }
        Ok(())
    }
}

/// A run that is tried again must judge a record as it did before.
fn refuse_unversioned(reads: &Reads, position: usize) -> Result<()> {
    let source = reads.used.iter().find(|used| used.relation.kind == Kind::Source);
    let source = source.map(|used| format!("{}.{}", used.relation.schema, used.relation.name));
    match source.as_ref().or(reads.unversioned.first()) {
        None => Ok(()),
        Some(name) => Err(Error::new(Code::NotSupported, format!("a rule cannot read \"{name}\", which keeps no versions"))
            .detail("A run that is tried again must judge each record as it did before.".to_owned())
            .hint("A rule may read lake tables and views of them: load what it needs into a table.".to_owned())
            .at(position)),
    }
}

/// `row.column` and `table.column` put in terms of the row's relation, unless a relation inside has that name.
fn by_row(mut tree: ast::Expr, row: &Schema, table: &str, place: &Place<'_>) -> Result<ast::Expr> {
    let mut named = Names(HashSet::new());
    let _ = tree.visit(&mut named);
    let qualifiers = ["row", table].into_iter().filter(|name| !named.0.contains(*name)).collect();
    match tree.visit(&mut ByRow { qualifiers, row }) {
        ControlFlow::Continue(()) => Ok(tree),
        ControlFlow::Break((error, spot)) => Err((*error).at(place.offset(spot))),
    }
}

/// Names under which a condition's own relations go.
struct Names(HashSet<String>);

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.0.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| folded(&cte.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let ident = match &*factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => Some(&alias.name),
            TableFactor::Table { name, .. } => name.0.last().and_then(ast::ObjectNamePart::as_ident),
            _ => None,
        };
        self.0.extend(ident.map(folded));
        ControlFlow::Continue(())
    }
}

struct ByRow<'a> {
    qualifiers: Vec<&'a str>,
    row: &'a Schema,
}

impl VisitorMut for ByRow<'_> {
    type Break = (Box<Error>, Spot);

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Self::Break> {
        let ast::Expr::CompoundIdentifier(parts) = expr else { return ControlFlow::Continue(()) };
        let [qualifier, column] = parts.as_mut_slice() else { return ControlFlow::Continue(()) };
        let named = folded(qualifier);
        if !self.qualifiers.contains(&named.as_str()) {
            return ControlFlow::Continue(());
        }
        let name = folded(column);
        if self.row.column_with_name(&name).is_none() {
            let near = weir_sql::nearest(&name, self.row.fields().iter().map(|field| field.name().as_str()));
            let error = Error::new(Code::UndefinedColumn, format!("column {named}.{name} does not exist")).hint(near.map(did_you_mean));
            let start = qualifier.span.start;
            return ControlFlow::Break((Box::new(error), (start.line, start.column)));
        }
        *qualifier = Ident { value: ROW.to_owned(), quote_style: Some('"'), span: qualifier.span };
        ControlFlow::Continue(())
    }
}

/// `SELECT <condition>`, without the row's relation: that is no name of the catalog.
fn query_of(condition: ast::Expr, position: usize) -> Result<Query> {
    let template = weir_sql::parse_query("SELECT true").map_err(super::super::definition::syntax_error)?;
    let mut query = *template.ast;
    match query.body.as_mut() {
        SetExpr::Select(select) => select.projection = vec![SelectItem::UnnamedExpr(condition)],
        _ => return Err(Error::internal("a condition cannot be made a query").at(position)),
    }
    Ok(query)
}

fn over_row(mut query: Query, database: &str) -> Query {
    let quoted = |value: &str| Ident { value: value.to_owned(), quote_style: Some('"'), span: sqlparser::tokenizer::Span::empty() };
    if let SetExpr::Select(select) = query.body.as_mut() {
        let name = ast::ObjectName([database, APART, ROW].map(|part| ast::ObjectNamePart::Identifier(quoted(part))).into());
        let alias = ast::TableAlias { explicit: true, name: quoted(ROW), columns: Vec::new(), at: None };
        let relation = TableFactor::Table {
            name,
            alias: Some(alias),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        select.from = vec![ast::TableWithJoins { relation, joins: Vec::new() }];
    }
    query
}

/// The one item of the list, which looks at one row at a time.
fn condition_of(plan: &LogicalPlan, position: usize) -> Result<Expr> {
    if let LogicalPlan::Projection(projection) = plan
        && let [condition] = projection.expr.as_slice()
        && let LogicalPlan::SubqueryAlias(_) = projection.input.as_ref()
    {
        return Ok(condition.clone().unalias());
    }
    Err(Error::new(Code::NotSupported, "a rule looks at one row at a time: no aggregate and no window over its rows").at(position))
}

fn unqualified(expr: Expr) -> Result<Expr> {
    let plain = expr.transform_up(|node| match node {
        Expr::Column(Column { relation: Some(relation), name, .. }) if relation.table() == ROW => {
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        }
        other => Ok(Transformed::no(other)),
    });
    plain.map(|plain| plain.data).map_err(errors::error)
}
