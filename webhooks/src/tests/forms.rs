//! Forms and raw bodies.

use crate::split::{Fault, Form, Limits, Rejected, split};

fn form(body: &[u8]) -> Result<String, Rejected> {
    let mut payloads = split(body, Form::Urlencoded, Limits::default());
    let payload = payloads.next().expect("one payload");
    assert!(payloads.next().is_none());
    payload.map(|payload| String::from_utf8(payload.bytes.into_owned()).expect("text"))
}

#[test]
fn a_form_is_an_object_of_texts() {
    for (body, object) in [
        ("", "{}"),
        ("a=1", r#"{"a":"1"}"#),
        ("b=2&a=1", r#"{"b":"2","a":"1"}"#),
        ("a=1&b=x&a=2&a=", r#"{"a":["1","2",""],"b":"x"}"#),
        ("a&&=b&", r#"{"a":"","":"b"}"#),
        ("a=b=c", r#"{"a":"b=c"}"#),
        ("a+b=c%2Bd%20e%26", r#"{"a b":"c+d e&"}"#),
        ("text=%22%0A%5C%C3%A9%00", r#"{"text":"\"\n\\é\u0000"}"#),
        ("payload=%7B%22x%22%3A1%7D", r#"{"payload":"{\"x\":1}"}"#),
        ("a%5B%5D=1&a%5B%5D=2", r#"{"a[]":["1","2"]}"#),
        ("a=é", r#"{"a":"é"}"#),
    ] {
        assert_eq!(form(body.as_bytes()).as_deref(), Ok(object), "{body}");
    }
}

#[test]
fn what_cannot_be_read_is_not_replaced() {
    for (body, at, fault) in [
        (b"a=%".as_slice(), 2, Fault::BadEscape),
        (b"a=1&b=%4", 6, Fault::BadEscape),
        (b"a=1&%zz=1", 4, Fault::BadEscape),
        (b"a=%ff", 2, Fault::NotUtf8),
        (b"a=1&b=\xe9", 6, Fault::NotUtf8),
        (b"a=%ed%a0%80", 2, Fault::NotUtf8),
    ] {
        assert_eq!(form(body), Err(Rejected { range: 0..body.len(), at, fault }));
    }
}

#[test]
fn a_raw_body_stays_as_it_is() {
    let limits = Limits { payload_bytes: 4, ..Limits::default() };
    for body in [b"".as_slice(), b"\xef\xbb\xbf\xff", b"<a>"] {
        let payloads: Vec<_> = split(body, Form::Raw, limits).map(|payload| payload.map(|payload| payload.bytes.into_owned())).collect();
        assert_eq!(payloads, [Ok(body.to_vec())]);
    }
    let too_large = [Err(Rejected { range: 0..5, at: 4, fault: Fault::PayloadTooLarge })];
    assert_eq!(split(b"12345", Form::Raw, limits).collect::<Vec<_>>(), too_large);
    // A form grows on its way into JSON.
    assert!(split(b"a=1", Form::Urlencoded, limits).all(|payload| payload.is_err()));
}
