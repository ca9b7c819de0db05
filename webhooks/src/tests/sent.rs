//! A request that can be changed, and the ways to spoil one.

use std::net::{IpAddr, Ipv4Addr};

use crate::schemes::Scheme;
use crate::{Key, Name, Refusal, Request, Secret, Secrets};

#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) method: &'static str,
    pub(super) scheme: &'static str,
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) remote: IpAddr,
    pub(super) now_ms: i64,
}

impl Sent {
    pub(super) fn post(body: &str) -> Self {
        Sent {
            method: "POST",
            scheme: "https",
            host: "hub.example.com",
            path: "/webhook/db/shop/orders",
            query: None,
            headers: vec![("Content-Type".to_owned(), b"application/json".to_vec())],
            body: body.as_bytes().to_vec(),
            remote: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            now_ms: 1_700_000_000_000,
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(super) fn asked(mut self, query: &str) -> Self {
        self.query = Some(query.to_owned());
        self
    }

    pub(super) fn at(mut self, now_ms: i64) -> Self {
        self.now_ms = now_ms;
        self
    }

    pub(super) fn see<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        look(&Request {
            method: self.method,
            scheme: self.scheme,
            host: self.host,
            path: self.path,
            query: self.query.as_deref(),
            headers: &headers,
            body: &self.body,
            remote: self.remote,
            now_ms: self.now_ms,
        })
    }

    pub(super) fn check(&self, scheme: &dyn Scheme) -> Result<Key, Refusal> {
        self.see(|request| scheme.verify(request))
    }

    pub(super) fn value(&mut self, header: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(name, _)| name == header).expect("the header").1
    }

    /// The same request with one header's value changed.
    pub(super) fn changed(&self, header: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut sent = self.clone();
        change(sent.value(header));
        sent
    }

    pub(super) fn without(&self, header: &str) -> Self {
        let mut sent = self.clone();
        sent.headers.retain(|(name, _)| name != header);
        sent
    }

    pub(super) fn twice(&self, header: &str) -> Self {
        let mut sent = self.clone();
        let value = sent.value(header).clone();
        sent.headers.push((header.to_uppercase(), value));
        sent
    }
}

/// Every way to spoil a header that must be there exactly once, with what is to be said about it. Seven of them.
pub(super) fn spoiled_header(sent: &Sent, header: &'static str) -> Vec<(Sent, Vec<Refusal>)> {
    let name = || Name::of(header);
    let malformed = || vec![Refusal::MalformedHeader(name())];
    let any = || vec![Refusal::MalformedHeader(name()), Refusal::WrongSignature, Refusal::OtherVersion, Refusal::WrongCredentials];
    vec![
        (sent.without(header), vec![Refusal::MissingHeader(name())]),
        (sent.twice(header), vec![Refusal::RepeatedHeader(name())]),
        (sent.changed(header, Vec::clear), malformed()),
        (sent.changed(header, |value| value.truncate(value.len() - 1)), any()),
        (sent.changed(header, |value| value.truncate(value.len() / 2)), any()),
        (sent.changed(header, |value| value.push(b'=')), any()),
        (sent.changed(header, |value| value.push(0xc3)), malformed()),
    ]
}

/// The ways above, and flipped bytes of signature and body: nine. `last` is how far from its end the signature's byte is that flips.
pub(super) fn spoiled_signature(sent: &Sent, header: &'static str) -> Vec<(Sent, Vec<Refusal>)> {
    let wrong = || vec![Refusal::WrongSignature];
    let mut spoiled = spoiled_header(sent, header);
    let mut body = sent.clone();
    let middle = body.body.len() / 2;
    body.body[middle] ^= 0x01;
    spoiled.push((body, wrong()));
    spoiled.push((sent.changed(header, |value| flip_digit(value, 10)), wrong()));
    spoiled
}

/// Changes one digit of a signature into another that can stand there.
pub(super) fn flip_digit(value: &mut [u8], from_end: usize) {
    let at = value.len() - from_end;
    value[at] = match value[at] {
        b'0' => b'1',
        _ => b'0',
    };
}

/// All of them refused, each for one of its reasons.
pub(super) fn refused(scheme: &dyn Scheme, spoiled: Vec<(Sent, Vec<Refusal>)>) {
    for (sent, reasons) in spoiled {
        let refusal = sent.check(scheme).expect_err(&format!("{}: accepted {sent:?}", scheme.name()));
        assert!(reasons.contains(&refusal), "{}: {refusal:?} is not among {reasons:?} for {sent:?}", scheme.name());
    }
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text).expect("a secret")
}

pub(super) fn one(text: &str) -> Secrets {
    Secrets::one(secret(text))
}

pub(super) fn both(current: &str, previous: &str) -> Secrets {
    Secrets::rotating(secret(current), secret(previous))
}

/// The right secret is found as the only one, as the new one and as the old one; any other is refused.
pub(super) fn rotates<S: Scheme>(sent: &Sent, right: &str, make: impl Fn(Secrets) -> S) {
    let other = "b3RoZXItc2VjcmV0LW9mLTI0LWJ5dGVzIQ==";
    assert_eq!(sent.check(&make(one(right))), Ok(Key::Current));
    assert_eq!(sent.check(&make(both(right, other))), Ok(Key::Current));
    assert_eq!(sent.check(&make(both(other, right))), Ok(Key::Previous));
    let third = "dGhpcmQtc2VjcmV0LW9mLTI0LWJ5dGVzISE=";
    for wrong in [one(other), both(other, third)] {
        let refusal = sent.check(&make(wrong)).expect_err("another secret");
        assert!(matches!(refusal, Refusal::WrongSignature | Refusal::WrongCredentials), "{refusal:?}");
    }
}

/// Accepted at both ends of five minutes around the signed time, and not one step further.
pub(super) fn keeps_time(scheme: &dyn Scheme, sent: &Sent, signed_ms: i64) {
    let at = |now_ms: i64| sent.clone().at(now_ms).check(scheme);
    assert_eq!(at(signed_ms + 300_000), Ok(Key::Current));
    assert_eq!(at(signed_ms - 300_000), Ok(Key::Current));
    assert_eq!(at(signed_ms + 300_001), Err(Refusal::TooOld));
    assert_eq!(at(signed_ms - 300_001), Err(Refusal::TooNew));
    assert_eq!(at(i64::MAX), Err(Refusal::TooOld));
    assert_eq!(at(i64::MIN), Err(Refusal::TooNew));
}

/// A header with a time: not a number, a sign, a fraction, too long, another unit, missing, doubled.
pub(super) fn spoiled_time(sent: &Sent, header: &'static str) -> Vec<(Sent, Vec<Refusal>)> {
    let malformed = || vec![Refusal::MalformedHeader(Name::of(header))];
    let set = |text: &'static str| sent.changed(header, |value| *value = text.as_bytes().to_vec());
    let mut spoiled: Vec<_> =
        ["now", "-1", "+1700000000", "1700000000.0", "1700000000000000000000", "0x65"].map(|text| (set(text), malformed())).into();
    spoiled.push((set("1"), vec![Refusal::TooOld]));
    spoiled.push((set("999999999999999"), vec![Refusal::TooNew]));
    spoiled.push((sent.without(header), vec![Refusal::MissingHeader(Name::of(header))]));
    spoiled.push((sent.twice(header), vec![Refusal::RepeatedHeader(Name::of(header))]));
    spoiled
}
