//! How far a signed time may be from now, and reading such times.

use crate::error::ConfigError;
use crate::verdict::Refusal;

const MOST_SECONDS: u32 = 86_400;
/// Milliseconds since 1970 have 13 digits until the year 2286.
const MOST_DIGITS: usize = 15;

/// A time window around now, the same in both directions, bounds included.
///
/// The past limits how long a captured request can be replayed; the future keeps a request that was captured from a sender with a
/// wrong clock from being good for years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    ms: i64,
}

impl Window {
    /// What Stripe, Slack, HubSpot and Standard Webhooks recommend.
    pub const FIVE_MINUTES: Window = Window { ms: 300_000 };

    /// # Errors
    /// `InvalidOption` outside of 1 second to 1 day: no window would switch the check off.
    pub fn of_seconds(seconds: u32) -> Result<Self, ConfigError> {
        match (1..=MOST_SECONDS).contains(&seconds) {
            true => Ok(Window { ms: i64::from(seconds) * 1000 }),
            false => Err(ConfigError::InvalidOption("tolerance", "is not between 1 second and 1 day")),
        }
    }

    pub(crate) fn check(self, signed_ms: i64, now_ms: i64) -> Result<(), Refusal> {
        let age = now_ms.saturating_sub(signed_ms);
        match age {
            age if age > self.ms => Err(Refusal::TooOld),
            age if age < -self.ms => Err(Refusal::TooNew),
            _ => Ok(()),
        }
    }
}

/// What a sender's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    /// Milliseconds since 1970; None unless the text is nothing but digits.
    pub(crate) fn parse(self, text: &str) -> Option<i64> {
        let digits = !text.is_empty() && text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = digits.then(|| text.parse().ok()).flatten()?;
        match self {
            Unit::Seconds => number.checked_mul(1000),
            Unit::Milliseconds => Some(number),
        }
    }
}
