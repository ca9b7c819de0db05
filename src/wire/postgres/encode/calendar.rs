//! Days to dates, and moments to a time zone's wall clock.

use chrono::{DateTime, FixedOffset, Offset, TimeZone};
use chrono_tz::Tz;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(in super::super) const EPOCH_DAYS: i32 = 10_957;
pub(in super::super) const MICROS_PER_DAY: i64 = 86_400_000_000;
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

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar without end. Year 0 is 1 BC.
pub(super) fn date(days: i64) -> (i64, i64, i64) {
    // Years start in March here, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
