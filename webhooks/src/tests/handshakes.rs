//! Addresses that are tried out.

use super::sent::*;
use super::signed::{META_SECRET, SLACK_SECRET, github};
use crate::schemes::{GitHub, Graph, Meta, Networks, Place, Slack, Token};
use crate::{Name, Refusal, Reply, Verifier, Window};

fn text(body: &str) -> Option<Result<Reply, Refusal>> {
    Some(Ok(Reply { status: 200, content_type: "text/plain; charset=utf-8", body: body.as_bytes().to_vec() }))
}

fn slack() -> Verifier {
    Verifier::new(Slack::new(one(SLACK_SECRET), Window::FIVE_MINUTES))
}

/// The body is Slack's: <https://api.slack.com/events/url_verification>; the signature openssl's.
fn challenge() -> Sent {
    Sent::post(r#"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#)
        .with("X-Slack-Request-Timestamp", "1531420618")
        .with("X-Slack-Signature", "v0=9815b856719f49294457425f6c73f1ccbe3172750a83b6066a7f04c0fdcabec4")
        .at(1_531_420_618_000)
}

#[test]
fn slack_gets_its_challenge_back_when_it_signed_it() {
    let ask = |sent: &Sent| sent.see(|request| slack().handshake(request));
    assert_eq!(ask(&challenge()), text("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"));
    for (sent, reasons) in spoiled_signature(&challenge(), "X-Slack-Signature") {
        match ask(&sent) {
            Some(Err(refusal)) => assert!(reasons.contains(&refusal), "{refusal:?}"),
            // With a flipped byte the body may say something else.
            other => assert!(other.is_none() && sent.body != challenge().body, "{other:?}"),
        }
    }
    assert_eq!(ask(&challenge().at(1_531_421_000_000)), Some(Err(Refusal::TooOld)));
    let mut empty = challenge();
    empty.body = br#"{"type":"url_verification","challenge":""}"#.to_vec();
    assert!(matches!(ask(&empty), Some(Err(_))));
}

/// The signature is openssl's.
#[test]
fn slack_events_are_no_handshakes_and_have_an_id() {
    let sent = Sent::post(r#"{"type":"event_callback","event_id":"Ev08MFMKH6"}"#)
        .with("X-Slack-Request-Timestamp", "1531420618")
        .with("X-Slack-Signature", "v0=649cd74419d0db312c74495a9d279048690dfc1dc085146872cdbe24409ff2ff")
        .at(1_531_420_618_000);
    assert_eq!(sent.see(|request| slack().handshake(request)), None);
    assert!(sent.see(|request| slack().verify(request)).is_accepted());
    assert_eq!(sent.see(|request| slack().delivery_id(request)), Some("Ev08MFMKH6".into()));
    let form = super::signed::slack();
    assert_eq!(form.see(|request| (slack().handshake(request), slack().delivery_id(request))), (None, None));
}

/// The query is Meta's: <https://developers.facebook.com/docs/graph-api/webhooks/getting-started/>.
#[test]
fn meta_gets_its_challenge_back_when_it_knows_the_token() {
    let verifier = Verifier::new(Meta::new(one(META_SECRET), one("meatyhamhock")));
    let ask = |method: &'static str, query: &str| {
        let mut sent = Sent::post("").asked(query);
        sent.method = method;
        sent.see(|request| verifier.handshake(request))
    };
    let right = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock";
    assert_eq!(ask("GET", right), text("1158201444"));
    let parameter = |name| Name::of(name);
    for (query, refusal) in [
        (right.replace("hock", "hocj"), Refusal::WrongCredentials),
        (right.replace("hock", ""), Refusal::WrongCredentials),
        (right.replace("&hub.verify_token=meatyhamhock", ""), Refusal::MissingParameter(parameter("hub.verify_token"))),
        (format!("{right}&hub.verify_token=meatyhamhock"), Refusal::RepeatedParameter(parameter("hub.verify_token"))),
        (format!("{right}&hub.challenge=2"), Refusal::RepeatedParameter(parameter("hub.challenge"))),
        (right.replace("1158201444", "%3Cscript%3E"), Refusal::MalformedParameter(parameter("hub.challenge"))),
        (right.replace("1158201444", "1%0d%0aX"), Refusal::MalformedParameter(parameter("hub.challenge"))),
        (right.replace("1158201444", &"1".repeat(257)), Refusal::MalformedParameter(parameter("hub.challenge"))),
        (right.replace("hub.challenge=1158201444&", ""), Refusal::MissingParameter(parameter("hub.challenge"))),
    ] {
        assert_eq!(ask("GET", &query), Some(Err(refusal)), "{query}");
    }
    assert_eq!(ask("POST", right), None);
    assert_eq!(ask("GET", &right.replace("subscribe", "unsubscribe")), None);
    assert_eq!(ask("GET", ""), None);
    // A verify token signs nothing: as a delivery it is refused.
    assert!(!Sent::post("").asked(right).see(|request| verifier.verify(request)).is_accepted());
}

#[test]
fn graph_gets_its_token_back_decoded() {
    let verifier = Verifier::new(Graph::new(one("state")));
    let ask = |query: &str| Sent::post("").asked(query).see(|request| verifier.handshake(request));
    assert_eq!(ask("validationToken=Validation%3a+Testing+client+Request-Id%3a+7"), text("Validation: Testing client Request-Id: 7"));
    assert_eq!(ask("validationToken=%3Cscript%3Ealert(1)%3C/script%3E"), text("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(ask("validationToken=a%26b%2Bc%3d"), text("a&b+c="));
    let name = || Name::of("validationToken");
    for malformed in ["validationToken=", "validationToken=%0d%0aSet-Cookie:x", "validationToken=%ff", "validationToken=%c2%85"] {
        assert_eq!(ask(malformed), Some(Err(Refusal::MalformedParameter(name()))), "{malformed}");
    }
    assert_eq!(ask(&format!("validationToken={}", "a".repeat(1025))), Some(Err(Refusal::MalformedParameter(name()))));
    assert_eq!(ask("validationToken=a&validationToken=b"), Some(Err(Refusal::RepeatedParameter(name()))));
    assert_eq!(ask("other=1"), None);
    let mut get = Sent::post("").asked("validationToken=a");
    get.method = "GET";
    assert_eq!(get.see(|request| verifier.handshake(request)), None);
}

#[test]
fn a_handshake_passes_the_other_schemes_too() {
    let verifier = Verifier::new(Graph::new(one("state")))
        .and(Token::at(Place::parameter("key").expect("a place"), one("k")))
        .from_networks(Networks::parse(["192.0.2.0/24"]).expect("networks"));
    let ask = |sent: Sent| sent.see(|request| verifier.handshake(request));
    assert_eq!(ask(Sent::post("").asked("key=k&validationToken=a")), text("a"));
    assert_eq!(ask(Sent::post("").asked("key=l&validationToken=a")), Some(Err(Refusal::WrongCredentials)));
    let mut elsewhere = Sent::post("").asked("key=k&validationToken=a");
    elsewhere.remote = "198.51.100.1".parse().expect("an address");
    assert_eq!(ask(elsewhere), Some(Err(Refusal::AddressNotAllowed)));
    assert_eq!(github().see(|request| Verifier::new(GitHub::new(one("x"))).handshake(request)), None);
}
