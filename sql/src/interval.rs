//! Lengths of time, as PostgreSQL keeps them: months, days and microseconds apart.

use std::fmt;

use crate::error::{Result, SyntaxError};

/// A length of time. Months and days have no fixed length, so the three never mix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// What one of a unit is.
#[derive(Clone, Copy)]
enum Unit {
    Micros(i64),
    Days(i32),
    Months(i32),
}

const UNITS: &[(&[&str], Unit)] = &[
    (&["us", "usec", "usecs", "microsecond", "microseconds"], Unit::Micros(1)),
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], Unit::Micros(1000)),
    (&["s", "sec", "secs", "second", "seconds"], Unit::Micros(SECOND)),
    (&["m", "min", "mins", "minute", "minutes"], Unit::Micros(MINUTE)),
    (&["h", "hr", "hrs", "hour", "hours"], Unit::Micros(HOUR)),
    (&["d", "day", "days"], Unit::Days(1)),
    (&["w", "week", "weeks"], Unit::Days(7)),
    (&["mon", "mons", "month", "months"], Unit::Months(1)),
    (&["y", "yr", "yrs", "year", "years"], Unit::Months(12)),
];

impl Interval {
    /// The length in microseconds, with a day of 24 hours; `None` when months are in it or it is too long.
    #[must_use]
    pub fn as_micros(&self) -> Option<i64> {
        if self.months != 0 {
            return None;
        }
        i64::from(self.days).checked_mul(24 * HOUR)?.checked_add(self.micros)
    }

    /// Whether it is longer than nothing in each of its parts that count.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.months >= 0 && self.days >= 0 && self.micros >= 0 && *self != Self::default()
    }

    fn add(&mut self, number: &str, unit: Unit) -> Option<()> {
        match unit {
            Unit::Micros(one) => self.micros = self.micros.checked_add(scaled(number, one)?)?,
            Unit::Days(one) => self.days = self.days.checked_add(whole(number)?.checked_mul(one)?)?,
            Unit::Months(one) => self.months = self.months.checked_add(whole(number)?.checked_mul(one)?)?,
        }
        Some(())
    }
}

impl fmt::Display for Interval {
    /// Writes it so that [`parse_interval`] reads the same again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let mut say = |count: i64, unit: &str| {
            if count != 0 {
                parts.push(format!("{count} {unit}{}", if count.abs() == 1 { "" } else { "s" }));
            }
        };
        say((self.months / 12).into(), "year");
        say((self.months % 12).into(), "month");
        say(self.days.into(), "day");
        say(self.micros / HOUR, "hour");
        say(self.micros % HOUR / MINUTE, "minute");
        say(self.micros % MINUTE / SECOND, "second");
        say(self.micros % SECOND, "microsecond");
        if parts.is_empty() { f.write_str("0 seconds") } else { f.write_str(&parts.join(" ")) }
    }
}

/// Whether the word is a unit of time.
pub(crate) fn is_unit(word: &str) -> bool {
    unit(word).is_some()
}

/// Every unit's long name in the plural, to suggest from.
fn unit_names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().flat_map(|(names, _)| names.iter().copied())
}

fn unit(word: &str) -> Option<Unit> {
    UNITS.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(word))).map(|(_, unit)| *unit)
}

/// Reads `5 minutes`, `1 day 2 hours`, `1.5 s`, `10min` or `01:30:00`.
///
/// # Errors
/// When a number or unit is missing, unknown or too large. The error has no position: only the caller knows it.
pub fn parse_interval(text: &str) -> Result<Interval> {
    let invalid = || SyntaxError::syntax(format!("invalid interval \"{text}\""));
    let mut interval = Interval::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(invalid().hint(Some("Write a number and a unit, as in '5 minutes'.".to_owned())));
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ':'))).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end).ok_or_else(invalid)?;
        if number.contains(':') {
            interval.micros = clock(number).and_then(|more| interval.micros.checked_add(more)).ok_or_else(invalid)?;
            rest = after.trim_start();
            continue;
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at_checked(end).ok_or_else(invalid)?;
        let Some(unit) = unit(word) else {
            let hint = match crate::nearest(word, unit_names()) {
                Some(name) if !word.is_empty() => format!("Did you mean {name}?"),
                _ => "Write a number and a unit, as in '5 minutes'.".to_owned(),
            };
            return Err(invalid().hint(Some(hint)));
        };
        interval.add(number, unit).ok_or_else(invalid)?;
        rest = after.trim_start();
    }
    Ok(interval)
}

fn whole(number: &str) -> Option<i32> {
    number.parse().ok()
}

/// `number * one`, where the number may have a fraction; rounds to nothing finer than a microsecond.
fn scaled(number: &str, one: i64) -> Option<i64> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (units, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if units.is_empty() && fraction.is_empty() {
        return None;
    }
    let units: i64 = if units.is_empty() { 0 } else { digits_only(units)?.parse().ok()? };
    let mut total = units.checked_mul(one)?;
    if !fraction.is_empty() {
        let nine: String = digits_only(fraction)?.chars().chain(std::iter::repeat('0')).take(9).collect();
        let nanos: i128 = nine.parse().ok()?;
        total = total.checked_add(i64::try_from(nanos * i128::from(one) / 1_000_000_000).ok()?)?;
    }
    Some(if negative { -total } else { total })
}

fn digits_only(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

/// `HH:MM[:SS[.ffffff]]`.
fn clock(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut parts = digits.split(':');
    let hours: i64 = digits_only(parts.next()?)?.parse().ok()?;
    let minutes: i64 = digits_only(parts.next()?)?.parse().ok()?;
    let seconds = parts.next().map_or(Some(0), |seconds| scaled(seconds, SECOND))?;
    if parts.next().is_some() || minutes > 59 || !(0..MINUTE).contains(&seconds) {
        return None;
    }
    let total = hours.checked_mul(HOUR)?.checked_add(minutes * MINUTE)?.checked_add(seconds)?;
    Some(if negative { -total } else { total })
}
