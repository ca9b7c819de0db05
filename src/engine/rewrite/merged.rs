//! The columns that `JOIN .. USING` merges, as PostgreSQL has them: one value, taken from the side that has it.
//!
//! The planner takes the left side's column whatever the join is: rows that only the right side has would lose their key, and WHERE would not
//! know which column is meant. So before planning the join gets the condition in full, each merged column becomes `a.id`, `b.id` or
//! `coalesce(a.id, b.id)`, and `*` begins with them. Left alone: joins of which the text does not say whose column is merged, see [`loses_keys`].

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Distinct, ExceptSelectItem, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy, OrderByKind,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions,
};

use super::super::resolve::folded;
use super::call;

/// Merges the columns of every select in a query.
pub(super) struct Merged;

impl VisitorMut for Merged {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        match query.body.as_mut() {
            SetExpr::Select(select) => merge(select, query.order_by.as_mut()),
            other => branches(other),
        }
        ControlFlow::Continue(())
    }
}

fn branches(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => merge(select, None),
        SetExpr::SetOperation { left, right, .. } => {
            branches(left);
            branches(right);
        }
        _ => {}
    }
}

/// Whether an outer join is left whose merged columns the planner would take from the wrong side.
pub(in crate::engine) fn loses_keys(query: &Query) -> bool {
    struct Outer;
    impl Visitor for Outer {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let mut joins = select.from.iter().flat_map(|from| &from.joins);
            match joins
                .any(|join| matches!(side(&join.join_operator), Some((Side::Right | Side::Both, constraint)) if is_merging(constraint)))
            {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(query, &mut Outer).is_break()
}

fn is_merging(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}

/// Where a merged column's value is found.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

fn side(operator: &JoinOperator) -> Option<(Side, &JoinConstraint)> {
    match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => Some((Side::Left, constraint)),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => Some((Side::Left, constraint)),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => Some((Side::Right, constraint)),
        JoinOperator::FullOuter(constraint) => Some((Side::Both, constraint)),
        _ => None,
    }
}

fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// What one element of FROM offers.
struct Element {
    relations: Vec<Relation>,
    /// Last joined first, as `*` shows them.
    columns: Vec<(Ident, Expr)>,
    /// The condition of each join.
    conditions: Vec<Option<Expr>>,
}

struct Relation {
    name: Ident,
    /// Its columns that are merged.
    merged: Vec<Ident>,
}

fn merge(select: &mut Select, order: Option<&mut OrderBy>) {
    let elements: Vec<Option<Element>> = select.from.iter().map(element).collect();
    let columns: Vec<(Ident, Expr)> = elements.iter().flatten().flat_map(|element| element.columns.clone()).collect();
    if columns.is_empty() {
        return;
    }
    for (from, found) in select.from.iter_mut().zip(&elements) {
        for (join, condition) in from.joins.iter_mut().zip(found.iter().flat_map(|element| &element.conditions)) {
            if let (Some(constraint), Some(condition)) = (constraint_of(&mut join.join_operator), condition) {
                *constraint = JoinConstraint::On(condition.clone());
            }
        }
    }
    let mut shown: Vec<String> = Vec::new();
    let items = std::mem::take(&mut select.projection);
    for item in items {
        match item {
            SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                shown.extend(columns.iter().map(|(column, _)| folded(column)));
                select.projection.extend(wildcard(&elements, &select.from));
            }
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                shown.push(folded(&name));
                select.projection.push(match merged_as(&name, &columns) {
                    Some(expr) => SelectItem::ExprWithAlias { expr, alias: name },
                    None => SelectItem::UnnamedExpr(Expr::Identifier(name)),
                });
            }
            mut other => {
                if let SelectItem::ExprWithAlias { alias, .. } = &other {
                    shown.push(folded(alias));
                }
                let _ = other.visit(&mut Replace { columns: &columns, queries: 0 });
                select.projection.push(other);
            }
        }
    }
    replace_clauses(select, &columns);
    if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order {
        for item in exprs {
            if !matches!(&item.expr, Expr::Identifier(name) if shown.contains(&folded(name))) {
                let _ = item.visit(&mut Replace { columns: &columns, queries: 0 });
            }
        }
    }
}

fn replace_clauses(select: &mut Select, columns: &[(Ident, Expr)]) {
    let replace = &mut Replace { columns, queries: 0 };
    let _ = select.selection.visit(replace);
    let _ = select.having.visit(replace);
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        let _ = exprs.visit(replace);
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        let _ = exprs.visit(replace);
    }
    let _ = select.named_window.visit(replace);
}

/// Names and conditions of the joins; None where nothing is merged or the text does not say whose columns are.
fn element(from: &TableWithJoins) -> Option<Element> {
    let first = Relation { name: name_of(&from.relation)?, merged: Vec::new() };
    let mut found = Element { relations: vec![first], columns: Vec::new(), conditions: Vec::new() };
    for join in &from.joins {
        let right = name_of(&join.relation)?;
        let mut merged = Vec::new();
        let condition = match (&join.join_operator, side(&join.join_operator)) {
            (_, Some((side, JoinConstraint::Using(names)))) => {
                merged = names.iter().map(|name| name.0.last()?.as_ident().cloned()).collect::<Option<Vec<_>>>()?;
                Some(joined(&mut found, &right, &merged, side)?)
            }
            (_, Some((_, JoinConstraint::On(condition)))) => {
                let mut condition = condition.clone();
                let _ = condition.visit(&mut Replace { columns: &found.columns, queries: 0 });
                Some(condition)
            }
            (JoinOperator::CrossJoin(_), _) | (_, Some((_, JoinConstraint::None))) => None,
            _ => return None,
        };
        found.conditions.push(condition);
        found.relations.push(Relation { name: right, merged });
    }
    Some(found)
}

/// The condition of a join with USING; its columns become merged ones.
fn joined(found: &mut Element, right: &Ident, names: &[Ident], side: Side) -> Option<Expr> {
    let mut columns = Vec::new();
    let mut condition: Option<Expr> = None;
    for name in names {
        let known = found.columns.iter().position(|(column, _)| folded(column) == folded(name));
        let left = match known {
            Some(at) => found.columns.remove(at).1,
            None => {
                let [only] = found.relations.as_mut_slice() else { return None };
                only.merged.push(name.clone());
                column_of(&only.name, name)
            }
        };
        let own = column_of(right, name);
        let value = match side {
            Side::Left => left.clone(),
            Side::Right => own.clone(),
            Side::Both => call("coalesce", vec![left.clone(), own.clone()]),
        };
        columns.push((name.clone(), value));
        let equal = Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Eq, right: Box::new(own) };
        condition = Some(match condition {
            Some(before) => Expr::BinaryOp { left: Box::new(before), op: BinaryOperator::And, right: Box::new(equal) },
            None => equal,
        });
    }
    columns.append(&mut found.columns);
    found.columns = columns;
    condition
}

fn column_of(relation: &Ident, column: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![relation.clone(), column.clone()])
}

fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } => Some(alias.name.clone()),
        TableFactor::Table { name, alias: None, args: None, .. } => name.0.last()?.as_ident().cloned(),
        _ => None,
    }
}

/// `*`: the merged columns, then what else the relations have.
fn wildcard(elements: &[Option<Element>], from: &[TableWithJoins]) -> Vec<SelectItem> {
    let mut items = Vec::new();
    for (element, from) in elements.iter().zip(from) {
        match element {
            Some(element) => {
                items.extend(
                    element.columns.iter().map(|(name, expr)| SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() }),
                );
                items.extend(element.relations.iter().map(|relation| all_of(&relation.name, &relation.merged)));
            }
            None => {
                let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
                items.extend(factors.filter_map(name_of).map(|name| all_of(&name, &[])));
            }
        }
    }
    items
}

fn all_of(relation: &Ident, except: &[Ident]) -> SelectItem {
    let opt_except =
        except.split_first().map(|(first, rest)| ExceptSelectItem { first_element: first.clone(), additional_elements: rest.to_vec() });
    SelectItem::QualifiedWildcard(
        SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![relation.clone()])),
        WildcardAdditionalOptions { opt_except, ..WildcardAdditionalOptions::default() },
    )
}

fn merged_as(name: &Ident, columns: &[(Ident, Expr)]) -> Option<Expr> {
    columns.iter().find(|(column, _)| folded(column) == folded(name)).map(|(_, expr)| expr.clone())
}

/// Puts what a merged column is in the place of its bare name.
struct Replace<'a> {
    columns: &'a [(Ident, Expr)],
    /// A query inside has columns of its own.
    queries: usize,
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries == 0
            && let Expr::Identifier(name) = expr
            && let Some(value) = merged_as(name, self.columns)
        {
            *expr = value;
        }
        ControlFlow::Continue(())
    }
}
