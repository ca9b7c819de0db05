//! Records, paths and broken documents.

use std::io::Cursor;

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;

use crate::formats::contract::{ColumnSpec, Decoder, Input, OnError};
use crate::formats::types::{Logical, timestamptz};
use crate::formats::{Format, tests::options};

use super::format::{Json, Ndjson};

fn open(format: &dyn Format, given: &[(&str, &str)]) -> std::sync::Arc<dyn Decoder> {
    format.open(&options(format.spec(), given)).unwrap()
}

fn column(name: &str, data_type: DataType, path: Option<&str>) -> ColumnSpec {
    ColumnSpec { path: path.map(str::to_owned), ..ColumnSpec::new(name, data_type, Logical::Plain) }
}

fn jsonb(name: &str, path: Option<&str>) -> ColumnSpec {
    ColumnSpec { logical: Logical::Jsonb, ..column(name, DataType::Utf8, path) }
}

fn read_cut(decoder: &dyn Decoder, text: &[u8], columns: &[ColumnSpec], target: usize) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    for block in decoder.blocks(Input::Stream(Box::new(Cursor::new(text.to_vec()))), columns, target).unwrap() {
        let decoded = decoder.decode(block.unwrap(), columns, None, true).unwrap();
        let shown = FormatOptions::default().with_null("∅");
        let cells: Vec<_> = decoded.batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &shown).unwrap()).collect();
        for row in 0..decoded.batch.num_rows() {
            let cells: Vec<String> = cells.iter().map(|cell| cell.value(row).to_string()).collect();
            rows.push(format!("{}: {}", decoded.positions.value(row), cells.join("|")));
        }
        assert_eq!(decoded.raw.unwrap().len(), decoded.batch.num_rows());
        rejects.extend(decoded.rejects.iter().map(|r| format!("{} {} {}", r.position, r.rule, String::from_utf8_lossy(&r.raw))));
    }
    (rows, rejects)
}

fn read(decoder: &dyn Decoder, text: &str, columns: &[ColumnSpec]) -> (Vec<String>, Vec<String>) {
    let whole = read_cut(decoder, text.as_bytes(), columns, 1 << 20);
    assert_eq!(read_cut(decoder, text.as_bytes(), columns, 1), whole);
    whole
}

#[test]
fn lines_paths_and_types() {
    let columns = [
        column("id", DataType::Int64, None),
        column("mail", DataType::Utf8, Some("$.customer.e-mail")),
        column("first", DataType::Utf8, Some("$.items[0]['the name']")),
        jsonb("prices", Some("$.items[*].price")),
        column("total", DataType::Decimal128(12, 2), None),
        ColumnSpec { on_error: OnError::Null, ..column("at", timestamptz(), None) },
        column("doc", DataType::Utf8, Some("$.customer")),
    ];
    let text = "{\"id\": 1, \"customer\": {\"e-mail\": \"a\\u00e9\\ud83d\\ude00\"}, \"items\": [{\"the name\": \"x\", \"price\": 1.10}, {\"price\": 2e1}], \"total\": 12.345, \"at\": \"2024-01-01T00:00:00+01:00\"}\n\
                \r\n\
                {\"id\": \"2\", \"at\": 17}\n\
                {\"id\": 3.5}\n\
                {\"id\": 4,}\n\
                [1]\n\
                {\"id\": 5, \"id\": 6}\n\
                {\"id\": true}\n\
                {\"id\": 7";
    let (rows, rejects) = read(open(&Ndjson, &[]).as_ref(), text, &columns);
    assert_eq!(rows, ["1: 1|aé😀|x|[1.10,2e1]|12.35|2023-12-31T23:00:00Z|{\"e-mail\":\"a\\u00e9\\ud83d\\ude00\"}", "3: 2|∅|∅|∅|∅|∅|∅"]);
    let rules: Vec<&str> = rejects.iter().map(|reject| reject.split(" {").next().unwrap()).collect();
    assert_eq!(rules, ["4 type:id", "5 record", "6 record [1]", "7 record", "8 type:id", "9 record"]);
}

#[test]
fn documents_are_cut_into_records() {
    let columns = [column("a", DataType::Int64, None)];
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("$", "[{\"a\":1}, {\"a\":2}\n]", &["1: 1", "2: 2"], &[]),
        ("$", " {\"a\":1} ", &["1: 1"], &[]),
        ("$", "{\"a\":1}\n{\"a\":2}[{\"a\":3}]", &["1: 1", "2: 2", "3: 3"], &[]),
        ("$", "[]", &[], &[]),
        ("$", "", &[], &[]),
        (
            "$.x.y[*]",
            "{\"q\":[{}],\"x\":{\"n\":\"}\",\"y\":[{\"a\":1},{\"a\":2}],\"z\":[1]},\"w\":{}} {\"x\":{\"y\":{\"a\":3}}}",
            &["1: 1", "2: 2", "3: 3"],
            &[],
        ),
        ("$", "[{\"a\":1} {\"a\":2}, {\"a\":3}]", &["2: 3"], &["1 record {\"a\":1} {\"a\":2}"]),
        ("$", "[{\"a\":1, {\"a\":2}, {\"a\":3}]", &[], &["1 record {\"a\":1, {\"a\":2}, {\"a\":3}]"]),
        ("$", "[{\"a\":1}, {\"a\":\"x\n}, {\"a\":3}]", &["1: 1", "3: 3"], &["2 record {\"a\":\"x\n}"]),
        ("$", "[{\"a\":1}, {\"a\":2}", &["1: 1"], &["2 record {\"a\":2}"]),
        ("$", "[{\"a\":1},", &["1: 1"], &["2 record "]),
        ("$.x", "{\"y\":1} {\"x\":[{\"a\":1}]}", &["2: 1"], &["1 record "]),
        ("$.x", "{\"x\" 1}", &[], &["1 record 1}"]),
        ("$", "}{\"a\":1}", &["2: 1"], &["1 record }"]),
    ];
    for (records, text, want, refused) in cases {
        let (rows, rejects) = read(open(&Json, &[("records", records)]).as_ref(), text, &columns);
        assert_eq!(
            (rows, rejects),
            (want.iter().map(|w| (*w).to_owned()).collect(), refused.iter().map(|r| (*r).to_owned()).collect()),
            "{text}"
        );
    }
}

#[test]
fn one_jsonb_column_takes_the_record() {
    let decoder = open(&Ndjson, &[]);
    let text = "{\"a\": [1, 2]}\n[3, \"x y\"]\n7\n{\"payload\": {\"b\": 1}}\n{broken}\n";
    let (rows, rejects) = read(decoder.as_ref(), text, &[jsonb("payload", None)]);
    assert_eq!(rows, ["1: {\"a\":[1,2]}", "2: [3,\"x y\"]", "3: 7", "4: {\"b\":1}"]);
    assert_eq!(rejects, ["5 record {broken}"]);
}

#[test]
fn unknown_fields_and_inference() {
    let decoder = open(&Json, &[]);
    let text = "[{\"i\":1,\"f\":1,\"s\":\"x\",\"n\":null},{\"i\":2,\"f\":2.5,\"o\":{\"k\":1},\"b\":true,\"n\":null}, broken]";
    let schema = decoder.infer(Input::Stream(Box::new(Cursor::new(text.as_bytes().to_vec()))), 1 << 20).unwrap();
    let found: Vec<String> = schema.fields().iter().map(|f| format!("{} {} {:?}", f.name(), f.data_type(), Logical::of(f))).collect();
    assert_eq!(found, ["i Int64 Plain", "f Float64 Plain", "s Utf8 Plain", "n Utf8 Plain", "o Utf8 Jsonb", "b Boolean Plain"]);
    let columns = [column("i", DataType::Int64, None)];
    let block =
        decoder.blocks(Input::Stream(Box::new(Cursor::new(text.as_bytes().to_vec()))), &columns, 1 << 20).unwrap().next().unwrap().unwrap();
    assert_eq!(decoder.decode(block, &columns, None, false).unwrap().unknown_fields, ["b", "f", "n", "o", "s"]);
}

#[test]
fn hostile_documents_are_rejects() {
    let columns = [jsonb("v", None)];
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let decoder = open(&Ndjson, &[]);
    assert_eq!(read(decoder.as_ref(), &deep(100), &columns).0.len(), 1);
    for text in [
        deep(200),
        "[".repeat(100_000),
        "\"\\ud800\"".into(),
        "\"\\u0000\"".into(),
        "01".into(),
        "1e".into(),
        "\"\t\"".into(),
        "nul".into(),
    ] {
        let (rows, rejects) = read(decoder.as_ref(), &text, &columns);
        assert_eq!((rows.len(), rejects.len()), (0, 1), "{}", text.get(..20).unwrap_or(&text));
    }
    let (_, rejects) = read_cut(decoder.as_ref(), b"\"\xFF\"\n", &columns, 10);
    assert_eq!(rejects.len(), 1);
}

#[test]
fn wrong_paths_are_refused() {
    for path in ["$..a", "$.a[", "$.a[x]", "$[-1]", "$a"] {
        assert!(super::path::parse(path).is_err(), "{path}");
    }
    for records in ["a", "$.a[0]", "$[*].a[0]"] {
        assert!(Json.open(&options(Json.spec(), &[("records", records)])).is_err(), "{records}");
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".*".prop_map(|s: String| s.replace('\0', "").into()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map("[a-z\"\\\\]{0,3}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever serde_json writes comes back as the same value, from lines and from one pretty document, however it is cut.
    #[test]
    fn agrees_with_serde(values in proptest::collection::vec(value(), 1..6), target in 1_usize..50) {
        let columns = [jsonb("no such name", None)];
        let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
        let pretty = serde_json::to_string_pretty(&values).unwrap();
        for (decoder, text) in [(open(&Ndjson, &[]), lines), (open(&Json, &[]), pretty)] {
            let (rows, rejects) = read_cut(decoder.as_ref(), text.as_bytes(), &columns, target);
            prop_assert!(rejects.is_empty(), "{:?}", rejects);
            let back: Vec<serde_json::Value> = rows.iter().map(|row| serde_json::from_str(row.split_once(": ").unwrap().1).unwrap()).collect();
            prop_assert_eq!(&back, &values);
        }
    }

    #[test]
    fn garbage_never_panics_and_accepts_only_json(text in "[\\[\\]{},:\"\\\\ \nua0-9e.tfn-]{0,60}", target in 1_usize..20) {
        let columns = [jsonb("no such name", None)];
        for decoder in [open(&Ndjson, &[]), open(&Json, &[]), open(&Json, &[("records", "$.a[*]")])] {
            let cut = read_cut(decoder.as_ref(), text.as_bytes(), &columns, target);
            prop_assert_eq!(&read_cut(decoder.as_ref(), text.as_bytes(), &columns, 1 << 20), &cut);
            for row in cut.0 {
                prop_assert!(serde_json::from_str::<serde_json::Value>(row.split_once(": ").unwrap().1).is_ok());
            }
        }
    }
}
