//! HubSpot's three versions.

use super::sent::*;
use crate::schemes::{HubSpot, HubSpotVersion, SignedUrl};
use crate::{ConfigError, Key, Name, Refusal, Secrets, Window};

pub(super) const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const V3: HubSpotVersion = HubSpotVersion::V3(Window::FIVE_MINUTES);

/// The vendor's: <https://legacydocs.hubspot.com/docs/faq/v1-request-validation>.
pub(super) fn v1() -> Sent {
    let body = concat!(
        r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","#,
        r#""attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#,
    );
    Sent::post(body)
        .with("X-HubSpot-Signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")
        .with("X-HubSpot-Signature-Version", "v1")
}

/// The vendor's: <https://legacydocs.hubspot.com/docs/faq/v2-request-validation>.
pub(super) fn v2() -> Sent {
    let mut sent = Sent::post(r#"{"example_field":"example_value"}"#)
        .with("X-HubSpot-Signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900")
        .with("X-HubSpot-Signature-Version", "v2");
    (sent.host, sent.path) = ("www.example.com", "/webhook_uri");
    sent
}

/// HubSpot publishes no example of v3 with a secret: openssl, over the address as its page says it is written before signing.
pub(super) fn v3() -> Sent {
    let mut sent = Sent::post(r#"[{"eventId":1,"objectId":123}]"#)
        .asked("next=https%3A%2F%2Fa.example%2Fb%40c&q=a%20b&list=%281%2C2%3B3%29%2A%21%24%27")
        .with("X-HubSpot-Signature-v3", "iEVIGZ7dremYviWhxpw3HOs/GTIt9nVdPRIVlSgNr2s=")
        .with("X-HubSpot-Request-Timestamp", "1700000000123")
        .with("X-HubSpot-Signature", "0000")
        .with("X-HubSpot-Signature-Version", "v2");
    sent.path = "/webhook/crm";
    sent.at(1_700_000_000_123)
}

pub(super) fn hubspot(version: HubSpotVersion) -> impl Fn(Secrets) -> HubSpot {
    move |secrets| HubSpot::new(version, secrets, SignedUrl::AsReceived)
}

fn all_spoiled(sent: &Sent, scheme: &HubSpot, other: &'static str) {
    refused(scheme, spoiled_signature(sent, "X-HubSpot-Signature"));
    let version = "X-HubSpot-Signature-Version";
    let name = Name::of(version);
    refused(
        scheme,
        vec![
            (sent.changed(version, |value| *value = other.as_bytes().to_vec()), vec![Refusal::OtherVersion]),
            (sent.without(version), vec![Refusal::MissingHeader(name.clone())]),
            (sent.twice(version), vec![Refusal::RepeatedHeader(name)]),
        ],
    );
}

#[test]
fn v1_hashes_the_body() {
    rotates(&v1(), SECRET, hubspot(HubSpotVersion::V1));
    all_spoiled(&v1(), &hubspot(HubSpotVersion::V1)(one(SECRET)), "v2");
}

#[test]
fn v2_hashes_method_address_and_body() {
    let (make, sent) = (hubspot(HubSpotVersion::V2), v2());
    rotates(&sent, SECRET, &make);
    let scheme = make(one(SECRET));
    all_spoiled(&sent, &scheme, "v1");
    let wrong = |change: fn(&mut Sent)| {
        let mut sent = sent.clone();
        change(&mut sent);
        (sent, vec![Refusal::WrongSignature])
    };
    let spoiled = vec![
        wrong(|sent| sent.method = "PUT"),
        wrong(|sent| sent.scheme = "http"),
        wrong(|sent| sent.host = "www.example.org"),
        wrong(|sent| sent.path = "/webhook_urj"),
        wrong(|sent| sent.query = Some(String::new())),
    ];
    refused(&scheme, spoiled);
    // The vendor's second example: a GET without a body.
    let mut get = sent.changed("X-HubSpot-Signature", |value| {
        *value = b"eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e".to_vec();
    });
    get.method = "GET";
    get.body.clear();
    assert_eq!(get.check(&scheme), Ok(Key::Current));
}

/// Both computed from v1's signature and the length of secret and body alone, as somebody without the secret can.
#[test]
fn v1_cannot_be_lengthened() {
    let mut sent = v1();
    sent.body.extend(LENGTHENED_TAIL);
    let sent = sent.changed("X-HubSpot-Signature", |value| *value = LENGTHENED_HASH.as_bytes().to_vec());
    let scheme = hubspot(HubSpotVersion::V1)(one(SECRET));
    // The hash is the right one of the longer body: nothing but the check of the text stands between.
    let hash = crate::digest::sha256(&[SECRET.as_bytes(), &sent.body]);
    assert_eq!(crate::Encoding::Hex.decode(LENGTHENED_HASH), Some(hash));
    assert_eq!(sent.check(&scheme), Err(Refusal::MalformedBody("is not UTF-8")));
}

#[test]
fn v3_signs_method_address_body_and_time() {
    let (make, sent) = (hubspot(V3), v3());
    rotates(&sent, SECRET, &make);
    let scheme = make(one(SECRET));
    keeps_time(&scheme, &sent, 1_700_000_000_123);
    refused(&scheme, spoiled_signature(&sent, "X-HubSpot-Signature-v3"));
    refused(&scheme, spoiled_time(&sent, "X-HubSpot-Request-Timestamp"));
    let wrong = |change: fn(&mut Sent)| {
        let mut sent = sent.clone();
        change(&mut sent);
        (sent, vec![Refusal::WrongSignature])
    };
    let spoiled = vec![
        wrong(|sent| sent.method = "PUT"),
        wrong(|sent| sent.host = "other.example.com"),
        wrong(|sent| sent.path = "/webhook/crn"),
        wrong(|sent| sent.query = None),
        wrong(|sent| sent.query = sent.query.take().map(|query| query.replace("%20", "+"))),
        wrong(|sent| sent.query = sent.query.take().map(|query| query.replace("%20", " "))),
        wrong(|sent| sent.headers[2].1 = b"1700000000124".to_vec()),
    ];
    refused(&scheme, spoiled);
}

#[test]
fn the_address_may_be_that_of_a_proxy() {
    let mut sent = v3();
    (sent.scheme, sent.host, sent.path) = ("http", "10.0.0.5:8080", "/crm");
    let behind = SignedUrl::behind("https://hub.example.com/webhook").expect("an address");
    assert_eq!(sent.check(&HubSpot::new(V3, one(SECRET), behind)), Ok(Key::Current));
    assert_eq!(sent.check(&hubspot(V3)(one(SECRET))), Err(Refusal::WrongSignature));
    let refused = ConfigError::InvalidOption("url", "is not as https://host, without a slash at its end");
    for base in ["", "hub.example.com", "ftp://hub", "https://", "https:///x", "https://hub/", "https://hub?x", "https://hub x"] {
        assert_eq!(SignedUrl::behind(base), Err(refused.clone()), "{base}");
    }
}

const LENGTHENED_HASH: &str = "0f050f2d9ce51f6a28e93e301d865ef3cb297cfacafd985ed1d2ea50389f84d0";
const LENGTHENED_TAIL: &[u8] = b"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x98\
    [{\"forged\":1}]";
