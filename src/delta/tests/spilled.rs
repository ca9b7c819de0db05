//! Upserts whose rows do not fit in memory: the same table, counts and changes as those that do, and nothing left behind.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use proptest::prelude::*;

use super::setting::*;
use crate::delta::{Table, UpsertSpec};
use crate::error::Code;

#[derive(Debug, Clone)]
struct Event {
    zone: Option<&'static str>,
    id: i64,
    seq: Option<i64>,
    name: Option<String>,
    price: Option<i64>,
    gone: Option<bool>,
}

const COLUMNS: &[(&str, DataType)] =
    &[("name", DataType::Utf8), ("id", DataType::Int64), ("price", DataType::Int64), ("zone", DataType::Utf8)];

/// With the sequence among the columns.
fn sequenced() -> Vec<(&'static str, DataType)> {
    [COLUMNS, &[("seq", DataType::Int64)]].concat()
}

fn event(id: i64, seq: i64, name: &str) -> Event {
    Event { zone: Some("east"), id, seq: Some(seq), name: Some(name.into()), price: None, gone: None }
}

fn batch(events: &[Event]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 6] = [
        ("seq", Arc::new(events.iter().map(|event| event.seq).collect::<Int64Array>())),
        ("zone", Arc::new(events.iter().map(|event| event.zone).collect::<StringArray>())),
        ("id", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.id)))),
        ("name", Arc::new(events.iter().map(|event| event.name.clone()).collect::<StringArray>())),
        ("price", Arc::new(events.iter().map(|event| event.price).collect::<Int64Array>())),
        ("gone", Arc::new(events.iter().map(|event| event.gone).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn streamed(batches: Vec<Result<RecordBatch, DataFusionError>>) -> SendableRecordBatchStream {
    let schema = batch(&[]).schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches)))
}

fn in_batches(events: &[Event], rows: usize) -> SendableRecordBatchStream {
    streamed(events.chunks(rows).map(|events| Ok(batch(events))).collect())
}

fn spec() -> UpsertSpec {
    UpsertSpec {
        key: vec!["zone".into(), "id".into()],
        sequence: Some("seq".into()),
        delete: Some("gone".into()),
        ignore_null_updates: false,
    }
}

/// What lies in the folder of spilled rows, and how many files with rows or changes the table has.
fn remains(setting: &Setting) -> (usize, usize) {
    let count = |path: std::path::PathBuf| std::fs::read_dir(path).map_or(0, Iterator::count);
    (count(setting.folder.path().join("spill")), data_files(setting) + count(setting.path("_change_data")))
}

/// The actions of the newest commit, by name.
async fn actions(setting: &Setting, table: &Table, name: &str) -> usize {
    let log = setting.path(&format!("_delta_log/{:020}.json", table.version().await.unwrap()));
    std::fs::read_to_string(log).unwrap().lines().filter(|line| line.starts_with(&format!("{{\"{name}\""))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_key_among_many_is_folded_as_it_is_read() {
    let events: Vec<Event> = (0..12_000_i64)
        .map(|number| match number % 2 {
            0 => event(7, number, "hot"),
            _ => event(number * 7919 % 4001, number, "cold"),
        })
        .collect();
    let (small, large) = (setting_with(60_000), setting());
    let (spilled, held) = (small.table(COLUMNS, &[]).await, large.table(COLUMNS, &[]).await);
    for part in events.chunks(6_000) {
        let (done, measured) = spilled.upsert_measured(in_batches(part, 500), &spec(), None, &facts).await.unwrap();
        assert_eq!(measured.rows, 6_000);
        assert!(measured.ranges > 8 && measured.cuts > 0, "{measured:?}");
        let (same, nothing) = held.upsert_measured(in_batches(part, 500), &spec(), None, &facts).await.unwrap();
        assert_eq!((done.rows, nothing.rows), (same.rows, 0));
    }
    assert_eq!(newest(&spilled).await, newest(&held).await);
    assert_eq!(lines(spilled.changes(0, None).await.unwrap()).await, lines(held.changes(0, None).await.unwrap()).await);
    assert_eq!(remains(&small).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_with_changed_rows_are_written_again() {
    for memory_bytes in [0, 1 << 20] {
        let setting = setting_with(memory_bytes);
        let table = setting.table(&sequenced(), &[]).await;
        // Bounds that overlap: all three files must be read.
        for low in [1, 2, 3] {
            let rows: Vec<Event> = [low, low + 10, low + 20].map(|id| event(id, 5, "old")).to_vec();
            table.upsert(in_batches(&rows, 1), &spec(), None, &facts).await.unwrap();
        }
        let changed = [event(12, 6, "new"), event(11, 4, "late"), event(30, 1, "more")];
        table.upsert(in_batches(&changed, 1), &spec(), None, &facts).await.unwrap();
        assert_eq!(actions(&setting, &table, "remove").await, 1, "with {memory_bytes} bytes");
        // Nothing that is stored changes: the added file says all.
        table.upsert(in_batches(&[event(3, 1, "late"), event(31, 1, "more")], 1), &spec(), None, &facts).await.unwrap();
        let found =
            (actions(&setting, &table, "remove").await, actions(&setting, &table, "cdc").await, actions(&setting, &table, "add").await);
        assert_eq!(found, (0, 0, 1), "with {memory_bytes} bytes");
        assert_eq!(newest(&table).await.len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_leaves_nothing_behind() {
    let setting = setting_with(4_000);
    let table = setting.table(COLUMNS, &[]).await;
    let events: Vec<Event> = (0..400).map(|id| event(id, 1, "a")).collect();
    table.upsert(in_batches(&events, 50), &spec(), None, &facts).await.unwrap();
    let before = (table.version().await.unwrap(), remains(&setting));

    let mut broken: Vec<_> = events.chunks(50).map(|events| Ok(batch(events))).collect();
    broken.push(Err(DataFusionError::Execution("the source went away".into())));
    let error = table.upsert(streamed(broken), &spec(), None, &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::DataException);
    let keyless = [events.clone(), vec![Event { zone: None, ..event(1, 2, "b") }]].concat();
    let error = table.upsert(in_batches(&keyless, 50), &spec(), None, &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::NotNullViolated);
    assert_eq!((table.version().await.unwrap(), remains(&setting)), before);

    // A file that cannot be read is found when new rows are already written.
    let newer: Vec<Event> = (0..800).map(|id| event(id, 2, "b")).collect();
    let part = std::fs::read_dir(setting.path("")).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "parquet")).unwrap();
    let whole = std::fs::read(&part).unwrap();
    let mut torn = whole.clone();
    // The first column holds names, which only the rewriting reads.
    torn[8..40].fill(0xff);
    std::fs::write(&part, torn).unwrap();
    table.upsert(in_batches(&newer, 50), &spec(), None, &facts).await.unwrap_err();
    assert_eq!((table.version().await.unwrap(), remains(&setting)), before);
    std::fs::write(&part, whole).unwrap();
    assert_eq!(table.upsert(in_batches(&newer, 50), &spec(), None, &facts).await.unwrap().rows.updated, 400);
    assert_eq!(remains(&setting).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_stored_twice_is_mended() {
    for memory_bytes in [0, 1 << 20] {
        let setting = setting_with(memory_bytes);
        let table = setting.table(PAIRS, &[]).await;
        append(&table, &[(1, "a"), (2, "b")]).await;
        append(&table, &[(1, "c"), (3, "d"), (3, "e")]).await;
        let (rows, spec) = (pairs(&[(1, "new"), (4, "f")]), UpsertSpec { key: vec!["id".into()], sequence: None, delete: None, ..spec() });
        let input = Box::pin(RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)])));
        table.upsert(input, &spec, None, &facts).await.unwrap();
        assert_eq!(newest(&table).await, ["1 new", "2 b", "3 d", "3 e", "4 f"]);
        let changes: Vec<String> = lines(table.changes(3, None).await.unwrap()).await;
        let mut kinds: Vec<&str> = changes.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["delete", "insert", "update_postimage", "update_preimage"], "with {memory_bytes} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_and_partition_columns_survive_the_disk() {
    use arrow::datatypes::{Field, Fields, Int64Type, SchemaRef};
    let pair = Fields::from(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]);
    let list = DataType::List(Arc::new(Field::new("element", DataType::Int64, true)));
    let columns = [("day", DataType::Utf8), ("id", DataType::Int64), ("tags", list), ("pair", DataType::Struct(pair.clone()))];
    let rows = |ids: std::ops::Range<i64>, text: &str| {
        let count = ids.clone().count();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(ids.clone().map(|id| Some(["mon", "tue"][usize::from(id % 2 == 0)])).collect::<StringArray>()),
            Arc::new(Int64Array::from_iter_values(ids.clone())),
            Arc::new(arrow::array::ListArray::from_iter_primitive::<Int64Type, _, _>(
                ids.clone().map(|id| (id % 3 != 0).then(|| vec![Some(id), None])),
            )),
            Arc::new(arrow::array::StructArray::new(
                pair.clone(),
                vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(StringArray::from(vec![text; count]))],
                None,
            )),
        ];
        let names = ["day", "id", "tags", "pair"];
        RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(arrays).map(|(name, array)| (name, array, true))).unwrap()
    };
    let input = |batches: Vec<RecordBatch>| -> SendableRecordBatchStream {
        let schema: SchemaRef = batches[0].schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches.into_iter().map(Ok))))
    };
    for keeps_nulls in [false, true] {
        let spec = UpsertSpec { key: vec!["id".into(), "day".into()], sequence: None, delete: None, ignore_null_updates: keeps_nulls };
        let (small, large) = (setting_with(0), setting());
        let (spilled, held) = (small.table(&columns, &["day"]).await, large.table(&columns, &["day"]).await);
        for table in [&spilled, &held] {
            table.upsert(input(vec![rows(0..9, "x"), rows(9..12, "y")]), &spec, None, &facts).await.unwrap();
            let done = table.upsert(input(vec![rows(6..10, "z"), rows(11..14, "z")]), &spec, None, &facts).await.unwrap();
            assert_eq!((done.rows.inserted, done.rows.updated), (2, 5));
        }
        assert_eq!(newest(&spilled).await, newest(&held).await);
        assert_eq!(newest(&spilled).await.iter().filter(|line| line.contains("b: z")).count(), 7);
        assert_eq!(lines(spilled.changes(0, None).await.unwrap()).await, lines(held.changes(0, None).await.unwrap()).await);
    }
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let zone = prop::sample::select(vec![Some("east"), Some("west"), Some("")]);
    let gone = prop::sample::select(vec![None, Some(false), Some(false), Some(true)]);
    let event = (zone, 0..12_i64, prop::option::weighted(0.9, 0..8_i64), prop::option::of("[a-c]"), prop::option::of(0..4_i64), gone)
        .prop_map(|(zone, id, seq, name, price, gone)| Event { zone, id, seq, name, price, gone });
    prop::collection::vec(event, 1..160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    /// In one run or in several, in memory or over the disk: rows, counts and changes are the same, also where the sequence is not stored.
    #[test]
    fn spilled_equals_held(events in any_events(), run_rows in 20..160_usize, batch_rows in 1..40_usize, memory in 0..6000_usize, flags in 0..8_u8) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let columns = if flags & 1 == 0 { sequenced() } else { COLUMNS.to_vec() };
            let spec = UpsertSpec {
                ignore_null_updates: flags & 2 == 0,
                sequence: (flags < 4 || flags & 1 == 1).then(|| "seq".to_owned()),
                ..spec()
            };
            let (small, large) = (setting_with(memory), setting());
            let (spilled, held) = (small.table(&columns, &[]).await, large.table(&columns, &[]).await);
            for part in events.chunks(run_rows) {
                let done = spilled.upsert(in_batches(part, batch_rows), &spec, None, &facts).await.unwrap();
                let same = held.upsert(in_batches(part, batch_rows), &spec, None, &facts).await.unwrap();
                prop_assert_eq!(done.rows, same.rows);
                prop_assert_eq!(done.version, same.version);
            }
            prop_assert_eq!(newest(&spilled).await, newest(&held).await);
            prop_assert_eq!(lines(spilled.changes(0, None).await.unwrap()).await, lines(held.changes(0, None).await.unwrap()).await);
            Ok(())
        })?;
    }
}
