//! HMAC by options. The signatures are openssl's.

use super::sent::*;
use crate::schemes::{Generic, GenericOptions, NAMES, Place, SignedTime, SignedUrl, Unit};
use crate::{Algorithm, ConfigError, Encoding, Key, Name, Refusal, Secrets, Window};

pub(super) const KEY: &str = "module-key";

fn header(name: &str) -> Place {
    Place::header(name).expect("a place")
}

fn timed(place: Place, unit: Unit) -> Option<SignedTime> {
    Some(SignedTime { place, unit, window: Window::FIVE_MINUTES })
}

/// A module of PrestaShop: bare hexadecimal in a header of its own.
pub(super) fn prestashop() -> Sent {
    Sent::post(r#"{"id_order":5}"#).with("X-Prestashop-Signature", "13d7aeb4c11d02d040b0d26243ee93c0c4ce7bea44326f8b80b96c817206a50b")
}

pub(super) fn body_hmac(secrets: Secrets) -> Generic {
    Generic::new(GenericOptions::body_hmac(header("x-prestashop-signature"), secrets)).expect("a scheme")
}

#[test]
fn a_module_signs_the_body() {
    rotates(&prestashop(), KEY, body_hmac);
    let scheme = body_hmac(one(KEY));
    for (sent, _) in spoiled_signature(&prestashop(), "X-Prestashop-Signature") {
        assert!(sent.check(&scheme).is_err(), "{sent:?}");
    }
}

#[test]
fn algorithm_encoding_and_prefix_are_the_configured_ones() {
    let options = |algorithm, encoding, prefix: &str| {
        let mut options = GenericOptions::body_hmac(header("X-Sign"), one(KEY));
        (options.algorithm, options.encoding, options.prefix) = (algorithm, encoding, prefix.to_owned());
        Generic::new(options).expect("a scheme")
    };
    let check = |value: &str, scheme: &Generic| Sent::post(r#"{"id_order":5}"#).with("X-Sign", value).check(scheme);
    let sha1 = options(Algorithm::Sha1, Encoding::Hex, "sha1=");
    let malformed = || Err(Refusal::MalformedHeader(Name::from("X-Sign".to_owned())));
    assert_eq!(check("sha1=d30b91002fc79b0fc7d302410fafed1fbe396ffd", &sha1), Ok(Key::Current));
    assert_eq!(check("d30b91002fc79b0fc7d302410fafed1fbe396ffd", &sha1), malformed());
    assert_eq!(check("sha1=d30b91002fc79b0fc7d302410fafed1fbe396ffe", &sha1), Err(Refusal::WrongSignature));
    assert_eq!(check("sha1=13d7aeb4c11d02d040b0d26243ee93c0c4ce7bea44326f8b80b96c817206a50b", &sha1), malformed());
    assert_eq!(check("sha1=D30B91002FC79B0FC7D302410FAFED1FBE396FFD", &sha1), malformed());
    let upper = options(Algorithm::Sha1, Encoding::HexUpper, "");
    assert_eq!(check("D30B91002FC79B0FC7D302410FAFED1FBE396FFD", &upper), Ok(Key::Current));
    assert_eq!(check("d30b91002fc79b0fc7d302410fafed1fbe396ffd", &upper), malformed());
}

/// `{timestamp}.{body}` with SHA-512 in base64, in seconds, all of it in the query.
#[test]
fn signature_and_time_may_stand_in_the_query() {
    let mut options = GenericOptions::body_hmac(Place::parameter("sign").expect("a place"), one(KEY));
    (options.algorithm, options.encoding) = (Algorithm::Sha512, Encoding::Base64);
    options.template = "{timestamp}.{body}".to_owned();
    options.time = timed(Place::parameter("ts").expect("a place"), Unit::Seconds);
    let scheme = Generic::new(options).expect("a scheme");
    let code = "zN2i1GeyZwTnyLFQYQyLT7xKpQ6E6ZvVC5QSitSt6IIU6JOf0ImAdwJc3WYW1O8r8o8%2BWhCqwwTtO8Ug4VSkog%3D%3D";
    let asked = |query: String| Sent::post(r#"{"id_order":5}"#).asked(&query);
    let sent = asked(format!("ts=1700000000&sign={code}"));
    assert_eq!(sent.check(&scheme), Ok(Key::Current));
    keeps_time(&scheme, &sent, 1_700_000_000_000);
    let name = |name: &str| Name::from(name.to_owned());
    for (query, refusal) in [
        (format!("ts=1700000001&sign={code}"), Refusal::WrongSignature),
        (format!("ts=1600000000&sign={code}"), Refusal::TooOld),
        (format!("ts=1800000000&sign={code}"), Refusal::TooNew),
        (format!("sign={code}"), Refusal::MissingParameter(name("ts"))),
        (format!("ts=1700000000&ts=1700000000&sign={code}"), Refusal::RepeatedParameter(name("ts"))),
        (format!("ts=soon&sign={code}"), Refusal::MalformedParameter(name("ts"))),
        ("ts=1700000000".to_owned(), Refusal::MissingParameter(name("sign"))),
        ("ts=1700000000&sign=".to_owned(), Refusal::MalformedParameter(name("sign"))),
        (format!("ts=1700000000&sign={}", code.get(..80).expect("a part")), Refusal::MalformedParameter(name("sign"))),
        (format!("ts=1700000000&sign={code}&sign={code}"), Refusal::RepeatedParameter(name("sign"))),
        // A plus that nobody encoded is a space.
        (format!("ts=1700000000&sign={}", code.replace("%2B", "+")), Refusal::MalformedParameter(name("sign"))),
    ] {
        assert_eq!(asked(query.clone()).check(&scheme), Err(refusal), "{query}");
    }
}

#[test]
fn a_template_can_name_everything() {
    let mut options = GenericOptions::body_hmac(header("X-Sign"), one(KEY));
    options.encoding = Encoding::Base64Url;
    options.template = "{method}\n{path}\n{query}\n{{x}}.{id}.{timestamp}.{header:Content-Type}.{body}".to_owned();
    options.time = timed(header("X-Time"), Unit::Milliseconds);
    options.delivery_id = Some(header("X-Id"));
    let scheme = Generic::new(options).expect("a scheme");
    let mut sent = Sent::post(r#"{"id_order":5}"#)
        .asked("a=1")
        .with("X-Sign", "QOsrfc9DD_e5WhAULLborExJobFfcAEj2gvY1dQJUcU")
        .with("X-Time", "1700000000123")
        .with("X-Id", "msg-1");
    sent.path = "/in/shop";
    assert_eq!(sent.check(&scheme), Ok(Key::Current));
    assert_eq!(sent.see(|request| crate::Verifier::new(scheme.clone()).delivery_id(request)), Some("msg-1".into()));
    let wrong = |change: fn(&mut Sent)| {
        let mut sent = sent.clone();
        change(&mut sent);
        (sent, vec![Refusal::WrongSignature])
    };
    let spoiled = vec![
        wrong(|sent| sent.method = "PUT"),
        wrong(|sent| sent.path = "/in/shoq"),
        wrong(|sent| sent.query = Some("a=2".to_owned())),
        wrong(|sent| *sent.value("X-Id") = b"msg-2".to_vec()),
        wrong(|sent| *sent.value("X-Time") = b"1700000000124".to_vec()),
        wrong(|sent| *sent.value("Content-Type") = b"text/plain".to_vec()),
        wrong(|sent| sent.body.clear()),
    ];
    refused(&scheme, spoiled);
}

#[test]
fn the_address_of_a_template_is_the_configured_one() {
    let mut options = GenericOptions::body_hmac(header("X-Prestashop-Signature"), one(KEY));
    options.template = "{url}{body}".to_owned();
    let make = |url: SignedUrl| Generic::new(GenericOptions { url, ..options.clone() }).expect("a scheme");
    let sent = Sent::post("{}").with("X-Prestashop-Signature", URL_CODE);
    assert_eq!(sent.check(&make(SignedUrl::AsReceived)), Ok(Key::Current));
    assert_eq!(sent.check(&make(SignedUrl::behind("https://other.example.com").expect("an address"))), Err(Refusal::WrongSignature));
}

/// openssl, over `https://hub.example.com/webhook/db/shop/orders{}`.
const URL_CODE: &str = "09069486009df27cea1b064931f7ccd5471afd76406ae4dc400039a4d6826b25";

#[test]
fn options_that_check_nothing_are_refused() {
    let with = |change: fn(&mut GenericOptions)| {
        let mut options = GenericOptions::body_hmac(header("X-Sign"), one(KEY));
        change(&mut options);
        Generic::new(options).map(drop)
    };
    assert_eq!(with(|_| ()), Ok(()));
    let template = |result: Result<(), ConfigError>| matches!(result, Err(ConfigError::InvalidOption("template", _)));
    assert!(template(with(|options| options.template = String::new())));
    assert!(template(with(|options| options.template = "{{body}}".to_owned())));
    for unbalanced in ["{body", "{body}}", "body}", "{bo{dy}", "{body}{"] {
        let options = GenericOptions { template: unbalanced.to_owned(), ..GenericOptions::body_hmac(header("X-Sign"), one(KEY)) };
        assert!(template(Generic::new(options).map(drop)), "{unbalanced}");
    }
    let unknown = |name: &str| Err(ConfigError::UnknownPlaceholder(name.to_owned()));
    assert_eq!(with(|options| options.template = "{Body}{body}".to_owned()), unknown("Body"));
    assert_eq!(with(|options| options.template = "{timestamp}{body}".to_owned()), unknown("timestamp"));
    assert_eq!(with(|options| options.template = "{id}{body}".to_owned()), unknown("id"));
    assert!(matches!(with(|options| options.template = "{header:}{body}".to_owned()), Err(ConfigError::InvalidOption("header", _))));
    let unsigned_time = with(|options| options.time = timed(Place::header("X-Time").expect("a place"), Unit::Seconds));
    assert!(matches!(unsigned_time, Err(ConfigError::Contradiction(_))));
    let signs_itself = with(|options| {
        options.signature = Place::parameter("sign").expect("a place");
        options.template = "{url}{body}".to_owned();
    });
    assert!(matches!(signs_itself, Err(ConfigError::Contradiction(_))));
    assert!(matches!(with(|options| options.prefix = "é".to_owned()), Err(ConfigError::InvalidOption("prefix", _))));
}

#[test]
fn names_are_told_once() {
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len());
}
