//! From the parser's lines and columns to the character that a client marks.
//!
//! A tree carries locations of the whole input, of which only the part's own text and where it starts is known here. Both are brought
//! together by the first `SELECT` (or, in an expression, the first name): it stands in the tree and in the text.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::errors::Spot;

/// A part of the input whose tree is being planned.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    text: &'a str,
    /// 1-based character offset of the text in the whole input.
    position: usize,
    /// A word and where the whole input has it.
    anchor: Option<(String, Location)>,
}

impl<'a> Place<'a> {
    pub(super) fn query(query: &'a weir_sql::Query) -> Self {
        Self::new(&query.text, query.position, &*query.ast)
    }

    pub(super) fn expr(expr: &'a weir_sql::Expr) -> Self {
        Self::new(&expr.text, expr.position, &expr.ast)
    }

    pub(super) fn dml(dml: &'a weir_sql::Dml) -> Self {
        Self::new(&dml.text, dml.position, &*dml.ast)
    }

    /// For what comes without a text.
    pub(super) fn nowhere() -> Self {
        Self { text: "", position: 1, anchor: None }
    }

    /// Bytes of its text.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    fn new(text: &'a str, position: usize, tree: &impl Visit) -> Self {
        let mut first = First::default();
        let _ = tree.visit(&mut first);
        let anchor = first.select.map(|location| ("select".to_owned(), location)).or(first.name);
        Self { text, position, anchor }
    }

    /// The character offset of a location of the whole input; None when the tree does not tell.
    pub(super) fn offset(&self, (line, column): Spot) -> Option<usize> {
        let (word, there) = self.anchor.as_ref()?;
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, self.text).tokenize_with_location().ok()?;
        let here = tokens.iter().find_map(|token| match &token.token {
            Token::Word(found) if found.value == *word || (found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word)) => {
                Some(token.span.start)
            }
            _ => None,
        })?;
        let own_line = (line + here.line).checked_sub(there.line)?;
        let own_column = match line == there.line && here.line == 1 || own_line == 1 {
            true => (column + here.column).checked_sub(there.column)?,
            false => column,
        };
        let offset = weir_sql::position_of(self.text, own_line, own_column);
        Some(self.position + offset.saturating_sub(1))
    }
}

#[derive(Default)]
struct First {
    select: Option<Location>,
    name: Option<(String, Location)>,
}

impl First {
    fn name(&mut self, ident: &ast::Ident) {
        let start = ident.span.start;
        if start.line > 0 && self.name.as_ref().is_none_or(|(_, known)| start < *known) {
            self.name = Some((ident.value.clone(), start));
        }
    }
}

impl Visitor for First {
    type Break = ();

    fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<()> {
        let start = select.select_token.0.span.start;
        if start.line > 0 && self.select.is_none_or(|known| start < known) {
            self.select = Some(start);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Identifier(ident) => self.name(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.first().into_iter().for_each(|ident| self.name(ident)),
            ast::Expr::Function(function) => {
                function.name.0.first().and_then(ast::ObjectNamePart::as_ident).into_iter().for_each(|ident| self.name(ident));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ast::ObjectName) -> ControlFlow<()> {
        relation.0.first().and_then(ast::ObjectNamePart::as_ident).into_iter().for_each(|ident| self.name(ident));
        ControlFlow::Continue(())
    }
}
