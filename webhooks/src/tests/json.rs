//! JSON and NDJSON bodies.

use proptest::prelude::*;
use serde_json::Value;

use crate::split::{Fault, Form, Limits, Rejected, split};

const SMALL: Limits = Limits { payload_bytes: 40, payloads: 3, depth: 2, number_bytes: 8, exponent: 20 };

/// The payloads, and how the first reject went wrong.
fn read(body: &str, form: Form, limits: Limits) -> (Vec<String>, Option<(usize, Fault)>) {
    let (mut payloads, mut rejected) = (Vec::new(), None);
    for payload in split(body.as_bytes(), form, limits) {
        match payload {
            Ok(payload) => {
                assert_eq!(body.as_bytes().get(payload.range), Some(payload.bytes.as_ref()));
                payloads.push(String::from_utf8(payload.bytes.into_owned()).expect("text"));
            }
            Err(Rejected { at, fault, .. }) => rejected = rejected.or(Some((at, fault))),
        }
    }
    (payloads, rejected)
}

fn json(body: &str) -> (Vec<String>, Option<(usize, Fault)>) {
    read(body, Form::Json, Limits::default())
}

#[test]
fn one_value_is_one_payload() {
    for value in [r#"{"a":[1,{"b":null}],"c":"é\n\"\\\u00e9\ud83d\ude00"}"#, "{}", "0", "-1.5e+3", "true", "null", r#""""#] {
        for body in [value.to_owned(), format!(" \r\n\t{value}\n "), format!("\u{feff}{value}")] {
            assert_eq!(json(&body), (vec![value.to_owned()], None), "{body}");
        }
    }
}

#[test]
fn items_of_an_array_are_payloads() {
    assert_eq!(json("[]").0, Vec::<String>::new());
    assert_eq!(json(" [ ] "), (vec![], None));
    let (payloads, rejected) = json(" [ {\"a\": 1} ,[],  2,\"x]\" ,[[1]]] ");
    assert_eq!(payloads, [r#"{"a": 1}"#, "[]", "2", r#""x]""#, "[[1]]"]);
    assert_eq!(rejected, None);
}

#[test]
fn what_is_no_json_says_where() {
    for (body, good, at, fault) in [
        ("", 0, 0, Fault::Empty),
        (" \n", 0, 2, Fault::Empty),
        ("{", 0, 1, Fault::Cut),
        ("{\"a\"", 0, 4, Fault::Cut),
        ("{\"a\":1", 0, 6, Fault::Cut),
        ("\"a", 0, 2, Fault::Cut),
        ("tru", 0, 3, Fault::Cut),
        ("{a:1}", 0, 1, Fault::NotJson),
        ("{\"a\":1,}", 0, 7, Fault::NotJson),
        ("{\"a\" 1}", 0, 5, Fault::NotJson),
        ("{\"a\":1]", 0, 6, Fault::NotJson),
        ("[1", 1, 2, Fault::Cut),
        ("[1,", 1, 3, Fault::Cut),
        ("[1,]", 1, 3, Fault::NotJson),
        ("[,1]", 0, 1, Fault::NotJson),
        ("[1 2]", 1, 3, Fault::NotJson),
        ("[1}", 1, 2, Fault::NotJson),
        ("1 2", 0, 2, Fault::TrailingText),
        ("{}{}", 0, 2, Fault::TrailingText),
        ("01", 0, 1, Fault::TrailingText),
        ("[1]]", 1, 3, Fault::TrailingText),
        ("[] x", 0, 3, Fault::TrailingText),
        ("-", 0, 1, Fault::Cut),
        ("1.", 0, 2, Fault::Cut),
        (".5", 0, 0, Fault::NotJson),
        ("+1", 0, 0, Fault::NotJson),
        ("1e", 0, 2, Fault::Cut),
        ("NaN", 0, 0, Fault::NotJson),
        ("'a'", 0, 0, Fault::NotJson),
        ("\"\\x\"", 0, 1, Fault::NotJson),
        ("\"\\u12g4\"", 0, 5, Fault::NotJson),
        ("\"\\ud800\"", 0, 1, Fault::NotJson),
        ("\"\\udc00\\ud800\"", 0, 1, Fault::NotJson),
        ("\"a\nb\"", 0, 2, Fault::NotJson),
        ("// x\n1", 0, 0, Fault::NotJson),
    ] {
        let (payloads, rejected) = json(body);
        assert_eq!((payloads.len(), rejected), (good, Some((at, fault))), "{body}");
    }
    let rejected: Vec<_> = split(b"[1,\"\xff\"]", Form::Json, Limits::default()).filter_map(Result::err).collect();
    assert_eq!(rejected, [Rejected { range: 3..7, at: 4, fault: Fault::NotUtf8 }]);
}

/// A reader that takes the first and one that takes the last would not see the same record.
#[test]
fn names_may_not_come_again() {
    for body in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"é":1,"\u00e9":2}}"#, r#"{"":1,"":1}"#] {
        assert!(matches!(json(body), (payloads, Some((_, Fault::RepeatedName))) if payloads.is_empty()), "{body}");
    }
    assert_eq!(json(r#"{"a":1,"A":2,"b":{"a":3},"c":[{"a":1},{"a":2}]}"#).1, None);
    let many: Vec<String> = (0..100).map(|at| format!("\"{at}\":1")).collect();
    assert_eq!(json(&format!("{{{}}}", many.join(","))).1, None);
    for again in [0, 15, 16, 17, 99] {
        assert!(matches!(json(&format!("{{{},\"{again}\":1}}", many.join(","))).1, Some((_, Fault::RepeatedName))));
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let small = |body: &str| read(body, Form::Json, SMALL).1.map(|(_, fault)| fault);
    for (within, beyond, fault) in [
        ("[[1]]".to_owned(), "[[[[1]]]]".to_owned(), Fault::TooDeep),
        (r#"{"a":[1]}"#.to_owned(), r#"{"a":[[1]]}"#.to_owned(), Fault::TooDeep),
        ("[1,2,3]".to_owned(), "[1,2,3,4]".to_owned(), Fault::TooManyPayloads),
        ("12345678".to_owned(), "123456789".to_owned(), Fault::NumberTooLong),
        ("1e20".to_owned(), "1e21".to_owned(), Fault::ExponentTooLarge),
        ("1E-20".to_owned(), "1E-21".to_owned(), Fault::ExponentTooLarge),
        ("1e020".to_owned(), "1e99999999999".to_owned(), Fault::ExponentTooLarge),
        (format!("\"{}\"", "x".repeat(38)), format!("\"{}\"", "x".repeat(39)), Fault::PayloadTooLarge),
        (format!("[\"{}\"]", "x".repeat(38)), format!("[\"{}\"]", "x".repeat(39)), Fault::PayloadTooLarge),
    ] {
        assert_eq!(small(&within), None, "{within}");
        assert_eq!(small(&beyond), Some(fault), "{beyond}");
    }
    // Deep text costs no stack.
    let deep = "[".repeat(1_000_000);
    assert_eq!(json(&deep).1.map(|(_, fault)| fault), Some(Fault::TooDeep));
    let free = Limits { depth: 1_000_000, ..Limits::default() };
    assert_eq!(read(&deep, Form::Json, free).1, Some((1_000_000, Fault::Cut)));
}

#[test]
fn a_bad_line_is_rejected_alone() {
    let body = "\u{feff}{\"a\":1}\r\n\n  \nx\n [1,2] \n1 2\n{\"b\":\n2";
    let found: Vec<_> = split(body.as_bytes(), Form::Ndjson, Limits::default()).collect();
    let texts: Vec<Result<&str, (&str, Fault)>> = found
        .iter()
        .map(|payload| match payload {
            Ok(payload) => Ok(std::str::from_utf8(&payload.bytes).expect("text")),
            Err(rejected) => Err((body.get(rejected.range.clone()).expect("a range"), rejected.fault)),
        })
        .collect();
    assert_eq!(
        texts,
        [
            Ok("{\"a\":1}"),
            Err(("x", Fault::NotJson)),
            Ok("[1,2]"),
            Err(("1 2", Fault::TrailingText)),
            Err(("{\"b\":", Fault::Cut)),
            Ok("2"),
        ]
    );
    assert_eq!(read("", Form::Ndjson, SMALL), (vec![], None));
    assert_eq!(read("\u{c}1\n1\u{b}\n2", Form::Ndjson, SMALL), (vec!["2".into()], Some((0, Fault::NotJson))));
    assert_eq!(read("1\n2\n3\n", Form::Ndjson, SMALL).1, None);
    assert_eq!(read("1\n2\n3\n4\n5", Form::Ndjson, SMALL), (vec!["1".into(), "2".into(), "3".into()], Some((6, Fault::TooManyPayloads))));
    assert_eq!(read("1\n\"\n3", Form::Ndjson, SMALL), (vec!["1".into(), "3".into()], Some((3, Fault::Cut))));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// However values are put into a body, they come out as the texts that went in.
    #[test]
    fn what_went_in_comes_out(values in prop::collection::vec(value(), 0..6), pretty in any::<bool>()) {
        let texts: Vec<String> = values.iter().map(|value| match pretty {
            true => serde_json::to_string_pretty(value).expect("text"),
            false => value.to_string(),
        }).collect();
        prop_assert_eq!(json(&format!("[{}]", texts.join(" , "))), (texts.clone(), None));
        if !pretty {
            prop_assert_eq!(read(&texts.join("\n"), Form::Ndjson, Limits::default()), (texts.clone(), None));
        }
    }

    /// A body is taken if and only if serde_json takes it, but for names that come again.
    #[test]
    fn it_is_json_when_another_reader_says_so(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = value.to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let ours: Vec<_> = split(&body, Form::Ndjson, Limits { exponent: u32::MAX, ..Limits::default() }).collect();
        prop_assume!(!ours.iter().any(|payload| matches!(payload, Err(Rejected { fault: Fault::RepeatedName, .. }))));
        prop_assume!(byte != b'\n' && !ours.is_empty());
        match serde_json::from_slice::<Value>(&body) {
            Ok(_) => prop_assert!(matches!(ours.as_slice(), [Ok(_)]), "{ours:?}"),
            // Only serde_json turns numbers into floats, and finds some too large for one.
            Err(error) if error.to_string().contains("out of range") => {}
            Err(_) => prop_assert!(matches!(ours.as_slice(), [Err(_)]), "{ours:?}"),
        }
    }
}
