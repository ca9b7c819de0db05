//! Each function against values known from PostgreSQL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::FUNCTIONS;

fn function(name: &str) -> ScalarUDF {
    FUNCTIONS.iter().map(|make| make()).find(|function| function.name() == name).unwrap()
}

fn call(name: &str, args: &[ScalarValue]) -> Result<ScalarValue> {
    let fields = args.iter().map(|arg| Arc::new(Field::new("a", arg.data_type(), true))).collect();
    let types: Vec<DataType> = args.iter().map(ScalarValue::data_type).collect();
    let returns = function(name).return_type(&types)?;
    let result = function(name).invoke_with_args(ScalarFunctionArgs {
        args: args.iter().cloned().map(ColumnarValue::Scalar).collect(),
        arg_fields: fields,
        number_rows: 1,
        return_field: Arc::new(Field::new("r", returns, true)),
        config_options: Arc::new(ConfigOptions::default()),
    })?;
    match result {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    }
}

fn text(value: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(value.to_owned()))
}

#[test]
fn jsonb_normalises_and_refuses() {
    assert_eq!(call("jsonb", &[text(r#"{ "a" : 1, "a": 2 }"#)]).unwrap(), text(r#"{"a": 2}"#));
    assert_eq!(call("json", &[text(r#"{ "a" : 1 }"#)]).unwrap(), text(r#"{ "a" : 1 }"#));
    assert!(call("jsonb", &[text("{")]).is_err());
    assert_eq!(call("jsonb", &[ScalarValue::Utf8(None)]).unwrap(), ScalarValue::Utf8(None));
}

#[test]
fn jsonb_set_replaces_and_creates() {
    let cases = [
        (r#"{"a":1}"#, "{a}", "2", r#"{"a": 2}"#),
        (r#"{"a":1}"#, "{b}", r#""x""#, r#"{"a": 1, "b": "x"}"#),
        (r#"{"a":[1,2]}"#, "{a,-1}", "9", r#"{"a": [1, 9]}"#),
        (r#"{"a":1}"#, "{b,c}", "2", r#"{"a": 1}"#),
        (r#"[1]"#, "{5}", "2", "[1, 2]"),
    ];
    for (document, path, value, expected) in cases {
        assert_eq!(call("jsonb_set", &[text(document), text(path), text(value)]).unwrap(), text(expected), "{document} {path}");
    }
}

#[test]
fn uuids_have_one_spelling() {
    let one = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for typed in ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11"] {
        assert_eq!(call("to_uuid", &[text(typed)]).unwrap(), text(one));
    }
    assert!(call("to_uuid", &[text("nonsense")]).is_err());
}

#[test]
fn numbers_of_documents_keep_their_digits() {
    let cases = [
        ("1.50", "1.50"),
        ("1e2", "100"),
        ("1.0e-2", "0.010"),
        ("-0", "0"),
        ("12345678901234567890.10", "12345678901234567890.10"),
        ("-1.5e1", "-15"),
    ];
    for (written, shown) in cases {
        assert_eq!(crate::document::parse(written).unwrap().to_string(), shown, "{written}");
    }
    let equal = |one: &str, other: &str| crate::document::parse(one).unwrap() == crate::document::parse(other).unwrap();
    assert!(equal("[1.0]", "[1]") && equal(r#"{"b":2,"a":1}"#, r#"{"a":1.00,"b":2,"b":2}"#) && !equal("1", "10"));
    for wrong in ["{", "01", "1.", "[1,]", r#""\x""#, "nul", r#"{"a"}"#, "\"\u{1}\"", "1 2"] {
        assert!(crate::document::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn intervals_are_read_in_all_their_forms() {
    let shown = |text: &str| {
        let mut out = Vec::new();
        crate::forms::put_interval(crate::intervals::parse(text)?, &mut out);
        String::from_utf8(out).ok()
    };
    let cases = [
        ("1 day 02:03:04", "1 day 02:03:04"),
        ("1-2", "1 year 2 mons"),
        ("90 minutes", "01:30:00"),
        ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
        ("1.5 days", "1 day 12:00:00"),
        ("-1 day 2 hours ago", "1 day -02:00:00"),
        ("1 week", "7 days"),
        ("00:00:00.5", "00:00:00.5"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
    }
    for wrong in ["", "abc", "1 parsec", "12:60", "P", "1 day x"] {
        assert_eq!(shown(wrong), None, "{wrong}");
    }
}

/// RFC 4231, test cases 2 and 6.
#[test]
fn hmac_follows_the_standard() {
    let hex = |value: ScalarValue| match value {
        ScalarValue::Binary(Some(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        other => panic!("{other:?}"),
    };
    let short = call("hmac", &[text("what do ya want for nothing?"), text("Jefe"), text("sha256")]).unwrap();
    assert_eq!(hex(short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    let key = ScalarValue::Binary(Some(vec![0xaa; 131]));
    let data = ScalarValue::Binary(Some(b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec()));
    assert_eq!(
        hex(call("hmac", &[data, key, text("sha256")]).unwrap()),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn to_char_reads_the_patterns_of_postgresql() {
    // 2026-03-07 05:04:03.021 UTC
    let at = ScalarValue::TimestampMicrosecond(Some(1_772_859_843_021_000), Some("UTC".into()));
    let cases = [
        ("YYYY-MM-DD HH24:MI:SS", "2026-03-07 05:04:03"),
        ("yyyymmdd", "20260307"),
        ("DD Mon YYYY HH12:MI AM", "07 Mar 2026 05:04 AM"),
        ("FMDD.FMMM.YY", "7.3.26"),
        ("SS.MS", "03.021"),
        ("\"week\" IW Q", "week 10 1"),
    ];
    for (pattern, expected) in cases {
        assert_eq!(call("to_char", &[at.clone(), text(pattern)]).unwrap(), text(expected), "{pattern}");
    }
}

#[test]
fn members_are_ordered_by_their_keys() {
    let args = [text("b"), ScalarValue::Int64(Some(1)), text("a"), ScalarValue::Utf8(None)];
    assert_eq!(call("jsonb_build_object", &args).unwrap(), text(r#"{"a": null, "b": 1}"#));
    assert!(call("jsonb_build_object", &[text("b")]).is_err());
}

#[test]
fn text_becomes_bytes() {
    let bytes = |bytes: &[u8]| ScalarValue::Binary(Some(bytes.to_vec()));
    assert_eq!(call("to_bytea", &[text("\\xDEadbeef")]).unwrap(), bytes(&[0xde, 0xad, 0xbe, 0xef]));
    assert_eq!(call("to_bytea", &[text("plain é")]).unwrap(), bytes("plain é".as_bytes()));
    assert_eq!(call("to_bytea", &[text("\\x")]).unwrap(), bytes(&[]));
    assert_eq!(call("to_bytea", &[bytes(&[0xff])]).unwrap(), bytes(&[0xff]));
    assert_eq!(call("to_bytea", &[ScalarValue::Utf8(None)]).unwrap(), ScalarValue::Binary(None));
    assert!(call("to_bytea", &[text("\\xabc")]).is_err());
    assert!(call("to_bytea", &[text("\\xzz")]).is_err());
}

#[test]
fn bytes_and_text_by_encoding() {
    let bytes = |bytes: &[u8]| ScalarValue::Binary(Some(bytes.to_vec()));
    assert_eq!(call("convert_from", &[bytes("ñ".as_bytes()), text("UTF8")]).unwrap(), text("ñ"));
    assert_eq!(call("convert_from", &[bytes(b"\xf1"), text("latin-1")]).unwrap(), text("ñ"));
    assert_eq!(call("convert_to", &[text("ñ"), text("utf-8")]).unwrap(), bytes("ñ".as_bytes()));
    assert_eq!(call("convert_to", &[text("ñ"), text("LATIN1")]).unwrap(), bytes(b"\xf1"));
    assert_eq!(call("convert_from", &[ScalarValue::Binary(None), text("UTF8")]).unwrap(), ScalarValue::Utf8(None));
    for (value, encoding) in [(bytes(b"a\xf1"), "UTF8"), (bytes(b"a\0"), "UTF8"), (bytes(b"a"), "EBCDIC")] {
        assert!(call("convert_from", &[value.clone(), text(encoding)]).is_err(), "{value:?} {encoding}");
    }
    assert!(call("convert_to", &[text("€"), text("LATIN1")]).is_err());
}
