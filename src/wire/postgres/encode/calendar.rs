//! Moments to a time zone's wall clock.

use chrono::{DateTime, FixedOffset, Offset, TimeZone};
use chrono_tz::Tz;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(in super::super) const EPOCH_DAYS: i32 = 10_957;
pub(in super::super) const MICROS_PER_DAY: i64 = weir_udfs::forms::MICROS_PER_DAY;
pub(in super::super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// The session's time zone.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Zone {
    /// The same distance all year, east positive.
    Fixed(FixedOffset),
    Named(Tz),
}

impl Zone {
    pub(in super::super) const UTC: Self = Self::Named(Tz::UTC);

    /// Understands names of the time zone database, `+02:00` and PostgreSQL's own `<+02>-02`; UTC for anything else.
    pub(in super::super) fn parse(text: &str) -> Self {
        if let Ok(named) = text.parse::<Tz>() {
            return Self::Named(named);
        }
        if let Some(named) = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)) {
            return Self::Named(*named);
        }
        let east = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(text, |(shown, _)| shown);
        fixed(east).map_or(Self::UTC, Self::Fixed)
    }

    /// Seconds east of UTC at that moment.
    pub(super) fn offset_seconds(&self, micros: i64) -> i64 {
        match self {
            Self::Fixed(offset) => offset.local_minus_utc().into(),
            Self::Named(Tz::UTC) => 0,
            Self::Named(zone) => match DateTime::from_timestamp_micros(micros) {
                Some(moment) => zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc().into(),
                None => 0,
            },
        }
    }
}

fn fixed(text: &str) -> Option<FixedOffset> {
    let (is_west, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (false, rest),
        ("-", rest) => (true, rest),
        _ => return None,
    };
    let mut parts = rest.split(':').map(str::parse::<i32>);
    let hours = parts.next()?.ok()?;
    let minutes = parts.next().transpose().ok()?.unwrap_or(0);
    let seconds = parts.next().transpose().ok()?.unwrap_or(0);
    let east = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    FixedOffset::east_opt(if is_west { -east } else { east })
}
