//! Addresses that may send: a list of networks (RFC 4632), IPv4 and IPv6.
//!
//! An IPv4 address that came through an IPv6 socket (`::ffff:192.0.2.1`) is that IPv4 address, on both sides. An address alone proves
//! little: use it beside another scheme.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::ConfigError;
use crate::request::Request;
use crate::verdict::{Key, Refusal};

use super::scheme::Scheme;

/// A mapped address has its 32 bits behind 96 others.
const MAPPED_BITS: u8 = 96;

/// Addresses of one family that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { bits: u128, mask: u128 },
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4 { bits, mask }, IpAddr::V4(address)) => address.to_bits() & mask == bits,
            (Network::V6 { bits, mask }, IpAddr::V6(address)) => address.to_bits() & mask == bits,
            _ => false,
        }
    }

    fn v4(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        let host_bits = 32_u32.checked_sub(u32::from(prefix))?;
        Some(Network::V4 { bits: address.to_bits(), mask: u32::MAX.checked_shl(host_bits).unwrap_or(0) })
    }

    fn v6(address: Ipv6Addr, prefix: u8) -> Option<Self> {
        let host_bits = 128_u32.checked_sub(u32::from(prefix))?;
        Some(Network::V6 { bits: address.to_bits(), mask: u128::MAX.checked_shl(host_bits).unwrap_or(0) })
    }

    fn has_host_bits(self) -> bool {
        match self {
            Network::V4 { bits, mask } => bits & !mask != 0,
            Network::V6 { bits, mask } => bits & !mask != 0,
        }
    }
}

impl FromStr for Network {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::InvalidNetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(prefix.parse::<u8>().map_err(|_| invalid())?))
            }
            Some(_) => return Err(invalid()),
            None => (text, None),
        };
        let network = match address.parse().map_err(|_| invalid())? {
            IpAddr::V4(address) => Network::v4(address, prefix.unwrap_or(32)),
            IpAddr::V6(address) => match (address.to_ipv4_mapped(), prefix.unwrap_or(128)) {
                (Some(mapped), MAPPED_BITS..) => Network::v4(mapped, prefix.unwrap_or(128) - MAPPED_BITS),
                (_, prefix) => Network::v6(address, prefix),
            },
        };
        match network.ok_or_else(invalid)? {
            network if network.has_host_bits() => Err(ConfigError::HostBitsSet(text.to_owned())),
            network => Ok(network),
        }
    }
}

/// The list. Also a scheme of its own, for senders that have no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Networks as `192.0.2.0/24`, `2001:db8::/32`, or single addresses.
    ///
    /// # Errors
    /// `InvalidNetwork`, `HostBitsSet`, and `InvalidOption` for an empty list, which would let nobody in.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let networks = texts.into_iter().map(Network::from_str).collect::<Result<Vec<_>, _>>()?;
        match networks.is_empty() {
            true => Err(ConfigError::InvalidOption("networks", "is empty")),
            false => Ok(Networks(networks)),
        }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Scheme for Networks {
    fn name(&self) -> &'static str {
        "networks"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        match self.contains(request.remote) {
            true => Ok(Key::None),
            false => Err(Refusal::AddressNotAllowed),
        }
    }
}
