//! Templates of what is signed: text with placeholders, as `{timestamp}.{body}`.
//!
//! Placeholders: `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}`, `{path}`, `{query}` (empty when there is none) and
//! `{header:name}`. `{{` and `}}` stand for braces.

use std::borrow::Cow;

use crate::error::ConfigError;
use crate::request::Request;
use crate::verdict::Refusal;

use super::hubspot::SignedUrl;
use super::scheme::Place;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Body,
    Time,
    Id,
    Method,
    Url,
    Path,
    Query,
    Header(Place),
}

/// Values that other options say the place of.
pub(super) struct Values<'a> {
    pub(super) time: &'a str,
    pub(super) id: &'a str,
}

/// # Errors
/// `UnknownPlaceholder`, `InvalidOption` for braces that do not match.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, ConfigError> {
    let unbalanced = || ConfigError::InvalidOption("template", "has a brace without its other");
    let (mut parts, mut literal) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '{' | '}' if rest.next_if_eq(&character).is_some() => literal.push(character),
            '}' => return Err(unbalanced()),
            '{' => {
                let mut name = String::new();
                loop {
                    match rest.next().ok_or_else(unbalanced)? {
                        '}' => break,
                        '{' => return Err(unbalanced()),
                        other => name.push(other),
                    }
                }
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(placeholder(&name)?);
            }
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

fn placeholder(name: &str) -> Result<Part, ConfigError> {
    Ok(match name {
        "body" => Part::Body,
        "timestamp" => Part::Time,
        "id" => Part::Id,
        "method" => Part::Method,
        "url" => Part::Url,
        "path" => Part::Path,
        "query" => Part::Query,
        other => match other.strip_prefix("header:") {
            Some(header) => Part::Header(Place::header(header)?),
            None => return Err(ConfigError::UnknownPlaceholder(other.to_owned())),
        },
    })
}

/// The bytes that each part stands for, in order.
///
/// # Errors
/// Those of a header that the template names.
pub(super) fn fill<'a>(
    parts: &'a [Part],
    request: &Request<'a>,
    url: &SignedUrl,
    values: &Values<'a>,
) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let text = |text: &'a str| Cow::Borrowed(text.as_bytes());
    let fill = |part: &'a Part| {
        Ok(match part {
            Part::Text(literal) => text(literal),
            Part::Body => Cow::Borrowed(request.body),
            Part::Time => text(values.time),
            Part::Id => text(values.id),
            Part::Method => text(request.method),
            Part::Url => Cow::Owned(url.of(request).into_bytes()),
            Part::Path => text(request.path),
            Part::Query => text(request.query.unwrap_or_default()),
            Part::Header(place) => match place.read(request)? {
                Cow::Borrowed(value) => text(value),
                Cow::Owned(value) => Cow::Owned(value.into_bytes()),
            },
        })
    };
    parts.iter().map(fill).collect()
}
