//! Answers that cannot change: statements about nothing but themselves, such as the `SELECT 1` of connection pools.
//!
//! Such a statement reads no relation, has no parameter and calls no function: what a function answers may depend on the session that asks,
//! whatever it says of itself. It is planned and run once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use parking_lot::Mutex;

/// Longer texts and larger answers are rarely asked for twice.
const LONGEST_TEXT: usize = 200;
const MOST_BYTES: usize = 4_096;
const MOST_ANSWERS: usize = 256;

/// By the text.
#[derive(Default)]
pub(super) struct Settled(Mutex<HashMap<String, Arc<RecordBatch>>>);

impl Settled {
    pub(super) fn answer(&self, text: &str) -> Option<Arc<RecordBatch>> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        self.0.lock().get(text).cloned()
    }

    /// Whether the plan's answer may be kept.
    pub(super) fn takes(text: &str, plan: &LogicalPlan) -> bool {
        text.len() <= LONGEST_TEXT && is_settled(plan)
    }

    pub(super) fn keep(&self, text: &str, answer: &RecordBatch) {
        if answer.get_array_memory_size() > MOST_BYTES {
            return;
        }
        let mut answers = self.0.lock();
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
        answers.insert(text.to_owned(), Arc::new(answer.clone()));
    }
}

fn is_settled(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Projection(projection) = plan else { return false };
    let LogicalPlan::EmptyRelation(empty) = projection.input.as_ref() else { return false };
    empty.produce_one_row && projection.expr.iter().all(always_alike)
}

fn always_alike(expr: &Expr) -> bool {
    let mut is_alike = true;
    let visited = expr.apply(|expr| {
        is_alike &= match expr {
            // How a time is shown depends on the session.
            Expr::Literal(value, _) => !value.data_type().is_temporal() && !value.data_type().is_nested(),
            Expr::Alias(_) | Expr::BinaryExpr(_) | Expr::Not(_) | Expr::Negative(_) => true,
            _ => false,
        };
        Ok(if is_alike { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    visited.is_ok() && is_alike
}
