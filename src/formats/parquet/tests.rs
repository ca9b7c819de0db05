//! Files written here and read back as declared columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, StructArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::format::Parquet;
use crate::formats::contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Format, Input, OnError};
use crate::formats::tests::options;
use crate::formats::types::{Logical, timestamp};

fn decoder() -> Arc<dyn Decoder> {
    Parquet.open(&options(Parquet.spec(), &[])).unwrap()
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, group_rows: usize) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn column(name: &str, data_type: DataType) -> ColumnSpec {
    ColumnSpec::new(name, data_type, Logical::Plain)
}

fn rows_of(decoded: &Decoded) -> Vec<String> {
    let shown = FormatOptions::default().with_null("∅");
    let cells: Vec<_> = decoded.batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &shown).unwrap()).collect();
    (0..decoded.batch.num_rows())
        .map(|row| {
            format!(
                "{}: {}",
                decoded.positions.value(row),
                cells.iter().map(|cell| cell.value(row).to_string()).collect::<Vec<_>>().join("|")
            )
        })
        .collect()
}

fn read(path: &Path, columns: &[ColumnSpec]) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    for block in decoder().blocks(Input::File(path.to_owned()), columns, 1).unwrap() {
        let decoded = decoder().decode(block.unwrap(), columns, None, true).unwrap();
        assert_eq!(decoded.raw.as_ref().map(Array::len), Some(decoded.batch.num_rows()));
        rows.extend(rows_of(&decoded));
        rejects.extend(decoded.rejects.iter().map(|r| format!("{} {} {}", r.position, r.rule, String::from_utf8_lossy(&r.raw))));
    }
    (rows, rejects)
}

#[test]
fn values_convert_or_cost_their_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("k", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![1, 2, 3, 4])) as ArrayRef,
    )]);
    write(
        &path,
        vec![
            ("id", Arc::new(Int64Array::from(vec![Some(1), Some(70_000), Some(3), None]))),
            ("amount", Arc::new(Float64Array::from(vec![1.0, 2.0, 2.5, 4.0]))),
            ("text", Arc::new(StringArray::from(vec!["1", "2", "3", "x"]))),
            ("at", Arc::new(TimestampNanosecondArray::from(vec![1_500, 0, 0, 0]))),
            ("doc", Arc::new(nested)),
        ],
        3,
    );
    let columns = [
        ColumnSpec { not_null: true, ..column("ID", DataType::Int64) },
        column("doc", DataType::Utf8),
        column("at", timestamp()),
        ColumnSpec { default: Some("9".into()), ..column("absent", DataType::Int32) },
    ];
    let (rows, rejects) = read(&path, &columns);
    assert_eq!(rows[0], "1: 1|{\"k\":1}|1970-01-01T00:00:00.000001|9");
    assert_eq!(rows.len(), 3);
    assert!(rejects.len() == 1 && rejects[0].starts_with("4 not_null:ID {\"amount\":4.0,"), "{rejects:?}");
    let (rows, rejects) = read(&path, &[column("id", DataType::Int16)]);
    assert_eq!(rows, ["1: 1", "3: 3", "4: ∅"]);
    assert!(rejects[0].starts_with("2 type:id {\"id\":70000,"), "{rejects:?}");
    let (rows, rejects) = read(&path, &[column("amount", DataType::Int64)]);
    assert_eq!((rows, rejects.len()), (vec!["1: 1".to_owned(), "2: 2".to_owned(), "4: 4".to_owned()], 1));
    let on_error = |on_error| ColumnSpec { on_error, ..column("text", DataType::Int64) };
    assert_eq!(read(&path, &[on_error(OnError::Null)]).0[3], "4: ∅");
    assert_eq!(read(&path, &[on_error(OnError::Default("7".into()))]).0[3], "4: 7");
    let typed = ColumnSpec { on_error: OnError::Default("5".into()), ..column("id", DataType::Int16) };
    assert_eq!(read(&path, &[typed]).0, ["1: 1", "2: 5", "3: 3", "4: ∅"]);
    // A number is no time: there is no unit to read it by.
    assert_eq!(read(&path, &[column("amount", timestamp())]).1.len(), 4);
}

#[test]
fn a_dead_letter_comes_back_from_its_json() {
    let columns = [column("id", DataType::Int64), column("text", DataType::Utf8)];
    let block =
        Block { first_position: 7, layout: None, content: BlockContent::Bytes(b"{\"id\":5,\"text\":\"x\",\"other\":1}".as_slice().into()) };
    assert_eq!(rows_of(&decoder().decode(block, &columns, None, false).unwrap()), ["7: 5|x"]);
}

#[test]
fn infers_types_that_every_reader_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(
        &path,
        vec![
            ("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
            ("d", Arc::new(Date32Array::from(vec![1]))),
            ("b", Arc::new(BinaryArray::from_vec(vec![b"x"]))),
        ],
        10,
    );
    let schema = decoder().infer(Input::File(path.clone()), 1).unwrap();
    let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
    assert_eq!(types, [&DataType::Decimal128(20, 0), &DataType::Date32, &DataType::Binary]);
    let columns: Vec<ColumnSpec> = schema.fields().iter().map(|field| ColumnSpec::from_field(field)).collect();
    assert_eq!(read(&path, &columns).0, ["1: 18446744073709551615|1970-01-02|78"]);
}

#[test]
fn damage_is_an_error_or_a_reject_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let ids: Vec<i64> = (0..1000).map(|id| id * 7919 % 1009).collect();
    write(&path, vec![("id", Arc::new(Int64Array::from(ids)))], 100);
    let sound = std::fs::read(&path).unwrap();
    let columns = [column("id", DataType::Int64)];
    for step in 0..200 {
        let mut bytes = sound.clone();
        let at = step * sound.len() / 200;
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(blocks) = decoder().blocks(Input::File(path.clone()), &columns, 1) {
            for block in blocks {
                decoder().decode(block.unwrap(), &columns, None, false).unwrap();
            }
        }
    }
    std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    assert!(decoder().blocks(Input::File(path), &columns, 1).is_err());
}

#[test]
fn a_zero_byte_costs_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zero.parquet");
    write(&path, vec![("name", Arc::new(StringArray::from(vec!["a", "b\0c", "d"])) as ArrayRef)], 10);
    let (rows, rejects) = read(&path, &[column("name", DataType::Utf8)]);
    assert_eq!(rows, ["1: a", "3: d"]);
    assert_eq!(rejects, ["2 type:name {\"name\":\"b\\u0000c\"}"]);
}

#[test]
fn fields_without_a_column_are_named_and_rescued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("more", Arc::new(Int64Array::from(vec![Some(7), None, Some(9)]))),
        ("text", Arc::new(StringArray::from(vec![Some("a\"b"), None, None]))),
    ];
    write(&path, columns, 2);
    let id = [column("ID", DataType::Int64)];
    let new = decoder().survey(Input::File(path.clone()), &id, crate::formats::Depth::Start).unwrap().new;
    assert_eq!(
        new.iter().map(|field| (field.name().as_str(), field.data_type())).collect::<Vec<_>>(),
        [("more", &DataType::Int64), ("text", &DataType::Utf8)]
    );
    let rest = ColumnSpec { rescues: true, ..ColumnSpec::new("_rescued_data", DataType::Utf8, Logical::Jsonb) };
    let (rows, rejects) = read(&path, &[rest, column("id", DataType::Int64)]);
    assert_eq!(rows, [r#"1: {"more":7,"text":"a\"b"}|1"#, "2: ∅|2", r#"3: {"more":9}|3"#]);
    assert!(rejects.is_empty());
}
