//! Comparisons of rows, item by item: `(a, b) = (c, d)`, `<`, `IN`, `IS NULL`, `IS DISTINCT FROM`.
//!
//! The planner makes a value of a row, which is never NULL and whose items compare as if NULL were the smallest. An item that is NULL leaves the
//! answer open, unless another decides it.

use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator};

use super::last_name;

/// The comparison in terms of the rows' items; None for anything else.
pub(super) fn by_items(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => equal(left, right),
        Expr::BinaryOp { left, op: BinaryOperator::NotEq, right } => equal(left, right).map(not),
        Expr::BinaryOp { left, op, right } => ordered(left, op, right),
        Expr::InList { expr: row, list, negated } => among(row, list).map(|found| if *negated { not(found) } else { found }),
        Expr::IsNull(row) => each(row, Expr::IsNull),
        Expr::IsNotNull(row) => each(row, Expr::IsNotNull),
        Expr::IsDistinctFrom(left, right) => pairs(left, right, BinaryOperator::Or, Expr::IsDistinctFrom),
        Expr::IsNotDistinctFrom(left, right) => pairs(left, right, BinaryOperator::And, Expr::IsNotDistinctFrom),
        _ => None,
    }
}

/// The items of `(a, b)` or `ROW(a, b)`.
fn items(row: &Expr) -> Option<Vec<Expr>> {
    match row {
        Expr::Tuple(items) => Some(items.clone()),
        Expr::Nested(inner) => items(inner),
        Expr::Function(Function { name, args: FunctionArguments::List(list), over: None, .. }) if last_name(name)? == "row" => {
            let item = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(item)) => Some(item.clone()),
                _ => None,
            };
            list.args.iter().map(item).collect()
        }
        _ => None,
    }
}

fn two_rows(left: &Expr, right: &Expr) -> Option<Vec<(Expr, Expr)>> {
    let (left, right) = (items(left)?, items(right)?);
    (left.len() == right.len() && !left.is_empty()).then(|| left.into_iter().zip(right).collect())
}

fn both(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

fn equal(left: &Expr, right: &Expr) -> Option<Expr> {
    let item = |(left, right): (Expr, Expr)| both(left, BinaryOperator::Eq, right);
    let equal = two_rows(left, right)?.into_iter().map(item).reduce(|one, other| both(one, BinaryOperator::And, other))?;
    Some(nested(equal))
}

/// `a < c OR (a = c AND (b < d ..))`: the first items that are not equal decide.
fn ordered(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    let mut pairs = two_rows(left, right)?;
    let (left, right) = pairs.pop()?;
    let last = both(left, op.clone(), right);
    let earlier = |rest: Expr, (left, right): (Expr, Expr)| {
        let is_equal = both(left.clone(), BinaryOperator::Eq, right.clone());
        let tied = nested(both(is_equal, BinaryOperator::And, nested(rest)));
        both(both(left, strict.clone(), right), BinaryOperator::Or, tied)
    };
    Some(nested(pairs.into_iter().rev().fold(last, earlier)))
}

fn among(row: &Expr, list: &[Expr]) -> Option<Expr> {
    let mut each = list.iter().map(|item| equal(row, item)).collect::<Option<Vec<_>>>()?;
    // As flat as it goes: lists may be long.
    while each.len() > 1 {
        let mut items = each.into_iter();
        each = Vec::new();
        while let Some(one) = items.next() {
            each.push(match items.next() {
                Some(other) => both(one, BinaryOperator::Or, other),
                None => one,
            });
        }
    }
    each.pop().map(nested)
}

/// Whether all items are so.
fn each(row: &Expr, so: fn(Box<Expr>) -> Expr) -> Option<Expr> {
    let all = items(row)?.into_iter().map(|item| so(Box::new(nested(item)))).reduce(|one, other| both(one, BinaryOperator::And, other));
    all.map(nested)
}

fn pairs(left: &Expr, right: &Expr, op: BinaryOperator, so: fn(Box<Expr>, Box<Expr>) -> Expr) -> Option<Expr> {
    let item = |(left, right)| nested(so(Box::new(nested(left)), Box::new(nested(right))));
    let all = two_rows(left, right)?.into_iter().map(item).reduce(|one, other| both(one, op.clone(), other));
    all.map(nested)
}
