//! `t.*` where `t` has become `schema.t`: the planner looks for the very name.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, VisitMut, VisitorMut};

use super::last_name;

/// Gives such wildcards the names that their tables have now.
pub(in crate::engine) fn qualified(query: &mut Query) {
    let _ = query.visit(&mut Wildcards);
}

struct Wildcards;

impl VisitorMut for Wildcards {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut names: HashMap<String, ObjectName> = HashMap::new();
        for from in &select.from {
            for relation in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
                if let TableFactor::Table { name, alias: None, args: None, .. } = relation
                    && let Some(last) = last_name(name)
                {
                    names.insert(last, name.clone());
                }
            }
        }
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && name.0.len() == 1
                && let Some(full) = last_name(name).and_then(|last| names.get(&last))
            {
                *name = full.clone();
            }
        }
        ControlFlow::Continue(())
    }
}
