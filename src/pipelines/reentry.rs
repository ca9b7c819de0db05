//! Whether what a step of a query had of a row may enter again in the place of the stream's record.
//!
//! A letter of stage `transform` holds the row as the failing step saw it. That is as good as the record only where each record makes at most one
//! row on the way to the step, and where the columns have the names and the values of the stream. Where the query does not show that, the letter
//! stays: put back, it would land other rows of its record twice, or be computed twice.

use std::collections::HashSet;

use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::stream_table::StreamTable;

/// Why not, in words; None where nothing is in the way. Joins may still make several rows of one, which shows only when they run. `needed` are the
/// columns of the stream that the query uses.
pub(super) fn obstacle(plan: &LogicalPlan, needed: &HashSet<String>) -> Option<String> {
    let mut way = Way { needed, why: None };
    if way.streams(plan) > 1 {
        way.why.get_or_insert_with(|| "the query reads the stream more than once".to_owned());
    }
    way.why
}

struct Way<'a> {
    needed: &'a HashSet<String>,
    why: Option<String>,
}

impl Way<'_> {
    /// How often the stream is read below, having looked at what is done with it on the way.
    fn streams(&mut self, plan: &LogicalPlan) -> usize {
        let below: Vec<usize> = plan.inputs().into_iter().map(|input| self.streams(input)).collect();
        let streams = below.iter().sum();
        match plan {
            LogicalPlan::TableScan(scan) => {
                return usize::from(
                    source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<StreamTable>().is_some()),
                );
            }
            _ if streams == 0 => {}
            LogicalPlan::Unnest(_) => self.found("the query makes several rows of one record"),
            LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_) | LogicalPlan::Limit(_) => {
                self.found("the query looks at several records for one row");
            }
            LogicalPlan::Projection(projection) => {
                let given = projection.schema.fields().iter().zip(&projection.expr);
                let other = given.map(|(field, expr)| (field.name(), expr)).find(|(name, expr)| {
                    let is_same = matches!(unaliased(expr), Expr::Column(column) if column.name() == name.as_str());
                    self.needed.contains(*name) && !is_same
                });
                if let Some((name, _)) = other {
                    self.named(name);
                }
            }
            LogicalPlan::Join(join) => {
                let sides = [&join.left, &join.right].into_iter().zip(&below);
                let others = sides.filter(|(_, streams)| **streams == 0).flat_map(|(side, _)| side.schema().fields().iter());
                let same = others.map(|field| field.name().clone()).find(|name| self.needed.contains(name));
                if let Some(name) = same {
                    self.named(&name);
                }
            }
            _ => {}
        }
        streams
    }

    fn found(&mut self, why: &str) {
        self.why.get_or_insert_with(|| why.to_owned());
    }

    fn named(&mut self, name: &str) {
        self.found(&format!("\"{name}\" is a column of the stream, and of something else in the query"));
    }
}

/// Looks through the name that a column is given.
fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
