//! The walk over plans and expressions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, ExprSchema, Result, ScalarValue};
use datafusion::functions_nested::cardinality::cardinality_udf;
use datafusion::logical_expr::expr::{
    AggregateFunction, Alias, Between, Case, Exists, InList, InSubquery, ScalarFunction, SetComparison, WindowFunction,
    WindowFunctionDefinition,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Cast, Expr, ExprSchemable, GroupingSet, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
    RecursiveQuery, Subquery, Union, Values, cast, lit, when,
};

use super::super::errors::external;
use super::super::functions::{by_value, without_nulls};
use super::{casts, literals, operators};
use crate::error::{Code, Error};

/// The plan in PostgreSQL's types.
pub(in crate::engine) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    Walk { outer: Vec::new() }.plan(plan)
}

/// The same for one expression over `schema`.
pub(in crate::engine) fn typed_expr(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Walk { outer: Vec::new() }.expr(expr, &Arc::new(schema.clone())).map(|typed| typed.data)
}

struct Walk {
    /// The rows outside, outermost first.
    outer: Vec<DFSchemaRef>,
}

impl Walk {
    fn plan(&mut self, node: LogicalPlan) -> Result<LogicalPlan> {
        let node = self.below(grouped_by_columns(node)?)?;
        let schema: DFSchemaRef = Arc::new(match &node {
            LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) => return Ok(node),
            // Their numbers count rows.
            LogicalPlan::Limit(_) => return Ok(node),
            LogicalPlan::Join(join) => join.left.schema().join(join.right.schema()).unwrap_or_else(|_| merge_schema(&node.inputs())),
            other => merge_schema(&other.inputs()),
        });
        let names = NamePreserver::new(&node);
        let node = node
            .map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(self.expr(expr, &schema)?.update_data(|expr| name.restore(expr)))
            })?
            .data;
        match recomputed(node)? {
            LogicalPlan::Join(join) => super::lateral::unnested(join),
            other => narrowed(other),
        }
    }

    /// What the node reads.
    fn below(&mut self, node: LogicalPlan) -> Result<LogicalPlan> {
        match node {
            LogicalPlan::Join(join) => {
                let left = self.plan(Arc::unwrap_or_clone(join.left))?;
                self.outer.push(Arc::clone(left.schema()));
                let right = self.plan(Arc::unwrap_or_clone(join.right));
                self.outer.pop();
                Ok(LogicalPlan::Join(Join { left: Arc::new(left), right: Arc::new(right?), ..join }))
            }
            LogicalPlan::RecursiveQuery(query) => {
                // The rows that it reads of itself have the types they had when it was planned.
                let known = Arc::clone(query.static_term.schema());
                let first = as_before(self.plan(Arc::unwrap_or_clone(query.static_term))?, &known)?;
                let next = as_before(self.plan(Arc::unwrap_or_clone(query.recursive_term))?, &known)?;
                Ok(LogicalPlan::RecursiveQuery(RecursiveQuery { static_term: Arc::new(first), recursive_term: Arc::new(next), ..query }))
            }
            LogicalPlan::Subquery(subquery) => Ok(LogicalPlan::Subquery(self.subquery(subquery)?)),
            other => Ok(other.map_children(|child| self.plan(child).map(Transformed::yes))?.data),
        }
    }

    fn subquery(&mut self, subquery: Subquery) -> Result<Subquery> {
        let inner = self.plan(Arc::unwrap_or_clone(subquery.subquery))?;
        let outside = subquery.outer_ref_columns.into_iter().map(|column| self.outside(column)).collect();
        Ok(Subquery { subquery: Arc::new(inner), outer_ref_columns: outside, spans: subquery.spans })
    }

    /// A column of a row outside, with the type that it has now.
    fn outside(&self, expr: Expr) -> Expr {
        match expr {
            Expr::OuterReferenceColumn(field, column) => {
                let found = self.outer.iter().rev().find_map(|schema| schema.field_from_column(&column).ok());
                Expr::OuterReferenceColumn(found.map_or(field, Arc::clone), column)
            }
            other => other,
        }
    }

    fn expr(&mut self, expr: Expr, schema: &DFSchemaRef) -> Result<Transformed<Expr>> {
        expr.transform_up(|node| self.node(node, schema))
    }

    fn node(&mut self, node: Expr, schema: &DFSchemaRef) -> Result<Transformed<Expr>> {
        Ok(Transformed::yes(match node {
            Expr::Literal(ScalarValue::Int64(Some(number)), metadata) => match i32::try_from(number) {
                // The smallest is a negated literal that was too long.
                Ok(small) if small != i32::MIN => Expr::Literal(ScalarValue::Int32(Some(small)), metadata),
                _ => return Ok(Transformed::no(Expr::Literal(ScalarValue::Int64(Some(number)), metadata))),
            },
            outside @ Expr::OuterReferenceColumn(..) => self.outside(outside),
            Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(self.inside(subquery, schema)?),
            Expr::Exists(Exists { subquery, negated }) => Expr::Exists(Exists { subquery: self.inside(subquery, schema)?, negated }),
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                Expr::InSubquery(InSubquery { expr, subquery: self.inside(subquery, schema)?, negated })
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                Expr::SetComparison(SetComparison { expr, subquery: self.inside(subquery, schema)?, op, quantifier })
            }
            Expr::BinaryExpr(binary) => operators::binary(binary, schema)?,
            Expr::Cast(Cast { expr, field }) => casts::cast_to(*expr, &field, schema)?,
            Expr::Between(Between { expr, negated, low, high }) => {
                let [expr, low, high] = literals::alike([*expr, *low, *high], schema)?;
                operators::between(Between { expr: Box::new(expr), negated, low: Box::new(low), high: Box::new(high) }, schema)?
            }
            Expr::InList(InList { expr, list, negated }) => {
                let mut all = vec![*expr];
                all.extend(list);
                let mut all = literals::alike_list(all, schema)?.into_iter();
                let Some(first) = all.next() else { return Ok(Transformed::no(Expr::Literal(ScalarValue::Boolean(None), None))) };
                operators::among(first, all.collect(), negated, schema)?
            }
            Expr::Case(case) => literals::case(case, schema)?,
            Expr::Like(like) => operators::like(like, schema)?,
            // Of these the planner says that they are never NULL, and what computes them that they may be.
            Expr::IsTrue(truth) => operation(*truth, Operator::IsNotDistinctFrom, lit(true)),
            Expr::IsFalse(truth) => operation(*truth, Operator::IsNotDistinctFrom, lit(false)),
            Expr::IsNotTrue(truth) => operation(*truth, Operator::IsDistinctFrom, lit(true)),
            Expr::IsNotFalse(truth) => operation(*truth, Operator::IsDistinctFrom, lit(false)),
            Expr::IsUnknown(truth) => Expr::IsNull(truth),
            Expr::IsNotUnknown(truth) => Expr::IsNotNull(truth),
            Expr::ScalarFunction(function) => return function_call(function, schema).map(Transformed::yes),
            Expr::AggregateFunction(function) => Expr::AggregateFunction(aggregate(function, schema)?),
            Expr::WindowFunction(function) => Expr::WindowFunction(Box::new(window(*function, schema))),
            other => return Ok(Transformed::no(other)),
        }))
    }

    /// A query inside an expression over `schema`.
    fn inside(&mut self, subquery: Subquery, schema: &DFSchemaRef) -> Result<Subquery> {
        self.outer.push(Arc::clone(schema));
        let done = self.subquery(subquery);
        self.outer.pop();
        done
    }
}

/// ROLLUP and its kin over expressions: these become columns of what is grouped, since an expression in a set cannot keep its name when its
/// types change.
fn grouped_by_columns(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Aggregate(aggregate) = node else { return Ok(node) };
    let mut computed: Vec<Expr> = Vec::new();
    for expr in &aggregate.group_expr {
        let Expr::GroupingSet(set) = expr else { continue };
        for key in set.distinct_expr() {
            if !matches!(key, Expr::Column(_) | Expr::Literal(..)) && !computed.contains(key) {
                computed.push(key.clone());
            }
        }
    }
    if computed.is_empty() {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let as_column = |expr: Expr| {
        expr.transform_down(|node| {
            Ok(match computed.contains(&node) {
                true => Transformed::yes(Expr::Column(Column::from_name(node.schema_name().to_string()))),
                false => Transformed::no(node),
            })
        })
        .map(|transformed| transformed.data)
    };
    let in_set = |list: Vec<Expr>| list.into_iter().map(as_column).collect::<Result<Vec<_>>>();
    let groups = aggregate.group_expr.into_iter().map(|expr| {
        Ok(match expr {
            Expr::GroupingSet(GroupingSet::Rollup(list)) => Expr::GroupingSet(GroupingSet::Rollup(in_set(list)?)),
            Expr::GroupingSet(GroupingSet::Cube(list)) => Expr::GroupingSet(GroupingSet::Cube(in_set(list)?)),
            Expr::GroupingSet(GroupingSet::GroupingSets(lists)) => {
                Expr::GroupingSet(GroupingSet::GroupingSets(lists.into_iter().map(in_set).collect::<Result<_>>()?))
            }
            other => as_column(other)?,
        })
    });
    let groups = groups.collect::<Result<Vec<_>>>()?;
    // What is totalled keeps its values; only grouping() speaks of the sets.
    let totals = aggregate.aggr_expr.into_iter().map(|expr| {
        let name = expr.schema_name().to_string();
        let changed = expr.transform_up(|node| match node {
            Expr::AggregateFunction(mut function) if function.func.name() == "grouping" => {
                function.params.args = in_set(function.params.args)?;
                Ok(Transformed::yes(Expr::AggregateFunction(function)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(if changed.transformed { changed.data.unalias().alias(name) } else { changed.data })
    });
    let totals = totals.collect::<Result<Vec<_>>>()?;
    let mut below: Vec<Expr> = aggregate.input.schema().columns().into_iter().map(Expr::Column).collect();
    below.extend(computed.iter().map(|expr| {
        let name = expr.schema_name().to_string();
        expr.clone().alias(name)
    }));
    let input = LogicalPlan::Projection(Projection::try_new(below, aggregate.input)?);
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, totals)?))
}

/// Functions of JSON know whole numbers of one length.
fn function_call(mut function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let name = function.func.name().to_owned();
    if name.starts_with("json_") {
        let args = function.args.into_iter().map(wide).collect();
        return Ok(Expr::ScalarFunction(ScalarFunction { func: function.func, args }));
    }
    if let ("regexp_like" | "regexp_count" | "regexp_instr", [given, pattern, rest @ ..]) = (name.as_str(), function.args.as_slice()) {
        let pattern = operators::regex(pattern.clone())?;
        function.args = [given.clone(), pattern].into_iter().chain(rest.iter().cloned()).collect();
    }
    if let ("array_element" | "array_slice", [array, places @ ..]) = (name.as_str(), function.args.as_slice()) {
        function.args = std::iter::once(array.clone()).chain(from_first(places)?).collect();
    }
    if let ("to_hex", [number]) = (name.as_str(), function.args.as_slice())
        && matches!(number.get_type(schema), Ok(DataType::Int32))
    {
        // Of an integer the digits of four bytes.
        function.args = vec![operation(cast(number.clone(), DataType::Int64), Operator::BitwiseAnd, lit(0xFFFF_FFFF_i64))];
    }
    if let ("make_date", [year, rest @ ..]) = (name.as_str(), function.args.as_slice())
        && !matches!(year, Expr::Literal(ScalarValue::Int32(Some(1..)), _))
    {
        // Before the year one comes the year minus one; there is no year that none is.
        let mut before = when(year.clone().lt(lit(0)), year.clone() + lit(1)).when(year.clone().eq(lit(0)), lit(i32::MAX));
        function.args = std::iter::once(before.otherwise(year.clone())?).chain(rest.iter().cloned()).collect();
    }
    if let ("array_has_all" | "array_has_any", [one, other]) = (name.as_str(), function.args.as_slice()) {
        // The function itself says that nothing shares nothing, and has all of nothing.
        let either = one.clone().is_null().or(other.clone().is_null());
        let is_empty = |array: &Expr| cardinality_udf().call(vec![array.clone()]).eq(lit(0_u64));
        let nothing_shared = (name == "array_has_any").then(|| is_empty(one).or(is_empty(other)));
        let answer = operators::call(function, schema)?;
        let mut answers = when(either, lit(ScalarValue::Boolean(None)));
        return match nothing_shared {
            Some(nothing) => answers.when(nothing, lit(false)).otherwise(answer),
            None => answers.otherwise(answer),
        };
    }
    if let ("array_remove_all" | "array_remove", [array, Expr::Literal(removed, _)]) = (name.as_str(), function.args.as_slice())
        && removed.is_null()
    {
        return Ok(without_nulls().call(vec![array.clone()]));
    }
    let are_integers = function.args.iter().all(|arg| matches!(arg.get_type(schema), Ok(DataType::Int32 | DataType::Int16)));
    let expr = operators::call(function, schema)?;
    // Places and lengths are integers in PostgreSQL.
    Ok(match expr.get_type(schema) {
        Ok(DataType::Int64) if matches!(name.as_str(), "regexp_count" | "regexp_instr" | "width_bucket" | "array_position") => {
            cast(expr, DataType::Int32)
        }
        // Of integers an integer, or an error.
        Ok(DataType::Int64) if matches!(name.as_str(), "gcd" | "lcm") && are_integers => cast(expr, DataType::Int32),
        // An empty array has no dimension.
        Ok(DataType::UInt64) if matches!(name.as_str(), "array_length" | "array_ndims") => {
            let of = match &expr {
                Expr::ScalarFunction(function) => function.args.first().cloned(),
                _ => None,
            };
            let length = cast(expr, DataType::Int32);
            match of {
                Some(array) => when(cardinality_udf().call(vec![array]).gt(lit(0_u64)), length).end()?,
                None => length,
            }
        }
        Ok(DataType::UInt64) => cast(expr, DataType::Int32),
        Ok(DataType::List(item)) if *item.data_type() == DataType::Int64 && name == "generate_series" && are_integers => {
            cast(expr, DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))))
        }
        Ok(DataType::List(item)) if *item.data_type() == DataType::UInt64 => {
            cast(expr, DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))))
        }
        _ => expr,
    })
}

/// Places in an array from its first on: the library counts those below one from the end, where PostgreSQL has nothing.
fn from_first(places: &[Expr]) -> Result<Vec<Expr>> {
    let is_inside = |place: &Expr| match place {
        Expr::Literal(ScalarValue::Int32(Some(place)), _) => *place > 0,
        Expr::Literal(ScalarValue::Int64(Some(place)), _) => *place > 0,
        _ => false,
    };
    if places.iter().all(is_inside) {
        return Ok(places.to_vec());
    }
    let is_before = |place: &Expr| place.clone().lt(lit(1_i64));
    Ok(match places {
        [place] => vec![when(is_before(place), lit(0_i64)).otherwise(cast(place.clone(), DataType::Int64))?],
        // From the second to the first there is nothing.
        [low, high, rest @ ..] => {
            let from = when(is_before(high), lit(2_i64)).when(is_before(low), lit(1_i64)).otherwise(cast(low.clone(), DataType::Int64))?;
            let to = when(is_before(high), lit(1_i64)).otherwise(cast(high.clone(), DataType::Int64))?;
            [from, to].into_iter().chain(rest.iter().cloned()).collect()
        }
        [] => Vec::new(),
    })
}

fn wide(literal: Expr) -> Expr {
    match literal {
        Expr::Literal(ScalarValue::Int32(Some(number)), metadata) => Expr::Literal(ScalarValue::Int64(Some(number.into())), metadata),
        other => other,
    }
}

/// The places of percentiles and the like stay as they were written.
fn aggregate(mut function: AggregateFunction, schema: &DFSchema) -> Result<AggregateFunction> {
    if function.func.name() == "string_agg" {
        let is_bytea = |arg: &Expr| matches!(arg.get_type(schema), Ok(DataType::Binary | DataType::LargeBinary | DataType::BinaryView));
        if function.params.args.first().is_some_and(is_bytea) {
            let error = Error::new(Code::NotSupported, "string_agg of bytea is not supported")
                .hint("Collect its digits: decode(string_agg(encode(x, 'hex'), ''), 'hex').".to_owned());
            return Err(external(error));
        }
        function.params.args = operators::as_texts(function.params.args, schema)?;
    }
    if function.params.distinct && function.func.name() == "count" {
        function.params.args = function.params.args.into_iter().map(|arg| one_zero(arg, schema)).collect();
    }
    Ok(function)
}

/// Distances of rows stay as they were written.
fn window(mut function: WindowFunction, schema: &DFSchema) -> WindowFunction {
    let params = &mut function.params;
    params.partition_by = std::mem::take(&mut params.partition_by).into_iter().map(|key| one_zero(key, schema)).collect();
    for key in &mut params.order_by {
        key.expr = one_zero(key.expr.clone(), schema);
    }
    if let WindowFunctionDefinition::WindowUDF(_) = &function.fun {
        let mut args = function.params.args.into_iter();
        let first = args.next();
        let is_number_of_rows = matches!(function.fun.name(), "ntile");
        let first = first.map(|first| if is_number_of_rows { wide(first) } else { first });
        // The third argument of lag and lead is a value.
        let rest = args.enumerate().map(|(at, arg)| if at == 0 { wide(arg) } else { arg });
        function.params.args = first.into_iter().chain(rest).collect();
    }
    function
}

/// A float by its value, where rows are peers of each other: the planner tells 0 from -0.
fn one_zero(expr: Expr, schema: &DFSchema) -> Expr {
    let is_float = !matches!(expr, Expr::Literal(..)) && expr.get_type(schema).is_ok_and(|data_type| data_type.is_floating());
    if is_float { by_value().call(vec![expr]) } else { expr }
}

/// With the names and types of what is inside now.
fn recomputed(node: LogicalPlan) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Values(Values { values, .. }) => LogicalPlanBuilder::values(literals::rows(values)?)?.build(),
        LogicalPlan::Union(union) => {
            let inputs = literals::same_columns(union.inputs)?;
            Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
        }
        other => other.recompute_schema(),
    }
}

/// PostgreSQL has no numbers without a sign: what counts rows is bigint.
fn narrowed(node: LogicalPlan) -> Result<LogicalPlan> {
    let counts = |field: &FieldRef| *field.data_type() == DataType::UInt64;
    if !matches!(node, LogicalPlan::Window(_) | LogicalPlan::Aggregate(_)) || !node.schema().fields().iter().any(counts) {
        return Ok(node);
    }
    let exprs = node.schema().iter().map(|(relation, field)| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        match counts(field) {
            true => Expr::Alias(Alias::new(cast(column, DataType::Int64), relation.cloned(), field.name())),
            false => column,
        }
    });
    let exprs = exprs.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(node))?))
}

/// The plan with the types of `known`.
fn as_before(plan: LogicalPlan, known: &DFSchemaRef) -> Result<LogicalPlan> {
    let same = plan.schema().fields().iter().zip(known.fields()).all(|(now, before)| now.data_type() == before.data_type());
    if same {
        return Ok(plan);
    }
    let exprs: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(known.fields())
        .map(|((relation, field), before)| {
            let column = Expr::Column(Column::new(relation.cloned(), field.name()));
            match field.data_type() == before.data_type() {
                true => column,
                false => Expr::Alias(Alias::new(cast(column, before.data_type().clone()), relation.cloned(), field.name())),
            }
        })
        .collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

/// An operator over two values.
pub(super) fn operation(left: Expr, op: datafusion::logical_expr::Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// For a CASE that has been put together again.
pub(super) fn case_of(operand: Option<Expr>, pairs: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    let pairs = pairs.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Expr::Case(Case { expr: operand.map(Box::new), when_then_expr: pairs, else_expr: otherwise.map(Box::new) })
}
