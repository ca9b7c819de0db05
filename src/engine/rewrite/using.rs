//! `JOIN .. USING (columns)` and `NATURAL JOIN`: the one column that stands for those of both sides.
//!
//! The planner takes the column of one side, also where an outer join has left that side empty, and of `*` that of the table whose name comes
//! first in the alphabet. Here such a join becomes one ON a condition, and the merged column becomes the value that PostgreSQL gives it: of a
//! left join the left one, of a right join the right one, of a full join the first that is there. `*` begins with the merged columns.
//!
//! Guaranteed: a query is changed as a whole or not at all. It stays as it is where it is not known from the tree which relation has a column.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::SchemaRef;
use sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut,
    Visitor, VisitorMut, WildcardAdditionalOptions,
};

use super::super::resolve::folded;
use super::call;

/// The columns of the relations that a statement names, by schema and name.
pub(in crate::engine) type Shapes = HashMap<(String, String), SchemaRef>;

/// Puts every such join of a query, and of its sub-queries, in the planner's words.
pub(in crate::engine) fn joined(query: &mut Query, shapes: &Shapes) {
    let _ = query.visit(&mut Using { shapes });
}

/// Whether an outer join is left as it was: the planner would take its merged columns from the wrong side.
pub(in crate::engine) fn loses_keys(query: &Query) -> bool {
    struct Outer;
    impl Visitor for Outer {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let loses = |operator: &JoinOperator| match operator {
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) | JoinOperator::FullOuter(constraint) => {
                    is_merging(constraint)
                }
                _ => false,
            };
            match select.from.iter().flat_map(|from| &from.joins).any(|join| loses(&join.join_operator)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(query, &mut Outer).is_break()
}

struct Using<'a> {
    shapes: &'a Shapes,
}

impl VisitorMut for Using<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut order = Vec::new();
        if let Some(OrderByKind::Expressions(exprs)) = query.order_by.as_mut().map(|order_by| &mut order_by.kind) {
            order = exprs.iter_mut().collect();
        }
        self.body(&mut query.body, &mut order);
        ControlFlow::Continue(())
    }
}

impl Using<'_> {
    fn body(&self, body: &mut SetExpr, order: &mut [&mut OrderByExpr]) {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            // What is sorted is the rows of both, by their names.
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, &mut []);
                self.body(right, &mut []);
            }
            _ => {}
        }
    }

    fn select(&self, select: &mut Select, order: &mut [&mut OrderByExpr]) {
        let merges = |from: &TableWithJoins| from.joins.iter().any(|join| constraint(&join.join_operator).is_some_and(is_merging));
        if !select.from.iter().any(merges) {
            return;
        }
        let Some(items) = select.from.iter().map(|from| self.item(from)).collect::<Option<Vec<_>>>() else { return };
        let merged: HashMap<String, Expr> =
            items.iter().flat_map(|item| item.merged.iter().map(|merged| (merged.name.clone(), merged.value.clone()))).collect();
        for (from, item) in select.from.iter_mut().zip(&items) {
            for (join, on) in from.joins.iter_mut().zip(&item.conditions) {
                if let (Some(on), Some(constraint)) = (on, constraint_mut(&mut join.join_operator)) {
                    *constraint = JoinConstraint::On(on.clone());
                }
            }
        }
        let mut names = BTreeSet::new();
        let projection = std::mem::take(&mut select.projection);
        for item in projection {
            match item {
                SelectItem::Wildcard(options) if is_bare(&options) => select.projection.extend(items.iter().flat_map(Item::all)),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) if merged.contains_key(&folded(&name)) => {
                    names.insert(folded(&name));
                    let value = merged.get(&folded(&name)).cloned().unwrap_or(Expr::Identifier(name.clone()));
                    select.projection.push(SelectItem::ExprWithAlias { expr: value, alias: quoted(&folded(&name)) });
                }
                other => select.projection.push(other),
            }
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                names.insert(folded(alias));
            }
        }
        let mut values = Values { merged: &merged, depth: 0 };
        let _ = select.projection.visit(&mut values);
        let _ = select.distinct.visit(&mut values);
        let _ = select.selection.visit(&mut values);
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            let _ = exprs.visit(&mut values);
        }
        let _ = select.having.visit(&mut values);
        let _ = select.named_window.visit(&mut values);
        let _ = select.qualify.visit(&mut values);
        for from in &mut select.from {
            let _ = from.joins.visit(&mut values);
        }
        for by in order {
            // A bare name is that of an output column first.
            let is_output = matches!(&by.expr, Expr::Identifier(name) if names.contains(&folded(name)));
            if !is_output {
                let _ = by.expr.visit(&mut values);
            }
        }
    }

    /// What a FROM item is made of; None where it is not known which relation has a merged column.
    fn item(&self, from: &TableWithJoins) -> Option<Item> {
        let mut item = Item { relations: vec![self.relation(&from.relation)?], merged: Vec::new(), conditions: Vec::new() };
        for join in &from.joins {
            let mut right = self.relation(&join.relation)?;
            let names = match constraint(&join.join_operator) {
                Some(JoinConstraint::Using(names)) => names.iter().map(single).collect::<Option<Vec<_>>>()?,
                Some(JoinConstraint::Natural) => item.common(&right)?,
                _ => {
                    item.relations.push(right);
                    item.conditions.push(None);
                    continue;
                }
            };
            let mut condition = None;
            let mut merged = Vec::new();
            for name in names {
                let (left, right_side) = (item.value(&name)?, right.column(&name));
                item.hide(&name);
                right.hidden.insert(name.clone());
                let equal = Expr::BinaryOp { left: Box::new(left.clone()), op: BinaryOperator::Eq, right: Box::new(right_side.clone()) };
                condition = Some(match condition {
                    None => equal,
                    Some(before) => Expr::BinaryOp { left: Box::new(before), op: BinaryOperator::And, right: Box::new(equal) },
                });
                let value = match &join.join_operator {
                    JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => left,
                    JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right_side,
                    JoinOperator::FullOuter(_) => call("coalesce", vec![left, right_side]),
                    _ => return None,
                };
                merged.push(Merged { name, value });
            }
            // The columns of the last join come first.
            item.merged.retain(|before| merged.iter().all(|now| now.name != before.name));
            merged.append(&mut item.merged);
            item.merged = merged;
            item.relations.push(right);
            item.conditions.push(Some(condition.unwrap_or_else(always)));
        }
        Some(item)
    }

    fn relation(&self, factor: &TableFactor) -> Option<Relation> {
        let (own, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => (Some(name), alias),
            TableFactor::Derived { alias, .. } => (None, alias),
            _ => return None,
        };
        let parts = |name: &ObjectName| name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<Vec<_>>>();
        let shape = own.and_then(parts).and_then(|parts| match parts.as_slice() {
            [.., schema, table] => self.shapes.get(&(folded(schema), folded(table))).cloned(),
            _ => None,
        });
        let columns = shape.map(|shape| shape.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>());
        let (qualifier, columns) = match (alias, own) {
            (Some(TableAlias { name, columns: renamed, .. }), _) if renamed.is_empty() => (vec![name.clone()], columns),
            // Names given by the alias, which may be fewer than there are columns.
            (Some(TableAlias { name, columns: renamed, .. }), _) => (vec![name.clone()], renamed_columns(columns, renamed)),
            (None, Some(name)) => (parts(name)?, columns),
            (None, None) => return None,
        };
        Some(Relation { qualifier, columns, hidden: BTreeSet::new() })
    }
}

fn renamed_columns(columns: Option<Vec<String>>, renamed: &[sqlparser::ast::TableAliasColumnDef]) -> Option<Vec<String>> {
    let mut columns = columns?;
    for (column, given) in columns.iter_mut().zip(renamed) {
        *column = folded(&given.name);
    }
    Some(columns)
}

/// One relation of a FROM item.
struct Relation {
    qualifier: Vec<Ident>,
    /// None for a sub-query or a CTE, whose columns are not known before it is planned.
    columns: Option<Vec<String>>,
    /// Merged into another column: not among those of `*`.
    hidden: BTreeSet<String>,
}

impl Relation {
    fn column(&self, name: &str) -> Expr {
        Expr::CompoundIdentifier(self.qualifier.iter().cloned().chain([quoted(name)]).collect())
    }

    fn has(&self, name: &str) -> Option<bool> {
        self.columns.as_ref().map(|columns| columns.iter().any(|column| column == name))
    }

    fn all(&self) -> Vec<SelectItem> {
        match &self.columns {
            Some(columns) => {
                let shown = columns.iter().filter(|column| !self.hidden.contains(*column));
                shown.map(|column| SelectItem::ExprWithAlias { expr: self.column(column), alias: quoted(column) }).collect()
            }
            None => {
                let name = ObjectName(self.qualifier.iter().cloned().map(ObjectNamePart::Identifier).collect());
                let hidden: Vec<ObjectName> =
                    self.hidden.iter().map(|column| ObjectName(vec![ObjectNamePart::Identifier(quoted(column))])).collect();
                let exclude = if hidden.is_empty() { None } else { Some(ExcludeSelectItem::Multiple(hidden)) };
                let options = WildcardAdditionalOptions { opt_exclude: exclude, ..WildcardAdditionalOptions::default() };
                vec![SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)]
            }
        }
    }
}

/// A column of both sides of a join, and its value.
struct Merged {
    name: String,
    value: Expr,
}

/// A FROM item: its relations in order, and the columns that its joins have merged.
struct Item {
    relations: Vec<Relation>,
    merged: Vec<Merged>,
    /// What each join becomes, where it is one of these.
    conditions: Vec<Option<Expr>>,
}

impl Item {
    /// The value of a column of everything so far.
    fn value(&self, name: &str) -> Option<Expr> {
        if let Some(merged) = self.merged.iter().find(|merged| merged.name == name) {
            return Some(merged.value.clone());
        }
        if let [only] = self.relations.as_slice() {
            return Some(only.column(name));
        }
        let having: Vec<(&Relation, bool)> =
            self.relations.iter().map(|relation| relation.has(name).map(|has| (relation, has))).collect::<Option<_>>()?;
        match having.iter().filter(|(_, has)| *has).collect::<Vec<_>>().as_slice() {
            [(relation, _)] => Some(relation.column(name)),
            // None: the planner says so. Several: PostgreSQL calls it ambiguous, and so does the planner.
            _ => None,
        }
    }

    fn hide(&mut self, name: &str) {
        let is_only = self.relations.len() == 1;
        for relation in &mut self.relations {
            if is_only || relation.has(name) == Some(true) {
                relation.hidden.insert(name.to_owned());
            }
        }
    }

    /// The names that both sides of a NATURAL JOIN have, in the order of the left.
    fn common(&self, right: &Relation) -> Option<Vec<String>> {
        let mut names: Vec<String> = self.merged.iter().map(|merged| merged.name.clone()).collect();
        for relation in &self.relations {
            for column in relation.columns.as_ref()? {
                if !names.contains(column) {
                    names.push(column.clone());
                }
            }
        }
        let theirs = right.columns.as_ref()?;
        names.retain(|name| theirs.contains(name));
        Some(names)
    }

    /// What `*` means.
    fn all(&self) -> Vec<SelectItem> {
        let merged = self.merged.iter().map(|merged| SelectItem::ExprWithAlias { expr: merged.value.clone(), alias: quoted(&merged.name) });
        merged.chain(self.relations.iter().flat_map(Relation::all)).collect()
    }
}

/// Puts the values in the place of bare names; a sub-query has names of its own.
struct Values<'a> {
    merged: &'a HashMap<String, Expr>,
    depth: usize,
}

impl VisitorMut for Values<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.depth == 0
            && let Some(value) = self.merged.get(&folded(name))
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
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

fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
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

fn is_merging(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}

fn single(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(folded),
        _ => None,
    }
}

pub(super) fn is_bare(options: &WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none() && options.opt_except.is_none() && options.opt_replace.is_none() && options.opt_rename.is_none()
}

/// The condition of a NATURAL JOIN of relations that have no name in common.
fn always() -> Expr {
    Expr::Value(sqlparser::ast::Value::Boolean(true).with_empty_span())
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
