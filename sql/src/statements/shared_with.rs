//! The `WITH` list that several outputs share, put before the query of each.
//!
//! An output gets only what it names, directly or through another member of the list, so that it is planned alone and reads nothing more.
//! Its text then begins with the first of them and ends with its own query: places in all of them are found there.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    self, Cte, Expr as Tree, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, TableAlias, TableFactor, Value, Visit, VisitMut,
    Visitor, VisitorMut, With,
};

use crate::Ident;
use crate::error::{Result, SyntaxError};
use crate::query::{Query, TEMPORAL_FUNCTION};

/// One member of the list, and where its text begins.
pub(super) struct Shared {
    pub(super) name: Ident,
    pub(super) query: Query,
    /// Index of the first token of its query.
    pub(super) start: usize,
}

/// The query with what it shares before it, and the token that its text begins at; None when it names nothing of the list.
pub(super) fn before(shared: &[Shared], query: &Query) -> Result<Option<(Query, usize)>> {
    let own: HashSet<String> = query.ast.with.iter().flat_map(|with| &with.cte_tables).map(|cte| folded(&cte.alias.name)).collect();
    let mut wanted = names(&query.ast);
    let mut used: Vec<&Shared> = Vec::new();
    // A member sees only those before it.
    for member in shared.iter().rev() {
        if own.contains(&member.name.value) {
            let message = format!("WITH query name {} is specified more than once", member.name);
            return Err(SyntaxError::syntax(message).at(query.position));
        }
        if wanted.contains(&member.name.value) {
            wanted.extend(names(&member.query.ast));
            used.push(member);
        }
    }
    used.reverse();
    let Some(first) = used.first() else { return Ok(None) };
    let start = first.start;
    let mut whole = Query { temporals: Vec::new(), position: first.query.position, ..query.clone() };
    let mut members = Vec::new();
    for member in used {
        let mut ast = member.query.ast.clone();
        renumber(&mut ast, whole.temporals.len());
        whole.temporals.extend(member.query.temporals.iter().cloned());
        members.push(Cte {
            alias: TableAlias { explicit: false, name: ast::Ident::with_quote('"', &member.name.value), columns: Vec::new(), at: None },
            query: ast,
            from: None,
            materialized: None,
            closing_paren_token: AttachedToken::empty(),
        });
    }
    renumber(&mut whole.ast, whole.temporals.len());
    whole.temporals.extend(query.temporals.iter().cloned());
    match &mut whole.ast.with {
        Some(with) => {
            members.append(&mut with.cte_tables);
            with.cte_tables = members;
        }
        none => *none = Some(With { with_token: AttachedToken::empty(), recursive: false, cte_tables: members }),
    }
    Ok(Some((whole, start)))
}

fn folded(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The unqualified names that a query reads from.
fn names(query: &ast::Query) -> HashSet<String> {
    struct Names(HashSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            if let [part] = relation.0.as_slice()
                && let Some(ident) = part.as_ident()
            {
                self.0.insert(folded(ident));
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Names(HashSet::new());
    let _ = query.visit(&mut found);
    found.0
}

/// Moves the numbers of versioned tables up, behind those that come before.
fn renumber(query: &mut ast::Query, by: usize) {
    struct Renumber(usize);
    impl Renumber {
        fn argument(&self, argument: Option<&mut FunctionArg>) {
            if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Tree::Value(value)))) = argument
                && let Value::Number(number, _) = &mut value.value
                && let Ok(old) = number.parse::<usize>()
            {
                *number = (old + self.0).to_string();
            }
        }
    }
    impl VisitorMut for Renumber {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, args: Some(args), .. } = factor
                && is_temporal(name)
            {
                self.argument(args.args.first_mut());
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &mut Tree) -> ControlFlow<()> {
            if let Tree::Function(function) = expr
                && is_temporal(&function.name)
                && let FunctionArguments::List(list) = &mut function.args
            {
                self.argument(list.args.first_mut());
            }
            ControlFlow::Continue(())
        }
    }
    if by > 0 {
        let _ = query.visit(&mut Renumber(by));
    }
}

fn is_temporal(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| ident.value == TEMPORAL_FUNCTION))
}
