//! Which files and row groups a keyed write reads, and that a table says by itself which columns to filter.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::setting::*;
use crate::delta::upsert::Spilled;
use crate::delta::{Table, UpsertSpec, WriterOptions};

const COLUMNS: &[(&str, DataType)] = &[("code", DataType::Utf8), ("part", DataType::Int64), ("n", DataType::Int64)];

/// Rows whose codes are in no order.
fn rows(numbers: impl Iterator<Item = u64>, value: i64) -> RecordBatch {
    let numbers: Vec<u64> = numbers.collect();
    let code = |number: &u64| format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let columns: [(&str, ArrayRef); 3] = [
        ("code", Arc::new(StringArray::from_iter_values(numbers.iter().map(code)))),
        ("part", Arc::new(Int64Array::from_iter_values(numbers.iter().map(|number| (number % 7) as i64)))),
        ("n", Arc::new(Int64Array::from_value(value, numbers.len()))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

async fn upsert(table: &Table, rows: RecordBatch) -> Spilled {
    let spec = UpsertSpec { key: vec!["code".into(), "part".into()], sequence: None, delete: None, ignore_null_updates: false };
    let input: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)])));
    table.upsert_measured(input, &spec, None, &facts).await.unwrap().1
}

/// Twenty files of ten row groups of ten rows.
async fn fill(table: &Table) {
    for file in 0..20 {
        let mut writer = table.writer(WriterOptions { row_group_rows: 10, ..WriterOptions::default() }).await.unwrap();
        writer.write(rows(file * 100..(file + 1) * 100, 0)).await.unwrap();
        table.append(vec![writer.finish().await.unwrap()], None, &facts()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_row_groups_that_may_hold_a_key_are_read() {
    for memory_bytes in [0, 1 << 20] {
        let setting = setting_with(memory_bytes);
        let table = setting.table(COLUMNS, &[]).await;
        upsert(&table, rows(5000..5001, 0)).await;
        fill(&table).await;
        let cost = upsert(&table, rows([7, 777, 1777, 9001].into_iter(), 1)).await;
        assert!(cost.groups > 150 && (3..8).contains(&cost.groups_read), "{cost:?}");
        let now = newest(&table).await;
        assert_eq!((now.len(), now.iter().filter(|line| line.ends_with(" 1")).count()), (2002, 4));
        // Files that were written anew have filters, too.
        let cost = upsert(&table, rows([7, 8, 1777, 9001].into_iter(), 2)).await;
        assert!(cost.groups_read < 8, "{cost:?}");
        assert_eq!(newest(&table).await.iter().filter(|line| line.ends_with(" 2")).count(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_filters_are_read() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    fill(&table).await;
    let cost = upsert(&table, rows([7, 777, 9001].into_iter(), 1)).await;
    assert!(cost.groups_read > 100, "{cost:?}");
    let now = newest(&table).await;
    assert_eq!((now.len(), now.iter().filter(|line| line.ends_with(" 1")).count()), (2001, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_a_property_of_the_table() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, rows(0..3, 0)).await;
    let key = |table: &Table| table.known().metadata.configuration.get("weir.key").cloned();
    assert_eq!(key(&table).as_deref(), Some(r#"["code","part"]"#));
    // It is said once, and stays when the columns change.
    upsert(&table, rows(3..5, 0)).await;
    let log = std::fs::read_to_string(setting.path("_delta_log/00000000000000000002.json")).unwrap();
    assert!(!log.contains("metaData"));
    table.evolve(&[arrow::datatypes::Field::new("more", DataType::Int64, true)], &facts()).await.unwrap();
    assert_eq!(key(&setting.elsewhere().table("shop/orders").await.unwrap()), key(&table));
}
