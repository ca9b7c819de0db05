//! Where the columns of a query come from, read off its bound and not yet optimised plan.
//!
//! A direct edge says that the values of an output column are made from a source column: unchanged (`identity`), by an expression, or
//! from several rows (`aggregate`, which windows count as). An indirect edge says that a source column decides which rows there are, or
//! which of them belong together: `filter`, `join`, `group`, `sort`. It concerns every output column, so it is told once per source
//! column and way, with no output column. Subqueries and CTEs are followed. Views are followed to the relations they stand on,
//! and named as well, so that both "what does this value come from" and "what breaks with this view" have an answer.
//! An edge more is told rather than one less: both sides of a CASE, every input of an unknown operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, TableReference};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Distinct, DistinctOn, Expr, Join, LogicalPlan, RecursiveQuery, SortExpr, Subquery, Unnest};

/// One source column and what it does to one output column, or to all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnEdge {
    pub from_relation: String,
    pub from_column: String,
    /// `None` for an indirect edge, which concerns every output column.
    pub to_column: Option<String>,
    /// identity, expression, aggregate; filter, join, group, sort for an indirect edge.
    pub transformation: &'static str,
    pub direct: bool,
}

/// The edges of a query: the direct ones in the order of its columns, then the indirect ones.
///
/// `names` gives the full name of a relation as the plan refers to it; relations it does not know (functions, VALUES) give no edges.
pub fn columns(plan: &LogicalPlan, names: &dyn Fn(&TableReference) -> Option<String>) -> Vec<ColumnEdge> {
    let mut tracer = Tracer { names, influences: BTreeSet::new(), outer: Vec::new(), recursions: Vec::new() };
    let traced = tracer.plan(plan);
    let direct = plan.schema().fields().iter().zip(&traced).flat_map(|(field, origins)| {
        origins.iter().map(|origin| ColumnEdge {
            from_relation: origin.from.relation.clone(),
            from_column: origin.from.column.clone(),
            to_column: Some(field.name().clone()),
            transformation: origin.how.name(),
            direct: true,
        })
    });
    let indirect = tracer.influences.iter().map(|influence| ColumnEdge {
        from_relation: influence.from.relation.clone(),
        from_column: influence.from.column.clone(),
        to_column: None,
        transformation: influence.why.name(),
        direct: false,
    });
    direct.chain(indirect).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SourceColumn {
    relation: String,
    column: String,
}

/// How values become others; the later one wins when two follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Identity,
    Expression,
    Aggregate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Filter,
    Join,
    Group,
    Sort,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            How::Identity => "identity",
            How::Expression => "expression",
            How::Aggregate => "aggregate",
        }
    }
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::Filter => "filter",
            Why::Join => "join",
            Why::Group => "group",
            Why::Sort => "sort",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    from: SourceColumn,
    how: How,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Influence {
    from: SourceColumn,
    why: Why,
}

type Origins = BTreeSet<Origin>;

/// What each column of a plan is made from, in the order of its schema.
type Traced = Vec<Origins>;

/// The relations that the columns of an expression may come from.
#[derive(Clone, Default)]
struct Inputs(Vec<(DFSchemaRef, Arc<Traced>)>);

impl Inputs {
    fn one(plan: &LogicalPlan, traced: Traced) -> Self {
        Self(vec![(Arc::clone(plan.schema()), Arc::new(traced))])
    }

    fn find(&self, column: &Column) -> Option<&Origins> {
        self.0.iter().find_map(|(schema, traced)| traced.get(schema.maybe_index_of_column(column)?))
    }
}

struct Tracer<'a> {
    names: &'a dyn Fn(&TableReference) -> Option<String>,
    influences: BTreeSet<Influence>,
    /// What a subquery sees of the queries around it, outermost first.
    outer: Vec<Inputs>,
    /// Recursive CTEs being followed: their names and what is known of their columns.
    recursions: Vec<(String, Traced)>,
}

impl Tracer<'_> {
    fn plan(&mut self, plan: &LogicalPlan) -> Traced {
        match plan {
            LogicalPlan::Projection(projection) => {
                let inputs = self.input(&projection.input);
                projection.expr.iter().map(|expr| self.expr(expr, &inputs)).collect()
            }
            LogicalPlan::Filter(filter) => {
                let inputs = self.input(&filter.input);
                self.influence(&filter.predicate, &inputs, Why::Filter);
                whole(&inputs)
            }
            LogicalPlan::Window(window) => {
                let inputs = self.input(&window.input);
                let mut traced = whole(&inputs);
                traced.extend(window.window_expr.iter().map(|expr| self.expr(expr, &inputs)).collect::<Traced>());
                traced
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Sort(sort) => {
                let inputs = self.input(&sort.input);
                self.sorts(&sort.expr, &inputs);
                whole(&inputs)
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => {
                let width = union.schema.fields().len();
                union.inputs.iter().fold(vec![Origins::new(); width], |merged, input| merge(merged, self.plan(input)))
            }
            LogicalPlan::Distinct(distinct) => self.distinct(distinct),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query),
            LogicalPlan::TableScan(scan) => {
                let traced = self.scan(&scan.table_name, &scan.projected_schema);
                let inputs = Inputs(vec![(Arc::clone(&scan.projected_schema), Arc::new(traced))]);
                for filter in &scan.filters {
                    self.influence(filter, &inputs, Why::Filter);
                }
                whole(&inputs)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let traced = self.plan(&alias.input);
                // A view stands in the plan as its own query under its full name; an alias of the user has no schema.
                let view = if alias.alias.schema().is_some() { (self.names)(&alias.alias) } else { None };
                match view {
                    Some(view) => merge(traced, named(&view, &alias.schema)),
                    None => traced,
                }
            }
            LogicalPlan::Limit(limit) => self.plan(&limit.input),
            LogicalPlan::Repartition(repartition) => self.plan(&repartition.input),
            LogicalPlan::Subquery(subquery) => self.plan(&subquery.subquery),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => nothing(plan.schema()),
            LogicalPlan::Extension(_) => self.unknown(plan),
            // Not queries: their columns are reports.
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => nothing(plan.schema()),
        }
    }

    fn input(&mut self, plan: &LogicalPlan) -> Inputs {
        let traced = self.plan(plan);
        Inputs::one(plan, traced)
    }

    fn scan(&self, table: &TableReference, schema: &DFSchemaRef) -> Traced {
        let recursion = self.recursions.iter().rev().find(|(name, _)| matches!(table, TableReference::Bare { table } if **table == **name));
        match recursion {
            Some((_, traced)) => traced.clone(),
            None => (self.names)(table).map_or_else(|| nothing(schema), |relation| named(&relation, schema)),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Traced {
        let inputs = self.input(&aggregate.input);
        let mut traced = Traced::new();
        for key in grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default() {
            self.influence(key, &inputs, Why::Group);
            traced.push(self.expr(key, &inputs));
        }
        // Grouping sets add a column that numbers the set; it holds no values of the input.
        let width = aggregate.schema.fields().len().saturating_sub(aggregate.aggr_expr.len());
        traced.resize(width, Origins::new());
        for value in &aggregate.aggr_expr {
            traced.push(self.expr(value, &inputs));
        }
        traced
    }

    fn join(&mut self, join: &Join) -> Traced {
        let left = self.input(&join.left);
        // A lateral right side sees the left one.
        self.outer.push(left.clone());
        let right = self.input(&join.right);
        self.outer.pop();
        let both = Inputs(left.0.iter().chain(&right.0).cloned().collect());
        for (one, other) in &join.on {
            self.influence(one, &left, Why::Join);
            self.influence(other, &right, Why::Join);
        }
        if let Some(filter) = &join.filter {
            self.influence(filter, &both, Why::Join);
        }
        let all = whole(&both);
        if all.len() == join.schema.fields().len() {
            return all;
        }
        // Semi and anti joins show one side, mark joins one side and the mark.
        let shown = join.schema.iter().map(Column::from);
        shown.map(|column| both.find(&column).cloned().unwrap_or_default()).collect()
    }

    fn distinct(&mut self, distinct: &Distinct) -> Traced {
        match distinct {
            Distinct::All(input) => {
                let inputs = self.input(input);
                for origins in whole(&inputs) {
                    self.influenced(&origins, Why::Group);
                }
                whole(&inputs)
            }
            Distinct::On(DistinctOn { on_expr, select_expr, sort_expr, input, schema: _ }) => {
                let inputs = self.input(input);
                for key in on_expr {
                    self.influence(key, &inputs, Why::Group);
                }
                self.sorts(sort_expr.as_deref().unwrap_or_default(), &inputs);
                select_expr.iter().map(|expr| self.expr(expr, &inputs)).collect()
            }
        }
    }

    fn unnest(&mut self, unnest: &Unnest) -> Traced {
        let traced = self.plan(&unnest.input);
        let opened =
            |index: &usize| unnest.list_type_columns.iter().any(|(list, _)| list == index) || unnest.struct_type_columns.contains(index);
        let place = |index: &usize| {
            let origins = traced.get(*index).cloned().unwrap_or_default();
            if opened(index) { at_least(origins, How::Expression) } else { origins }
        };
        unnest.dependency_indices.iter().map(place).collect()
    }

    /// Each round may find that a column takes from one more; there are only so many to find.
    fn recursive(&mut self, query: &RecursiveQuery) -> Traced {
        let mut known = self.plan(&query.static_term);
        loop {
            self.recursions.push((query.name.clone(), known.clone()));
            let next = merge(known.clone(), self.plan(&query.recursive_term));
            self.recursions.pop();
            if next == known {
                return known;
            }
            known = next;
        }
    }

    /// Any column of an operator that is not known may come from any column of its inputs.
    fn unknown(&mut self, plan: &LogicalPlan) -> Traced {
        let mut all = Origins::new();
        for input in plan.inputs() {
            all.extend(self.plan(input).into_iter().flatten());
        }
        vec![at_least(all, How::Expression); plan.schema().fields().len()]
    }

    /// What the values of an expression are made from.
    fn expr(&mut self, expr: &Expr, inputs: &Inputs) -> Origins {
        match expr {
            Expr::Alias(alias) => self.expr(&alias.expr, inputs),
            Expr::Column(column) => inputs.find(column).cloned().unwrap_or_default(),
            Expr::OuterReferenceColumn(_, column) => {
                self.outer.iter().rev().find_map(|inputs| inputs.find(column)).cloned().unwrap_or_default()
            }
            Expr::AggregateFunction(function) => {
                let AggregateFunctionParams { args, distinct: _, filter, order_by, null_treatment: _ } = &function.params;
                self.influences(filter.as_deref(), inputs, Why::Filter);
                self.sorts(order_by, inputs);
                self.made_from(args, inputs, How::Aggregate)
            }
            Expr::WindowFunction(function) => {
                let WindowFunctionParams { args, partition_by, order_by, window_frame: _, filter, null_treatment: _, distinct: _ } =
                    &function.params;
                self.influences(partition_by, inputs, Why::Group);
                self.influences(filter.as_deref(), inputs, Why::Filter);
                self.sorts(order_by, inputs);
                self.made_from(args, inputs, How::Aggregate)
            }
            Expr::ScalarSubquery(subquery) => self.subquery(subquery, inputs),
            // Which rows exist is told by the filters inside.
            Expr::Exists(exists) => {
                self.subquery(&exists.subquery, inputs);
                Origins::new()
            }
            Expr::InSubquery(test) => {
                let mut origins = self.made_from([test.expr.as_ref()], inputs, How::Expression);
                origins.extend(self.subquery(&test.subquery, inputs));
                origins
            }
            Expr::SetComparison(test) => {
                let mut origins = self.made_from([test.expr.as_ref()], inputs, How::Expression);
                origins.extend(self.subquery(&test.subquery, inputs));
                origins
            }
            _ => {
                let mut parts = Vec::new();
                // The closure never fails, so neither does the walk.
                let _ = expr.apply_children(|part| {
                    parts.push(part);
                    Ok(TreeNodeRecursion::Continue)
                });
                self.made_from(parts, inputs, How::Expression)
            }
        }
    }

    fn subquery(&mut self, subquery: &Subquery, inputs: &Inputs) -> Origins {
        self.outer.push(inputs.clone());
        let traced = self.plan(&subquery.subquery);
        self.outer.pop();
        at_least(traced.into_iter().flatten().collect(), How::Expression)
    }

    fn made_from<'e>(&mut self, parts: impl IntoIterator<Item = &'e Expr>, inputs: &Inputs, how: How) -> Origins {
        let origins = parts.into_iter().flat_map(|part| self.expr(part, inputs)).collect();
        at_least(origins, how)
    }

    fn influence(&mut self, expr: &Expr, inputs: &Inputs, why: Why) {
        let origins = self.expr(expr, inputs);
        self.influenced(&origins, why);
    }

    fn influences<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, inputs: &Inputs, why: Why) {
        for expr in exprs {
            self.influence(expr, inputs, why);
        }
    }

    fn influenced(&mut self, origins: &Origins, why: Why) {
        self.influences.extend(origins.iter().map(|origin| Influence { from: origin.from.clone(), why }));
    }

    fn sorts(&mut self, sorts: &[SortExpr], inputs: &Inputs) {
        self.influences(sorts.iter().map(|sort| &sort.expr), inputs, Why::Sort);
    }
}

fn whole(inputs: &Inputs) -> Traced {
    inputs.0.iter().flat_map(|(_, traced)| traced.iter().cloned()).collect()
}

/// Every column of a relation is itself.
fn named(relation: &str, schema: &DFSchemaRef) -> Traced {
    let itself =
        |column: &String| Origin { from: SourceColumn { relation: relation.to_owned(), column: column.clone() }, how: How::Identity };
    schema.fields().iter().map(|field| Origins::from([itself(field.name())])).collect()
}

fn nothing(schema: &DFSchemaRef) -> Traced {
    vec![Origins::new(); schema.fields().len()]
}

fn merge(mut one: Traced, other: Traced) -> Traced {
    for (origins, more) in one.iter_mut().zip(other) {
        origins.extend(more);
    }
    one
}

fn at_least(origins: Origins, how: How) -> Origins {
    origins.into_iter().map(|origin| Origin { how: origin.how.max(how), ..origin }).collect()
}
