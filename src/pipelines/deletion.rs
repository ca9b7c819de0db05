//! DELETE WHEN over columns that the query reads and does not give, as `_change_type` of a stream.
//!
//! Names mean columns of the output; where there are none of a name, columns of what the output is made from. The condition's value is carried
//! beside each row as a mark, which is stored nowhere but in the record of a dead letter: put back, it still deletes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Union};
use futures::future::BoxFuture;
use sqlparser::ast::{self, Visit, Visitor};

use super::assemble::DELETE_COLUMN;
use crate::engine::{Engine, Scope};
use crate::error::{Code, Result};

/// The plan, with the mark as its last column where the output's own columns are not enough to tell.
///
/// # Errors
/// What is wrong with the condition wherever it is looked at.
pub(super) async fn marked(engine: &Engine, plan: LogicalPlan, condition: &weir_sql::Expr, scope: &Scope) -> Result<LogicalPlan> {
    match engine.plan_expr(condition, &plain(&plan)?, scope).await {
        Err(refused) if refused.code() == Code::UndefinedColumn => {
            let marking = Marking { engine, condition, scope, names: names(&condition.ast) };
            marking.over(&plan).await?.ok_or(refused)
        }
        // Whatever else is wrong with it is said where it is used.
        _ => Ok(plan),
    }
}

/// Whether rows of the plan carry their mark.
pub(super) fn is_marked(plan: &LogicalPlan) -> bool {
    plan.schema().fields().iter().any(|field| field.name() == DELETE_COLUMN)
}

struct Marking<'a> {
    engine: &'a Engine,
    condition: &'a weir_sql::Expr,
    scope: &'a Scope,
    /// The columns that the condition names without saying of which relation.
    names: BTreeSet<String>,
}

impl Marking<'_> {
    /// The plan with the mark; None where the names are nowhere to be found.
    fn over<'a>(&'a self, plan: &'a LogicalPlan) -> BoxFuture<'a, Result<Option<LogicalPlan>>> {
        Box::pin(async move {
            match plan {
                LogicalPlan::Projection(projection) => {
                    if let Some(marked) = self.beside(projection).await? {
                        return Ok(Some(marked));
                    }
                    let Some(input) = self.over(&projection.input).await? else { return Ok(None) };
                    let exprs = projection.expr.iter().cloned().chain([mark_of(&input)]).collect();
                    Ok(Some(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input)).map_err(Engine::error)?)))
                }
                LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::SubqueryAlias(_) => {
                    let mut inputs = Vec::new();
                    for input in plan.inputs() {
                        let Some(input) = self.over(input).await? else { return Ok(None) };
                        inputs.push(input);
                    }
                    plan.with_new_exprs(plan.expressions(), inputs).map(Some).map_err(Engine::error)
                }
                LogicalPlan::Union(union) => {
                    let mut inputs = Vec::new();
                    for input in &union.inputs {
                        let Some(input) = self.over(input).await? else { return Ok(None) };
                        inputs.push(Arc::new(input));
                    }
                    Union::try_new_with_loose_types(inputs).map(|union| Some(LogicalPlan::Union(union))).map_err(Engine::error)
                }
                _ => Ok(None),
            }
        })
    }

    /// The mark beside the columns of a projection, from these and from what it is made of.
    async fn beside(&self, projection: &Projection) -> Result<Option<LogicalPlan>> {
        let given = projection.schema.fields().iter().zip(&projection.expr);
        let own: Vec<Expr> = given.map(|(field, expr)| expr.clone().unalias().alias(field.name())).collect();
        let is_given = |name: &String| projection.schema.fields().iter().any(|field| field.name() == name);
        let below = projection.input.schema();
        let mut lacking = Vec::new();
        for name in self.names.iter().filter(|name| !is_given(name)) {
            let mut found = below.iter().filter(|(_, field)| field.name() == name);
            match (found.next(), found.next()) {
                (Some((relation, field)), None) => lacking.push(Expr::Column(Column::new(relation.cloned(), field.name())).alias(name)),
                _ => return Ok(None),
            }
        }
        let both = LogicalPlanBuilder::from(projection.input.as_ref().clone()).project(own.into_iter().chain(lacking));
        let both = both.and_then(LogicalPlanBuilder::build).map_err(Engine::error)?;
        let value = match self.engine.plan_expr(self.condition, &plain(&both)?, self.scope).await {
            Ok(value) => value,
            Err(refused) if refused.code() == Code::UndefinedColumn => return Ok(None),
            Err(error) => return Err(error),
        };
        let columns = both.schema().columns().into_iter().take(projection.expr.len()).map(Expr::Column);
        let exprs = columns.chain([value.is_true().alias(DELETE_COLUMN)]).collect();
        Projection::try_new(exprs, Arc::new(both)).map(|marked| Some(LogicalPlan::Projection(marked))).map_err(Engine::error)
    }
}

fn mark_of(input: &LogicalPlan) -> Expr {
    let found = input.schema().iter().find(|(_, field)| field.name() == DELETE_COLUMN);
    let relation = found.and_then(|(relation, _)| relation.cloned());
    Expr::Column(Column::new(relation, DELETE_COLUMN)).alias(DELETE_COLUMN)
}

fn plain(plan: &LogicalPlan) -> Result<DFSchema> {
    DFSchema::try_from(plan.schema().as_arrow().clone()).map_err(Engine::error)
}

fn names(condition: &ast::Expr) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Identifier(name) = expr {
                self.0.insert(if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() });
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = condition.visit(&mut names);
    names.0
}
