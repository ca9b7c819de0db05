//! `SCHEDULE CRON 'minute hour day month weekday' [AT TIME ZONE zone]`: the times a wall clock shows.
//!
//! A local time that a clock change skips fires at the next valid minute; one that it repeats fires once, the first time. So a
//! schedule never misses a day and never doubles one. For a beat that is even through clock changes write EVERY.
//! Day and weekday, when both are given, are alternatives, as in every cron. Not here: seconds, years, `@daily` and its kin.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::parser::{CronParser, Seconds, Year};
use weir_sql::nearest;
use weir_sql::statements::create_pipeline::{Trigger, TriggerKind};

use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// A repeated stretch of local time is at most a day, which holds this many minutes.
const MAX_REPEATED: usize = 2 * 24 * 60;

/// The longest stretch that a clock change has skipped is a day; in minutes, with room.
const MAX_SKIPPED: i64 = 2 * 24 * 60;

struct Field {
    name: &'static str,
    takes: &'static str,
    words: &'static [&'static str],
}

/// The five fields in their order.
const FIELDS: [Field; 5] = [
    Field { name: "minute", takes: "0-59", words: &[] },
    Field { name: "hour", takes: "0-23", words: &[] },
    Field { name: "day of the month", takes: "1-31 or L for the last", words: &[] },
    Field {
        name: "month",
        takes: "1-12 or JAN-DEC",
        words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field { name: "weekday", takes: "0-7 or SUN-SAT", words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

/// A checked expression and the zone whose clock it follows.
#[derive(Debug, Clone)]
pub(super) struct Cron {
    pattern: croner::Cron,
    zone: Tz,
}

impl Cron {
    /// # Errors
    /// `InvalidParameter` at the field or the zone that is wrong.
    pub(super) fn parse(trigger: &Trigger) -> Result<Self> {
        let TriggerKind::Cron { expression, expression_position, time_zone } = &trigger.kind else {
            return Err(Error::internal("a cron schedule is read from another trigger"));
        };
        let zone = match time_zone {
            None => Tz::UTC,
            Some(name) => zone(name).map_err(|error| error.at(zone_position(trigger, name)))?,
        };
        let text_position = text_position(trigger, *expression_position);
        check(expression, *expression_position, text_position)?;
        let wrong = |e| Error::new(Code::InvalidParameter, format!("\"{expression}\" is not a cron expression")).caused_by(e);
        let pattern = parser().parse(expression).map_err(|e| wrong(e).at(*expression_position))?;
        let cron = Self { pattern, zone };
        if cron.next_after(0).is_none() {
            return Err(Error::new(Code::InvalidParameter, format!("the cron expression \"{expression}\" never matches"))
                .hint("No month it allows has the day it asks for.".to_owned())
                .at(*expression_position));
        }
        Ok(cron)
    }

    pub(super) fn next_after(&self, after: Micros) -> Option<Micros> {
        let after = DateTime::from_timestamp_micros(after)?;
        // The pattern is walked on a clock that never changes; each local time is then placed on the real one.
        let mut local = after.with_timezone(&self.zone).naive_local().and_utc();
        for _ in 0..MAX_REPEATED {
            local = self.pattern.find_next_occurrence::<DateTime<Utc>>(&local, false).ok()?;
            let at = self.place(local.naive_utc())?;
            // Not later: the second pass of a repeated local time, or one skipped that fired together with its neighbour.
            if at > after {
                return Some(at.timestamp_micros());
            }
        }
        None
    }

    /// When the zone's clock first shows that local time, or the first minute after it that the clock shows at all.
    fn place(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        for minutes in 0..MAX_SKIPPED {
            let shown = local.checked_add_signed(TimeDelta::minutes(minutes))?;
            match self.zone.from_local_datetime(&shown) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return Some(at.with_timezone(&Utc)),
                LocalResult::None => {}
            }
        }
        None
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

/// Checks the fields one by one, so that an error names and points at the one that is wrong.
fn check(expression: &str, position: usize, text_position: Option<usize>) -> Result<()> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let message = format!("a cron expression has five fields, not {}", fields.len());
        return Err(Error::new(Code::InvalidParameter, message)
            .hint("They are minute, hour, day of the month, month and weekday: '30 6 * * MON-FRI'.".to_owned())
            .at(position));
    }
    for (index, (text, field)) in fields.iter().zip(&FIELDS).enumerate() {
        if let Err(cause) = check_field(index, text, field) {
            let offset = starts(expression).nth(index).unwrap_or(0);
            let at = text_position.map_or(position, |start| start.saturating_add(offset));
            let error = Error::new(Code::InvalidParameter, format!("\"{text}\" is not valid for the {} of a cron expression", field.name));
            let error = error.hint(format!("It takes {}, lists (1,3), ranges (1-5) and steps (*/2).", field.takes)).at(at);
            return Err(match cause {
                Some(cause) => error.caused_by(cause),
                None => error,
            });
        }
    }
    Ok(())
}

/// The parser knows words and signs that are not a cron's, or not this field's: those never reach it.
fn check_field(index: usize, text: &str, field: &Field) -> Result<(), Option<croner::errors::CronError>> {
    let upper = text.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    if words.any(|word| word != "L" && word != "W" && !field.words.contains(&word)) || text.contains(['?', '+', '@']) {
        return Err(None);
    }
    let alone: Vec<&str> = (0..FIELDS.len()).map(|other| if other == index { text } else { "*" }).collect();
    parser().parse(&alone.join(" ")).map(drop).map_err(Some)
}

/// Where each field begins, in characters.
fn starts(expression: &str) -> impl Iterator<Item = usize> {
    let mut blank = true;
    expression.chars().enumerate().filter_map(move |(offset, c)| {
        let begins = blank && !c.is_whitespace();
        blank = c.is_whitespace();
        begins.then_some(offset)
    })
}

fn zone(name: &str) -> Result<Tz> {
    let known = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
    known.copied().ok_or_else(|| {
        let near = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = near.map_or_else(|| "A zone is written as in 'Europe/Madrid'.".to_owned(), |near| format!("Did you mean '{near}'?"));
        Error::new(Code::InvalidParameter, format!("time zone \"{name}\" is not known")).hint(hint)
    })
}

/// Where the characters of the expression begin, when the user wrote it between plain quotes.
fn text_position(trigger: &Trigger, literal: usize) -> Option<usize> {
    let offset = literal.checked_sub(trigger.position)?;
    (trigger.text.chars().nth(offset) == Some('\'')).then(|| literal.saturating_add(1))
}

/// Where the zone's name begins, when it stands at the end between plain quotes; otherwise the trigger itself.
fn zone_position(trigger: &Trigger, name: &str) -> usize {
    let Some(before) = trigger.text.strip_suffix(&format!("'{name}'")) else { return trigger.position };
    trigger.position.saturating_add(before.chars().count())
}
