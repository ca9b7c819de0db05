//! `COPY {name [(columns)] | PIPELINE name [(args)]} FROM STDIN [WITH (..)]` and `COPY {name [(columns)] | (query)} TO STDOUT [WITH (..)]`

use sqlparser::tokenizer::Token;

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{Argument, Columns, Name, OptionEntry, OptionValue, Options, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    pub direction: CopyDirection,
    /// Keys in lower case; a key without a value is TRUE, a bare word is text.
    pub options: Options,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CopyDirection {
    IntoRelation { name: Name, columns: Columns },
    IntoPipeline { name: Name, arguments: Vec<Argument> },
    OutOfRelation { name: Name, columns: Columns },
    OutOfQuery(Query),
}

impl Copy {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let direction = CopyDirection::parse(p)?;
        p.word("WITH");
        let options = if p.sees_symbol(&Token::LParen) { Options::parse_loose_group(p)? } else { old_style_options(p)? };
        p.finish_or(&["WITH"])?;
        Ok(Self { direction, options })
    }
}

impl CopyDirection {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.sees_symbol(&Token::LParen) {
            let query = p.query_in_brackets()?;
            p.expect(&["TO"])?;
            stream(p, "STDOUT")?;
            return Ok(Self::OutOfQuery(query));
        }
        let behind_is_name = p.nth(1).is_some_and(|tok| matches!(tok.token.token, Token::Word(_)));
        let direction_behind = p.nth(1).is_some_and(|tok| tok.is_word("FROM") || tok.is_word("TO"));
        if p.sees(&["PIPELINE"]) && behind_is_name && !direction_behind {
            p.word("PIPELINE");
            let name = p.name()?;
            let arguments = if p.sees_symbol(&Token::LParen) { Argument::parse_list(p)? } else { Vec::new() };
            p.expect(&["FROM"])?;
            stream(p, "STDIN")?;
            return Ok(Self::IntoPipeline { name, arguments });
        }
        let name = p.name()?;
        let columns = if p.sees_symbol(&Token::LParen) { p.columns()? } else { Vec::new() };
        if p.word("FROM") {
            stream(p, "STDIN")?;
            return Ok(Self::IntoRelation { name, columns });
        }
        if p.word("TO") {
            stream(p, "STDOUT")?;
            return Ok(Self::OutOfRelation { name, columns });
        }
        Err(p.expected_one_of(&["FROM", "TO"]))
    }
}

/// The client's own stream is the only end there is: the server opens no files for a client.
fn stream(p: &mut Cursor<'_>, word: &str) -> Result<()> {
    if p.word(word) {
        return Ok(());
    }
    let position = p.position();
    if p.try_string().is_some() || p.word("PROGRAM") {
        return Err(SyntaxError::not_supported("COPY from or to a file of the server is not supported")
            .hint(Some("Use \\copy in psql, or a source over a local connection.".to_owned()))
            .at(position));
    }
    Err(p.expected_one_of(&[word]))
}

/// `CSV HEADER DELIMITER ';'`: what PostgreSQL 8 had and many tools still send.
fn old_style_options(p: &mut Cursor<'_>) -> Result<Options> {
    let mut options = Options::default();
    while !p.at_end() {
        let position = p.position();
        let value_position = position;
        let word = p.any_ident()?.value;
        let (key, value) = match word.as_str() {
            "csv" | "text" | "binary" => ("format".to_owned(), OptionValue::Text(word)),
            "header" => (word, OptionValue::Bool(true)),
            "delimiter" | "null" | "quote" | "escape" | "encoding" => {
                p.word("AS");
                (word, OptionValue::Text(p.string()?))
            }
            _ => {
                p.move_to(p.index() - 1);
                return Err(p.expected_one_of(&["CSV", "HEADER", "DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING"]));
            }
        };
        options.entries.push(OptionEntry { key, position, value, value_position });
    }
    Ok(options)
}
