//! Schemes without a signature: basic, token, Graph's client state.

use super::sent::*;
use crate::schemes::{Basic, Graph, Place, Token};
use crate::{ConfigError, Key, Name, Refusal, Secret, Verdict, Verifier, Window};

/// The vendor's, so to say: RFC 7617, section 2.
pub(super) fn basic() -> Sent {
    Sent::post("{}").with("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
}

#[test]
fn basic_compares_user_and_password() {
    let make = |passwords| Basic::new("Aladdin", passwords).expect("a scheme");
    let (scheme, sent) = (make(one("open sesame")), basic());
    rotates(&sent, "open sesame", make);
    refused(&scheme, spoiled_header(&sent, "Authorization"));
    let malformed = || vec![Refusal::MalformedHeader(Name::of("Authorization"))];
    let set = |text: &str| sent.changed("Authorization", |value| *value = text.as_bytes().to_vec());
    refused(
        &scheme,
        vec![
            (set("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), malformed()),
            (set("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), malformed()),
            (set("Basic QWxhZGRpbjpvcGVuIHNlc2FtZR=="), malformed()),
            (set("Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ=="), vec![Refusal::WrongCredentials]),
            (set("Basic QWxhZGRpbjo="), vec![Refusal::WrongCredentials]),
            (set("Basic Og=="), vec![Refusal::WrongCredentials]),
        ],
    );
    assert_eq!(set("bAsIc QWxhZGRpbjpvcGVuIHNlc2FtZQ==").check(&scheme), Ok(Key::Current));
    assert_eq!(Basic::new("a:b", one("x")).map(drop), Err(ConfigError::InvalidOption("user", "has a colon")));
}

#[test]
fn a_bearer_token_is_compared_whole() {
    let (scheme, sent) = (Token::bearer(one("t0k3n")), Sent::post("{}").with("authorization", "Bearer t0k3n"));
    rotates(&sent, "t0k3n", Token::bearer);
    let spoiled = spoiled_header(&sent, "authorization").into_iter().map(|(sent, _)| sent);
    for sent in spoiled {
        assert!(sent.check(&scheme).is_err(), "{sent:?}");
    }
    for wrong in ["Bearer t0k3N", "Bearer t0k3", "Bearer t0k3nn", "Bearer  t0k3n", "Basic t0k3n", "t0k3n", "Bearer"] {
        let sent = sent.changed("authorization", |value| *value = wrong.as_bytes().to_vec());
        assert!(sent.check(&scheme).is_err(), "{wrong}");
    }
}

#[test]
fn a_token_may_stand_elsewhere() {
    let header = Token::at(Place::header("X-Key").expect("a place"), one("t0k3n"));
    assert_eq!(Sent::post("").with("x-key", "t0k3n").check(&header), Ok(Key::Current));
    assert_eq!(Sent::post("").with("x-key", "Bearer t0k3n").check(&header), Err(Refusal::WrongCredentials));
    let query = Token::at(Place::parameter("key").expect("a place"), one("t0 k3n"));
    let asked = |query: &str| Sent::post("").asked(query);
    for right in ["key=t0+k3n", "a=1&key=t0%20k3n", "k%65y=t0%20k3n&b", "&&key=t0%20k3n&"] {
        assert_eq!(asked(right).check(&query), Ok(Key::Current), "{right}");
    }
    let name = Name::from("key".to_owned());
    assert_eq!(asked("key=t0+k3n&k%65y=x").check(&query), Err(Refusal::RepeatedParameter(name.clone())));
    assert_eq!(asked("Key=t0+k3n").check(&query), Err(Refusal::MissingParameter(name.clone())));
    assert_eq!(Sent::post("").check(&query), Err(Refusal::MissingParameter(name.clone())));
    for malformed in ["key=", "key", "key=%ff", "key=%4", "key=%zz"] {
        assert_eq!(asked(malformed).check(&query), Err(Refusal::MalformedParameter(name.clone())), "{malformed}");
    }
    assert_eq!(asked("key=t0+k3m").check(&query), Err(Refusal::WrongCredentials));
}

#[test]
fn graph_has_its_state_in_each_notification() {
    let scheme = Graph::new(one("SecretClientState"));
    let body = r#"{"value":[{"subscriptionId":"1","clientState":"SecretClientState"},{"clientState":"SecretClientState","id":"x"}]}"#;
    rotates(&Sent::post(body), "SecretClientState", Graph::new);
    let check = |body: &str| Sent::post(body).check(&scheme);
    assert_eq!(check(&body.replacen("SecretClientState", "secretClientState", 1)), Err(Refusal::WrongCredentials));
    assert_eq!(check(r#"{"value":[{"clientState":"SecretClientState"},{"clientState":""}]}"#), Err(Refusal::WrongCredentials));
    assert_eq!(check(r#"{"value":[]}"#), Err(Refusal::MalformedBody("has no notification")));
    for malformed in [
        "",
        "[]",
        "{}",
        r#"{"value":{}}"#,
        r#"{"value":[{}]}"#,
        r#"{"value":[{"clientState":null}]}"#,
        r#"{"value":[{"clientState":"SecretClientState","clientState":"SecretClientState"}]}"#,
        r#"[[{"clientState":"SecretClientState"}]]"#,
        r#"{"value":[{"clientState":"SecretClientState"}]} x"#,
    ] {
        assert!(matches!(check(malformed), Err(Refusal::MalformedBody(_))), "{malformed}");
    }
}

#[test]
fn several_schemes_must_all_agree() {
    let verifier = Verifier::new(Basic::new("Aladdin", both("new", "open sesame")).expect("a scheme"))
        .and(Token::at(Place::parameter("key").expect("a place"), one("k")));
    let verify = |sent: &Sent| sent.see(|request| verifier.verify(request));
    assert_eq!(verify(&basic().asked("key=k")), Verdict::Accepted(Key::Previous));
    assert_eq!(verify(&basic().asked("key=l")), Verdict::Refused(Refusal::WrongCredentials));
    assert_eq!(verify(&basic()), Verdict::Refused(Refusal::MissingParameter(Name::from("key".to_owned()))));
    assert!(!verify(&Sent::post("{}").asked("key=k")).is_accepted());
}

#[test]
fn nothing_empty_and_no_window_without_end() {
    for blank in ["", " ", "\r\n\t"] {
        assert_eq!(Secret::new(blank).map(drop), Err(ConfigError::EmptySecret));
    }
    for seconds in [0, 86_401, u32::MAX] {
        assert!(Window::of_seconds(seconds).is_err());
    }
    assert_eq!(Window::of_seconds(300), Ok(Window::FIVE_MINUTES));
    assert!(Place::header("").is_err() && Place::header("X Key").is_err() && Place::header("X-Ké").is_err());
    assert!(Place::parameter("").is_err());
}

/// Whatever is printed of a scheme, an error or a verdict: neither the secret nor what was sent.
#[test]
fn nothing_shows_a_secret() {
    let verifier = Verifier::new(Basic::new("Aladdin", both("s3cr3t-new", "s3cr3t-old")).expect("a scheme"));
    let sent = Sent::post("{}").with("Authorization", "Basic s3cr3t+wrong===");
    let verdict = sent.see(|request| verifier.verify(request));
    let Verdict::Refused(refusal) = &verdict else { panic!("accepted") };
    for text in [format!("{verifier:?}"), format!("{verdict:?}"), refusal.to_string()] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    let error = crate::schemes::Standard::new(&one("whsec_s3cr3t!"), crate::schemes::HeaderNames::Svix, Window::FIVE_MINUTES);
    assert!(!format!("{error:?}").contains("s3cr3t"));
}

#[test]
fn comparing_is_of_the_whole() {
    use crate::secure_compare;
    assert!(secure_compare(b"", b"") && secure_compare(b"abc", b"abc"));
    assert!(!secure_compare(b"abc", b"ab") && !secure_compare(b"ab", b"abc") && !secure_compare(b"abc", b"abd"));
}
