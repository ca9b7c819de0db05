//! `FROM a, b CROSS JOIN LATERAL f(a.x)`: what stands behind the comma may look at all that stands before it.
//!
//! The planner lets a join see its own chain only. So the chains become one, wherever the comma and a cross join mean the same.

use sqlparser::ast::{Expr, Join, JoinConstraint, JoinOperator, TableFactor, TableWithJoins};

pub(super) fn joined(from: &mut Vec<TableWithJoins>) {
    let looks_back = |item: &TableWithJoins| item.joins.iter().any(|join| is_lateral(&join.relation));
    if from.len() < 2 || !from.iter().skip(1).any(looks_back) || !from.iter().skip(1).all(keeps_its_meaning) {
        return;
    }
    let mut items = std::mem::take(from).into_iter();
    let Some(mut first) = items.next() else { return };
    for item in items {
        let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
        first.joins.push(Join { relation: item.relation, global: false, join_operator });
        first.joins.extend(item.joins);
    }
    from.push(first);
}

/// Whether its joins are the same over more rows on their left, each with its columns.
fn keeps_its_meaning(item: &TableWithJoins) -> bool {
    item.joins.iter().all(|join| match &join.join_operator {
        JoinOperator::CrossJoin(_) => true,
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => matches!(constraint, JoinConstraint::On(_)),
        _ => false,
    })
}

fn is_lateral(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } => *lateral,
        TableFactor::Table { args: Some(args), .. } => args.args.iter().any(names_column),
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(|array| matches!(array, Expr::CompoundIdentifier(_))),
        _ => false,
    }
}

fn names_column(arg: &sqlparser::ast::FunctionArg) -> bool {
    struct Columns;
    impl sqlparser::ast::Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => std::ops::ControlFlow::Break(()),
                _ => std::ops::ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(arg, &mut Columns).is_break()
}
