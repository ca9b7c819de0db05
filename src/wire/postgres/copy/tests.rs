//! Rows survive the way out and in again, however the bytes are cut; what is wrong is named by its line.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::{Buf, BytesMut};
use proptest::prelude::*;

use super::super::encode::{Rows, Zone};
use super::read::Reader;
use super::write::Writer;
use crate::error::Result;
use crate::session::{CopyForm, CopyStyle, Force, Header};

type Row = (Option<i64>, Option<String>);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let ids = Int64Array::from_iter(rows.iter().map(|row| row.0));
    let names = StringArray::from_iter(rows.iter().map(|row| row.1.as_deref()));
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).unwrap()
}

/// The bytes of all CopyData messages.
fn written(rows: &[Row], style: &CopyStyle) -> Vec<u8> {
    let mut writer = Writer::new(&schema(), style.clone()).unwrap();
    let mut out = BytesMut::new();
    writer.begin(&mut out).unwrap();
    let rows = Rows::new(&batch(rows), &writer.columns, &Zone::UTC).unwrap();
    (0..rows.len()).for_each(|row| writer.put(&rows, row, &mut out).unwrap());
    writer.end(&mut out).unwrap();
    let mut bytes = Vec::new();
    while out.has_remaining() {
        assert_eq!(out.get_u8(), b'd');
        let length = usize::try_from(out.get_i32()).unwrap() - 4;
        bytes.extend_from_slice(&out.split_to(length));
    }
    bytes
}

fn read_pieces(pieces: &[&[u8]], style: &CopyStyle) -> Result<Vec<(i64, Row)>> {
    let mut reader = Reader::new(&schema(), style.clone(), "t".to_owned(), Zone::UTC);
    let mut rows = Vec::new();
    let mut take = |batch: RecordBatch| {
        let column = |index: usize| batch.column(index).as_any().downcast_ref::<Int64Array>().unwrap().clone();
        let names = batch.column(1).as_any().downcast_ref::<StringArray>().unwrap().clone();
        for row in 0..batch.num_rows() {
            let id = column(0).iter().nth(row).flatten();
            rows.push((column(2).value(row), (id, names.iter().nth(row).flatten().map(str::to_owned))));
        }
    };
    for piece in pieces {
        reader.push(piece);
        while let Some(batch) = reader.next(false)? {
            take(batch);
        }
    }
    while let Some(batch) = reader.next(true)? {
        take(batch);
    }
    Ok(rows)
}

fn read(text: &str, style: &CopyStyle) -> Result<Vec<(i64, Row)>> {
    read_pieces(&[text.as_bytes()], style)
}

fn row(id: i64, name: &str) -> Row {
    (Some(id), Some(name.to_owned()))
}

fn styles() -> impl Strategy<Value = CopyStyle> {
    let csv = CopyStyle::new(CopyForm::Csv);
    prop_oneof![
        Just(CopyStyle::new(CopyForm::Text)),
        Just(CopyStyle { delimiter: b'|', null: "nil".to_owned(), header: Header::Match, ..CopyStyle::new(CopyForm::Text) }),
        Just(csv.clone()),
        Just(CopyStyle { header: Header::Yes, force_quote: Force::All, ..csv.clone() }),
        Just(CopyStyle { delimiter: b';', quote: b'\'', escape: b'\\', null: "\\N".to_owned(), ..csv }),
        Just(CopyStyle::new(CopyForm::Binary)),
    ]
}

proptest! {
    #[test]
    fn rows_come_back_however_they_are_cut(
        rows in prop::collection::vec((any::<Option<i64>>(), proptest::option::of("[a-z\\\\\"';,|\t\r\n.Nil é]{0,6}")), 0..12),
        style in styles(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = written(&rows, &style);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut from = 0;
        let pieces: Vec<&[u8]> = cuts.iter().map(|cut| { let piece = &bytes[from..*cut]; from = *cut; piece }).collect();
        let back: Vec<Row> = read_pieces(&pieces, &style).unwrap().into_iter().map(|(_, row)| row).collect();
        prop_assert_eq!(back, rows, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn text_reads_what_postgresql_writes() {
    let text = CopyStyle::new(CopyForm::Text);
    let rows = read("1\ta\\tb\\\\c\\101\\x42\n2\t\\N\n3\t\n\\.\nnot read", &text).unwrap();
    let wanted = vec![(1, row(1, "a\tb\\cAB")), (2, (Some(2), None)), (3, row(3, ""))];
    assert_eq!(rows, wanted);
    assert_eq!(read("1\ta\\\nb\r\n2\tc", &text).unwrap(), vec![(1, row(1, "a\nb")), (3, row(2, "c"))]);
}

#[test]
fn csv_knows_null_from_empty() {
    let csv = CopyStyle::new(CopyForm::Csv);
    let lines = "1,\n2,\"\"\n3,\"a \"\"b\"\"\nc\"\n4,d\n";
    assert_eq!(read(lines, &csv).unwrap(), vec![(1, (Some(1), None)), (2, row(2, "")), (3, row(3, "a \"b\"\nc")), (5, row(4, "d"))]);
    let forced = CopyStyle { force_not_null: Force::Columns(vec!["name".to_owned()]), ..csv.clone() };
    assert_eq!(read("1,\n", &forced).unwrap(), vec![(1, row(1, ""))]);
    let forced = CopyStyle { force_null: Force::All, ..csv };
    assert_eq!(read("1,\"\"\n", &forced).unwrap(), vec![(1, (Some(1), None))]);
}

#[test]
fn what_is_wrong_is_named_by_its_line() {
    let csv = CopyStyle { header: Header::Match, ..CopyStyle::new(CopyForm::Csv) };
    let cases = [
        ("id,name\n1,a\nx,b\n", "22P02", "COPY t, line 3, column id: \"x\""),
        ("id,name\n1,\"a\n\"\n2\n", "22P04", "COPY t, line 4: \"2\""),
        ("id,name\n1,a,b\n", "22P04", "COPY t, line 2: \"1,a,b\""),
        ("id,nam\n1,a\n", "22P04", "COPY t, line 1."),
        ("id,name\n1,\"a\n", "22P04", "COPY t."),
        ("id,name\n99999999999999999999,a\n", "22003", "COPY t, line 2, column id: \"99999999999999999999\""),
    ];
    for (text, state, detail) in cases {
        let error = read(text, &csv).unwrap_err();
        assert_eq!((error.code().sqlstate(), error.detail_text()), (state, Some(detail)), "{text}");
    }
    let binary = CopyStyle::new(CopyForm::Binary);
    let whole = written(&[row(1, "a"), row(2, "b")], &binary);
    for cut in 20..whole.len() - 3 {
        match read_pieces(&[&whole[..cut]], &binary) {
            Ok(rows) => assert!(rows.len() < 2, "cut at {cut}"),
            Err(error) => assert_eq!(error.code().sqlstate(), "22P04", "cut at {cut}"),
        }
    }
    assert_eq!(read("no signature", &binary).unwrap_err().code().sqlstate(), "22P04");
}

#[test]
fn the_binary_signature_comes_with_the_first_row() {
    let binary = CopyStyle::new(CopyForm::Binary);
    let mut writer = Writer::new(&schema(), binary).unwrap();
    let mut out = BytesMut::new();
    writer.begin(&mut out).unwrap();
    assert!(out.is_empty());
    let rows = Rows::new(&batch(&[row(1, "a")]), &writer.columns, &Zone::UTC).unwrap();
    writer.put(&rows, 0, &mut out).unwrap();
    assert_eq!(&out[5..16], b"PGCOPY\n\xff\r\n\0");
    assert_eq!(&out[24..26], [0, 2]);
}
