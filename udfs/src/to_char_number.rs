//! Numbers by PostgreSQL's patterns: 9, 0, point and D, comma and G, FM, a sign by S or MI. Any other letter is an error, never skipped.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};

use crate::row::text;

/// What stands at one place of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A digit that is left out when it is a leading zero.
    Nine,
    Zero,
    Comma,
}

#[derive(Default)]
struct Pattern {
    before: Vec<Place>,
    after: Vec<Place>,
    has_point: bool,
    bare: bool,
    sign_first: bool,
    minus_last: bool,
}

fn read(pattern: &str) -> Result<Pattern> {
    let mut found = Pattern::default();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let two = rest.get(..2).unwrap_or("").to_ascii_uppercase();
        match two.as_str() {
            "FM" => {
                (found.bare, rest) = (true, rest.get(2..).unwrap_or(""));
                continue;
            }
            "MI" => {
                (found.minus_last, rest) = (true, rest.get(2..).unwrap_or(""));
                continue;
            }
            _ => {}
        }
        let places = if found.has_point { &mut found.after } else { &mut found.before };
        match c {
            '9' => places.push(Place::Nine),
            '0' => places.push(Place::Zero),
            ',' | 'G' | 'g' if !found.has_point => places.push(Place::Comma),
            '.' | 'D' | 'd' if !found.has_point => found.has_point = true,
            'S' | 's' if found.before.is_empty() && !found.has_point => found.sign_first = true,
            other => return Err(DataFusionError::NotImplemented(format!("\"{other}\" in a pattern for numbers"))),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    Ok(found)
}

/// The number by the pattern; `#` in every place when it has more digits than the pattern.
pub(crate) fn format(value: &ScalarValue, pattern: &str) -> Result<String> {
    let pattern = read(pattern)?;
    let scale = i8::try_from(pattern.after.len()).map_err(|_| DataFusionError::Execution("pattern is too long".to_owned()))?;
    let rounded = value.cast_to(&DataType::Decimal128(38, scale))?.cast_to(&DataType::Utf8)?;
    let rounded = text(&rounded)?;
    let (negative, digits) = match rounded.strip_prefix('-') {
        Some(digits) => (digits.contains(|c: char| c.is_ascii_digit() && c != '0'), digits),
        None => (false, rounded),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // A zero before the point is shown only where the pattern asks for it, unless there is nothing else.
    let whole = whole.trim_start_matches('0');
    let is_nothing = whole.is_empty() && (!pattern.has_point || (pattern.bare && fraction.bytes().all(|digit| digit == b'0')));
    let whole = if is_nothing && pattern.before.iter().any(|place| *place != Place::Comma) { "0" } else { whole };
    let (shown, pad) = before(&pattern, whole);
    let mut written = String::new();
    if !pattern.bare {
        written.push_str(&" ".repeat(pad));
    }
    if !pattern.minus_last {
        match (negative, pattern.sign_first) {
            (true, _) => written.push('-'),
            (false, true) => written.push('+'),
            (false, false) if !pattern.bare => written.push(' '),
            (false, false) => {}
        }
    }
    written.push_str(&shown);
    if pattern.has_point {
        written.push('.');
        written.push_str(&after(&pattern, fraction, shown.contains('#')));
    }
    if pattern.minus_last && (negative || !pattern.bare) {
        written.push(if negative { '-' } else { ' ' });
    }
    Ok(written)
}

/// The part before the point, and how many blanks stand before it.
fn before(pattern: &Pattern, whole: &str) -> (String, usize) {
    let places = pattern.before.iter().filter(|place| **place != Place::Comma).count();
    let overflows = whole.len() > places;
    let mut digits = whole.chars();
    let (mut left, mut started, mut pad) = (places, false, 0);
    let mut shown = String::new();
    for place in &pattern.before {
        if *place == Place::Comma {
            if started {
                shown.push(',')
            } else {
                pad += 1
            }
            continue;
        }
        let here = left <= whole.len();
        left -= 1;
        started |= here || *place == Place::Zero;
        match (overflows, here, started) {
            (true, _, _) => shown.push('#'),
            (false, true, _) => shown.extend(digits.next()),
            (false, false, true) => shown.push('0'),
            (false, false, false) => pad += 1,
        }
    }
    (shown, pad)
}

fn after(pattern: &Pattern, fraction: &str, overflows: bool) -> String {
    if overflows {
        return "#".repeat(pattern.after.len());
    }
    if !pattern.bare {
        return fraction.to_owned();
    }
    // FM takes away the zeros that only nines ask for.
    let kept = pattern.after.iter().rposition(|place| *place == Place::Zero).map_or(0, |at| at + 1);
    let needed = fraction.trim_end_matches('0').len().max(kept);
    fraction.chars().take(needed).collect()
}
