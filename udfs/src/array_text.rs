//! The text form of an array, `{a,"b c",NULL}`.

use crate::failure::{Kind, with_detail};
use datafusion_common::Result;

/// The items; None is NULL.
///
/// # Errors
/// When it is not such a text. Arrays in arrays are refused.
pub fn items(text: &str) -> Result<Vec<Option<String>>> {
    let bad = |detail: &str| with_detail(Kind::InvalidText, &format!("malformed array literal: \"{text}\""), detail.to_owned());
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('{').ok_or_else(|| bad("Array value must start with \"{\" or dimension information."))?;
    let inner = inner.strip_suffix('}').ok_or_else(|| bad("Unexpected end of input."))?;
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let (mut item, mut is_quoted, mut is_inside) = (String::new(), false, false);
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => item.push(chars.next().ok_or_else(|| bad("Unexpected end of input."))?),
            '"' => {
                is_quoted = true;
                is_inside = !is_inside;
            }
            ',' if !is_inside => {
                items.push(finished(std::mem::take(&mut item), is_quoted).ok_or_else(|| bad("Unexpected \",\" character."))?);
                is_quoted = false;
            }
            '{' | '}' if !is_inside => return Err(bad("Arrays of arrays are not supported.")),
            blank if blank.is_whitespace() && !is_inside && (item.is_empty() || is_quoted) => {}
            other => item.push(other),
        }
    }
    if is_inside {
        return Err(bad("Unexpected end of input."));
    }
    items.push(finished(item, is_quoted).ok_or_else(|| bad("Unexpected \"}\" character."))?);
    Ok(items)
}

/// `None` for nothing between two commas; the inner `None` is NULL.
#[expect(clippy::option_option, reason = "the outer one says whether there is an item, the inner one is SQL's NULL")]
fn finished(item: String, is_quoted: bool) -> Option<Option<String>> {
    match is_quoted {
        true => Some(Some(item)),
        false if item.trim_end().eq_ignore_ascii_case("null") => Some(None),
        false => Some(item.trim_end().to_owned()).filter(|item| !item.is_empty()).map(Some),
    }
}
