//! The way of the values from outside down through a query.
//!
//! The result has the query's columns and those of the values: for each combination of values, the rows that the query has for it.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, NullEquality, Result, not_impl_err};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Alias, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, DistinctOn, Expr, ExprFunctionExt, ExprSchemable, FetchType, Filter, Join, JoinType, Limit,
    LogicalPlan, LogicalPlanBuilder, Operator, Projection, SkipType, Sort, SortExpr, Union, Values, Window, WindowFunctionDefinition, cast,
    lit, when,
};

use super::outside::{Outside, column_in};

impl Outside {
    pub(super) fn pushed(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if !self.is_used_by(plan) {
            return self.beside(plan);
        }
        match plan {
            LogicalPlan::Subquery(subquery) => self.pushed(&subquery.subquery),
            LogicalPlan::Projection(projection) => {
                let input = self.pushed(&projection.input)?;
                let mut exprs = self.own_all(plan, &projection.expr, input.schema())?;
                exprs.extend(self.columns_in(input.schema())?.into_iter().map(Expr::Column));
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
            }
            LogicalPlan::Filter(filter) => {
                let input = self.pushed(&filter.input)?;
                let predicate = self.own(filter.predicate.clone(), input.schema())?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?))
            }
            LogicalPlan::Sort(sort) => {
                let input = self.pushed(&sort.input)?;
                let order = sort.expr.iter().map(|key| Ok(key.with_expr(self.own(key.expr.clone(), input.schema())?)));
                Ok(LogicalPlan::Sort(Sort { expr: order.collect::<Result<_>>()?, input: Arc::new(input), fetch: sort.fetch }))
            }
            LogicalPlan::SubqueryAlias(alias) => LogicalPlanBuilder::from(self.pushed(&alias.input)?).alias(alias.alias.clone())?.build(),
            LogicalPlan::Unnest(unnest) => {
                let input = self.pushed(&unnest.input)?;
                LogicalPlanBuilder::from(input).unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?.build()
            }
            LogicalPlan::Window(window) => self.windows(plan, window),
            LogicalPlan::Limit(limit) => self.limited(limit),
            LogicalPlan::Aggregate(aggregate) => self.groups(plan, aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => LogicalPlanBuilder::from(self.pushed(input)?).distinct()?.build(),
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(plan, on),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| Ok(Arc::new(self.values_last(self.pushed(input)?)?)));
                Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)?))
            }
            LogicalPlan::Values(values) => self.rows_of_values(values),
            LogicalPlan::Join(join) => self.joined(join),
            _ => not_impl_err!("a sub-query of this form that depends on the row outside"),
        }
    }

    /// What does not depend on them goes with each combination of values.
    fn beside(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(self.rows.clone()),
            _ => LogicalPlanBuilder::from(plan.clone()).cross_join(self.rows.clone())?.build(),
        }
    }

    fn windows(&self, plan: &LogicalPlan, window: &Window) -> Result<LogicalPlan> {
        let input = self.pushed(&window.input)?;
        let keys: Vec<Expr> = self.columns_in(input.schema())?.into_iter().map(Expr::Column).collect();
        let exprs = self.own_all(plan, &window.window_expr, input.schema())?.into_iter().map(|expr| {
            let name = expr.schema_name().to_string();
            Ok(match expr {
                Expr::WindowFunction(mut function) => {
                    function.params.partition_by.extend(keys.iter().cloned());
                    Expr::WindowFunction(function).alias(name)
                }
                Expr::Alias(Alias { expr, name, .. }) => match *expr {
                    Expr::WindowFunction(mut function) => {
                        function.params.partition_by.extend(keys.iter().cloned());
                        Expr::WindowFunction(function).alias(name)
                    }
                    _ => return not_impl_err!("a window of this form in a sub-query that depends on the row outside"),
                },
                _ => return not_impl_err!("a window of this form in a sub-query that depends on the row outside"),
            })
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?))
    }

    /// The first rows of each combination of values: they are numbered.
    fn limited(&self, limit: &Limit) -> Result<LogicalPlan> {
        // The order may be by what is not selected.
        if let LogicalPlan::Projection(projection) = limit.input.as_ref()
            && matches!(projection.input.as_ref(), LogicalPlan::Sort(_))
        {
            let below = LogicalPlan::Limit(Limit { input: Arc::clone(&projection.input), ..limit.clone() });
            let above = Projection::try_new_with_schema(projection.expr.clone(), Arc::new(below), Arc::clone(&projection.schema))?;
            return self.pushed(&LogicalPlan::Projection(above));
        }
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
            return not_impl_err!("a LIMIT that is computed in a sub-query that depends on the row outside");
        };
        let (input, order) = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => {
                let input = self.pushed(&sort.input)?;
                let order = sort.expr.iter().map(|key| Ok(key.with_expr(self.own(key.expr.clone(), input.schema())?)));
                let order = order.collect::<Result<Vec<_>>>()?;
                (input, order)
            }
            other => (self.pushed(other)?, Vec::new()),
        };
        let kept: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let (input, order) = self.with_columns_of(input, order)?;
        let keys: Vec<Expr> = self.columns_in(input.schema())?.into_iter().map(Expr::Column).collect();
        let name = format!("number@{}", self.number);
        let number = Expr::from(WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), Vec::new()));
        let number = number.partition_by(keys);
        let number = if order.is_empty() { number } else { number.order_by(order) };
        let number = number.build()?.alias(&name);
        let number_of = Expr::Column(Column::from_name(name));
        let rows = LogicalPlanBuilder::from(input).window(vec![number])?;
        let skip = u64::try_from(skip).unwrap_or(u64::MAX);
        let mut condition = number_of.clone().gt(lit(skip));
        if let Some(fetch) = fetch {
            let last = skip.saturating_add(u64::try_from(fetch).unwrap_or(u64::MAX));
            condition = condition.and(number_of.lt_eq(lit(last)));
        }
        rows.filter(condition)?.project(kept)?.build()
    }

    /// What rows are ordered by as columns of theirs: the planner loses track of orders that are computed from values outside.
    fn with_columns_of(&self, input: LogicalPlan, order: Vec<SortExpr>) -> Result<(LogicalPlan, Vec<SortExpr>)> {
        if order.iter().all(|key| matches!(key.expr, Expr::Column(_))) {
            return Ok((input, order));
        }
        let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let mut by_columns = Vec::with_capacity(order.len());
        for (at, key) in order.into_iter().enumerate() {
            let name = format!("order@{}.{at}", self.number);
            exprs.push(key.expr.clone().alias(&name));
            by_columns.push(key.with_expr(Expr::Column(Column::from_name(name))));
        }
        Ok((LogicalPlanBuilder::from(input).project(exprs)?.build()?, by_columns))
    }

    fn groups(&self, plan: &LogicalPlan, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let input = self.pushed(&aggregate.input)?;
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return not_impl_err!("GROUPING SETS in a sub-query that depends on the row outside");
        }
        let mut groups = self.own_all(plan, &aggregate.group_expr, input.schema())?;
        let totals = self.own_all(plan, &aggregate.aggr_expr, input.schema())?;
        groups.extend(self.columns_in(input.schema())?.into_iter().map(Expr::Column));
        let defaults = totals.iter().map(|total| default_of(total, input.schema())).collect::<Result<Vec<_>>>()?;
        let rows = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, totals)?);
        match aggregate.group_expr.is_empty() {
            true => self.with_empty(rows, &defaults),
            false => Ok(rows),
        }
    }

    /// A total over no rows is one row, too.
    fn with_empty(&self, totals: LogicalPlan, defaults: &[Option<Expr>]) -> Result<LogicalPlan> {
        let there = format!("there@{}", self.number);
        let (mut exprs, mut left, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for (_, name) in self.pairs() {
            let other = format!("{name}'");
            exprs.push(Expr::Column(column_in(totals.schema(), name)?).alias(&other));
            left.push(column_in(self.rows.schema(), name)?);
            right.push(Column::from_name(other));
        }
        let values: Vec<Column> = totals.schema().columns().into_iter().filter(|column| !self.is_own(&column.name)).collect();
        exprs.extend(values.iter().cloned().map(Expr::Column));
        exprs.push(lit(true).alias(&there));
        let totals = LogicalPlanBuilder::from(totals).project(exprs)?.build()?;
        let is_missing = Expr::Column(Column::from_name(there)).is_null();
        let kept = self.columns_in(self.rows.schema())?.into_iter().map(|column| Ok(Expr::Column(column)));
        let shown = values.into_iter().zip(defaults).map(|(column, default)| {
            let (relation, name) = (column.relation.clone(), column.name.clone());
            Ok(match default {
                None => Expr::Column(column),
                Some(default) => {
                    let value = when(is_missing.clone(), default.clone()).otherwise(Expr::Column(column))?;
                    Expr::Alias(Alias::new(value, relation, name))
                }
            })
        });
        let shown = shown.chain(kept).collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(self.rows.clone())
            .join_detailed(totals, JoinType::Left, (left, right), None, NullEquality::NullEqualsNull)?
            .project(shown)?
            .build()
    }

    fn distinct_on(&self, plan: &LogicalPlan, on: &DistinctOn) -> Result<LogicalPlan> {
        let input = self.pushed(&on.input)?;
        let keys = || -> Result<Vec<Expr>> { Ok(self.columns_in(input.schema())?.into_iter().map(Expr::Column).collect()) };
        let own = |exprs: &[Expr]| self.own_all(plan, exprs, input.schema());
        let on_expr = keys()?.into_iter().chain(own(&on.on_expr)?).collect();
        let select = own(&on.select_expr)?.into_iter().chain(keys()?).collect();
        let order = match &on.sort_expr {
            None => None,
            Some(order) => {
                let first = keys()?.into_iter().map(|key| Ok(key.sort(true, false)));
                let rest = order.iter().map(|key| Ok(key.with_expr(self.own(key.expr.clone(), input.schema())?)));
                Some(first.chain(rest).collect::<Result<Vec<_>>>()?)
            }
        };
        Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(on_expr, select, order, Arc::new(input.clone()))?)))
    }

    /// The same columns with those of the values last.
    fn values_last(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let own = self.columns_in(plan.schema())?;
        let others = plan.schema().columns().into_iter().filter(|column| !self.is_own(&column.name));
        let exprs: Vec<Expr> = others.chain(own).map(Expr::Column).collect();
        LogicalPlanBuilder::from(plan).project(exprs)?.build()
    }

    /// `VALUES (outer.a), (outer.b)`: each line once for each combination.
    fn rows_of_values(&self, values: &Values) -> Result<LogicalPlan> {
        let lines = values.values.iter().map(|line| {
            let items = line.iter().zip(values.schema.fields()).map(|(item, field)| {
                let item = self.own(item.clone(), self.rows.schema())?;
                let item = match item.get_type(self.rows.schema())? == *field.data_type() {
                    true => item,
                    false => cast(item, field.data_type().clone()),
                };
                Ok(item.alias(field.name()))
            });
            let mut exprs = items.collect::<Result<Vec<_>>>()?;
            exprs.extend(self.columns_in(self.rows.schema())?.into_iter().map(Expr::Column));
            Ok(Arc::new(LogicalPlanBuilder::from(self.rows.clone()).project(exprs)?.build()?))
        });
        let mut lines = lines.collect::<Result<Vec<_>>>()?;
        match lines.len() {
            1 => Ok(Arc::unwrap_or_clone(lines.remove(0))),
            _ => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(lines)?)),
        }
    }

    fn joined(&self, join: &Join) -> Result<LogicalPlan> {
        let used = |exprs: &mut dyn Iterator<Item = &Expr>| -> Result<bool> {
            for expr in exprs {
                if self.is_used_in(expr)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if used(&mut join.on.iter().flat_map(|(left, right)| [left, right]))? {
            return not_impl_err!("a join of this form in a sub-query that depends on the row outside");
        }
        let (in_left, in_right) = (self.is_used_by(&join.left), self.is_used_by(&join.right));
        let (left, right) = match join.join_type {
            JoinType::Inner => (in_left || !in_right, in_right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, in_right),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (in_left, true),
            JoinType::Full => return not_impl_err!("FULL JOIN in a sub-query that depends on the row outside"),
        };
        // A condition may ask for values that its only side with values does not have, when that side is gone above.
        let side = |wanted: bool, plan: &Arc<LogicalPlan>| if wanted { self.pushed(plan).map(Arc::new) } else { Ok(Arc::clone(plan)) };
        let (mut left_rows, mut right_rows) = (side(left, &join.left)?, side(right, &join.right)?);
        let mut conditions = Vec::new();
        if left && right {
            // One side keeps the names.
            let keeps_right = matches!(join.join_type, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
            let renamed = if keeps_right { &mut left_rows } else { &mut right_rows };
            *renamed = Arc::new(self.renamed(renamed)?);
            let keeper = if keeps_right { &right_rows } else { &left_rows };
            let other = if keeps_right { &left_rows } else { &right_rows };
            for (_, name) in self.pairs() {
                let (kept, other) = (column_in(keeper.schema(), name)?, column_in(other.schema(), &format!("{name}'"))?);
                conditions.push(same(Expr::Column(kept), Expr::Column(other)));
            }
        }
        if let Some(filter) = &join.filter {
            let both = left_rows.schema().join(right_rows.schema())?;
            conditions.push(self.own(filter.clone(), &both)?);
        }
        let filter = conditions.into_iter().reduce(Expr::and);
        let constraint = join.join_constraint;
        let made =
            Join::try_new(left_rows, right_rows, join.on.clone(), filter, join.join_type, constraint, join.null_equality, join.null_aware)?;
        let rows = LogicalPlan::Join(made);
        let doubled = |name: &str| name.strip_suffix('\'').is_some_and(|name| self.is_own(name));
        let kept: Vec<Expr> = rows.schema().columns().into_iter().filter(|column| !doubled(&column.name)).map(Expr::Column).collect();
        LogicalPlanBuilder::from(rows).project(kept)?.build()
    }

    /// The rows with this relation's columns under other names.
    fn renamed(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let exprs = plan.schema().columns().into_iter().map(|column| match self.is_own(&column.name) {
            true => {
                let name = format!("{}'", column.name);
                Expr::Column(column).alias(name)
            }
            false => Expr::Column(column),
        });
        let exprs: Vec<Expr> = exprs.collect();
        LogicalPlanBuilder::from(plan.clone()).project(exprs)?.build()
    }
}

/// Equal, NULL to NULL.
fn same(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsNotDistinctFrom, Box::new(right)))
}

/// What a total is where there are no rows, unless it is NULL.
fn default_of(total: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    match total.clone().unalias() {
        Expr::AggregateFunction(function) => {
            let data_type = total.get_type(schema)?;
            let value = function.func.default_value(&data_type)?;
            Ok((!value.is_null()).then(|| lit(value)))
        }
        _ => not_impl_err!("a total of this form in a sub-query that depends on the row outside"),
    }
}
