//! What becomes of records, table by table, and that cutting and garbage change nothing.

use std::io::Cursor;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;

use super::dialect::{Dialect, SPEC};
use super::format::CsvDecoder;
use crate::formats::contract::{ColumnSpec, Decoded, Decoder, Input, OnError, Reject};
use crate::formats::types::{Logical, timestamp, timestamptz};

fn decoder(options: &[(&str, &str)]) -> CsvDecoder {
    CsvDecoder { dialect: Dialect::from_options(&crate::formats::tests::options(&SPEC, options)).unwrap() }
}

fn column(name: &str, data_type: DataType) -> ColumnSpec {
    ColumnSpec::new(name, data_type, Logical::Plain)
}

fn shown(array: &ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let formatter = ArrayFormatter::try_new(array, &options).unwrap();
    (0..array.len()).map(|row| formatter.value(row).to_string()).collect()
}

fn lines_of(decoded: &Decoded) -> Vec<String> {
    let columns: Vec<Vec<String>> = decoded.batch.columns().iter().map(shown).collect();
    (0..decoded.batch.num_rows())
        .map(|row| {
            let cells: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
            format!("{}: {}", decoded.positions.value(row), cells.join("|"))
        })
        .collect()
}

fn read_cut(decoder: &CsvDecoder, text: &[u8], columns: &[ColumnSpec], target: usize) -> (Vec<String>, Vec<Reject>) {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    let input = Input::Stream(Box::new(Cursor::new(text.to_vec())));
    for block in decoder.blocks(input, columns, target).unwrap() {
        let decoded = decoder.decode(block.unwrap(), columns, None, true).unwrap();
        assert_eq!(decoded.raw.as_ref().unwrap().len(), decoded.batch.num_rows());
        rows.extend(lines_of(&decoded));
        rejects.extend(decoded.rejects);
    }
    (rows, rejects)
}

fn read(options: &[(&str, &str)], text: &[u8], columns: &[ColumnSpec]) -> (Vec<String>, Vec<String>) {
    let (rows, rejects) = read_cut(&decoder(options), text, columns, 1 << 20);
    let rejects = rejects.iter().map(|r| format!("{} {} {}", r.position, r.rule, String::from_utf8_lossy(&r.raw))).collect();
    (rows, rejects)
}

#[test]
fn one_bad_value_costs_one_record() {
    let columns = [column("id", DataType::Int64), column("name", DataType::Utf8)];
    let (rows, rejects) = read(&[], b"id,name\n1,a\nx,b\n3,\"c\nd\"\n4,e,f\n5\n6,\"\"\n7,\n", &columns);
    assert_eq!(rows, ["2: 1|a", "4: 3|c\nd", "8: 6|", "9: 7|∅"]);
    assert_eq!(rejects, ["3 type:id x,b", "6 record 4,e,f", "7 record 5"]);
}

#[test]
fn refused_records_of_several_lines_are_counted_whole() {
    let columns = [column("id", DataType::Int64), column("name", DataType::Utf8)];
    let (rows, rejects) = read(&[], b"id,name\n1,\"a\nb\nc\",d\n2,x\nbad,y\n", &columns);
    assert_eq!(rows, ["5: 2|x"]);
    assert_eq!(rejects, ["2 record 1,\"a\nb\nc\",d", "6 type:id bad,y"]);
}

#[test]
fn a_stray_quote_costs_its_line() {
    let columns = [column("a", DataType::Utf8), column("b", DataType::Utf8)];
    let (rows, rejects) = read(&[], b"a,b\n1,\"open\n2,x\n3,\"y\"\n4,z\"z\n", &columns);
    assert_eq!(rows, ["3: 2|x", "4: 3|y", "5: 4|z\"z"]);
    assert_eq!(rejects, ["2 record 1,\"open"]);
    let (rows, rejects) = read(&[], b"a,b\n1,\"open\n2,x\n", &columns);
    assert_eq!(rows, ["3: 2|x"]);
    assert_eq!(rejects, ["2 record 1,\"open"]);
}

#[test]
fn types_convert_or_are_turned_away() {
    let numeric = |p, s| column("v", DataType::Decimal128(p, s));
    let logical = |logical| ColumnSpec { logical, ..column("v", DataType::Utf8) };
    let cases: &[(ColumnSpec, &str, Option<&str>)] = &[
        (column("v", DataType::Int16), "-32768", Some("-32768")),
        (column("v", DataType::Int16), "32768", None),
        (column("v", DataType::Int64), " 9223372036854775807 ", Some("9223372036854775807")),
        (column("v", DataType::Int64), "9223372036854775808", None),
        (column("v", DataType::Int64), "-9223372036854775808", Some("-9223372036854775808")),
        (column("v", DataType::Int64), "1.0", None),
        (column("v", DataType::Int64), "0x1f", None),
        (column("v", DataType::Float64), "1e400", None),
        (column("v", DataType::Float64), "-1.5e3", Some("-1500.0")),
        (numeric(6, 2), "1234.565", Some("1234.57")),
        (numeric(6, 2), "-0.005", Some("-0.01")),
        (numeric(6, 2), "9999.995", None),
        (numeric(6, 2), "12e2", Some("1200.00")),
        (numeric(6, 2), "1234567e-3", Some("1234.57")),
        (numeric(6, 2), "49e-4", Some("0.00")),
        (numeric(6, 2), "1.2.3", None),
        (numeric(6, 2), ".", None),
        (column("v", DataType::Boolean), "YES", Some("true")),
        (column("v", DataType::Boolean), "0", Some("false")),
        (column("v", DataType::Boolean), "2", None),
        (column("v", DataType::Date32), "2024-02-29", Some("2024-02-29")),
        (column("v", DataType::Date32), "2023-02-29", None),
        (column("v", timestamp()), "2024-05-01 10:11:12.1234567", Some("2024-05-01T10:11:12.123456")),
        (column("v", timestamp()), "2024-05-01T25:00", None),
        (column("v", timestamptz()), "2024-05-01T10:00:00+02:00", Some("2024-05-01T08:00:00Z")),
        (column("v", timestamptz()), "2024-05-01 10:00-0130", Some("2024-05-01T11:30:00Z")),
        (column("v", timestamptz()), "1969-12-31T23:59:59.5Z", Some("1969-12-31T23:59:59.500Z")),
        (logical(Logical::Uuid), "A0EEBC999C0B4EF8BB6D6BB9BD380A11", Some("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        (logical(Logical::Uuid), "a0eebc99", None),
        (logical(Logical::Jsonb), "{\"\"a\"\": [1, 2]}", Some("{\"a\":[1,2]}")),
        (logical(Logical::Jsonb), "{a: 1}", None),
        (column("v", DataType::Binary), "\\x00ff", Some("00ff")),
        (column("v", DataType::Binary), "\\x0", None),
    ];
    for (spec, text, want) in cases {
        let (rows, rejects) = read(&[], format!("v\n\"{text}\"\n").as_bytes(), std::slice::from_ref(spec));
        let want: Vec<String> = want.iter().map(|want| format!("2: {want}")).collect();
        assert_eq!(rows, want, "{spec:?} {text}");
        assert_eq!(rejects.len(), 1 - want.len(), "{spec:?} {text}");
        assert!(rejects.iter().all(|reject| reject.starts_with("2 type:v ")), "{rejects:?}");
    }
}

#[test]
fn nulls_defaults_and_on_error() {
    let columns = [
        ColumnSpec { not_null: true, ..column("id", DataType::Int32) },
        ColumnSpec { on_error: OnError::Null, ..column("a", DataType::Int32) },
        ColumnSpec { on_error: OnError::Default("7".into()), ..column("b", DataType::Int32) },
        ColumnSpec { default: Some("new".into()), ..column("absent", DataType::Utf8) },
        ColumnSpec { path: Some("Other Name".into()), ..column("o", DataType::Utf8) },
    ];
    let text = b"B,ID,a,other name,extra\n1,1,1,x,\nq,2,q,NA,\n1,NA,1,\"NA\",\n";
    let (rows, rejects) = read(&[("null", "NA|")], text, &columns);
    assert_eq!(rows, ["2: 1|1|1|new|x", "3: 2|∅|7|new|∅"]);
    assert_eq!(rejects, ["4 not_null:id 1,NA,1,\"NA\","]);
    let decoder = decoder(&[]);
    let mut blocks = decoder.blocks(Input::Stream(Box::new(Cursor::new(text.to_vec()))), &columns, 1000).unwrap();
    let decoded = decoder.decode(blocks.next().unwrap().unwrap(), &columns, Some(&[4, 0]), false).unwrap();
    assert_eq!(decoded.unknown_fields, ["extra"]);
    assert_eq!(decoded.batch.num_columns(), 2);
    assert_eq!(decoded.batch.schema().field(1).name(), "id");
}

#[test]
fn dialects() {
    let columns = [column("a", DataType::Utf8), column("b", DataType::Utf8)];
    type Case = (&'static [(&'static str, &'static str)], &'static [u8], &'static [&'static str]);
    let cases: &[Case] = &[
        (&[], b"\xEF\xBB\xBFa,b\r\n1,2\r\n\r\n3,4", &["2: 1|2", "4: 3|4"]),
        (&[("delimiter", "auto")], b"a;b\n\"x,y\";2\n3;4\n", &["2: x,y|2", "3: 3|4"]),
        (&[("delimiter", "\t")], b"a\tb\n1\t2\n", &["2: 1|2"]),
        (&[("escape", "\\")], b"a,b\n\"q\\\"q\",\"s\\\\\"\n", &["2: q\"q|s\\"]),
        (&[], b"a,b\n\"q\"\"q\",\"\"\"\"\n", &["2: q\"q|\""]),
        (&[("quote", "none")], b"a,b\n\"1,2\n", &["2: \"1|2"]),
        (&[("header", "false")], b"1,2\n", &["1: 1|2"]),
        (&[("skip", "2"), ("comment", "#")], b"junk\n\"junk\n#c \"\na,b\n#,\"\n1,2\n", &["6: 1|2"]),
        (&[("encoding", "latin1")], b"a,b\n\xE9,\x80\n", &["2: é|\u{80}"]),
        (&[("encoding", "windows-1252")], b"a,b\n\xE9,\x80\n", &["2: é|€"]),
        (&[("encoding", "auto")], b"\xFF\xFEa\0,\0b\0\n\0\xE9\0,\0\xAC\x20\n\0", &["2: é|€"]),
    ];
    for (options, text, want) in cases {
        let (rows, rejects) = read(options, text, &columns);
        assert_eq!((rows, rejects), (want.iter().map(|w| (*w).to_owned()).collect(), vec![]), "{options:?}");
    }
}

#[test]
fn bytes_that_are_not_text_cost_their_record() {
    let columns = [column("a", DataType::Utf8)];
    let (rows, rejects) = read_cut(&decoder(&[]), b"a\nx\n\xFF\xFE\ny\n", &columns, 1000);
    assert_eq!(rows, ["2: x", "4: y"]);
    assert_eq!((rejects[0].position, rejects[0].raw.as_slice()), (3, b"\xFF\xFE".as_slice()));
}

#[test]
fn a_record_beyond_the_limit_is_a_reject() {
    let mut decoder = decoder(&[]);
    decoder.dialect.max_record = 100;
    let text = format!("a\n1\n{}\n2\n", "x".repeat(100_000));
    for target in [10, 1000, 1 << 20] {
        let (rows, rejects) = read_cut(&decoder, text.as_bytes(), &[column("a", DataType::Utf8)], target);
        assert_eq!(rows, ["2: 1", "4: 2"]);
        assert_eq!((rejects.len(), rejects[0].position, rejects[0].rule.as_str()), (1, 3, "record"));
    }
}

#[test]
fn a_foreign_header_fails_the_file() {
    let error =
        decoder(&[]).blocks(Input::Stream(Box::new(Cursor::new(b"x;y\n1;2\n"))), &[column("a", DataType::Utf8)], 100).err().unwrap();
    assert_eq!(error.message(), "the header names none of the declared columns");
}

#[test]
fn lines_that_end_with_a_carriage_return_only_are_not_passed_over() {
    let input = Input::Stream(Box::new(Cursor::new(b"id,name\r1,x\r2,y\r".to_vec())));
    let error = decoder(&[]).blocks(input, &[column("id", DataType::Int64)], 1 << 20).err().unwrap();
    assert!(error.message().contains("carriage return"), "{error}");
    let (rows, _) = read(&[], b"id\r\n1\r\n2\r", &[column("id", DataType::Int64)]);
    assert_eq!(rows, ["2: 1", "3: 2"]);
}

#[test]
fn infers_types() {
    let text = b"i,f,b,d,t,z,s,code,e\n1,1.5,true,2024-01-01,2024-01-01 10:00,2024-01-01T10:00Z,x,007,\n2,2,false,2024-01-02,2024-01-02,2024-01-01T10:00+01,1,1,\n";
    let schema = decoder(&[]).infer(Input::Stream(Box::new(Cursor::new(text.to_vec()))), 1 << 20).unwrap();
    let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
    use DataType as T;
    assert_eq!(types, [&T::Int64, &T::Float64, &T::Boolean, &T::Date32, &timestamp(), &timestamptz(), &T::Utf8, &T::Utf8, &T::Utf8]);
    // Cut in the middle of a record: what is left of it does not count.
    let schema = decoder(&[]).infer(Input::Stream(Box::new(Cursor::new(b"i\n1\n2\n3x".to_vec()))), 7).unwrap();
    assert_eq!(schema.field(0).data_type(), &T::Int64);
}

#[test]
fn one_bad_line_in_a_hundred_thousand() {
    let mut text = String::from("id,price,day\n");
    for id in 1..=100_000 {
        let price = if id == 77_777 { "n/a".to_owned() } else { format!("{}.{:02}", id % 1000, id % 100) };
        text.push_str(&format!("{id},{price},2024-01-{:02}\n", id % 28 + 1));
    }
    let columns = [column("id", DataType::Int64), column("price", DataType::Decimal128(10, 2)), column("day", DataType::Date32)];
    let (rows, rejects) = read_cut(&decoder(&[]), text.as_bytes(), &columns, 256 << 10);
    assert_eq!(rows.len(), 99_999);
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects[0].position, rejects[0].rule.as_str()), (77_778, "type:price"));
}

/// Text of the characters that matter, so that quotes, ends and delimiters meet in every order.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b",".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"1".to_vec()),
        Just(b"ab".to_vec()),
        Just(b"\r".to_vec()),
        Just(b",\"".to_vec()),
        Just(b"\",".to_vec()),
        Just(b"\"\n".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"#".to_vec()),
        Just(b"\xC3".to_vec()),
    ];
    proptest::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cutting_changes_nothing(text in nasty(), target in 1_usize..40, escape in any::<bool>(), comment in any::<bool>()) {
        let mut options = vec![("header", "false")];
        if escape { options.push(("escape", "\\")); }
        if comment { options.push(("comment", "#")); }
        let columns = [column("a", DataType::Int64), column("b", DataType::Utf8)];
        let decoder = decoder(&options);
        // Lines that end with a carriage return only are refused before they are cut.
        let blocks = decoder.blocks(Input::Stream(Box::new(Cursor::new(text.clone()))), &columns, 1 << 20);
        prop_assume!(blocks.is_ok());
        let whole = read_cut(&decoder, &text, &columns, 1 << 20);
        prop_assert_eq!(read_cut(&decoder, &text, &columns, target), whole);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), target in 1_usize..100) {
        for encoding in ["auto", "windows-1252", "utf16le"] {
            let decoder = decoder(&[("delimiter", "auto"), ("encoding", encoding)]);
            let stream = || Input::Stream(Box::new(Cursor::new(bytes.clone())));
            let _ = decoder.infer(stream(), 100);
            let columns = [column("a", DataType::Int64), column("b", timestamptz())];
            if let Ok(blocks) = decoder.blocks(stream(), &[], target) {
                for block in blocks {
                    let _ = decoder.decode(block.unwrap(), &columns, None, true);
                }
            }
        }
    }

    /// A record is the same whether its neighbours are good or bad.
    #[test]
    fn records_stand_alone(cells in proptest::collection::vec("[0-9a-z \"\n,]{0,6}", 1..20)) {
        let columns = [column("a", DataType::Int64), column("b", DataType::Utf8)];
        let record = |cell: &str| format!("{},\"{}\"\n", cell.trim_matches(['"', '\n', ',']).replace(['"', '\n', ','], ""), cell.replace('"', "\"\""));
        let whole: String = cells.iter().map(|cell| record(cell)).collect();
        let options = [("header", "false")];
        let strip = |rows: Vec<String>| -> Vec<String> { rows.into_iter().map(|r| r.split_once(": ").unwrap().1.to_owned()).collect() };
        let alone: Vec<String> = cells.iter().flat_map(|cell| strip(read(&options, record(cell).as_bytes(), &columns).0)).collect();
        prop_assert_eq!(strip(read(&options, whole.as_bytes(), &columns).0), alone);
    }
}

#[test]
fn schema_carries_the_logical_type() {
    let spec = ColumnSpec { logical: Logical::Jsonb, ..column("v", DataType::Utf8) };
    assert_eq!(ColumnSpec::from_field(&spec.field()), spec);
}

#[test]
fn a_zero_byte_costs_its_row() {
    let columns = [column("id", DataType::Int64), column("name", DataType::Utf8), column("raw", DataType::Binary)];
    let text = b"id,name,raw\n1,a,x\n2,b\0c,x\n\0,c,x\n4,d,x\0\n";
    let (rows, rejects) = read_cut(&decoder(&[]), text, &columns, 1 << 20);
    assert_eq!(rows.len(), 2, "{rows:?}");
    let rejected: Vec<_> = rejects.iter().map(|reject| (reject.position, reject.rule.as_str())).collect();
    assert_eq!(rejected, [(3, "type:name"), (4, "type:id")]);
    assert!(rejects.iter().all(|reject| !reject.error.contains('\0')), "{rejects:?}");
}
