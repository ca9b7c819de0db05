//! Ids of Salesforce organizations: 15 characters in which case counts, or the same with 3 more that say the case of each.

use crate::error::ConfigError;

const SHORT: usize = 15;
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The long form, as messages carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Organization(Vec<u8>);

impl Organization {
    /// Either form; Setup shows the short one.
    ///
    /// # Errors
    /// `InvalidOption` for another length, other characters, or last three that do not fit the rest.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refused = |what| ConfigError::InvalidOption("organization", what);
        let plain = text.starts_with("00D") && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let short = text.as_bytes().get(..SHORT).filter(|_| plain).ok_or(refused("is not an organization's id"))?;
        let checks = short.chunks(5).map(|five| {
            let upper = five.iter().rev().fold(0, |bits, byte| bits << 1 | usize::from(byte.is_ascii_uppercase()));
            CHECKS.get(upper).copied().unwrap_or_default()
        });
        let long: Vec<u8> = short.iter().copied().chain(checks).collect();
        match text.len() == SHORT || text.as_bytes() == long {
            true => Ok(Organization(long)),
            false => Err(refused("has last characters that do not fit the others")),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
