//! When a pipeline is due by the clock: `SCHEDULE EVERY ..` and `SCHEDULE CRON ..`.
//!
//! Pure: the next time follows from the last one alone, so a hub that was down finds the one run it owes, not one per missed tick.
//! `EVERY` beats steadily in UTC, counted from 1970-01-01 00:00; `CRON` follows a wall clock (see [`super::cron`]).

use chrono::{DateTime, Months, NaiveDateTime, TimeDelta};
use weir_sql::Interval;
use weir_sql::statements::create_pipeline::{Trigger, TriggerKind};

use super::cron::Cron;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

const SECOND: Micros = 1_000_000;
const DAY: Micros = 24 * 60 * 60 * SECOND;

/// An average month, to guess how many of them have passed.
const MONTH: Micros = 2_629_746 * SECOND;

/// How many ticks the guess may be off, and then some.
const MAX_STEPS: usize = 1_000;

/// The times at which a trigger fires.
#[derive(Debug, Clone)]
pub struct Schedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Every { interval: Interval, offset: Interval },
    Cron(Box<Cron>),
}

impl Schedule {
    /// The schedule of a trigger; `None` for one that waits for something else than the time.
    ///
    /// # Errors
    /// `InvalidParameter` at the offending field for a schedule that can never fire, fires too often, or names an unknown zone.
    pub fn parse(trigger: &Trigger) -> Result<Option<Self>> {
        match &trigger.kind {
            TriggerKind::Every { interval, offset } => {
                let offset = offset.unwrap_or_default();
                Self::every(*interval, offset).map(Some).map_err(|error| error.at(trigger.position))
            }
            TriggerKind::Cron { .. } => Ok(Some(Self(Kind::Cron(Box::new(Cron::parse(trigger)?))))),
            TriggerKind::Update { .. } | TriggerKind::After { .. } | TriggerKind::Event { .. } => Ok(None),
        }
    }

    fn every(interval: Interval, offset: Interval) -> Result<Self> {
        let often = interval.months == 0 && interval.as_micros().is_none_or(|micros| micros < SECOND);
        if !interval.is_positive() || often {
            return Err(Error::new(Code::InvalidParameter, "a schedule fires at most once a second")
                .hint("To run as soon as something arrives, write TRIGGER ON UPDATE.".to_owned()));
        }
        Ok(Self(Kind::Every { interval, offset }))
    }

    /// The first time after `after`; `None` when there is none that the calendar can hold.
    pub fn next_after(&self, after: Micros) -> Option<Micros> {
        match &self.0 {
            Kind::Cron(cron) => cron.next_after(after),
            Kind::Every { interval, offset } => match interval.months {
                0 if offset.months == 0 => next_beat(interval.as_micros()?, offset.as_micros()?, after),
                _ => next_tick(*interval, *offset, after),
            },
        }
    }
}

/// The next of the times `offset + k * length`.
fn next_beat(length: Micros, offset: Micros, after: Micros) -> Option<Micros> {
    let past = after.checked_sub(offset)?.rem_euclid(length);
    after.checked_add(length.checked_sub(past)?)
}

/// The next tick of an interval that has months in it, whose ticks lie at uneven distances.
fn next_tick(interval: Interval, offset: Interval, after: Micros) -> Option<Micros> {
    let mean = i64::from(interval.months).checked_mul(MONTH)?.checked_add(fixed(interval)?)?;
    let mut count = after.div_euclid(mean).checked_sub(2)?;
    for _ in 0..MAX_STEPS {
        if tick(interval, offset, count)? <= after {
            break;
        }
        count = count.checked_sub(1)?;
    }
    for _ in 0..MAX_STEPS {
        count = count.checked_add(1)?;
        let at = tick(interval, offset, count)?;
        if at > after {
            return Some(at);
        }
    }
    None
}

/// Whole months are counted first, from the first of a month, so that none is ever cut short; then days and the rest.
fn tick(interval: Interval, offset: Interval, count: i64) -> Option<Micros> {
    let months = i64::from(interval.months).checked_mul(count)?.checked_add(i64::from(offset.months))?;
    let start = add_months(DateTime::UNIX_EPOCH.naive_utc(), months)?;
    let rest = fixed(interval)?.checked_mul(count)?.checked_add(fixed(offset)?)?;
    Some(start.checked_add_signed(TimeDelta::microseconds(rest))?.and_utc().timestamp_micros())
}

fn add_months(from: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { from.checked_sub_months(count) } else { from.checked_add_months(count) }
}

/// The days and the rest of an interval, a day being 24 hours.
fn fixed(interval: Interval) -> Option<Micros> {
    i64::from(interval.days).checked_mul(DAY)?.checked_add(interval.micros)
}
