//! Shopify, GitHub, Meta, Slack, Stripe, Standard Webhooks.

use super::sent::*;
use crate::schemes::{GitHub, HeaderNames, Meta, Shopify, Slack, Standard, Stripe};
use crate::{ConfigError, Key, Name, Refusal, Window};

const FIVE: Window = Window::FIVE_MINUTES;

pub(super) const SHOPIFY_SECRET: &str = "shpss_c0ffee";
pub(super) const GITHUB_SECRET: &str = "It's a Secret to Everybody";
pub(super) const META_SECRET: &str = "app-secret";
pub(super) const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(super) const STRIPE_SECRET: &str = "whsec_test_secret";
pub(super) const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Shopify publishes no example with a secret: openssl.
pub(super) fn shopify() -> Sent {
    Sent::post(r#"{"id":820982911946154508,"email":"jon@example.com","total_price":"254.98"}"#)
        .with("X-Shopify-Hmac-Sha256", "ktJsvA+KRmCASCibr5NUYNNFsvXRtGCTpO3PuoL73M4=")
        .with("X-Shopify-Webhook-Id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
}

/// The vendor's: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
pub(super) fn github() -> Sent {
    Sent::post("Hello, World!")
        .with("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
        .with("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
}

/// Meta publishes no example with a secret: openssl.
pub(super) fn meta() -> Sent {
    Sent::post(r#"{"object":"page","entry":[{"id":"1","text":"\u00e4\u00f6\u00e5 <\/b>"}]}"#)
        .with("X-Hub-Signature-256", "sha256=1e5ea4bdab78e42b133403fc193b3d9341368d6aa61f57ff6563442cb72da9d6")
}

/// The vendor's: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
pub(super) fn slack() -> Sent {
    let body = concat!(
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar",
        "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=",
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN",
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    );
    Sent::post(body)
        .with("X-Slack-Request-Timestamp", "1531420618")
        .with("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")
        .at(1_531_420_618_000)
}

/// Stripe publishes no example with a secret: openssl.
pub(super) fn stripe() -> Sent {
    Sent::post(r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","type":"charge.succeeded"}"#)
        .with("Stripe-Signature", "t=1492774577,v1=a4d8cf7bf8f4f9daf3d0d4a5905396c32f725d47d08d91a0998fa1fefe70c66a")
        .at(1_492_774_577_000)
}

/// The vendor's (Svix): <https://docs.svix.com/receiving/verifying-payloads/how>.
pub(super) fn svix(names: HeaderNames) -> Sent {
    let [id, time, codes] = match names {
        HeaderNames::Webhook => ["webhook-id", "webhook-timestamp", "webhook-signature"],
        HeaderNames::Svix => ["svix-id", "svix-timestamp", "svix-signature"],
    };
    Sent::post(r#"{"test": 2432232314}"#)
        .with(id, "msg_p5jXN8AQM9LWM0D4loKWxJek")
        .with(time, "1614265330")
        .with(codes, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        .at(1_614_265_330_000)
}

#[test]
fn shopify_signs_the_body() {
    let (scheme, sent) = (Shopify::new(one(SHOPIFY_SECRET)), shopify());
    rotates(&sent, SHOPIFY_SECRET, Shopify::new);
    refused(&scheme, spoiled_signature(&sent, "X-Shopify-Hmac-Sha256"));
    let hex = "92d26cbc0f8a46608048289baf935460d345b2f5d1b46093a4edcfba82fbdcce";
    let as_hex = sent.changed("X-Shopify-Hmac-Sha256", |value| *value = hex.as_bytes().to_vec());
    refused(&scheme, vec![(as_hex, vec![Refusal::MalformedHeader(Name::of("X-Shopify-Hmac-Sha256"))])]);
    assert_eq!(sent.see(|request| crate::Verifier::new(scheme).delivery_id(request)), Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043".into()));
}

/// While the old secret still signs (openssl, with the old one).
#[test]
fn shopify_may_still_sign_with_the_old_secret() {
    let sent = shopify().changed("X-Shopify-Hmac-Sha256", |value| *value = b"+IIVT2pWFl1F1Xhj0NCnu1iAjZTIxaqZEVIr5RK1yDY=".to_vec());
    assert_eq!(sent.check(&Shopify::new(both(SHOPIFY_SECRET, "shpss_before"))), Ok(Key::Previous));
    assert_eq!(sent.check(&Shopify::new(one(SHOPIFY_SECRET))), Err(Refusal::WrongSignature));
}

#[test]
fn github_signs_the_body() {
    let (scheme, sent) = (GitHub::new(one(GITHUB_SECRET)), github());
    rotates(&sent, GITHUB_SECRET, GitHub::new);
    refused(&scheme, spoiled_signature(&sent, "X-Hub-Signature-256"));
    let malformed = || vec![Refusal::MalformedHeader(Name::of("X-Hub-Signature-256"))];
    let sha1 = sent.changed("X-Hub-Signature-256", |value| *value = b"sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".to_vec());
    let bare = sent.changed("X-Hub-Signature-256", |value| drop(value.drain(..7)));
    let upper = sent.changed("X-Hub-Signature-256", |value| value.make_ascii_uppercase());
    let upper_digits = sent.changed("X-Hub-Signature-256", |value| value[7..].make_ascii_uppercase());
    let joined = sent.changed("X-Hub-Signature-256", |value| value.extend_from_within(..));
    refused(&scheme, [sha1, bare, upper, upper_digits, joined].map(|sent| (sent, malformed())).into());
    let id = |sent: &Sent| sent.see(|request| crate::Verifier::new(scheme.clone()).delivery_id(request));
    assert_eq!(id(&sent), Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()));
    assert_eq!(id(&sent.twice("X-GitHub-Delivery")), None);
    assert_eq!(id(&sent.changed("X-GitHub-Delivery", |value| value.resize(300, b'a'))), None);
}

#[test]
fn meta_signs_the_bytes_as_it_sends_them() {
    let make = |secrets| Meta::new(secrets, one("meatyhamhock"));
    let (scheme, sent) = (make(one(META_SECRET)), meta());
    rotates(&sent, META_SECRET, make);
    refused(&scheme, spoiled_signature(&sent, "X-Hub-Signature-256"));
    let mut unescaped = sent.clone();
    unescaped.body = String::from_utf8(unescaped.body).expect("text").replace(r"\u00e4", "ä").into_bytes();
    refused(&scheme, vec![(unescaped, vec![Refusal::WrongSignature])]);
}

#[test]
fn slack_signs_time_and_body() {
    let make = |secrets| Slack::new(secrets, FIVE);
    let (scheme, sent) = (make(one(SLACK_SECRET)), slack());
    rotates(&sent, SLACK_SECRET, make);
    keeps_time(&scheme, &sent, 1_531_420_618_000);
    refused(&scheme, spoiled_signature(&sent, "X-Slack-Signature"));
    refused(&scheme, spoiled_time(&sent, "X-Slack-Request-Timestamp"));
    let later = sent.changed("X-Slack-Request-Timestamp", |value| value[9] = b'9');
    let version = sent.changed("X-Slack-Signature", |value| value[1] = b'1');
    let malformed = Refusal::MalformedHeader(Name::of("X-Slack-Signature"));
    refused(&scheme, vec![(later, vec![Refusal::WrongSignature]), (version, vec![malformed])]);
}

#[test]
fn stripe_signs_time_and_body() {
    let make = |secrets| Stripe::new(secrets, FIVE);
    let (scheme, sent) = (make(one(STRIPE_SECRET)), stripe());
    rotates(&sent, STRIPE_SECRET, make);
    keeps_time(&scheme, &sent, 1_492_774_577_000);
    refused(&scheme, spoiled_signature(&sent, "Stripe-Signature"));
    let code = "a4d8cf7bf8f4f9daf3d0d4a5905396c32f725d47d08d91a0998fa1fefe70c66a";
    let malformed = || vec![Refusal::MalformedHeader(Name::of("Stripe-Signature"))];
    let set = |text: String| sent.changed("Stripe-Signature", |value| *value = text.into_bytes());
    refused(
        &scheme,
        vec![
            (set(format!("t=1492774577,v0={code}")), malformed()),
            (set(format!("v1={code}")), malformed()),
            (set("t=1492774577".to_owned()), malformed()),
            (set(format!("t=1492774577,t=1492774577,v1={code}")), malformed()),
            (set(format!("t=1492774577, v1={code}")), malformed()),
            (set(format!("t=1492774577,v1={code},=x")), malformed()),
            (set(format!("t=1492774577,v1={code},")), malformed()),
            (set(format!("t=1492774577{}", format!(",v1={code}").repeat(9))), malformed()),
            (set(format!("t=-1,v1={code}")), malformed()),
            (set(format!("t=1492774578,v1={code}")), vec![Refusal::WrongSignature]),
            (set(format!("t=1,v1={code}")), vec![Refusal::TooOld]),
            (set(format!("t=1999999999,v1={code}")), vec![Refusal::TooNew]),
        ],
    );
    let id = |sent: &Sent| sent.see(|request| crate::Verifier::new(scheme.clone()).delivery_id(request));
    assert_eq!(id(&sent), Some("evt_1NG8Du2eZvKYlo2CUI79vXWy".into()));
    for body in [r#"{"id":"a","id":"b"}"#, r#"["a"]"#, r#"{"id":5}"#, r#"{"id":null}"#, r#"{"data":{"id":"a"}}"#, "", "{"] {
        assert_eq!(id(&Sent::post(body)), None, "{body}");
    }
}

/// Both secrets sign while one is rolled (openssl, the old one first), and other versions are passed over.
#[test]
fn stripe_signs_twice_while_rolling() {
    let header = concat!(
        "t=1492774577,v1=55640f485b23e45f532e7fd383796aa135d4023554e722f5946dd08212f8a35f",
        ",v1=a4d8cf7bf8f4f9daf3d0d4a5905396c32f725d47d08d91a0998fa1fefe70c66a,v0=anything",
    );
    let sent = stripe().changed("Stripe-Signature", |value| *value = header.as_bytes().to_vec());
    assert_eq!(sent.check(&Stripe::new(one(STRIPE_SECRET), FIVE)), Ok(Key::Current));
    assert_eq!(sent.check(&Stripe::new(one("whsec_old_secret"), FIVE)), Ok(Key::Current));
    assert_eq!(sent.check(&Stripe::new(both(STRIPE_SECRET, "whsec_old_secret"), FIVE)), Ok(Key::Current));
    assert_eq!(sent.check(&Stripe::new(one("whsec_third"), FIVE)), Err(Refusal::WrongSignature));
}

#[test]
fn standard_signs_id_time_and_body() {
    for (names, [id, time, codes]) in [
        (HeaderNames::Webhook, ["webhook-id", "webhook-timestamp", "webhook-signature"]),
        (HeaderNames::Svix, ["svix-id", "svix-timestamp", "svix-signature"]),
    ] {
        let make = |secrets| Standard::new(&secrets, names, FIVE).expect("a scheme");
        let (scheme, sent) = (make(one(STANDARD_SECRET)), svix(names));
        rotates(&sent, STANDARD_SECRET, make);
        keeps_time(&scheme, &sent, 1_614_265_330_000);
        refused(&scheme, spoiled_signature(&sent, codes));
        refused(&scheme, spoiled_time(&sent, time));
        let malformed = |name| vec![Refusal::MalformedHeader(Name::of(name))];
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let set = |text: String| sent.changed(codes, |value| *value = text.into_bytes());
        refused(
            &scheme,
            vec![
                (sent.changed(id, |value| value[5] = b'x'), vec![Refusal::WrongSignature]),
                (sent.changed(id, |value| value.extend(b".1614265330")), malformed(id)),
                (sent.without(id), vec![Refusal::MissingHeader(Name::of(id))]),
                (set(right.replace("v1,", "v1a,")), vec![Refusal::OtherVersion]),
                (set(right.replace("v1,", ",")), malformed(codes)),
                (set(right.replace("v1,", "")), malformed(codes)),
                (set(format!("{right}  {right}")), malformed(codes)),
                (set([right; 9].join(" ")), malformed(codes)),
                // The last digit holds two bits more than the signature: only one spelling of them is right.
                (set(right.replace("OE=", "OF=")), malformed(codes)),
                (set(right.replace("OE=", "OE")), malformed(codes)),
            ],
        );
        let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(set(format!("v1a,abc {wrong} {right}")).check(&scheme), Ok(Key::Current));
        assert_eq!(sent.see(|request| crate::Verifier::new(scheme).delivery_id(request)), Some("msg_p5jXN8AQM9LWM0D4loKWxJek".into()));
    }
}

/// The signed text is the same for another cut between id, time and body.
#[test]
fn standard_cannot_be_cut_otherwise() {
    let scheme = Standard::new(&one(STANDARD_SECRET), HeaderNames::Webhook, FIVE).expect("a scheme");
    // openssl: msg_1.1614265330.1614265331.{} under the secret above.
    let code = "v1,CMmEKLRb7FQhXi2yx5/dbO/5/zXV24MTtacGs7KKuEk=";
    let sent = |id: &str, time: &str, body: &str| {
        let sent = Sent::post(body).with("webhook-id", id).with("webhook-timestamp", time).with("webhook-signature", code);
        sent.at(1_614_265_330_000).check(&scheme)
    };
    assert_eq!(sent("msg_1", "1614265330", "1614265331.{}"), Ok(Key::Current));
    assert_eq!(sent("msg_1.1614265330", "1614265331", "{}"), Err(Refusal::MalformedHeader(Name::of("webhook-id"))));
}

#[test]
fn standard_secrets_are_base64() {
    let make = |text: &str| Standard::new(&one(text), HeaderNames::Webhook, FIVE).map(drop);
    assert_eq!(make("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(()));
    assert_eq!(make("whsec_"), Err(ConfigError::EmptySecret));
    assert_eq!(make("whsec_not base64!"), Err(ConfigError::MalformedSecret("is not base64 behind whsec_")));
}
