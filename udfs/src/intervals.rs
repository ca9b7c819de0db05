//! Distances in time as PostgreSQL reads them: `1 day 02:03:04`, `1-2`, `90 minutes ago`, `P1Y2M3DT4H5M6S`.

use arrow::datatypes::IntervalMonthDayNano;

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

#[derive(Default)]
struct Parts {
    months: i128,
    days: i128,
    micros: i128,
}

/// None when it is no interval.
#[must_use]
pub fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let lower = text.trim().to_ascii_lowercase();
    let mut parts = Parts::default();
    match lower.strip_prefix('p') {
        Some(iso) => parts.iso(iso)?,
        None => parts.words(&lower)?,
    }
    Some(IntervalMonthDayNano::new(
        i32::try_from(parts.months).ok()?,
        i32::try_from(parts.days).ok()?,
        i64::try_from(parts.micros.checked_mul(1000)?).ok()?,
    ))
}

impl Parts {
    /// `number` has six digits behind the point.
    fn add(&mut self, number: i128, unit: &str) -> Option<()> {
        let whole = number / SECOND;
        let rest = number % SECOND;
        match unit.strip_suffix('.').unwrap_or(unit) {
            "y" | "yr" | "yrs" | "year" | "years" => self.months += number * 12 / SECOND,
            "decade" | "decades" | "dec" | "decs" => self.months += number * 120 / SECOND,
            "century" | "centuries" | "c" | "cent" => self.months += number * 1_200 / SECOND,
            "millennium" | "millennia" | "mil" | "mils" => self.months += number * 12_000 / SECOND,
            "mon" | "mons" | "month" | "months" => {
                self.months += whole;
                // A month is thirty days.
                let days = rest * 30;
                self.days += days / SECOND;
                self.micros += days % SECOND * DAY / SECOND;
            }
            "w" | "week" | "weeks" => {
                self.days += number * 7 / SECOND;
                self.micros += number * 7 % SECOND * DAY / SECOND;
            }
            "d" | "day" | "days" => {
                self.days += whole;
                self.micros += rest * DAY / SECOND;
            }
            "h" | "hr" | "hrs" | "hour" | "hours" => self.micros += number * 3_600,
            "m" | "min" | "mins" | "minute" | "minutes" => self.micros += number * 60,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => self.micros += number,
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => self.micros += number / 1_000,
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => self.micros += whole,
            _ => return None,
        }
        Some(())
    }

    fn words(&mut self, text: &str) -> Option<()> {
        let joined = with_signs(text);
        let mut words: Vec<&str> = joined.split_ascii_whitespace().collect();
        if words.first() == Some(&"@") {
            words.remove(0);
        }
        let is_back = words.last() == Some(&"ago");
        if is_back {
            words.pop();
        }
        if words.is_empty() {
            return None;
        }
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if word.contains(':') {
                self.micros += clock(word)?;
                continue;
            }
            // 1-2 is a year and two months.
            if let Some((years, months)) = word.trim_start_matches(['-', '+']).split_once('-') {
                let months = years.parse::<i128>().ok()? * 12 + months.parse::<i128>().ok()?;
                self.months += if word.starts_with('-') { -months } else { months };
                continue;
            }
            let end = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
            let (number, unit) = word.split_at_checked(end)?;
            let number = decimal(number)?;
            let unit = match unit {
                "" => words.next_if(|next| next.starts_with(|c: char| c.is_ascii_alphabetic())).or_else(|| {
                    // A bare number before a time of day counts days.
                    words.peek().is_some_and(|next| next.contains(':')).then_some("day")
                }),
                unit => Some(unit),
            };
            self.add(number, unit.unwrap_or(""))?;
        }
        if is_back {
            (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
        }
        Some(())
    }

    /// Behind the P.
    fn iso(&mut self, text: &str) -> Option<()> {
        let (date, time) = text.split_once('t').map_or((text, ""), |(date, time)| (date, time));
        if date.is_empty() && time.is_empty() {
            return None;
        }
        for (part, is_time) in [(date, false), (time, true)] {
            let mut rest = part;
            while !rest.is_empty() {
                let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
                let (number, behind) = rest.split_at_checked(end)?;
                let (unit, behind) = behind.split_at_checked(1)?;
                let unit = match (unit, is_time) {
                    ("y", false) => "year",
                    ("m", false) => "month",
                    ("w", false) => "week",
                    ("d", false) => "day",
                    ("h", true) => "hour",
                    ("m", true) => "minute",
                    ("s", true) => "second",
                    _ => return None,
                };
                self.add(decimal(number)?, unit)?;
                rest = behind;
            }
        }
        Some(())
    }
}

/// A sign that stands apart belongs to the number behind it: `1 month - 1 day`.
fn with_signs(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace() {
        joined.push_str(word);
        if !matches!(word, "-" | "+") {
            joined.push(' ');
        }
    }
    joined
}

/// A number with six digits behind the point, as a whole number.
fn decimal(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let number = whole * SECOND + fraction.parse::<i128>().ok()?;
    Some(if negative { -number } else { number })
}

/// Microseconds of `[-]hh:mm[:ss[.ffffff]]`.
fn clock(word: &str) -> Option<i128> {
    let (negative, digits) = match word.strip_prefix(['-', '+']) {
        Some(rest) => (word.starts_with('-'), rest),
        None => (false, word),
    };
    let mut parts = digits.split(':');
    let hours: i128 = parts.next()?.parse().ok()?;
    let minutes: i128 = parts.next()?.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    let seconds = parts.next().map_or(Some(0), decimal).filter(|seconds| (0..=60 * SECOND).contains(seconds))?;
    if parts.next().is_some() {
        return None;
    }
    let micros = (hours * 3_600 + minutes * 60) * SECOND + seconds;
    Some(if negative { -micros } else { micros })
}
