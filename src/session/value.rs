//! Values of session variables: what each shape takes, and how it is written.
//!
//! Wording and forms follow PostgreSQL: times take a unit and are shown in the largest one that divides them, `on` has many spellings.

use std::fmt;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::{FixedOffset, Utc};

use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// Which values a variable takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    Flag,
    Integer {
        min: i64,
        max: i64,
    },
    /// A length of time in milliseconds; 0 switches it off.
    Millis,
    Choice(&'static [&'static str]),
    /// Names of schemas.
    Names,
    TimeZone,
    DateStyle,
    Encoding,
    /// A point in time, or nothing.
    Moment,
    /// Can be shown only.
    Fixed,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Flag(bool),
    Integer(i64),
    Millis(i64),
    Names(Vec<String>),
    Moment { at: Option<Micros>, text: String },
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) | Value::Moment { text, .. } => f.write_str(text),
            Value::Flag(flag) => f.write_str(if *flag { "on" } else { "off" }),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Millis(millis) => f.write_str(&show_millis(*millis)),
            Value::Names(names) => {
                let quoted: Vec<String> = names.iter().map(|name| weir_sql::quote_ident(name)).collect();
                f.write_str(&quoted.join(", "))
            }
        }
    }
}

impl Shape {
    /// The value of a default in the table of variables, which may also be one that cannot be set.
    pub fn read_default(self, text: &str) -> Result<Value> {
        match self {
            Shape::Fixed => Ok(Value::Text(text.to_owned())),
            Shape::Names => Ok(Value::Names(split_names(text))),
            _ => self.read("", &[text.to_owned()], "UTC"),
        }
    }

    /// Checks what a client gave.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that is not taken, `WrongState` for a variable that cannot be set.
    pub fn read(self, name: &str, words: &[String], time_zone: &str) -> Result<Value> {
        let text = words.join(", ");
        let refused = || Error::new(Code::InvalidParameter, format!("invalid value for parameter \"{name}\": \"{text}\""));
        match self {
            Shape::Text => Ok(Value::Text(text)),
            Shape::Flag => read_flag(&text)
                .map(Value::Flag)
                .ok_or_else(|| Error::new(Code::InvalidParameter, format!("parameter \"{name}\" requires a Boolean value"))),
            Shape::Integer { min, max } => {
                let number: i64 = text.trim().parse().map_err(|_| refused())?;
                if (min..=max).contains(&number) {
                    Ok(Value::Integer(number))
                } else {
                    let message = format!("{number} is outside the valid range for parameter \"{name}\" ({min} .. {max})");
                    Err(Error::new(Code::InvalidParameter, message))
                }
            }
            Shape::Millis => read_millis(&text)
                .map(Value::Millis)
                .ok_or_else(|| refused().hint("Valid units for this parameter are \"ms\", \"s\", \"min\", \"h\", and \"d\".".to_owned())),
            Shape::Choice(choices) => {
                let word = text.trim().to_ascii_lowercase();
                let word = if choices == ["on"] && read_flag(&word) == Some(true) { "on".to_owned() } else { word };
                if choices.contains(&word.as_str()) {
                    Ok(Value::Text(word))
                } else {
                    Err(refused().hint(format!("Available values: {}.", choices.join(", "))))
                }
            }
            Shape::Names => Ok(Value::Names(read_names(words))),
            Shape::TimeZone => read_zone(&text).map(Value::Text).ok_or_else(refused),
            Shape::DateStyle => read_date_style(&text)
                .map(Value::Text)
                .ok_or_else(|| refused().hint("Dates are written as ISO 8601 and read as such or with the month first.".to_owned())),
            Shape::Encoding => match text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
                "utf8" | "unicode" => Ok(Value::Text("UTF8".to_owned())),
                _ => Err(refused().hint("Text is always UTF-8.".to_owned())),
            },
            Shape::Moment if text.trim().is_empty() => Ok(Value::Moment { at: None, text: String::new() }),
            Shape::Moment => match read_moment(&text, time_zone) {
                Some(at) => Ok(Value::Moment { at: Some(at), text }),
                None => Err(refused().hint("Write a date or a time, such as '2026-11-01 12:00+01'.".to_owned())),
            },
            Shape::Fixed => Err(Error::new(Code::WrongState, format!("parameter \"{name}\" cannot be changed"))),
        }
    }
}

fn read_flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Units of time, largest first, in milliseconds.
const UNITS: &[(&str, i64)] = &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

fn read_millis(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let unit = unit.trim();
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    number.parse::<i64>().ok()?.checked_mul(factor).filter(|millis| *millis <= i64::from(i32::MAX))
}

fn show_millis(millis: i64) -> String {
    match UNITS.iter().find(|(_, factor)| millis != 0 && millis % factor == 0) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0".to_owned(),
    }
}

/// A list given as one quoted string (a start-up option) is split; words given one by one are names as they stand.
fn read_names(words: &[String]) -> Vec<String> {
    match words {
        [one] => split_names(one),
        many => many.iter().filter(|name| !name.is_empty()).cloned().collect(),
    }
}

fn split_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut current)),
            c if c.is_whitespace() && !quoted => {}
            c => current.push(c),
        }
    }
    names.push(current);
    names.retain(|name| !name.is_empty());
    names
}

/// A zone of the IANA list in its own spelling, or an offset as `+HH:MM`.
fn read_zone(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)) {
        return Some(zone.name().to_owned());
    }
    if text.eq_ignore_ascii_case("z") {
        return Some("UTC".to_owned());
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 15 && minutes < 60).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

fn read_date_style(text: &str) -> Option<String> {
    let mut order = "MDY";
    for word in text.split(',') {
        match word.trim().to_ascii_uppercase().as_str() {
            "ISO" | "DEFAULT" => {}
            "MDY" | "US" | "NONEUROPEAN" => order = "MDY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

fn read_moment(text: &str, time_zone: &str) -> Option<Micros> {
    let text = &with_seconds(text.trim());
    let moment = match (time_zone.parse::<chrono_tz::Tz>(), time_zone.parse::<FixedOffset>()) {
        (Ok(zone), _) => string_to_datetime(&zone, text).ok()?.with_timezone(&Utc),
        (_, Ok(offset)) => string_to_datetime(&offset, text).ok()?.with_timezone(&Utc),
        _ => return None,
    };
    Some(moment.timestamp_micros())
}

/// `12:00` as `12:00:00`: the reader wants all three, people write two.
fn with_seconds(text: &str) -> String {
    let Some((date, time)) = text.split_once([' ', 'T']) else { return text.to_owned() };
    let time = time.trim_start();
    let end = time.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(time.len());
    match time.split_at_checked(end) {
        Some((clock, zone)) if clock.matches(':').count() == 1 => format!("{date} {clock}:00{zone}"),
        _ => text.to_owned(),
    }
}
