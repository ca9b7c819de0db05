//! Columns of a relation that can be named and that `*` does not give.
//!
//! The planner knows no such columns: for it `*` is everything. Here `*` and `t.*` become the columns that are shown, where a relation has hidden
//! ones; other queries stay as they are.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias,
    TableAliasColumnDef, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::super::resolve::folded;
use super::using::{Shapes, is_bare};

/// The hidden columns of relations, by schema and name.
pub(in crate::engine) type Hidden = HashMap<(String, String), Vec<String>>;

/// Leaves hidden columns out of what a query and its sub-queries show without naming it. `shapes` has the columns that are shown.
pub(in crate::engine) fn left_out(query: &mut Query, hidden: &Hidden, shapes: &Shapes) {
    if !hidden.is_empty() {
        let _ = query.visit(&mut Stars { hidden, shapes });
    }
}

struct Stars<'a> {
    hidden: &'a Hidden,
    shapes: &'a Shapes,
}

/// A relation of FROM: how it is spoken of, and what it shows and hides.
struct Relation {
    qualifier: Vec<Ident>,
    /// None where nothing is hidden: then `t.*` says it all.
    shown: Option<Vec<String>>,
    hidden: Vec<String>,
}

impl VisitorMut for Stars<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        // Names that the alias gives to all columns are meant for those that are shown.
        let Some((key, Some(alias))) = named(factor) else { return ControlFlow::Continue(()) };
        if let (Some(hidden), Some(shape)) = (self.hidden.get(&key), self.shapes.get(&key))
            && alias.columns.len() == shape.fields().len()
        {
            let column = |name: &String| TableAliasColumnDef { name: quoted(name), data_type: None };
            alias.columns.extend(hidden.iter().map(column));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors =
            select.from.iter().flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
        let relations: Vec<Option<Relation>> = factors.map(|factor| self.relation(factor)).collect();
        let hidden: Vec<String> = relations.iter().flatten().flat_map(|relation| relation.hidden.clone()).collect();
        if hidden.is_empty() {
            return ControlFlow::Continue(());
        }
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) if is_bare(&options) && relations.iter().all(Option::is_some) => {
                    select.projection.extend(relations.iter().flatten().flat_map(Relation::all));
                }
                SelectItem::Wildcard(options) => select.projection.push(SelectItem::Wildcard(without(options, &hidden))),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    match relations.iter().flatten().find(|relation| !relation.hidden.is_empty() && relation.is_called(&name)) {
                        Some(relation) if is_bare(&options) => select.projection.extend(relation.all()),
                        Some(relation) => {
                            let options = without(options, &relation.hidden);
                            select
                                .projection
                                .push(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options));
                        }
                        None => select
                            .projection
                            .push(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)),
                    }
                }
                other => select.projection.push(other),
            }
        }
        ControlFlow::Continue(())
    }
}

impl Stars<'_> {
    /// None where it has no name by which its columns could be asked for.
    fn relation(&self, factor: &TableFactor) -> Option<Relation> {
        let (name, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => (Some(name), alias),
            TableFactor::Derived { alias, .. } => (None, alias),
            _ => return None,
        };
        let idents = name.map(|name| name.0.iter().filter_map(ObjectNamePart::as_ident).cloned().collect::<Vec<_>>());
        let qualifier = match (alias, &idents) {
            (Some(alias), _) => vec![alias.name.clone()],
            (None, Some(idents)) => idents.clone(),
            (None, None) => return None,
        };
        let key = idents.as_deref().and_then(|idents| match idents {
            [.., schema, table] => Some((folded(schema), folded(table))),
            _ => None,
        });
        let Some((key, hidden)) = key.and_then(|key| self.hidden.get_key_value(&key)) else {
            return Some(Relation { qualifier, shown: None, hidden: Vec::new() });
        };
        let mut all: Vec<String> = self.shapes.get(key)?.fields().iter().map(|field| field.name().clone()).collect();
        let shown = all.len();
        all.extend(hidden.iter().cloned());
        for (column, given) in all.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
            *column = folded(&given.name);
        }
        let hidden = all.split_off(shown);
        Some(Relation { qualifier, shown: Some(all), hidden })
    }
}

impl Relation {
    fn is_called(&self, name: &ObjectName) -> bool {
        let last = name.0.last().and_then(ObjectNamePart::as_ident).map(folded);
        last.is_some() && last == self.qualifier.last().map(folded)
    }

    fn all(&self) -> Vec<SelectItem> {
        let Some(shown) = &self.shown else {
            let name = ObjectName(self.qualifier.iter().cloned().map(ObjectNamePart::Identifier).collect());
            let all = SelectItemQualifiedWildcardKind::ObjectName(name);
            return vec![SelectItem::QualifiedWildcard(all, WildcardAdditionalOptions::default())];
        };
        let column = |name: &String| Expr::CompoundIdentifier(self.qualifier.iter().cloned().chain([quoted(name)]).collect());
        shown.iter().map(|name| SelectItem::ExprWithAlias { expr: column(name), alias: quoted(name) }).collect()
    }
}

/// The relation of the catalog that a factor names, and its alias.
fn named(factor: &mut TableFactor) -> Option<((String, String), Option<&mut TableAlias>)> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    match name.0.iter().filter_map(ObjectNamePart::as_ident).collect::<Vec<_>>().as_slice() {
        [.., schema, table] => Some(((folded(schema), folded(table)), alias.as_mut())),
        _ => None,
    }
}

fn without(options: WildcardAdditionalOptions, hidden: &[String]) -> WildcardAdditionalOptions {
    let mut names: Vec<ObjectName> = hidden.iter().map(|name| ObjectName(vec![ObjectNamePart::Identifier(quoted(name))])).collect();
    match options.opt_exclude.clone() {
        Some(ExcludeSelectItem::Single(one)) => names.push(one),
        Some(ExcludeSelectItem::Multiple(many)) => names.extend(many),
        None => {}
    }
    WildcardAdditionalOptions { opt_exclude: Some(ExcludeSelectItem::Multiple(names)), ..options }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
