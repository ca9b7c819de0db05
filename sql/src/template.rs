//! The text of a template: statements with `{{parameter}}` where an instance puts its arguments.
//!
//! Substitution is typed: a value becomes a literal of its type and a name becomes quoted identifiers, so no argument can add a word to a
//! statement. Within quotes and comments nothing is substituted, so that a sink may have braces of its own. `{{self}}` is the instance's own
//! name. Letters that follow a name belong to it: `{{self}}_files` is an object beside the instance.

use crate::error::{Result, SyntaxError};
use crate::{Ident, Name, parse_interval, quote_ident};

/// The name of the instance itself.
pub const SELF: &str = "self";

/// What stands in the place of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filling {
    /// A literal, written out.
    Literal(String),
    Name(Name),
}

/// The types that a template's parameter may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateType {
    Text,
    Number,
    Boolean,
    Interval,
    /// A name without a schema: a column, a part of a name.
    Identifier,
    Relation,
    Connection,
    Secret,
}

impl TemplateType {
    /// By the word that names it.
    pub(crate) fn of(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        Some(match lower.as_str() {
            "text" | "varchar" | "date" | "timestamp" | "timestamptz" | "uuid" => Self::Text,
            "smallint" | "int" | "integer" | "bigint" | "int2" | "int4" | "int8" | "numeric" | "decimal" | "real" | "float8" => {
                Self::Number
            }
            "boolean" | "bool" => Self::Boolean,
            "interval" => Self::Interval,
            "identifier" => Self::Identifier,
            "relation" => Self::Relation,
            "connection" => Self::Connection,
            "secret" => Self::Secret,
            _ => return None,
        })
    }

    /// As messages and catalog views name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Interval => "interval",
            Self::Identifier => "identifier",
            Self::Relation => "relation",
            Self::Connection => "connection",
            Self::Secret => "secret",
        }
    }

    pub(crate) fn is_name(self) -> bool {
        matches!(self, Self::Identifier | Self::Relation | Self::Connection | Self::Secret)
    }

    /// A value as a literal of this type. None if it is none.
    pub(crate) fn literal(self, value: &LiteralValue) -> Option<String> {
        match (self, value) {
            (Self::Text, LiteralValue::Text(text)) => Some(quoted(text)),
            (Self::Interval, LiteralValue::Text(text)) => parse_interval(text).ok().map(|_| quoted(text)),
            (Self::Number, LiteralValue::Number(digits)) => Some(digits.clone()),
            (Self::Boolean, LiteralValue::Boolean(truth)) => Some(if *truth { "TRUE" } else { "FALSE" }.to_owned()),
            _ => None,
        }
    }
}

/// A literal as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LiteralValue {
    Text(String),
    /// With its sign.
    Number(String),
    Boolean(bool),
}

fn quoted(text: &str) -> String {
    // A backslash is an ordinary character: strings are standard.
    format!("'{}'", text.replace('\'', "''"))
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Parameter {
        name: String,
        /// Letters that belong to the name.
        suffix: &'a str,
        /// 1-based character offset.
        position: usize,
    },
}

/// The parameters that a text names, each once, without `self`.
///
/// # Errors
/// Braces that are not closed, and a parameter's name that is none.
pub fn parameters(text: &str) -> Result<Vec<Ident>> {
    let mut found: Vec<Ident> = Vec::new();
    for piece in pieces(text)? {
        if let Piece::Parameter { name, position, .. } = piece
            && name != SELF
            && !found.iter().any(|known| known.value == name)
        {
            found.push(Ident { value: name, position });
        }
    }
    Ok(found)
}

/// The text with every parameter replaced by what `filling` has for it.
///
/// # Errors
/// A parameter without a filling, and letters behind one that is no name.
pub fn filled(text: &str, filling: impl Fn(&str) -> Option<Filling>) -> Result<String> {
    let mut result = String::with_capacity(text.len() + 64);
    for piece in pieces(text)? {
        match piece {
            Piece::Text(part) => result.push_str(part),
            Piece::Parameter { name, suffix, position } => match filling(&name) {
                Some(Filling::Literal(literal)) if suffix.is_empty() => result.push_str(&literal),
                Some(Filling::Literal(_)) => {
                    let message = format!("\"{suffix}\" behind the value of parameter \"{name}\"");
                    return Err(SyntaxError::syntax(message).at(position));
                }
                Some(Filling::Name(filled)) => {
                    if let Some(schema) = &filled.schema {
                        result.push_str(&quote_ident(&schema.value));
                        result.push('.');
                    }
                    result.push_str(&quote_ident(&format!("{}{suffix}", filled.name.value)));
                }
                None => return Err(SyntaxError::syntax(format!("the template has no parameter \"{name}\"")).at(position)),
            },
        }
    }
    Ok(result)
}

/// Cuts a text at its parameters.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let (mut rest, mut position) = (text, 1);
    loop {
        let plain = plain_length(rest);
        let (before, behind) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        position += before.chars().count();
        let Some(inside) = behind.strip_prefix("{{") else { return Ok(pieces) };
        let Some((name, after)) = inside.split_once("}}") else {
            return Err(SyntaxError::syntax("{{ is not closed by }}").at(position));
        };
        let trimmed = name.trim();
        if trimmed.is_empty() || !trimmed.chars().all(is_name_char) || trimmed.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!("\"{trimmed}\" is not the name of a parameter");
            return Err(SyntaxError::syntax(message).hint(Some("Between {{ and }} stands one name.".to_owned())).at(position));
        }
        let length = after.find(|c| !is_name_char(c)).unwrap_or(after.len());
        let (suffix, tail) = after.split_at_checked(length).unwrap_or((after, ""));
        pieces.push(Piece::Parameter { name: trimmed.to_lowercase(), suffix, position });
        position += name.chars().count() + 4 + suffix.chars().count();
        rest = tail;
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many bytes come before the next parameter. Quoted parts and comments are passed whole; the parser complains about what is not closed.
fn plain_length(text: &str) -> usize {
    let mut at = 0;
    let mut before = ' ';
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.chars().next() else { break };
        if rest.starts_with("{{") {
            return at;
        }
        let passed = match next {
            '\'' => quoted_length(rest, '\'', matches!(before, 'e' | 'E')),
            '"' => quoted_length(rest, '"', false),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment_length(rest),
            '$' if !is_name_char(before) => dollar_length(rest),
            other => other.len_utf8(),
        };
        at += passed.max(1);
        before = next;
    }
    text.len()
}

/// The length of a part in quotes; a doubled quote is a sign in it.
fn quoted_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if escapes && sign == '\\' {
            signs.next();
        } else if sign == quote {
            match signs.peek() {
                Some((_, doubled)) if *doubled == quote => {
                    signs.next();
                }
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

fn comment_length(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(sign) => at += sign.len_utf8(),
                None => break,
            }
        }
    }
    text.len()
}

/// `$tag$ .. $tag$`; a lone dollar sign is one sign.
fn dollar_length(text: &str) -> usize {
    let Some(inside) = text.strip_prefix('$') else { return 1 };
    let Some(end) = inside.find('$') else { return 1 };
    let Some(tag) = inside.get(..end) else { return 1 };
    if !tag.chars().all(is_name_char) || tag.starts_with(|c: char| c.is_ascii_digit()) {
        return 1;
    }
    let opening = format!("${tag}$");
    match text.get(opening.len()..).and_then(|body| body.find(&opening)) {
        Some(length) => opening.len() * 2 + length,
        None => text.len(),
    }
}
