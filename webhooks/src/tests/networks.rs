//! Lists of addresses.

use std::net::IpAddr;

use super::sent::*;
use crate::schemes::{Networks, Token};
use crate::{ConfigError, Key, Refusal, Verdict, Verifier};

fn inside(networks: &[&str], address: &str) -> bool {
    let address: IpAddr = address.parse().expect("an address");
    Networks::parse(networks.iter().copied()).expect("networks").contains(address)
}

#[test]
fn a_network_ends_where_its_prefix_says() {
    for (network, yes, no) in [
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
        ("192.0.2.4/30", ["192.0.2.4", "192.0.2.7"], ["192.0.2.3", "192.0.2.8"]),
        ("192.0.2.7", ["192.0.2.7", "192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("128.0.0.0/1", ["128.0.0.0", "255.255.255.255"], ["127.255.255.255", "0.0.0.0"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "2001:db8::1"]),
        ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff::ffff"], ["2001:db7:ffff::", "2001:db9::"]),
        ("2001:db8::1", ["2001:db8::1", "2001:db8:0:0::1"], ["2001:db8::", "2001:db8::2"]),
        ("::/0", ["::1", "ffff::"], ["192.0.2.1", "::ffff:192.0.2.1"]),
    ] {
        assert!(yes.iter().all(|address| inside(&[network], address)), "{network}");
        assert!(!no.iter().any(|address| inside(&[network], address)), "{network}");
    }
}

#[test]
fn mapped_addresses_are_ipv4() {
    assert!(inside(&["192.0.2.0/24"], "::ffff:192.0.2.9"));
    assert!(!inside(&["192.0.2.0/24"], "::ffff:192.0.3.9"));
    assert!(inside(&["::ffff:192.0.2.0/120"], "192.0.2.9"));
    assert!(inside(&["::ffff:192.0.2.9"], "::ffff:192.0.2.9"));
    assert!(!inside(&["::ffff:192.0.2.0/120"], "192.0.3.9"));
    // Not mapped but compatible, which is another address.
    assert!(!inside(&["192.0.2.0/24"], "::192.0.2.9"));
    assert!(inside(&["203.0.113.0/24", "192.0.2.0/24"], "192.0.2.9"));
}

#[test]
fn what_is_no_network_is_refused() {
    let parse = |text: &str| Networks::parse([text]).map(drop);
    for text in [
        "",
        "x",
        "192.0.2",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/+8",
        "192.0.2.0/-1",
        "192.0.2.0/1000",
        "::/129",
        "010.0.0.1",
        "fe80::1%eth0",
        " 192.0.2.1",
    ] {
        assert_eq!(parse(text), Err(ConfigError::InvalidNetwork(text.to_owned())), "{text}");
    }
    for text in ["10.0.0.1/8", "2001:db8::1/32", "::ffff:192.0.2.1/120", "0.0.0.1/0"] {
        assert_eq!(parse(text), Err(ConfigError::HostBitsSet(text.to_owned())), "{text}");
    }
    assert_eq!(Networks::parse([]).map(drop), Err(ConfigError::InvalidOption("networks", "is empty")));
}

#[test]
fn addresses_come_before_everything() {
    let networks = || Networks::parse(["192.0.2.0/24"]).expect("networks");
    let verifier = Verifier::new(Token::bearer(one("t"))).from_networks(networks());
    let mut sent = Sent::post("{}").with("authorization", "Bearer t");
    assert_eq!(sent.see(|request| verifier.verify(request)), Verdict::Accepted(Key::Current));
    assert_eq!(sent.check(&networks()), Ok(Key::None));
    sent.remote = "198.51.100.1".parse().expect("an address");
    assert_eq!(sent.see(|request| verifier.verify(request)), Verdict::Refused(Refusal::AddressNotAllowed));
    assert_eq!(sent.check(&networks()), Err(Refusal::AddressNotAllowed));
}
