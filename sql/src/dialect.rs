//! PostgreSQL's dialect with three differences.
//!
//! The name of an argument is an identifier, not an expression: otherwise `sqlparser` reads every argument of a call
//! twice, and a call nested thirty deep a thousand million times. And a word that begins a clause is no column:
//! otherwise `SELECT a + FROM t` reads a column called "FROM" with the alias t. And an operator of patterns binds as
//! `||` does. Everything else is passed on.

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// The dialect of every part that `sqlparser` reads.
pub(crate) static DIALECT: WeirDialect = WeirDialect {};

#[derive(Debug, Clone, Copy)]
pub(crate) struct WeirDialect {}

/// Words that PostgreSQL reserves and that begin no expression.
const NO_EXPRESSION: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::INTO,
    Keyword::ON,
    Keyword::AS,
    Keyword::AND,
    Keyword::OR,
    Keyword::IN,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::END,
    Keyword::USING,
    Keyword::RETURNING,
];

/// Passes on questions that are answered with yes or no.
macro_rules! passed_on {
    ($($question:ident),+ $(,)?) => {
        $(fn $question(&self) -> bool {
            POSTGRES.$question()
        })+
    };
}

/// `trim(trailing from x)`, without the characters that go; those of JDBC's `{fn length(x)}` have none.
fn trim_from(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let is_word = |place: usize, keywords: &[Keyword]| match &parser.peek_nth_token_ref(place).token {
        Token::Word(word) => keywords.contains(&word.keyword),
        _ => false,
    };
    let has_side = is_word(2, &[Keyword::BOTH, Keyword::LEADING, Keyword::TRAILING]);
    if parser.peek_nth_token_ref(1).token != Token::LParen || !is_word(if has_side { 3 } else { 2 }, &[Keyword::FROM]) {
        return None;
    }
    let mut read = || {
        parser.next_token();
        parser.expect_token(&Token::LParen)?;
        let trim_where = if has_side { Some(parser.parse_trim_where()?) } else { None };
        parser.expect_keyword_is(Keyword::FROM)?;
        let expr = Box::new(parser.parse_expr()?);
        parser.expect_token(&Token::RParen)?;
        Ok(Expr::Trim { expr, trim_where, trim_what: None, trim_characters: None })
    };
    Some(read())
}

impl Dialect for WeirDialect {
    /// `sqlparser` asks in places whether it reads PostgreSQL.
    fn dialect(&self) -> TypeId {
        POSTGRES.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let next = parser.peek_token_ref();
        match &next.token {
            Token::Word(word) if word.quote_style.is_none() && NO_EXPRESSION.contains(&word.keyword) => {
                Some(parser.expected_ref("an expression", next))
            }
            Token::Word(word) if word.keyword == Keyword::TRIM && word.quote_style.is_none() => trim_from(parser),
            _ => None,
        }
    }

    passed_on!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            // As any operator that has no place of its own.
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => Some(Ok(POSTGRES.prec_value(Precedence::PgOther))),
            _ => POSTGRES.get_next_precedence(parser),
        }
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question that a newer `sqlparser` answers for PostgreSQL has to be passed on too.
    #[test]
    fn it_still_is_postgres() {
        let dialect: &dyn Dialect = &DIALECT;
        assert!(dialect.is::<PostgreSqlDialect>());
    }
}
