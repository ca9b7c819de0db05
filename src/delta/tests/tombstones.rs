//! Deleted keys stay deleted: whatever comes late, whoever was killed, wherever the table is taken back to.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::setting::*;
use crate::delta::{Committed, Deletions, Table, Token, UpsertSpec};
use crate::error::Code;

const COLUMNS: &[(&str, DataType)] = &[("id", DataType::Int64), ("name", DataType::Utf8), ("seq", DataType::Int64)];

/// A key, a sequence, and the name that the event gives or that it deletes the key.
type Event = (i64, i64, Option<&'static str>);

fn spec() -> UpsertSpec {
    UpsertSpec { key: vec!["id".into()], sequence: Some("seq".into()), delete: Some("gone".into()), ignore_null_updates: false }
}

fn batch(events: &[Event]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.0)))),
        ("seq", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.1)))),
        ("name", Arc::new(events.iter().map(|event| event.2).collect::<StringArray>())),
        ("gone", Arc::new(events.iter().map(|event| Some(event.2.is_none())).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn rows(events: &[Event]) -> SendableRecordBatchStream {
    let batch = batch(events);
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)])))
}

async fn upsert(table: &Table, events: &[Event]) -> Committed {
    table.upsert(rows(events), &spec(), None, &facts).await.unwrap()
}

/// The tombstones of the newest version as a process sees them that knows nothing of it yet, as sorted lines.
pub async fn remembered(setting: &Setting) -> Vec<String> {
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    let Some(tombstones) = table.tombstones().await.unwrap() else { return Vec::new() };
    let names = tombstones.list.key.iter().chain([&tombstones.list.sequence]);
    let known = table.schema();
    let columns = schema(
        &names
            .map(|name| (name.as_str(), known.field_with_name(name).map_or(DataType::Int64, |field| field.data_type().clone())))
            .collect::<Vec<_>>(),
    );
    let mut lines = Vec::new();
    for part in &tombstones.list.parts {
        let mut number = 0;
        for batch in part.data(tombstones.root()).read(&columns).unwrap() {
            let batch = batch.unwrap();
            let cells: Vec<_> =
                batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &FormatOptions::new()).unwrap()).collect();
            for row in 0..batch.num_rows() {
                if !part.gone.contains(number) {
                    lines.push(cells.iter().map(|cell| cell.value(row).to_string()).collect::<Vec<_>>().join(" "));
                }
                number += 1;
            }
        }
    }
    lines.sort();
    lines
}

/// A table of which these keys were deleted before they came.
pub async fn deletions(setting: &Setting, events: &[(i64, i64)]) -> Arc<Table> {
    let table = setting.table(COLUMNS, &[]).await;
    for (id, seq) in events {
        bury(&table, *id, *seq).await;
    }
    table
}

pub async fn bury(table: &Table, id: i64, seq: i64) {
    upsert(table, &[(id, seq, None)]).await;
}

async fn parts(table: &Table) -> usize {
    table.tombstones().await.unwrap().map_or(0, |tombstones| tombstones.list.parts.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_stays_deleted() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 1, Some("a")), (2, 1, Some("b"))]).await;
    assert!(!setting.path("_weir_tombstones").exists(), "a table without deletions pays nothing");
    // Also the deletion of a key that has not come yet.
    upsert(&table, &[(1, 5, None), (3, 5, None)]).await;
    assert_eq!(remembered(&setting).await, ["1 5", "3 5"]);
    let late = upsert(&table, &[(1, 4, Some("late")), (3, 4, Some("late")), (2, 2, Some("c"))]).await;
    assert_eq!((late.rows.updated, late.rows.ignored), (1, 2));
    assert_eq!(newest(&table).await, ["2 c 2"]);
    // Of equal sequences the later event counts; what is back is forgotten.
    upsert(&table, &[(1, 5, Some("tie")), (3, 6, Some("new"))]).await;
    assert_eq!(newest(&table).await, ["1 tie 5", "2 c 2", "3 new 6"]);
    assert!(remembered(&setting).await.is_empty());
    // An older deletion is nothing.
    let version = table.version().await.unwrap();
    let nothing = upsert(&table, &[(3, 5, None)]).await;
    assert_eq!((nothing.version, nothing.rows.ignored), (version, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_deletion_again_writes_nothing() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let first = upsert(&table, &[(1, 5, None), (2, 3, None)]).await;
    assert_eq!(upsert(&table, &[(2, 3, None), (1, 5, None), (1, 4, None)]).await.version, first.version);
    assert_eq!(upsert(&table, &[(1, 6, None)]).await.version, first.version + 1);
    assert_eq!(remembered(&setting).await, ["1 6", "2 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_committed_never_counts() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 1, Some("a")), (2, 1, None)]).await;
    // As a process leaves it that is killed between the tombstones and the commit: of another batch, and twice.
    let mut deletions = table.deletions_writer(&spec(), &table.schema()).unwrap().unwrap();
    deletions.write(&batch(&[(1, 9, None), (4, 9, None)])).unwrap();
    let Deletions { list, written } = deletions.finish().await.unwrap();
    for _ in 0..2 {
        table.publish_tombstones(list.clone()).await.unwrap();
    }
    written.keep(true);
    drop((table, written));

    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(remembered(&setting).await, ["2 1"]);
    upsert(&table, &[(1, 2, Some("b")), (4, 1, Some("d")), (2, 0, Some("late")), (5, 7, None)]).await;
    assert_eq!(newest(&table).await, ["1 b 2", "4 d 1"]);
    assert_eq!(remembered(&setting).await, ["2 1", "5 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_and_its_tombstones_land_once() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let token = |app: &str, batch| Token { app_id: app.to_owned(), batch };
    let land = async |events: &[Event], token: Token| table.upsert(rows(events), &spec(), Some(&token), &facts).await.unwrap();
    land(&[(1, 5, None)], token("1/9", 1)).await;
    // Another pipeline brings the key back; the first batch, repeated after a crash, does not bury it again.
    land(&[(1, 6, Some("back"))], token("2/9", 1)).await;
    assert!(land(&[(1, 5, None)], token("1/9", 1)).await.repeated);
    assert!(remembered(&setting).await.is_empty());
    // Both share what is deleted.
    land(&[(1, 8, None)], token("1/9", 2)).await;
    land(&[(1, 7, Some("late"))], token("2/9", 2)).await;
    assert!(newest(&table).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_version_remembers_what_it_did() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 1, Some("a")), (2, 1, Some("b"))]).await;
    let early = upsert(&table, &[(1, 5, None)]).await.version;
    upsert(&table, &[(2, 5, None), (1, 6, Some("back"))]).await;
    assert_eq!(remembered(&setting).await, ["2 5"]);
    table.restore(early, &facts()).await.unwrap();
    assert_eq!(newest(&table).await, ["2 b 1"]);
    assert_eq!(remembered(&setting).await, ["1 5"]);
    upsert(&table, &[(1, 4, Some("late")), (2, 2, Some("c"))]).await;
    assert_eq!(newest(&table).await, ["2 c 2"]);
    // Before the first deletion nothing was remembered.
    table.restore(1, &facts()).await.unwrap();
    assert!(remembered(&setting).await.is_empty());
    upsert(&table, &[(1, 4, Some("d"))]).await;
    assert_eq!(newest(&table).await, ["1 d 4", "2 b 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replaces_all_rows_replaces_the_tombstones() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 5, None), (2, 5, None)]).await;
    let mut deletions = table.deletions_writer(&spec(), &table.schema()).unwrap().unwrap();
    deletions.write(&batch(&[(2, 7, None), (3, 7, None)])).unwrap();
    let kept = write(&table, pairs(&[(1, "a")])).await;
    table.replace(vec![kept], Some(deletions.finish().await.unwrap()), None, None, Some(&token(1)), &facts()).await.unwrap();
    assert_eq!(remembered(&setting).await, ["2 7", "3 7"]);
    upsert(&table, &[(2, 6, Some("late")), (1, 1, Some("b"))]).await;
    assert_eq!(newest(&table).await, ["1 b 1"]);
    let all = write(&table, pairs(&[(2, "z")])).await;
    table.replace(vec![all], None, None, None, None, &facts()).await.unwrap();
    assert!(remembered(&setting).await.is_empty());
    upsert(&table, &[(3, 1, Some("c"))]).await;
    assert_eq!(newest(&table).await, ["2 z -", "3 c 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_of_another_order_are_not_compared() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 5, None)]).await;
    for other in [
        UpsertSpec { key: vec!["name".into()], ..spec() },
        UpsertSpec { key: vec!["id".into(), "name".into()], ..spec() },
        UpsertSpec { sequence: Some("id".into()), ..spec() },
    ] {
        let error = table.upsert(rows(&[(1, 1, Some("a"))]), &other, None, &facts).await.unwrap_err();
        assert_eq!(error.code(), Code::WrongState, "{error}");
    }
    // Without an order every event counts; those that have one are still compared with the deletion.
    let spec = UpsertSpec { sequence: None, ..spec() };
    table.upsert(rows(&[(1, 1, Some("a"))]), &spec, None, &facts).await.unwrap();
    assert_eq!(upsert(&table, &[(1, 4, Some("late"))]).await.rows.ignored, 1);
    upsert(&table, &[(1, 6, Some("b"))]).await;
    assert_eq!(newest(&table).await, ["1 b 6"]);
    // Where nothing is deleted any more, the order may change.
    let spec = UpsertSpec { sequence: Some("name".into()), ..self::spec() };
    table.upsert(rows(&[(1, 1, Some("c")), (2, 1, Some("d"))]), &spec, None, &facts).await.unwrap();
    assert_eq!(newest(&table).await, ["1 c 1", "2 d 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_sequences_of_every_kind_are_remembered() {
    let utc = || DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("day", DataType::Date32),
        ("name", DataType::Utf8),
        ("price", DataType::Decimal128(20, 2)),
        ("share", DataType::Float64),
        ("raw", DataType::Binary),
        ("is_new", DataType::Boolean),
        ("at", utc()),
    ];
    // Rows of the last column's hour, one for each key.
    let rows = |names: &[&str], hour: i64, gone: bool| -> SendableRecordBatchStream {
        let count = names.len();
        let numbers = || 0..i64::try_from(count).unwrap();
        let arrays: Vec<(&str, ArrayRef)> = vec![
            ("day", Arc::new(numbers().map(|day| Some(day as i32 % 2)).collect::<arrow::array::Date32Array>())),
            ("name", Arc::new(StringArray::from(names.to_vec()))),
            (
                "price",
                Arc::new(
                    numbers()
                        .map(|price| Some(i128::from(price) * -7))
                        .collect::<arrow::array::Decimal128Array>()
                        .with_precision_and_scale(20, 2)
                        .unwrap(),
                ),
            ),
            ("share", Arc::new(arrow::array::Float64Array::from_iter_values(numbers().map(|share| share as f64 / -3.0)))),
            ("raw", Arc::new(arrow::array::BinaryArray::from_iter_values(names.iter().map(|name| [name.as_bytes(), b"\0\xff"].concat())))),
            ("is_new", Arc::new(numbers().map(|number| Some(number % 2 == 0)).collect::<BooleanArray>())),
            ("at", Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![hour * 3_600_000_000; count]).with_timezone("UTC"))),
            ("gone", Arc::new(BooleanArray::from(vec![gone; count]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        Box::pin(RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)])))
    };
    let names = ["", "a", "a b", "ümlaut", "a string that is longer than any block of thirty-two bytes is"];
    for memory_bytes in [0, 1 << 20] {
        let setting = setting_with(memory_bytes);
        let table = setting.table(&columns, &["day"]).await;
        let spec = UpsertSpec {
            key: ["name", "day", "price", "share", "raw", "is_new"].map(str::to_owned).to_vec(),
            sequence: Some("at".into()),
            ..spec()
        };
        let land = async |hour, gone| table.upsert(rows(&names, hour, gone), &spec, None, &facts).await.unwrap().rows;
        land(3, true).await;
        assert_eq!(remembered(&setting).await.len(), names.len());
        assert_eq!(land(2, false).await.ignored, 5);
        assert_eq!(land(4, false).await.inserted, 5);
        assert!(remembered(&setting).await.is_empty());
        assert_eq!(land(5, true).await.deleted, 5);
        assert_eq!(land(4, false).await.ignored, 5, "with {memory_bytes} bytes");
        assert!(newest(&table).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_found_behind_a_checkpoint() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 5, None)]).await;
    for id in 10..40 {
        upsert(&table, &[(id, 1, Some("a"))]).await;
    }
    table.settle().await;
    let checkpoints = std::fs::read_dir(setting.path("_delta_log")).unwrap();
    let is_checkpoint = |name: &str| name.contains("checkpoint") && name.ends_with(".parquet");
    assert!(checkpoints.into_iter().any(|entry| is_checkpoint(&entry.unwrap().file_name().to_string_lossy())));
    // Only what the checkpoint says is left of the commit that named it.
    std::fs::remove_file(setting.path("_delta_log/00000000000000000001.json")).unwrap();
    assert_eq!(remembered(&setting).await, ["1 5"]);
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(upsert(&table, &[(1, 4, Some("late"))]).await.rows.ignored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_set_is_said_and_can_be_replaced() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 5, None), (2, 5, Some("b"))]).await;
    std::fs::remove_dir_all(setting.path("_weir_tombstones")).unwrap();
    let error = table.upsert(rows(&[(1, 1, Some("a"))]), &spec(), None, &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::Io);
    assert!(error.hint_text().is_some_and(|hint| hint.contains("FULL REFRESH")), "{error}");
    assert_eq!(newest(&table).await, ["2 b 5"], "readers do not need it");
    let all = write(&table, pairs(&[(3, "c")])).await;
    table.replace(vec![all], None, None, None, None, &facts()).await.unwrap();
    upsert(&table, &[(1, 1, Some("a")), (2, 7, None)]).await;
    assert_eq!(newest(&table).await, ["1 a 1", "3 c -"]);
    assert_eq!(remembered(&setting).await, ["2 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaners_of_delta_tables_pass_them_over() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[(1, 1, Some("a")), (2, 5, None)]).await;
    let now = deltalake::open_table(url::Url::from_directory_path(setting.path("")).unwrap()).await.unwrap();
    let vacuum = now.vacuum().with_retention_period(chrono::Duration::zero()).with_enforce_retention_duration(false).with_dry_run(true);
    assert_eq!(vacuum.await.unwrap().1.files_deleted, Vec::<String>::new());
    assert_eq!(remembered(&setting).await, ["2 5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_tombstones_are_few_and_hold_only_what_is_deleted() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    for round in 0..40_i64 {
        let events: Vec<Event> = (0..20).map(|id| (round * 20 + id, round, None)).collect();
        upsert(&table, &events).await;
    }
    // Opened anew, behind checkpoints.
    table.settle().await;
    assert_eq!(remembered(&setting).await.len(), 800);
    assert_eq!(parts(&table).await, 1);
    let large: Vec<Event> = (10_000..30_000).map(|id| (id, 1, None)).collect();
    upsert(&table, &large).await;
    assert_eq!(parts(&table).await, 1, "the few go with the many");
    upsert(&table, &[(1, 99, None)]).await;
    upsert(&table, &[(2, 99, None)]).await;
    assert_eq!(parts(&table).await, 2, "the many are not copied for a few");
    // Keys come back: first they are only marked, in the end they are gone.
    let back: Vec<Event> = (10_000..15_000).map(|id| (id, 2, Some("back"))).collect();
    upsert(&table, &back).await;
    let list = table.tombstones().await.unwrap().unwrap().list;
    assert_eq!(list.parts.iter().map(|part| part.gone.len()).sum::<u64>(), 5_002);
    let back: Vec<Event> = (15_000..25_000).map(|id| (id, 2, Some("back"))).collect();
    upsert(&table, &back).await;
    let list = table.tombstones().await.unwrap().unwrap().list;
    assert_eq!(list.parts.iter().map(|part| part.gone.len()).sum::<u64>(), 0);
    assert_eq!(remembered(&setting).await.len(), 5_800);
    let all: Vec<Event> = (0..30_000).map(|id| (id, 100, Some("all"))).collect();
    upsert(&table, &all).await;
    assert_eq!((remembered(&setting).await.len(), parts(&table).await), (0, 0));
}
