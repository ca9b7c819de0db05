//! The planner's rules without those that change answers.
//!
//! What is left out costs speed at most; what is guarded works wherever it is right. Each entry says what went wrong.

mod unknown;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

pub(super) fn logical() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in Optimizer::new().rules {
        rules.push(match rule.name() {
            // It takes sums of whole numbers for something else than our own sum gives: `sum(a), count(DISTINCT a)` failed.
            "single_distinct_aggregation_to_group_by" => continue,
            "extract_equijoin_predicate" => Arc::new(Guarded { inner: rule, applies: keys_are_alike }),
            "eliminate_cross_join" => Arc::new(Guarded { inner: rule, applies: all_keys_are_plain }),
            "push_down_filter" => Arc::new(Guarded { inner: rule, applies: stays_above_totals }),
            "simplify_expressions" => Arc::new(unknown::Simplified { inner: rule }),
            _ => rule,
        });
    }
    rules
}

pub(super) fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // It finds the columns of a filter by name alone: between two joins, a condition on one table was asked of another that has a column of the
    // same name, and rows were lost. Filters reach the files by the logical plan.
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    rules
}

/// A rule that is applied to some nodes only.
#[derive(Debug)]
struct Guarded {
    inner: Rule,
    applies: fn(&LogicalPlan) -> bool,
}

impl OptimizerRule for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if (self.applies)(&plan) { self.inner.rewrite(plan, config) } else { Ok(Transformed::no(plan)) }
    }
}

/// A join whose keys take NULL for equal to NULL gets no keys that do not.
fn keys_are_alike(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => join.on.is_empty() || join.null_equality == NullEquality::NullEqualsNothing,
        _ => true,
    }
}

/// Joins are put together with conditions above them as keys: none of them may take NULL for equal to NULL.
fn all_keys_are_plain(plan: &LogicalPlan) -> bool {
    let null_equals =
        |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull));
    !plan.exists(null_equals).unwrap_or(true)
}

/// A total over no rows is a row: what is asked of it must not be asked of the rows below, also where it names no column.
fn stays_above_totals(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Filter(filter) = plan else { return true };
    let LogicalPlan::Aggregate(aggregate) = filter.input.as_ref() else { return true };
    !aggregate.group_expr.is_empty() || split_conjunction(&filter.predicate).iter().all(|condition| condition.any_column_refs())
}
