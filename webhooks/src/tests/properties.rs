//! Whatever is changed of what a scheme covers: refused.

use proptest::prelude::*;

use super::sent::*;
use super::{generic, hubspot, signed, unsigned};
use crate::schemes::{Basic, GitHub, HeaderNames, HubSpotVersion, Meta, Scheme, Shopify, Slack, Standard, Stripe};
use crate::split::{Form, Limits, split};
use crate::{Verifier, Window};

const FIVE: Window = Window::FIVE_MINUTES;

/// A scheme, a request that it accepts, the headers that it covers, and whether it covers the body.
type Case = (Box<dyn Scheme>, Sent, Vec<&'static str>, bool);

fn cases() -> Vec<Case> {
    let svix = |names| Box::new(Standard::new(&one(signed::STANDARD_SECRET), names, FIVE).expect("a scheme"));
    let hub = |version| Box::new(hubspot::hubspot(version)(one(hubspot::SECRET)));
    let meta = Meta::new(one(signed::META_SECRET), one("token"));
    vec![
        (Box::new(Shopify::new(one(signed::SHOPIFY_SECRET))), signed::shopify(), vec!["X-Shopify-Hmac-Sha256"], true),
        (Box::new(GitHub::new(one(signed::GITHUB_SECRET))), signed::github(), vec!["X-Hub-Signature-256"], true),
        (Box::new(meta), signed::meta(), vec!["X-Hub-Signature-256"], true),
        (
            Box::new(Slack::new(one(signed::SLACK_SECRET), FIVE)),
            signed::slack(),
            vec!["X-Slack-Signature", "X-Slack-Request-Timestamp"],
            true,
        ),
        (Box::new(Stripe::new(one(signed::STRIPE_SECRET), FIVE)), signed::stripe(), vec!["Stripe-Signature"], true),
        (
            svix(HeaderNames::Webhook),
            signed::svix(HeaderNames::Webhook),
            vec!["webhook-id", "webhook-timestamp", "webhook-signature"],
            true,
        ),
        (svix(HeaderNames::Svix), signed::svix(HeaderNames::Svix), vec!["svix-id", "svix-timestamp", "svix-signature"], true),
        (hub(HubSpotVersion::V1), hubspot::v1(), vec!["X-HubSpot-Signature", "X-HubSpot-Signature-Version"], true),
        (hub(HubSpotVersion::V2), hubspot::v2(), vec!["X-HubSpot-Signature", "X-HubSpot-Signature-Version"], true),
        (hub(HubSpotVersion::V3(FIVE)), hubspot::v3(), vec!["X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"], true),
        (Box::new(generic::body_hmac(one(generic::KEY))), generic::prestashop(), vec!["X-Prestashop-Signature"], true),
        (Box::new(Basic::new("Aladdin", one("open sesame")).expect("a scheme")), unsigned::basic(), vec!["Authorization"], false),
    ]
}

/// One change of a text of bytes.
#[derive(Debug, Clone)]
enum Edit {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let last = bytes.len();
        match self {
            Edit::Append(more) => bytes.extend(more),
            Edit::Insert(at, byte) => bytes.insert(at.index(last + 1), *byte),
            _ if last == 0 => {}
            Edit::Set(at, byte) => bytes[at.index(last)] = *byte,
            Edit::Remove(at) => drop(bytes.remove(at.index(last))),
            Edit::Cut(at) => bytes.truncate(at.index(last)),
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let byte = || prop_oneof![any::<u8>(), b' '..=b'~'];
    let edit = prop_oneof![
        4 => (at(), byte()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (at(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        2 => at().prop_map(Edit::Remove),
        1 => at().prop_map(Edit::Cut),
        1 => prop::collection::vec(byte(), 1..4).prop_map(Edit::Append),
    ];
    prop::collection::vec(edit, 1..3)
}

/// Whether a change is none: the name of HTTP's own schemes may be in any case, and lists may have elements of versions not known here.
fn same(header: &str, one: &[u8], other: &[u8]) -> bool {
    match header {
        "Authorization" => one.len() == other.len() && one[..6].eq_ignore_ascii_case(&other[..6]) && one[6..] == other[6..],
        "Stripe-Signature" => known(one, b',', b'=', &[b"t=", b"v1="]) == known(other, b',', b'=', &[b"t=", b"v1="]),
        "webhook-signature" | "svix-signature" => known(one, b' ', b',', &[b"v1,"]) == known(other, b' ', b',', &[b"v1,"]),
        _ => one == other,
    }
}

/// The elements of a list that count; None when it is no such list.
fn known<'a>(list: &'a [u8], between: u8, within: u8, counts: &[&[u8]]) -> Option<Vec<&'a [u8]>> {
    let elements: Vec<&[u8]> = list.split(|byte| *byte == between).collect();
    let well_formed = elements.iter().all(|element| element.iter().position(|byte| *byte == within) > Some(0));
    let count = |element: &&[u8]| counts.iter().any(|start| element.starts_with(start));
    well_formed.then(|| elements.into_iter().filter(count).collect())
}

#[test]
fn every_case_is_accepted_unchanged() {
    for (scheme, sent, ..) in cases() {
        assert!(sent.check(scheme.as_ref()).is_ok(), "{}", scheme.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_header_passes(which in any::<prop::sample::Index>(), header in any::<prop::sample::Index>(), edits in edits()) {
        let cases = cases();
        let (scheme, sent, headers, _) = which.get(&cases);
        let header = *header.get(headers);
        let changed = sent.changed(header, |value| edits.iter().for_each(|edit| edit.apply(value)));
        let before = sent.clone().value(header).clone();
        prop_assume!(!same(header, &before, changed.clone().value(header)));
        prop_assert!(changed.check(scheme.as_ref()).is_err(), "{}: {changed:?}", scheme.name());
    }

    #[test]
    fn no_changed_body_passes(which in any::<prop::sample::Index>(), edits in edits()) {
        let cases: Vec<Case> = cases().into_iter().filter(|(.., body)| *body).collect();
        let (scheme, sent, ..) = which.get(&cases);
        let mut changed = sent.clone();
        edits.iter().for_each(|edit| edit.apply(&mut changed.body));
        prop_assume!(changed.body != sent.body);
        prop_assert!(changed.check(scheme.as_ref()).is_err(), "{}: {changed:?}", scheme.name());
    }

    /// No request whatever makes anything panic, and nothing is accepted by chance.
    #[test]
    fn nothing_panics(
        body in prop::collection::vec(any::<u8>(), 0..200),
        value in prop::collection::vec(any::<u8>(), 0..80),
        query in "[a-z.%&=+<0-9A-F]{0,40}",
        now in any::<i64>(),
    ) {
        for (scheme, sent, headers, _) in cases() {
            let mut sent = sent.asked(&query).at(now);
            sent.body.clone_from(&body);
            for header in headers {
                sent.value(header).clone_from(&value);
            }
            prop_assert!(sent.check(scheme.as_ref()).is_err());
            sent.see(|request| (scheme.delivery_id(request), scheme.handshake(request)));
        }
        let salesforce = crate::schemes::Salesforce::new(["00D5e000000KQ2e"]).expect("a scheme");
        let mut sent = Sent::post(&super::salesforce::message("00D5e000000KQ2eEAG", &["1"]));
        let middle = sent.body.len() / 2;
        sent.body.splice(middle..middle, body.iter().copied());
        let _either = sent.see(|request| Verifier::new(salesforce).verify(request));
        for form in [Form::Json, Form::Ndjson, Form::Urlencoded, Form::Raw] {
            for payload in split(&body, form, Limits::default()) {
                if let Err(rejected) = payload {
                    prop_assert!(body.get(rejected.range).is_some() && rejected.at <= body.len());
                }
            }
        }
    }
}
