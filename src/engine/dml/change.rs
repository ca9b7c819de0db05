//! UPDATE and DELETE: the rows a SELECT with the same condition would give, changed or taken out.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::common::{Column, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, col, not};
use futures::TryStreamExt;
use sqlparser::ast::{
    AssignmentTarget, Delete, Expr as SqlExpr, FromTable, Ident, ObjectNamePart, Query, SelectItem, SetExpr, TableFactor, TableWithJoins,
    Update, Value, visit_expressions,
};
use weir_sql::Privilege;

use super::super::engine::table_body;
use super::super::plan::{Changed, Context, Reads};
use super::super::resolve::folded;
use super::super::{Engine, errors, parameters, privileges, rewrite, state};
use super::checks::Checks;
use super::columns::{assigned, column};
use super::{Ask, DmlDone, DmlKind, Target, count, facts, is_dead_letters, refuse};
use crate::delta::Matching;
use crate::error::{Code, Error, Result};

/// Columns of hub.dead_letters that a person may change.
const EDITABLE: &[&str] = &["record", "raw", "status", "note"];

/// A condition with the name it gives the table, and the values beside it.
struct Chosen {
    relation: TableReference,
    predicate: Option<Expr>,
    values: Vec<Expr>,
    /// The table's rows under that name, before the condition.
    rows: LogicalPlan,
}

impl Engine {
    pub(super) async fn delete(&self, delete: &Delete, ask: &Ask<'_>) -> Result<DmlDone> {
        refuse(delete.using.is_some(), "DELETE .. USING")?;
        refuse(delete.returning.is_some(), "RETURNING")?;
        refuse(!delete.order_by.is_empty() || delete.limit.is_some() || !delete.tables.is_empty(), "this form of DELETE")?;
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [table] = from.as_slice() else {
            return Err(Error::new(Code::NotSupported, "DELETE from several tables is not supported"));
        };
        let target = self.changed(table, Privilege::Delete, ask).await?;
        if is_dead_letters(&target.object) {
            return Err(Error::new(Code::NoPrivilege, "rows of hub.dead_letters are never deleted")
                .hint("UPDATE hub.dead_letters SET status = 'discarded' WHERE ..".to_owned()));
        }
        let lock = self.turn_of(target.object.id);
        let _turn = lock.lock().await;
        let state = Arc::new(state::of_scope(self, ask.scope));
        let chosen = self.chosen(&target, table, delete.selection.as_ref(), &[], &state, ask).await?;
        let matching = Matching { session: &state, relation: chosen.relation, predicate: chosen.predicate, key: &[] };
        if let Some(snapshot) = &ask.scope.snapshot {
            let rows = count(snapshot.delete(self, &target.object, &matching).await.map_err(errors::computed)?);
            return Ok(DmlDone { kind: DmlKind::Delete, rows, version: None, notices: Vec::new() });
        }
        let committed = target.table.delete(&matching, None, &facts(ask)).await.map_err(errors::computed)?;
        let rows = count(committed.rows.deleted);
        if rows > 0 {
            self.noted(&target, &committed, "DELETE", &ask.scope.role)?;
        }
        Ok(DmlDone { kind: DmlKind::Delete, rows, version: (rows > 0).then_some(committed.version), notices: Vec::new() })
    }

    pub(super) async fn update(&self, update: &Update, ask: &Ask<'_>) -> Result<DmlDone> {
        refuse(update.from.is_some(), "UPDATE .. FROM")?;
        refuse(update.returning.is_some(), "RETURNING")?;
        refuse(update.or.is_some() || !update.order_by.is_empty() || update.limit.is_some(), "this form of UPDATE")?;
        let target = self.changed(&update.table, Privilege::Update, ask).await?;
        let schema = target.table.schema();
        let mut names = Vec::new();
        let mut values = Vec::new();
        for assignment in &update.assignments {
            let ident = match &assignment.target {
                AssignmentTarget::ColumnName(name) => name.0.last().and_then(ObjectNamePart::as_ident),
                AssignmentTarget::Tuple(_) => None,
            };
            let ident = ident.ok_or_else(|| Error::new(Code::NotSupported, "SET (a, b) = .. is not supported"))?;
            let position = ask.place.offset((ident.span.start.line, ident.span.start.column));
            let name = column(&schema, &folded(ident), &target.object).map_err(|error| error.at(position))?.name().clone();
            if is_dead_letters(&target.object) && !EDITABLE.contains(&name.as_str()) {
                return Err(Error::new(Code::NoPrivilege, format!("column \"{name}\" of hub.dead_letters cannot be changed"))
                    .hint(format!("Editable: {}.", EDITABLE.join(", ")))
                    .at(position));
            }
            if names.contains(&name) {
                return Err(Error::new(Code::Syntax, format!("multiple assignments to same column \"{name}\"")).at(position));
            }
            names.push(name);
            values.push(assignment.value.clone());
        }
        let lock = self.turn_of(target.object.id);
        let _turn = lock.lock().await;
        let state = Arc::new(state::of_scope(self, ask.scope));
        let own = if is_dead_letters(&target.object) { self.own_letters(update, ask).await? } else { None };
        let selection = own.as_ref().or(update.selection.as_ref());
        let mut chosen = self.chosen(&target, &update.table, selection, &values, &state, ask).await?;
        let given = std::mem::take(&mut chosen.values);
        let mut assignments = Vec::new();
        for (name, value) in names.into_iter().zip(given) {
            let value = assigned(value, chosen.rows.schema(), column(&schema, &name, &target.object)?, &state)?;
            assignments.push((name, value));
        }
        let checked = self.check_update(&target, &chosen, &assignments, &schema, &state, ask).await;
        if privileges::require(ask.definitions, ask.scope.judged(), &target.object, Privilege::Select).is_ok() {
            checked?;
        } else {
            // The rest of a row that breaks a rule is not for whoever may only write.
            checked.map_err(|error| Error::new(error.code(), error.message().to_owned()))?;
        }
        let key = table_body(&target.object)?.key;
        let matching = Matching { session: &state, relation: chosen.relation, predicate: chosen.predicate, key: &key };
        if let Some(snapshot) = &ask.scope.snapshot {
            let rows = count(snapshot.update(self, &target.object, &assignments, &matching).await.map_err(errors::computed)?);
            return Ok(DmlDone { kind: DmlKind::Update, rows, version: None, notices: Vec::new() });
        }
        let committed = target.table.update(&assignments, &matching, None, &facts(ask)).await.map_err(errors::computed)?;
        let rows = count(committed.rows.updated);
        if rows > 0 {
            self.noted(&target, &committed, "UPDATE", &ask.scope.role)?;
        }
        Ok(DmlDone { kind: DmlKind::Update, rows, version: (rows > 0).then_some(committed.version), notices: Vec::new() })
    }

    async fn changed(&self, table: &TableWithJoins, privilege: Privilege, ask: &Ask<'_>) -> Result<Target> {
        match &table.relation {
            TableFactor::Table { name, args: None, .. } if table.joins.is_empty() => self.target(name, privilege, ask).await,
            _ => Err(Error::new(Code::NotSupported, "only one plain table can be changed")),
        }
    }

    /// Plans `SELECT values FROM table WHERE condition` and takes it apart again.
    async fn chosen(
        &self,
        target: &Target,
        table: &TableWithJoins,
        selection: Option<&SqlExpr>,
        values: &[SqlExpr],
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<Chosen> {
        let query = select(table.clone(), selection.cloned(), values)?;
        let reads = selection.is_some() || values.iter().any(names_something);
        let changed =
            Changed { unread: (!reads).then_some(target.object.id), whole: is_dead_letters(&target.object).then_some(target.object.id) };
        let context = Context { scope: ask.scope, definitions: ask.definitions, relations: None, views: Vec::new(), pinned: None, changed };
        let plan = self.bind_tree(query, ask.temporals, &ask.place, state, &context, &mut Reads::default()).await?;
        let plan = parameters::fill(plan, ask.scope)?;
        // A value that had to be joined to the rows has changed their shape.
        let asks = selection.is_some_and(rewrite::has_query) || values.iter().any(rewrite::has_query);
        let lost = || match asks {
            true => Error::new(Code::NotSupported, "this form of a correlated subquery is not supported in UPDATE or DELETE")
                .hint("Compute the values into a temporary table first, and compare with it by equality.".to_owned()),
            false => Error::internal("the condition of the statement was lost while planning"),
        };
        let LogicalPlan::Projection(projection) = plan else { return Err(lost()) };
        let (predicate, rows) = match (projection.input.as_ref(), selection) {
            (LogicalPlan::Filter(filter), Some(_)) => (Some(filter.predicate.clone()), filter.input.as_ref().clone()),
            (input, None) => (None, input.clone()),
            _ => return Err(lost()),
        };
        let relation = match &rows {
            LogicalPlan::TableScan(scan) => scan.table_name.clone(),
            LogicalPlan::SubqueryAlias(alias) if matches!(alias.input.as_ref(), LogicalPlan::TableScan(_)) => alias.alias.clone(),
            _ => return Err(lost()),
        };
        let values = match values.is_empty() {
            true => Vec::new(),
            false => projection.expr.into_iter().map(Expr::unalias).collect(),
        };
        Ok(Chosen { relation, predicate, values, rows })
    }

    /// The condition that means only letters of pipelines that the role may maintain; None for whoever may edit them all.
    ///
    /// The statement's own condition is worked out beforehand, on letters that the role may see: an error of it would tell what others hold.
    async fn own_letters(&self, update: &Update, ask: &Ask<'_>) -> Result<Option<SqlExpr>> {
        // As `select` names its values.
        let column = |name: &str| col(if name == "pipeline" { "_value_1" } else { "_value_2" });
        let Some(own) = privileges::letters_filter(ask.definitions, ask.scope.judged(), &[Privilege::Maintain], &column)? else {
            return Ok(None);
        };
        // The table is then planned whole, and a sub-query would see all of it.
        let asks = |expr: &SqlExpr| rewrite::has_query(expr);
        if update.selection.as_ref().is_some_and(asks) || update.assignments.iter().any(|assignment| asks(&assignment.value)) {
            return Err(Error::new(Code::NotSupported, "a sub-query cannot be used to change hub.dead_letters"));
        }
        let asked = ["id", "pipeline", "first_seen"].map(|name| SqlExpr::Identifier(Ident::new(name)));
        let query = select(update.table.clone(), update.selection.clone(), &asked)?;
        let changed = Changed::default();
        let context = Context { scope: ask.scope, definitions: ask.definitions, relations: None, views: Vec::new(), pinned: None, changed };
        let apart = Arc::new(state::of_scope(self, ask.scope));
        let plan = self.bind_tree(query, ask.temporals, &ask.place, &apart, &context, &mut Reads::default()).await?;
        let plan = parameters::fill(plan, ask.scope)?;
        let plan = LogicalPlanBuilder::from(plan).filter(own).and_then(|plan| plan.project([col("_value_0")]));
        let plan = plan.and_then(LogicalPlanBuilder::build).map_err(errors::error)?;
        let physical = Self::physical(&apart, plan).await?;
        let mut rows = self.run_in(physical, &apart)?;
        let mut list = Vec::new();
        while let Some(batch) = rows.try_next().await.map_err(errors::error)? {
            let ids = arrow::compute::cast(batch.column(0), &DataType::Utf8).map_err(|e| errors::error(e.into()))?;
            let texts = ids.as_string::<i32>().iter().flatten();
            list.extend(texts.map(|id| SqlExpr::Value(Value::SingleQuotedString(id.to_owned()).into())));
        }
        let of_nothing = SqlExpr::Value(Value::Boolean(false).into());
        let by_id = SqlExpr::InList { expr: Box::new(SqlExpr::Identifier(Ident::new("id"))), list: list.clone(), negated: false };
        Ok(Some(if list.is_empty() { of_nothing } else { by_id }))
    }

    /// Refuses an update whose new rows would break a rule of the table.
    async fn check_update(
        &self,
        target: &Target,
        chosen: &Chosen,
        assignments: &[(String, Expr)],
        schema: &SchemaRef,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<()> {
        let mut checks = Checks::of(self, target, state, ask).await?;
        checks.only_for(&assignments.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        if checks.is_empty() {
            return Ok(());
        }
        let own = |name: &str| Expr::Column(Column::new(Some(chosen.relation.clone()), name));
        // A scan may show text in another layout than the table's columns have.
        let new_value = |field: &Field| -> Result<Expr> {
            let assigned = assignments.iter().find(|(name, _)| name == field.name()).map(|(_, value)| value.clone());
            let value = assigned.unwrap_or_else(|| own(field.name()));
            Ok(value.cast_to(field.data_type(), chosen.rows.schema()).map_err(errors::error)?.alias(field.name()))
        };
        let mut changed = LogicalPlanBuilder::from(chosen.rows.clone());
        if let Some(predicate) = &chosen.predicate {
            changed = changed.filter(predicate.clone()).map_err(errors::error)?;
        }
        let columns = schema.fields().iter().map(|field| new_value(field)).collect::<Result<Vec<_>>>()?;
        let changed = changed.project(columns).and_then(LogicalPlanBuilder::build).map_err(errors::error)?;
        let physical = Self::physical(state, changed).await?;
        let mut rows = self.run_in(physical, state)?;
        let nullable = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let unchecked = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let mut tally = checks.tally();
        let mut kept: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = rows.try_next().await.map_err(errors::error)? {
            // NULLs are for the checks to find: they know what to call them.
            let batch = RecordBatch::try_new(Arc::clone(&unchecked), batch.columns().to_vec()).map_err(|e| errors::error(e.into()))?;
            if checks.pass(batch.clone(), &mut tally)?.num_rows() < batch.num_rows() {
                return Err(Error::new(
                    Code::CheckViolated,
                    format!("an updated row of \"{}\" breaks a rule of the table", target.object.name),
                ));
            }
            if checks.across_rows() {
                kept.push(RecordBatch::try_new(SchemaRef::clone(schema), batch.columns().to_vec()).map_err(|e| errors::error(e.into()))?);
            }
        }
        let others = match &chosen.predicate {
            None => LogicalPlanBuilder::from(chosen.rows.clone()).limit(0, Some(0)),
            Some(predicate) => LogicalPlanBuilder::from(chosen.rows.clone()).filter(not(Expr::IsTrue(Box::new(predicate.clone())))),
        };
        let others = others.and_then(LogicalPlanBuilder::build).map_err(errors::error)?;
        if kept.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(());
        }
        let kept = MemTable::try_new(SchemaRef::clone(schema), vec![kept]).map_err(errors::error)?;
        checks.against_others(self, Arc::new(kept), Some(others), state, ask).await
    }
}

/// Whether the value depends on anything but itself.
fn names_something(value: &SqlExpr) -> bool {
    let found = visit_expressions(value, |expr| match expr {
        SqlExpr::Identifier(_)
        | SqlExpr::CompoundIdentifier(_)
        | SqlExpr::CompoundFieldAccess { .. }
        | SqlExpr::Subquery(_)
        | SqlExpr::Exists { .. }
        | SqlExpr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The SELECT of the rows meant; all columns when no values are asked for.
fn select(table: TableWithJoins, selection: Option<SqlExpr>, values: &[SqlExpr]) -> Result<Query> {
    let mut query = weir_sql::parse_query("SELECT 1").map_err(super::super::definition::syntax_error)?.ast;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::internal("SELECT is no SELECT"));
    };
    select.from = vec![table];
    select.selection = selection;
    if !values.is_empty() {
        let named = |(index, value): (usize, &SqlExpr)| SelectItem::ExprWithAlias {
            expr: value.clone(),
            alias: Ident::new(format!("_value_{index}")),
        };
        select.projection = values.iter().enumerate().map(named).collect();
    }
    Ok(*query)
}
