//! Whether what a step of a query had of a row may enter again in the place of the stream's record.
//!
//! A letter of stage `transform` holds the row as the failing step saw it. That is as good as the record only where each record makes at most one
//! row on the way to the step, and where the columns have the names and the values of the stream. Where the query does not show that, the letter
//! stays: put back, it would land other rows of its record twice, or be computed twice.

use std::collections::HashSet;

use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::stream_table::StreamTable;

/// Why not, in words; None where nothing is in the way. `needed` are the columns of the stream that the query uses.
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
        let streams: usize = plan.inputs().into_iter().map(|input| self.streams(input)).sum();
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
                    self.found(&format!("\"{name}\" is a column of the stream, and of something else in the query"));
                }
            }
            // What it finds today says nothing of the rows that it made of the record before.
            LogicalPlan::Join(_) => self.found("the query joins the stream, which may make several rows of one record"),
            _ => {}
        }
        streams
    }

    fn found(&mut self, why: &str) {
        self.why.get_or_insert_with(|| why.to_owned());
    }
}

/// Looks through the name that a column is given.
fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
