//! INSERT: rows of VALUES or of a query, by column list, with defaults.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col};
use futures::StreamExt;
use sqlparser::ast::{Insert, ObjectNamePart, Query, SetExpr, TableObject};

use super::super::plan::{Changed, Context, Reads};
use super::super::resolve::folded;
use super::super::{Engine, errors, parameters, rewrite, state};
use super::checks::Checks;
use super::columns::{assigned, column, sql_type};
use super::{Ask, DmlDone, DmlKind, Target, copy, count, facts, is_dead_letters, refuse};
use weir_sql::Privilege;

use crate::delta::{RestsOn, WriterOptions, Written};
use crate::error::{Code, Error, Result};

impl Engine {
    pub(super) async fn insert(&self, insert: &Insert, ask: &Ask<'_>) -> Result<DmlDone> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::new(Code::NotSupported, "INSERT into anything but a table is not supported"));
        };
        refuse(insert.on.is_some(), "ON CONFLICT")?;
        refuse(insert.returning.is_some(), "RETURNING")?;
        refuse(insert.overwrite || insert.replace_into || insert.ignore || insert.or.is_some(), "this form of INSERT")?;
        refuse(insert.partitioned.is_some() || !insert.assignments.is_empty(), "this form of INSERT")?;
        let target = self.target(name, Privilege::Insert, ask).await?;
        if is_dead_letters(&target.object) {
            return Err(Error::new(Code::NoPrivilege, "only runs put rows into hub.dead_letters"));
        }
        let lock = self.turn_of(target.object.id);
        let _turn = lock.lock().await;
        let state = Arc::new(state::of_scope(self, ask.scope));
        let plan = self.insert_plan(insert, &target, &state, ask).await?;
        let checks = Checks::of(self, &target, &state, ask).await?;
        self.write(plan, &target, &checks, &state, ask).await
    }

    /// The rows in the table's columns and order.
    async fn insert_plan(&self, insert: &Insert, target: &Target, state: &Arc<SessionState>, ask: &Ask<'_>) -> Result<LogicalPlan> {
        let schema = target.table.schema();
        let listed = listed(insert, &schema, target)?;
        let Some(source) = &insert.source else {
            let empty = LogicalPlanBuilder::empty(true).build().map_err(errors::error)?;
            return self.shaped(empty, &[], &schema, target, state, ask);
        };
        let mut source = without_defaults(source, &listed)?;
        let type_of = |name: &String| schema.field_with_name(name).ok().and_then(sql_type);
        rewrite::as_columns(&mut source, &listed.iter().map(type_of).collect::<Vec<_>>());
        let context = Context {
            scope: ask.scope,
            definitions: ask.definitions,
            relations: None,
            views: Vec::new(),
            pinned: None,
            changed: Changed::default(),
        };
        let mut reads = Reads::default();
        let plan = self.bind_tree(source, ask.temporals, &ask.place, state, &context, &mut reads).await?;
        let plan = parameters::fill(plan, ask.scope)?;
        let given = plan.schema().fields().len();
        let wanted = if insert.columns.is_empty() { listed.get(..given.min(listed.len())).unwrap_or(&listed) } else { listed.as_slice() };
        match given.cmp(&wanted.len()) {
            std::cmp::Ordering::Greater => return Err(Error::new(Code::Syntax, "INSERT has more expressions than target columns")),
            std::cmp::Ordering::Less => return Err(Error::new(Code::Syntax, "INSERT has more target columns than expressions")),
            std::cmp::Ordering::Equal => {}
        }
        self.shaped(plan, wanted, &schema, target, state, ask)
    }

    /// The table's columns from the plan's: given, default or NULL.
    pub(super) fn shaped(
        &self,
        plan: LogicalPlan,
        given: &[String],
        schema: &SchemaRef,
        target: &Target,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<LogicalPlan> {
        let sources = plan.schema().columns();
        // What stands behind the given columns goes along.
        let behind: Vec<_> = sources.iter().skip(given.len()).filter(|column| column.name == copy::LINE).cloned().collect();
        let mut exprs = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let source = given.iter().position(|name| name == field.name()).and_then(|at| sources.get(at));
            let value = match source {
                Some(source) => assigned(col(source.clone()), plan.schema(), field, state)?,
                None => self.default_of(&target.object, field, state, ask.scope)?,
            };
            exprs.push(value.alias(field.name()));
        }
        exprs.extend(behind.into_iter().map(col));
        LogicalPlanBuilder::from(plan).project(exprs).and_then(LogicalPlanBuilder::build).map_err(errors::error)
    }

    /// Commits the rows, or leaves them to the transaction.
    async fn add(&self, target: &Target, written: Written, checks: &Checks, ask: &Ask<'_>) -> Result<Option<u64>> {
        if let Some(snapshot) = &ask.scope.snapshot {
            let rests_on = if checks.across_rows() { RestsOn::Rows } else { RestsOn::Columns };
            snapshot.append(self, &target.object, written, rests_on).await?;
            return Ok(None);
        }
        let committed = target.table.append(vec![written], ask.token, &facts(ask)).await?;
        self.noted(target, &committed, "INSERT", &ask.scope.role)?;
        Ok(Some(committed.version))
    }

    async fn write(
        &self,
        plan: LogicalPlan,
        target: &Target,
        checks: &Checks,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<DmlDone> {
        let rows = self.write_files(plan, target, checks, state).await?;
        self.land(rows, target, checks, state, ask).await
    }

    /// Writes the plan's rows into files that nobody sees yet. Rules of single rows are held against each.
    pub(super) async fn write_files(
        &self,
        plan: LogicalPlan,
        target: &Target,
        checks: &Checks,
        state: &Arc<SessionState>,
    ) -> Result<NewRows> {
        let schema = target.table.schema();
        let nullable = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let unchecked = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let physical = Self::physical(state, plan).await?;
        let mut rows = self.run_in(physical, state)?;
        let mut writer = target.table.writer(WriterOptions::default()).await?;
        let mut tally = checks.tally();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(errors::error)?;
            let lines = batch.columns().get(schema.fields().len()).cloned();
            let columns = batch.columns().iter().take(schema.fields().len()).cloned().collect();
            // NULLs are for the checks to find: they know what to call them.
            let batch = RecordBatch::try_new(Arc::clone(&unchecked), columns).map_err(|e| errors::error(e.into()))?;
            let batch = match lines {
                None => checks.pass(batch, &mut tally)?,
                Some(lines) => checks.pass(batch.clone(), &mut tally).map_err(|error| copy::at_line(error, checks, &batch, &lines))?,
            };
            let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).map_err(|e| errors::error(e.into()))?;
            if batch.num_rows() > 0 {
                writer.write(batch).await?;
            }
        }
        Ok(NewRows { written: writer.finish().await?, notices: checks.notices(&tally) })
    }

    /// Holds the new rows against all others, and makes them part of the table.
    pub(super) async fn land(
        &self,
        rows: NewRows,
        target: &Target,
        checks: &Checks,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<DmlDone> {
        let NewRows { written, notices } = rows;
        let count = count(written.rows());
        if count == 0 {
            return Ok(DmlDone { kind: DmlKind::Insert, rows: 0, version: None, notices });
        }
        checks.against_others(self, target.table.rows_of(&written), None, state, ask).await?;
        let version = self.add(target, written, checks, ask).await?;
        Ok(DmlDone { kind: DmlKind::Insert, rows: count, version, notices })
    }
}

/// Rows that are written and not part of the table yet.
pub(super) struct NewRows {
    written: Written,
    notices: Vec<String>,
}

/// The columns that values are given for.
fn listed(insert: &Insert, schema: &SchemaRef, target: &Target) -> Result<Vec<String>> {
    if insert.columns.is_empty() {
        return Ok(schema.fields().iter().map(|field| field.name().clone()).collect());
    }
    let mut names = Vec::with_capacity(insert.columns.len());
    for name in &insert.columns {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return Err(Error::new(Code::Syntax, "a column of INSERT is named without its table"));
        };
        let field: &Field = column(schema, &folded(ident), &target.object)?;
        if names.contains(field.name()) {
            return Err(Error::new(Code::AmbiguousColumn, format!("column \"{}\" is written twice", field.name())));
        }
        names.push(field.name().clone());
    }
    Ok(names)
}

/// `DEFAULT` as a value is only known for whole columns: a column that is DEFAULT in every row is left to the column's default.
fn without_defaults(source: &Query, listed: &[String]) -> Result<Query> {
    if let SetExpr::Values(values) = source.body.as_ref() {
        let is_default = |expr: &sqlparser::ast::Expr| matches!(expr, sqlparser::ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"));
        if values.rows.iter().any(|row| row.content.iter().any(is_default)) {
            return Err(Error::new(Code::NotSupported, "DEFAULT as a value is not supported")
                .hint(format!("Leave the column out of the list: INSERT INTO .. ({}).", listed.join(", "))));
        }
    }
    Ok(source.clone())
}
