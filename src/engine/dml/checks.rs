//! A table's own rules, held against every row of a statement before it is committed.
//!
//! A statement by hand has nowhere to put rejected rows: FAIL and QUARANTINE both refuse it whole, DROP leaves the row out, WARN lets it pass;
//! the last two are told as notices.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, JoinType};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, ident, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use weir_catalog::{Kind, Object};
use weir_sql::{Action, Columns, Element, Name, Privilege, Rule, RuleKind};

use super::super::errors::catalog_error;
use super::super::resolve::{Looked, look_up, parts_of, undefined};
use super::super::{Engine, definition, engine, errors, memory, privileges};
use super::{Ask, Target, is_dead_letters};
use crate::error::{Code, Error, Result};

/// What rows of one table must obey.
pub(super) struct Checks {
    table: Object,
    schema: SchemaRef,
    not_null: Vec<String>,
    expressions: Vec<Expression>,
    unique: Vec<Unique>,
    foreign: Vec<Foreign>,
}

struct Expression {
    name: String,
    condition: Arc<dyn PhysicalExpr>,
    /// EXPECT: NULL is a violation. CHECK: it is not.
    null_fails: bool,
    action: Action,
    message: Option<String>,
}

struct Unique {
    name: String,
    columns: Vec<String>,
}

struct Foreign {
    name: String,
    columns: Vec<String>,
    table: Name,
    referenced: Vec<String>,
}

/// Rows that broke a rule and were not refused, per expression.
pub(super) struct Tally(Vec<usize>);

impl Checks {
    pub(super) async fn of(engine: &Engine, target: &Target, state: &Arc<SessionState>, ask: &Ask<'_>) -> Result<Self> {
        let schema = target.table.schema();
        let mut checks = Self {
            table: target.object.clone(),
            not_null: schema.fields().iter().filter(|field| !field.is_nullable()).map(|field| field.name().clone()).collect(),
            schema,
            expressions: Vec::new(),
            unique: Vec::new(),
            foreign: Vec::new(),
        };
        let definition = definition::table(&target.object)?;
        let names = |columns: &Columns| columns.iter().map(|column| column.value.clone()).collect::<Vec<_>>();
        let mut key: Vec<String> = engine::table_body(&target.object).map(|body| body.key).unwrap_or_default();
        for element in &definition.elements {
            match element {
                Element::Column(column) => {
                    let own = vec![column.name.value.clone()];
                    if column.not_null {
                        checks.not_null.extend(own.clone());
                    }
                    if column.primary_key {
                        key.clone_from(&own);
                    }
                    if column.unique {
                        checks.unique.push(Unique { name: format!("{}_{}_key", target.object.name, column.name.value), columns: own });
                    }
                    if let Some(check) = &column.check {
                        let name = format!("{}_{}_check", target.object.name, column.name.value);
                        checks.add_expression(engine, name, check, false, Action::Fail, None, state, ask).await?;
                    }
                }
                Element::PrimaryKey(columns) => key = names(columns),
                Element::LookupKey(_) => {}
                Element::Rule(rule) => checks.add_rule(engine, rule, state, ask).await?,
            }
        }
        if !key.is_empty() {
            checks.not_null.extend(key.clone());
            checks.unique.push(Unique { name: format!("{}_pkey", target.object.name), columns: key });
        }
        if is_dead_letters(&target.object) {
            let allowed = weir_sql::parse_expr("status IN ('open', 'discarded')").map_err(definition::syntax_error)?;
            let name = "dead_letters_status_check".to_owned();
            checks.add_expression(engine, name, &allowed, false, Action::Fail, None, state, ask).await?;
        }
        Ok(checks)
    }

    async fn add_rule(&mut self, engine: &Engine, rule: &Rule, state: &Arc<SessionState>, ask: &Ask<'_>) -> Result<()> {
        let table = &self.table.name;
        let names = |columns: &Columns| columns.iter().map(|column| column.value.clone()).collect::<Vec<_>>();
        let named = |kind: &str| rule.name.as_ref().map_or_else(|| format!("{table}_{kind}"), |name| name.value.clone());
        match &rule.kind {
            RuleKind::Expect(expr) => {
                let action = rule.action.unwrap_or(Action::Quarantine);
                self.add_expression(engine, named("check"), expr, true, action, rule.message.clone(), state, ask).await
            }
            RuleKind::Check(expr) => {
                let action = rule.action.unwrap_or(Action::Fail);
                self.add_expression(engine, named("check"), expr, false, action, rule.message.clone(), state, ask).await
            }
            RuleKind::NotNull(columns) => {
                self.not_null.extend(names(columns));
                Ok(())
            }
            RuleKind::Unique(columns) => {
                let columns = names(columns);
                self.unique.push(Unique { name: named(&format!("{}_key", columns.join("_"))), columns });
                Ok(())
            }
            RuleKind::ForeignKey { columns, table, referenced } => {
                let columns = names(columns);
                let name = named(&format!("{}_fkey", columns.join("_")));
                self.foreign.push(Foreign { name, columns, table: table.clone(), referenced: names(referenced) });
                Ok(())
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one rule beside what binds it")]
    async fn add_expression(
        &mut self,
        engine: &Engine,
        name: String,
        expr: &weir_sql::Expr,
        null_fails: bool,
        action: Action,
        message: Option<String>,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<()> {
        let schema = DFSchema::try_from(self.schema.as_ref().clone()).map_err(errors::error)?;
        let scope = ask.scope.of_table(&self.table);
        let bound = engine.plan_condition(expr, &self.schema, &self.table.name, &scope, ask.definitions, None).await.map_err(|error| {
            let text = format!("rule \"{name}\" of table \"{}\" cannot be checked", self.table.full_name());
            Error::new(Code::InvalidDefinition, text).detail(error.message().to_owned()).caused_by(error)
        })?;
        bound.settle().await?;
        let condition = state.create_physical_expr(bound.expr, &schema).map_err(errors::error)?;
        self.expressions.push(Expression { name, condition, null_fails, action, message });
        Ok(())
    }

    /// Leaves out what an update of these columns cannot break.
    pub(super) fn only_for(&mut self, assigned: &[&str]) {
        let touches = |columns: &[String]| columns.iter().any(|column| assigned.contains(&column.as_str()));
        self.not_null.retain(|column| assigned.contains(&column.as_str()));
        self.unique.retain(|unique| touches(&unique.columns));
        self.foreign.retain(|foreign| touches(&foreign.columns));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.not_null.is_empty() && self.expressions.is_empty() && !self.across_rows()
    }

    pub(super) fn table_name(&self) -> &str {
        &self.table.name
    }

    /// Whether rows must be held against other rows.
    pub(super) fn across_rows(&self) -> bool {
        !self.unique.is_empty() || !self.foreign.is_empty()
    }

    pub(super) fn tally(&self) -> Tally {
        Tally(vec![0; self.expressions.len()])
    }

    pub(super) fn notices(&self, tally: &Tally) -> Vec<String> {
        let broken = self.expressions.iter().zip(&tally.0).filter(|(_, rows)| **rows > 0);
        broken
            .map(|(rule, rows)| match rule.action {
                Action::Drop => format!("{rows} rows left out by rule \"{}\"", rule.name),
                _ => format!("{rows} rows break rule \"{}\"", rule.name),
            })
            .collect()
    }

    /// The rows that may land.
    pub(super) fn pass(&self, batch: RecordBatch, tally: &mut Tally) -> Result<RecordBatch> {
        for name in &self.not_null {
            if batch.column_by_name(name).is_some_and(|column| column.null_count() > 0) {
                let text = format!("null value in column \"{name}\" of relation \"{}\" violates not-null constraint", self.table.name);
                return Err(Error::new(Code::NotNullViolated, text));
            }
        }
        let mut stays: Option<BooleanArray> = None;
        for (rule, broken) in self.expressions.iter().zip(&mut tally.0) {
            let verdict = rule.condition.evaluate(&batch).and_then(|value| value.into_array(batch.num_rows())).map_err(errors::error)?;
            let Some(verdict) = verdict.as_boolean_opt() else {
                return Err(Error::new(Code::WrongType, format!("rule \"{}\" is not a condition", rule.name)));
            };
            let obeyed: BooleanArray = verdict.iter().map(|value| Some(value.unwrap_or(!rule.null_fails))).collect();
            let failed = obeyed.len() - obeyed.true_count();
            if failed == 0 {
                continue;
            }
            match rule.action {
                Action::Fail | Action::Quarantine => return Err(self.broken(rule, &batch, &obeyed)),
                Action::Drop => {
                    stays = Some(match stays {
                        Some(before) => and(&before, &obeyed).map_err(|e| errors::error(e.into()))?,
                        None => obeyed,
                    });
                }
                Action::Warn => {}
            }
            *broken += failed;
        }
        match stays {
            Some(stays) => filter_record_batch(&batch, &stays).map_err(|e| errors::error(e.into())),
            None => Ok(batch),
        }
    }

    fn broken(&self, rule: &Expression, batch: &RecordBatch, obeyed: &BooleanArray) -> Error {
        let text = format!("new row for relation \"{}\" violates check constraint \"{}\"", self.table.name, rule.name);
        let first = obeyed.iter().position(|value| value == Some(false)).unwrap_or(0);
        let row = shown(batch, first, None);
        let detail = match &rule.message {
            Some(message) => format!("{message} Failing row contains ({row})."),
            None => format!("Failing row contains ({row})."),
        };
        Error::new(Code::CheckViolated, text).detail(detail)
    }

    /// Keys that are there already, keys given twice, references to nothing. `others` are the rows that stay; None means the whole table.
    pub(super) async fn against_others(
        &self,
        engine: &Engine,
        rows: Arc<dyn TableProvider>,
        others: Option<LogicalPlan>,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<()> {
        if !self.across_rows() {
            return Ok(());
        }
        let rows = scan("new", rows)?;
        for unique in &self.unique {
            self.check_twice(unique, &rows, state).await?;
            let others = match &others {
                Some(others) => others.clone(),
                None => scan("old", engine.seen(&self.table, ask.scope).await?)?,
            };
            self.check_there(unique, &rows, others, state).await?;
        }
        for foreign in &self.foreign {
            self.check_reference(engine, foreign, &rows, state, ask).await?;
        }
        Ok(())
    }

    async fn check_twice(&self, unique: &Unique, rows: &LogicalPlan, state: &Arc<SessionState>) -> Result<()> {
        let keys: Vec<Expr> = unique.columns.iter().map(ident).collect();
        let plan = LogicalPlanBuilder::from(rows.clone())
            .filter(all_given(&unique.columns))
            .and_then(|plan| plan.aggregate(keys, vec![count(lit(1)).alias("_times")]))
            .and_then(|plan| plan.filter(col("_times").gt(lit(1))))
            .and_then(|plan| plan.limit(0, Some(1)))
            .and_then(LogicalPlanBuilder::build)
            .map_err(errors::error)?;
        match first(plan, state).await? {
            Some(batch) => Err(self.duplicate(unique, &batch, "is given twice")),
            None => Ok(()),
        }
    }

    async fn check_there(&self, unique: &Unique, rows: &LogicalPlan, others: LogicalPlan, state: &Arc<SessionState>) -> Result<()> {
        let plan = joined(rows, others, JoinType::LeftSemi, &unique.columns, &unique.columns)?;
        match first(plan, state).await? {
            Some(batch) => Err(self.duplicate(unique, &batch, "already exists")),
            None => Ok(()),
        }
    }

    fn duplicate(&self, unique: &Unique, batch: &RecordBatch, how: &str) -> Error {
        Error::new(Code::UniqueViolated, format!("duplicate key value violates unique constraint \"{}\"", unique.name)).detail(format!(
            "Key ({})=({}) {how}.",
            unique.columns.join(", "),
            shown(batch, 0, Some(&unique.columns))
        ))
    }

    /// The table that a foreign key means: the one it meant when it was made, whatever path the caller has.
    fn referenced(&self, parts: &[String], ask: &Ask<'_>) -> Result<Object> {
        let on = ask.definitions.depends_on(self.table.id).map_err(catalog_error)?;
        let is_meant = |object: &Object| match parts {
            [name] => object.name == *name,
            [.., schema, name] => object.schema == *schema && object.name == *name,
            [] => false,
        };
        let mut meant = on.into_iter().filter(|object| object.kind == Kind::Table && is_meant(object));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (None, _) if is_meant(&self.table) => Ok(self.table.clone()),
            // Two of one name, or a key of a table that a transaction is about to make.
            _ => match look_up(parts, ask.scope, ask.definitions)? {
                Some(Looked::Object(object)) => {
                    privileges::require(ask.definitions, ask.scope.judged(), &object, Privilege::References)?;
                    Ok(*object)
                }
                _ => Err(undefined(parts, ask.scope, ask.definitions)),
            },
        }
    }

    async fn check_reference(
        &self,
        engine: &Engine,
        foreign: &Foreign,
        rows: &LogicalPlan,
        state: &Arc<SessionState>,
        ask: &Ask<'_>,
    ) -> Result<()> {
        let parts = parts_of(&foreign.table);
        let other = self.referenced(&parts, ask)?;
        let referenced = match foreign.referenced.is_empty() {
            true => engine::table_body(&other)?.key,
            false => foreign.referenced.clone(),
        };
        if referenced.len() != foreign.columns.len() {
            return Err(Error::new(
                Code::InvalidDefinition,
                format!("foreign key \"{}\" does not fit the key of \"{}\"", foreign.name, other.full_name()),
            ));
        }
        let there = scan("there", engine.seen(&other, ask.scope).await?)?;
        let given = LogicalPlanBuilder::from(rows.clone()).filter(all_given(&foreign.columns)).and_then(LogicalPlanBuilder::build);
        let plan = joined(&given.map_err(errors::error)?, there, JoinType::LeftAnti, &foreign.columns, &referenced)?;
        match first(plan, state).await? {
            None => Ok(()),
            Some(batch) => {
                let text =
                    format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", self.table.name, foreign.name);
                let key = shown(&batch, 0, Some(&foreign.columns));
                let detail = format!("Key ({})=({key}) is not present in table \"{}\".", foreign.columns.join(", "), other.name);
                Err(Error::new(Code::ForeignKeyViolated, text).detail(detail))
            }
        }
    }
}

fn scan(name: &str, provider: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::scan(name, provider_as_source(provider), None).and_then(LogicalPlanBuilder::build).map_err(errors::error)
}

fn all_given(columns: &[String]) -> Expr {
    columns.iter().map(|column| ident(column).is_not_null()).reduce(Expr::and).unwrap_or_else(|| lit(true))
}

fn joined(left: &LogicalPlan, right: LogicalPlan, how: JoinType, left_on: &[String], right_on: &[String]) -> Result<LogicalPlan> {
    let column = |plan: &LogicalPlan, name: &String| {
        plan.schema().qualified_field_with_unqualified_name(name).map(datafusion::common::Column::from).map_err(errors::error)
    };
    let left_keys = left_on.iter().map(|name| column(left, name)).collect::<Result<Vec<_>>>()?;
    let right_keys = right_on.iter().map(|name| column(&right, name)).collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(left.clone())
        .join(right, how, (left_keys, right_keys), None)
        .and_then(|plan| plan.limit(0, Some(1)))
        .and_then(LogicalPlanBuilder::build)
        .map_err(errors::error)
}

/// The first batch with a row in it.
async fn first(plan: LogicalPlan, state: &Arc<SessionState>) -> Result<Option<RecordBatch>> {
    let physical = Engine::physical(state, plan).await?;
    let mut rows = execute_stream(Engine::paced(physical)?.0, memory::context(state)).map_err(errors::error)?;
    while let Some(batch) = rows.try_next().await.map_err(errors::error)? {
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// A row's values as text, of all columns or of some.
fn shown(batch: &RecordBatch, row: usize, columns: Option<&[String]>) -> String {
    let options = FormatOptions::default().with_null("null");
    let schema = batch.schema();
    let wanted = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| columns.is_none_or(|names| names.contains(field.name())));
    let value =
        |column: &Arc<dyn Array>| ArrayFormatter::try_new(column, &options).map(|format| format.value(row).to_string()).unwrap_or_default();
    wanted.map(|(_, column)| value(column)).collect::<Vec<_>>().join(", ")
}
