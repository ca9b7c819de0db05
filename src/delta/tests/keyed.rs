//! Upserts against a model in memory, however the events are cut; what they count and record.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use proptest::prelude::*;

use super::setting::*;
use super::tombstones::remembered;
use crate::delta::upsert::Spilled;
use crate::delta::{Committed, RowCounts, Table, Token, UpsertSpec, WriterOptions};
use crate::error::Code;

#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: i64,
    seq: Option<i64>,
    name: Option<String>,
    price: Option<i64>,
    gone: bool,
}

const COLUMNS: &[(&str, DataType)] =
    &[("id", DataType::Int64), ("seq", DataType::Int64), ("name", DataType::Utf8), ("price", DataType::Int64)];

fn spec() -> UpsertSpec {
    UpsertSpec { key: vec!["id".into()], sequence: Some("seq".into()), delete: Some("gone".into()), ignore_null_updates: false }
}

fn batch(events: &[Event]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 5] = [
        ("price", Arc::new(events.iter().map(|event| event.price).collect::<Int64Array>())),
        ("id", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.id)))),
        ("seq", Arc::new(events.iter().map(|event| event.seq).collect::<Int64Array>())),
        ("name", Arc::new(events.iter().map(|event| event.name.clone()).collect::<StringArray>())),
        ("gone", Arc::new(events.iter().map(|event| Some(event.gone)).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn streamed(batches: Vec<RecordBatch>, schema: arrow::datatypes::SchemaRef) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches.into_iter().map(Ok))))
}

async fn upsert(table: &Table, events: &[Event], spec: &UpsertSpec, token: Option<&Token>) -> Committed {
    let rows = batch(events);
    let schema = rows.schema();
    let middle = rows.num_rows() / 2;
    let halves = vec![rows.slice(0, middle), rows.slice(middle, rows.num_rows() - middle)];
    table.upsert(streamed(halves, schema), spec, token, &facts).await.unwrap()
}

async fn measured(table: &Table, events: &[Event], spec: &UpsertSpec) -> (RowCounts, Spilled) {
    let rows = batch(events);
    let schema = rows.schema();
    let (done, cost) = table.upsert_measured(streamed(vec![rows], schema), spec, None, &facts).await.unwrap();
    (done.rows, cost)
}

fn event(id: i64, seq: i64, name: &str) -> Event {
    Event { id, seq: Some(seq), name: Some(name.into()), price: None, gone: false }
}

fn counts(inserted: i64, updated: i64, deleted: i64, ignored: i64) -> RowCounts {
    RowCounts { inserted, updated, deleted, ignored }
}

/// The rows that a table must have after one event upon another, and the sequence of the newest event of each key.
#[derive(Default, Clone)]
struct Model(BTreeMap<i64, Event>, BTreeMap<i64, Option<i64>>);

impl Model {
    fn apply(&mut self, event: &Event, keeps_nulls: bool) {
        if self.1.get(&event.id).is_some_and(|newest| event.seq < *newest) {
            return;
        }
        self.1.insert(event.id, event.seq);
        let stored = self.0.get(&event.id);
        if event.gone {
            self.0.remove(&event.id);
            return;
        }
        let mut row = event.clone();
        if let (Some(stored), true) = (stored, keeps_nulls) {
            row.name = row.name.or_else(|| stored.name.clone());
            row.price = row.price.or(stored.price);
            row.seq = row.seq.or(stored.seq);
        }
        self.0.insert(event.id, row);
    }

    /// Keys that were deleted, with the sequence of that.
    fn dead(&self) -> Vec<String> {
        let dead = self.1.iter().filter(|(id, seq)| seq.is_some() && !self.0.contains_key(id));
        let mut lines: Vec<String> = dead.map(|(id, seq)| format!("{id} {}", seq.unwrap())).collect();
        lines.sort();
        lines
    }

    fn lines(&self) -> Vec<String> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let line = |row: &Event| {
            format!(
                "{} {} {} {}",
                row.id,
                text(row.seq.map(|v| v.to_string())),
                text(row.name.clone()),
                text(row.price.map(|v| v.to_string()))
            )
        };
        let mut lines: Vec<_> = self.0.values().map(line).collect();
        lines.sort();
        lines
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_has_one_fate() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let first = upsert(&table, &[event(1, 5, "a"), event(2, 5, "b"), event(1, 4, "old"), event(3, 1, "c")], &spec(), None).await;
    assert_eq!(first.rows, counts(3, 0, 0, 1));
    let delete = |id, seq| Event { gone: true, ..event(id, seq, "") };
    let rows = [event(1, 5, "tie wins"), event(2, 4, "late"), delete(3, 2), delete(9, 1), event(4, 1, "d"), delete(4, 2)];
    let second = upsert(&table, &rows, &spec(), Some(&token(1))).await;
    assert_eq!(second.rows, counts(0, 1, 1, 4));
    assert_eq!(newest(&table).await, ["1 5 tie wins -", "2 5 b -"]);
    let again = upsert(&table, &rows, &spec(), Some(&token(1))).await;
    assert_eq!((again.repeated, again.rows, again.version), (true, second.rows, second.version));
    let changes = lines(table.changes(2, Some(2)).await.unwrap()).await;
    let stamp = "2 2026-01-01T00:00:00Z";
    assert_eq!(
        changes,
        [format!("1 5 a - update_preimage {stamp}"), format!("1 5 tie wins - update_postimage {stamp}"), format!("3 1 c - delete {stamp}")]
    );
    assert_eq!(lines(table.changes(0, None).await.unwrap()).await.len(), 6);
    assert_eq!(table.changes(3, None).await.unwrap_err().code(), Code::InvalidParameter);
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_keep_what_is_stored() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let spec = UpsertSpec { ignore_null_updates: true, ..spec() };
    upsert(&table, &[Event { price: Some(7), ..event(1, 1, "a") }], &spec, None).await;
    let rows = [Event { name: None, price: Some(8), ..event(1, 2, "") }, Event { name: Some("z".into()), ..event(1, 3, "") }];
    assert_eq!(upsert(&table, &rows, &spec, None).await.rows, counts(0, 1, 0, 1));
    assert_eq!(newest(&table).await, ["1 3 z 8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_must_be_there() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let rows = RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).unwrap();
    let spec = UpsertSpec { key: vec!["id".into()], sequence: None, delete: None, ignore_null_updates: false };
    let error = table.upsert(streamed(vec![rows.clone()], rows.schema()), &spec, None, &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::NotNullViolated);
    let spec = UpsertSpec { key: vec!["nobody".into()], ..spec };
    let error = table.upsert(streamed(vec![rows.clone()], rows.schema()), &spec, None, &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::UndefinedColumn);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_columns_in_a_partitioned_table() {
    let setting = setting();
    let columns = [("day", DataType::Date32), ("id", DataType::Utf8), ("n", DataType::Int64)];
    let table = setting.table(&columns, &["day"]).await;
    let rows = |rows: &[(i32, &str, i64)]| {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(arrow::array::Date32Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(arrow::array::StringViewArray::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        ];
        let schema = schema(&[("day", DataType::Date32), ("id", DataType::Utf8View), ("n", DataType::Int64)]);
        streamed(vec![RecordBatch::try_new(schema.clone(), arrays).unwrap()], schema)
    };
    let spec = UpsertSpec { key: vec!["day".into(), "id".into()], sequence: None, delete: None, ignore_null_updates: false };
    table.upsert(rows(&[(0, "a", 1), (0, "b", 2), (1, "a", 3)]), &spec, None, &facts).await.unwrap();
    let done = table.upsert(rows(&[(0, "a", 10), (1, "b", 20)]), &spec, None, &facts).await.unwrap();
    assert_eq!(done.rows, counts(1, 1, 0, 0));
    assert_eq!(newest(&table).await, ["1970-01-01 a 10", "1970-01-01 b 2", "1970-01-02 a 3", "1970-01-02 b 20"]);
    let changes = lines(table.changes(2, None).await.unwrap()).await;
    let stamp = "2 2026-01-01T00:00:00Z";
    assert_eq!(
        changes,
        [
            format!("1970-01-01 a 1 update_preimage {stamp}"),
            format!("1970-01-01 a 10 update_postimage {stamp}"),
            format!("1970-01-02 b 20 insert {stamp}")
        ]
    );
    // Only some of the columns, in another order, under a condition.
    let context = datafusion::prelude::SessionContext::new();
    context.register_table("changes", table.changes(1, None).await.unwrap()).unwrap();
    let query = "SELECT n, day, _commit_version FROM changes WHERE id = 'b' AND _change_type = 'insert' AND _commit_version = 2";
    let plan = context.sql(query).await.unwrap().into_view();
    assert_eq!(lines(plan).await, ["20 1970-01-02 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_between_is_a_conflict() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    upsert(&table, &[event(1, 1, "a")], &spec(), None).await;
    let stranger = setting.elsewhere().table("shop/orders").await.unwrap();
    let rows = batch(&[event(1, 2, "b")]);
    let schema = rows.schema();
    // While the rows are still coming, somebody else commits: what was read of the table is no longer all of it.
    let slow = stream::once(async move {
        upsert(&stranger, &[event(1, 3, "c")], &spec(), None).await;
        Ok(rows)
    });
    let stream: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, slow));
    let error = table.upsert(stream, &spec(), Some(&token(1)), &facts).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!(newest(&table).await, ["1 3 c -"]);
    assert_eq!(table.applied("pipeline/out").await.unwrap(), None);
    assert_eq!(upsert(&table, &[event(1, 2, "b")], &spec(), Some(&token(1))).await.rows, counts(0, 0, 0, 1));
}

fn any_events(deletes: bool) -> impl Strategy<Value = Vec<Event>> {
    let event =
        (0..6_i64, prop::option::weighted(0.9, 0..8_i64), prop::option::of("[a-c]"), prop::option::of(0..4_i64), prop::bool::weighted(0.3))
            .prop_map(move |(id, seq, name, price, gone)| Event { id, seq, name, price, gone: gone && deletes });
    prop::collection::vec(event, 1..24)
}

/// Events of different sequences, one of which may be NULL: in the order of these, and in another.
fn any_order() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    let event = (0..5_i64, prop::option::of("[a-c]"), prop::option::of(0..4_i64), prop::bool::weighted(0.4));
    (prop::collection::vec(event, 1..48), any::<bool>()).prop_flat_map(|(events, has_null)| {
        let numbered = events.into_iter().zip(0..).map(|((id, name, price, gone), seq)| {
            let seq = Some(seq).filter(|seq| *seq > 0 || !has_null);
            Event { id, seq, name, price, gone }
        });
        let events: Vec<Event> = numbered.collect();
        (Just(events.clone()), Just(events).prop_shuffle())
    })
}

/// Rows that are there before the first event, in many small row groups whose bounds enclose the events' keys and few of which hold one.
async fn scatter(table: &Table, model: &mut Model) {
    // The first keyed write makes the table keep filters.
    let first = Event { seq: None, ..event(1000, 0, "first") };
    model.apply(&first, false);
    upsert(table, &[first], &spec(), None).await;
    let far: Vec<i64> = (0..45).flat_map(|id| [-10 - id, 10 + (id * 7) % 45]).collect();
    let (left, right) = far.split_at(44);
    let ids: Vec<i64> = left.iter().chain(&[0, 3, 4]).chain(right).copied().collect();
    for ids in ids.chunks(31) {
        let rows: Vec<Event> = ids.iter().map(|id| event(*id, 4, "old")).collect();
        rows.iter().for_each(|row| model.apply(row, false));
        let mut writer = table.writer(WriterOptions { row_group_rows: 2, ..WriterOptions::default() }).await.unwrap();
        writer.write(batch(&rows).project(&[0, 1, 2, 3]).unwrap()).await.unwrap();
        table.append(vec![writer.finish().await.unwrap()], None, &facts()).await.unwrap();
    }
}

/// On an empty table, and on one of whose row groups most are passed over.
fn check(events: &[Event], cuts: &[usize], keeps_nulls: bool, memory_bytes: usize) -> Result<Vec<String>, TestCaseError> {
    check_on(events, cuts, (keeps_nulls, true), memory_bytes)?;
    check_on(events, cuts, (keeps_nulls, false), memory_bytes)
}

fn check_on(
    events: &[Event],
    cuts: &[usize],
    (keeps_nulls, is_scattered): (bool, bool),
    memory_bytes: usize,
) -> Result<Vec<String>, TestCaseError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let setting = setting_with(memory_bytes);
        let table = setting.table(COLUMNS, &[]).await;
        let spec = UpsertSpec { ignore_null_updates: keeps_nulls, ..spec() };
        let mut model = Model::default();
        if is_scattered {
            scatter(&table, &mut model).await;
        }
        let (mut seen, mut read) = (0, 0);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % events.len()).chain([events.len()]).collect();
        cuts.sort_unstable();
        let mut start = 0;
        for end in cuts {
            let part = &events[start..end];
            start = end;
            if part.is_empty() {
                continue;
            }
            let before = model.0.len() as i64;
            part.iter().for_each(|event| model.apply(event, keeps_nulls));
            let (rows, cost) = measured(&table, part, &spec).await;
            (seen, read) = (seen + cost.groups, read + cost.groups_read);
            prop_assert_eq!(rows.inserted + rows.updated + rows.deleted + rows.ignored, part.len() as i64);
            prop_assert_eq!(before + rows.inserted - rows.deleted, model.0.len() as i64);
        }
        prop_assert_eq!(newest(&table).await, model.lines());
        prop_assert_eq!(replayed(&table).await, model.lines());
        prop_assert_eq!(remembered(&setting).await, model.dead());
        prop_assert!(!is_scattered || read * 2 < seen, "{} of {} row groups were read", read, seen);
        Ok(model.lines())
    })
}

/// Bytes that hold nothing, a few rows, or all of them.
fn memory() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 300..3000_usize, Just(1 << 20)]
}

/// The table as its change feed tells it.
async fn replayed(table: &Table) -> Vec<String> {
    let mut rows: Vec<(i64, bool, String)> = Vec::new();
    for line in lines(table.changes(0, None).await.unwrap()).await {
        let words: Vec<&str> = line.split(' ').collect();
        let adds = matches!(words[4], "insert" | "update_postimage");
        rows.push((words[5].parse().unwrap(), adds, words[..4].join(" ")));
    }
    rows.sort();
    let mut table: Vec<String> = Vec::new();
    for (_, adds, row) in rows {
        if adds {
            table.push(row);
        } else {
            let at = table.iter().position(|known| *known == row).expect("a change takes away a row that is there");
            table.remove(at);
        }
    }
    table.sort();
    table
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However late events come and however they are cut, the table is that of one event after the other.
    #[test]
    fn any_cut_gives_the_same_table(events in any_events(false), cuts in prop::collection::vec(0..24_usize, 0..4), keeps_nulls: bool, memory in memory()) {
        check(&events, &cuts, keeps_nulls, memory)?;
    }

    /// Deletions too, however late an event comes.
    #[test]
    fn any_cut_with_deletions_gives_the_same_table(events in any_events(true), cuts in prop::collection::vec(0..24_usize, 0..6), keeps_nulls: bool, memory in memory()) {
        check(&events, &cuts, keeps_nulls, memory)?;
    }

    /// Events of different sequences in any order and any cut: the table is that of the events in the order of their sequences.
    #[test]
    fn any_order_gives_the_same_table((events, shuffled) in any_order(), cuts in prop::collection::vec(0..48_usize, 0..8), memory in memory()) {
        let mut model = Model::default();
        events.iter().for_each(|event| model.apply(event, false));
        prop_assert_eq!(check(&shuffled, &cuts, false, memory)?, model.lines());
    }
}
