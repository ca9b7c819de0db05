//! A history is what its events make it: whatever the order in which they came, and the writes that brought them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use proptest::prelude::*;

use super::setting::*;
use crate::delta::{Committed, Effect, HistorySpec, Matching, Table};
use crate::error::Code;

const COLUMNS: &[(&str, DataType)] = &[
    ("id", DataType::Int64),
    ("name", DataType::Utf8),
    ("city", DataType::Utf8),
    ("pos", DataType::Int64),
    ("valid_from", DataType::Int64),
    ("valid_to", DataType::Int64),
    ("is_current", DataType::Boolean),
];

/// With the sequence among the columns.
fn sequenced() -> Vec<(&'static str, DataType)> {
    [COLUMNS, &[("seq", DataType::Int64)]].concat()
}

/// `name` is tracked, `city` is not, `pos` says where the event comes from.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: i64,
    seq: i64,
    name: Option<&'static str>,
    city: Option<&'static str>,
    pos: i64,
    gone: bool,
}

fn event(id: i64, seq: i64, name: &'static str) -> Event {
    Event { id, seq, name: Some(name), city: None, pos: 0, gone: false }
}

fn in_city(id: i64, seq: i64, name: &'static str, city: &'static str) -> Event {
    Event { city: Some(city), ..event(id, seq, name) }
}

fn deletion(id: i64, seq: i64) -> Event {
    Event { name: None, gone: true, ..event(id, seq, "") }
}

fn batch(events: &[Event]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 6] = [
        ("seq", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.seq)))),
        ("id", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.id)))),
        ("name", Arc::new(events.iter().map(|event| event.name).collect::<StringArray>())),
        ("city", Arc::new(events.iter().map(|event| event.city).collect::<StringArray>())),
        ("pos", Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.pos)))),
        ("gone", Arc::new(events.iter().map(|event| Some(event.gone)).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn rows(events: &[Event]) -> SendableRecordBatchStream {
    let batches: Vec<_> = events.chunks(7).map(|events| Ok(batch(events))).collect();
    Box::pin(RecordBatchStreamAdapter::new(batch(&[]).schema(), stream::iter(batches)))
}

fn spec() -> HistorySpec {
    HistorySpec {
        key: vec!["id".into()],
        sequence: "seq".into(),
        delete: Some("gone".into()),
        tracked: vec!["name".into()],
        provenance: vec!["pos".into()],
        is_remembered: true,
    }
}

async fn record(table: &Table, events: &[Event]) -> Committed {
    let done = table.record_history(rows(events), &spec(), None, &facts).await.unwrap();
    let counted = done.rows.inserted + done.rows.updated + done.rows.deleted + done.rows.ignored;
    assert_eq!(counted, events.len() as i64, "every event is accounted for");
    done
}

/// The periods that events in this order of arrival make, in words, and how many events the rows do not tell.
struct Model {
    lines: BTreeMap<i64, BTreeMap<i64, Event>>,
    keeps_sequence: bool,
}

impl Model {
    fn new(keeps_sequence: bool) -> Self {
        Self { lines: BTreeMap::new(), keeps_sequence }
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            let line = self.lines.entry(event.id).or_default();
            let same = |old: &Event| (old.gone && event.gone) || Event { pos: 0, ..old.clone() } == Event { pos: 0, ..event.clone() };
            if !line.get(&event.seq).is_some_and(same) {
                line.insert(event.seq, event.clone());
            }
        }
    }

    fn table(&self) -> (Vec<String>, usize) {
        let (mut lines, mut remembered) = (Vec::new(), 0);
        for line in self.lines.values() {
            // First event, event whose values are shown, events, end.
            let mut periods: Vec<(&Event, &Event, usize, Option<i64>)> = Vec::new();
            let mut last: Option<&Event> = None;
            for event in line.values() {
                match periods.last_mut().filter(|period| period.3.is_none()) {
                    None if event.gone => remembered += 1,
                    Some(open) if event.gone => open.3 = Some(event.seq),
                    Some(open) if open.0.name == event.name => {
                        open.2 += 1;
                        if self.keeps_sequence || last.unwrap().city != event.city {
                            open.1 = event;
                        }
                    }
                    open => {
                        if let Some(open) = open {
                            open.3 = Some(event.seq);
                        }
                        periods.push((event, event, 1, None));
                    }
                }
                last = Some(event);
            }
            for (first, shown, events, end) in periods {
                remembered += if events > 1 { events - usize::from(first == shown) } else { 0 };
                let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
                let mut cells = vec![first.id.to_string(), text(first.name), text(shown.city), shown.pos.to_string()];
                cells.extend([first.seq.to_string(), end.map_or_else(|| "-".to_owned(), |end| end.to_string()), end.is_none().to_string()]);
                cells.extend(self.keeps_sequence.then(|| shown.seq.to_string()));
                lines.push(cells.join(" "));
            }
        }
        lines.sort();
        (lines, remembered)
    }
}

/// How many events the newest version remembers, as a process sees it that knows nothing of it yet.
async fn remembered(setting: &Setting) -> usize {
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    let Some(set) = table.tombstones().await.unwrap() else { return 0 };
    let mut count = 0;
    for part in &set.list.parts {
        let rows: usize =
            part.data(set.root()).read(&schema(&[("id", DataType::Int64)])).unwrap().map(|rows| rows.unwrap().num_rows()).sum();
        count += rows - part.gone.len() as usize;
    }
    count
}

/// Whether the change feed of every version leads from the rows before it to those after it.
async fn check_changes(table: &Table, columns: usize) {
    let newest = table.version().await.unwrap();
    for version in 2..=newest {
        let mut before = lines(table.scan(Some(version - 1)).await.unwrap()).await;
        let after = lines(table.scan(Some(version)).await.unwrap()).await;
        for line in lines(table.changes(version, Some(version)).await.unwrap()).await {
            let cells: Vec<&str> = line.split(' ').collect();
            let row = cells[..columns].join(" ");
            if matches!(cells[columns], "delete" | "update_preimage") {
                let at = before.iter().position(|known| *known == row).unwrap_or_else(|| panic!("{line} was not there in {before:?}"));
                before.remove(at);
            } else {
                before.push(row);
            }
        }
        before.sort();
        assert_eq!(before, after, "the changes of version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_order_open_and_close_periods() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[event(1, 1, "a"), event(2, 1, "x")]).await;
    assert!(!setting.path("_weir_tombstones").exists(), "what the rows tell is not written twice");
    let done = record(&table, &[event(1, 5, "b"), deletion(2, 7)]).await;
    assert_eq!((done.rows.inserted, done.rows.deleted), (1, 1));
    record(&table, &[event(2, 9, "x")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 1 5 false", "1 b - 0 5 - true", "2 x - 0 1 7 false", "2 x - 0 9 - true"]);
    assert_eq!(remembered(&setting).await, 0);
    check_changes(&table, COLUMNS.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_splits_a_period() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[event(1, 1, "a")]).await;
    // No change: the row stays as it is, but the event is not forgotten.
    let before = data_files(&setting);
    let same = record(&table, &[event(1, 5, "a")]).await;
    assert_eq!((same.rows.ignored, data_files(&setting)), (1, before));
    assert_eq!(remembered(&setting).await, 1);
    record(&table, &[event(1, 3, "b")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 1 3 false", "1 a - 0 5 - true", "1 b - 0 3 5 false"]);
    assert_eq!(remembered(&setting).await, 0);
    // Moved: the first period began earlier.
    record(&table, &[event(1, 0, "a")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 0 3 false", "1 a - 0 5 - true", "1 b - 0 3 5 false"]);
    assert_eq!(remembered(&setting).await, 1);
    check_changes(&table, COLUMNS.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_of_what_was_not_there_is_not_forgotten() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[deletion(1, 5)]).await;
    record(&table, &[deletion(1, 7)]).await;
    assert!(newest(&table).await.is_empty());
    record(&table, &[event(1, 3, "a")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 3 5 false"]);
    assert_eq!(remembered(&setting).await, 1);
    record(&table, &[event(1, 6, "b")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 3 5 false", "1 b - 0 6 7 false"]);
    assert_eq!(remembered(&setting).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn untracked_columns_change_the_period_they_fall_into() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[in_city(1, 1, "a", "rome"), event(1, 10, "b")]).await;
    let done = record(&table, &[in_city(1, 5, "a", "oslo")]).await;
    assert_eq!(done.rows.updated, 1);
    assert_eq!(newest(&table).await, ["1 a oslo 0 1 10 false", "1 b - 0 10 - true"]);
    // Both cities are known: each is where it belongs when the period is split.
    record(&table, &[event(1, 3, "c")]).await;
    assert_eq!(newest(&table).await, ["1 a oslo 0 5 10 false", "1 a rome 0 1 3 false", "1 b - 0 10 - true", "1 c - 0 3 5 false"]);
    check_changes(&table, COLUMNS.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_again_write_nothing() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let events = [event(1, 1, "a"), event(1, 3, "a"), in_city(1, 4, "a", "oslo"), deletion(1, 5), deletion(1, 6), event(2, 1, "x")];
    let first = record(&table, &events).await;
    let again = record(&table, &events.map(|event| Event { pos: 9, ..event })).await;
    assert_eq!((again.version, again.rows.ignored), (first.version, 6));
    // Of equal sequences the later event counts.
    record(&table, &[event(1, 3, "z"), event(2, 1, "y")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 1 3 false", "1 a oslo 0 4 5 false", "1 z - 0 3 4 false", "2 y - 0 1 - true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_lands_once() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    let land = async |events: &[Event], batch| table.record_history(rows(events), &spec(), Some(&token(batch)), &facts).await.unwrap();
    let first = land(&[event(1, 1, "a"), event(1, 2, "a")], 1).await;
    land(&[event(1, 1, "b")], 2).await;
    let again = setting.elsewhere().table("shop/orders").await.unwrap();
    let again = again.record_history(rows(&[event(1, 1, "a")]), &spec(), Some(&token(1)), &facts).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.version, first.version);
    assert_eq!(newest(&table).await, ["1 a - 0 2 - true", "1 b - 0 1 2 false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_with_changed_periods_are_written_again() {
    for memory_bytes in [0, 1 << 20] {
        let setting = setting_with(memory_bytes);
        let table = setting.table(COLUMNS, &[]).await;
        // Bounds that overlap: all three files must be read.
        for low in [1, 2, 3] {
            record(&table, &[low, low + 10, low + 20].map(|id| event(id, 5, "a"))).await;
        }
        let actions = async |name: &str| {
            let log = setting.path(&format!("_delta_log/{:020}.json", table.version().await.unwrap()));
            std::fs::read_to_string(log).unwrap().lines().filter(|line| line.starts_with(&format!("{{\"{name}\""))).count()
        };
        record(&table, &[event(12, 6, "b"), event(11, 6, "a"), event(30, 1, "x")]).await;
        assert_eq!(actions("remove").await, 1, "with {memory_bytes} bytes");
        record(&table, &[event(11, 7, "a"), deletion(99, 1)]).await;
        assert_eq!((actions("remove").await, actions("add").await, actions("cdc").await), (0, 0, 0), "with {memory_bytes} bytes");
        assert_eq!(remembered(&setting).await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_corrected_stays_corrected() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[in_city(1, 1, "a", "rome"), in_city(1, 2, "a", "oslo"), event(1, 3, "a"), event(2, 1, "x"), event(2, 2, "x")]).await;
    let session = datafusion::prelude::SessionContext::new().state();
    let matching = |id: i64| Matching {
        session: &session,
        relation: "t".into(),
        predicate: Some(datafusion::prelude::col("t.id").eq(datafusion::prelude::lit(id))),
        key: &[],
    };
    let set = [("name", "A"), ("city", "bern")].map(|(name, value)| (name.to_owned(), datafusion::prelude::lit(value)));
    table.update(&set, &matching(1), None, &facts()).await.unwrap();
    table.delete(&matching(2), None, &facts()).await.unwrap();
    record(&table, &[event(1, 9, "b"), event(2, 9, "y")]).await;
    assert_eq!(newest(&table).await, ["1 A bern 0 1 9 false", "1 b - 0 9 - true", "2 y - 0 9 - true"]);
    // Also before what was remembered of the row that is gone.
    record(&table, &[event(2, 1, "w")]).await;
    assert_eq!(newest(&table).await, ["1 A bern 0 1 9 false", "1 b - 0 9 - true", "2 w - 0 1 9 false", "2 y - 0 9 - true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_version_remembers_what_it_did() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[event(1, 1, "a")]).await;
    let early = record(&table, &[event(1, 5, "a")]).await.version;
    record(&table, &[event(1, 3, "b"), event(1, 8, "c")]).await;
    table.restore(early, &facts()).await.unwrap();
    assert_eq!((newest(&table).await, remembered(&setting).await), (vec!["1 a - 0 1 - true".to_owned()], 1));
    record(&table, &[event(1, 4, "z")]).await;
    assert_eq!(newest(&table).await, ["1 a - 0 1 4 false", "1 a - 0 5 - true", "1 z - 0 4 5 false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_can_be_made_anew() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[event(1, 1, "a"), event(1, 2, "a"), event(3, 1, "q"), deletion(4, 1)]).await;
    let events = [event(1, 4, "a"), event(1, 6, "a"), event(1, 5, "b"), deletion(2, 9)];
    let done = table.rebuild_history(rows(&events), &spec(), None, Some(&token(1)), &facts).await.unwrap();
    assert_eq!((done.version, done.rows.inserted, done.rows.ignored), (2, 3, 1));
    assert_eq!(newest(&table).await, ["1 a - 0 4 5 false", "1 a - 0 6 - true", "1 b - 0 5 6 false"]);
    assert_eq!(remembered(&setting).await, 1);
    record(&table, &[event(2, 7, "late")]).await;
    assert_eq!(newest(&table).await.last().unwrap(), "2 late - 0 7 9 false");
    // Nothing comes of nothing.
    table.rebuild_history(rows(&[]), &spec(), None, None, &facts).await.unwrap();
    assert_eq!((newest(&table).await.len(), remembered(&setting).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_history_is_told() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    let refused = async |table: &Table, events: &[Event], spec: &HistorySpec| {
        table.record_history(rows(events), spec, None, &facts).await.unwrap_err().code()
    };
    assert_eq!(refused(&table, &[], &spec()).await, Code::UndefinedColumn);
    let mut columns = COLUMNS.to_vec();
    columns[5].1 = DataType::Utf8;
    let table = setting.lake.create("shop/texts", &schema(&columns), &[], &facts()).await.unwrap();
    assert_eq!(refused(&table, &[], &spec()).await, Code::WrongType);
    let table = setting.lake.create("shop/whole", &schema(COLUMNS), &[], &facts()).await.unwrap();
    record(&table, &[event(1, 1, "a"), event(1, 2, "a")]).await;
    let other = HistorySpec { key: vec!["name".into()], ..spec() };
    assert_eq!(refused(&table, &[event(1, 1, "a")], &other).await, Code::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_foretells_what_a_write_does() {
    let setting = setting();
    let table = setting.table(COLUMNS, &[]).await;
    record(&table, &[in_city(1, 1, "a", "rome"), event(1, 5, "b"), deletion(2, 4)]).await;
    let version = table.version().await.unwrap();
    let events = [
        in_city(1, 3, "a", "oslo"),
        event(1, 4, "a"),
        event(1, 7, "b"),
        deletion(1, 9),
        deletion(1, 10),
        event(2, 1, "x"),
        event(2, 1, "y"),
    ];
    let effects =
        table.foretell_history(vec![batch(&events[..2]), batch(&[]), batch(&events[2..])], &spec(), &table.schema()).await.unwrap();
    use Effect::{Delete, Insert, Nothing, Update};
    assert_eq!(effects, [Update, Update, Nothing, Delete, Nothing, Nothing, Insert]);
    assert_eq!(table.version().await.unwrap(), version);
    let done = record(&table, &events).await.rows;
    assert_eq!((done.inserted, done.updated, done.deleted, done.ignored), (1, 2, 1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_and_events_go_over_the_disk() {
    let (small, large) = (setting_with(200_000), setting());
    let (spilled, held) = (small.table(COLUMNS, &[]).await, large.table(COLUMNS, &[]).await);
    let mut model = Model::new(false);
    let events: Vec<Event> = (0..12_000_i64)
        .map(|number| {
            let id = if number % 3 == 0 { 7 } else { number * 7919 % 4001 };
            let seq = number * 6007 % 12_007;
            Event {
                city: ["rome", "oslo"].get(number as usize % 5).copied(),
                pos: number,
                ..event(id, seq, ["a", "b"][(seq / 7 % 2) as usize])
            }
        })
        .collect();
    for part in events.chunks(4_000) {
        model.take(part);
        let done = record(&spilled, part).await;
        assert_eq!(done.rows, record(&held, part).await.rows);
    }
    let (expected, notes) = model.table();
    assert_eq!(newest(&spilled).await, expected);
    assert_eq!(newest(&held).await, expected);
    assert_eq!((remembered(&small).await, remembered(&large).await), (notes, notes));
    check_changes(&spilled, COLUMNS.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_histories_need_not_fit_in_memory() {
    let setting = setting_with(400_000);
    let table = setting.table(COLUMNS, &[]).await;
    let mut model = Model::new(false);
    let names = ["a", "b", "c"];
    let old: Vec<Event> =
        (0..9_000_i64).map(|number| Event { pos: number, ..event(number % 150, number, names[(number / 150 % 3) as usize]) }).collect();
    // The events of all keys fit, but not what they meet.
    let late: Vec<Event> = (0..150_i64).map(|id| Event { pos: 10_000 + id, ..event(id, 75, "z") }).collect();
    for part in [&old, &late] {
        record(&table, part).await;
        model.take(part);
        let (expected, notes) = model.table();
        assert_eq!((newest(&table).await, remembered(&setting).await), (expected, notes));
    }
    check_changes(&table, COLUMNS.len()).await;
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let name = prop::sample::select(vec![None, Some("a"), Some("a"), Some("b")]);
    let city = prop::sample::select(vec![None, Some("rome"), Some("oslo")]);
    let event = (0..3_i64, 0..24_i64, name, city, prop::bool::weighted(0.2));
    let event = event.prop_map(|(id, seq, name, city, gone)| Event { id, seq, name, city, pos: 0, gone });
    let number = |events: Vec<Event>| (0..).zip(events).map(|(pos, event)| Event { pos, ..event }).collect();
    prop::collection::vec(event, 1..50).prop_map(number)
}

fn without_ties(events: &[Event]) -> Vec<Event> {
    let mut known = std::collections::BTreeSet::new();
    events.iter().filter(|event| known.insert((event.id, event.seq))).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Shuffled and cut in any way, down to one event at a time, in memory or over the disk: rows, changes and memory are those of the model.
    #[test]
    fn any_order_and_any_cut_make_the_same_history(
        events in any_events().prop_map(|events| without_ties(&events)).prop_shuffle(),
        cuts in prop::collection::vec(1..9_usize, 1..50), memory in prop::sample::select(vec![0_usize, 3000, 1 << 20]), flags in 0..8_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let columns = if flags & 1 == 0 { sequenced() } else { COLUMNS.to_vec() };
            let setting = setting_with(memory);
            let table = setting.table(&columns, &[]).await;
            let mut model = Model::new(flags & 1 == 0);
            let (mut rest, mut cuts) = (events.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let rows = if flags & 2 == 0 { 1 } else { *cuts.next().unwrap() };
                let part;
                (part, rest) = rest.split_at(rows.min(rest.len()));
                record(&table, part).await;
                model.take(part);
                let (expected, notes) = model.table();
                prop_assert_eq!(newest(&table).await, expected);
                prop_assert_eq!(remembered(&setting).await, notes);
            }
            check_changes(&table, columns.len()).await;
            if flags & 4 == 0 {
                table.rebuild_history(rows(&events), &spec(), None, None, &facts).await.unwrap();
                let (expected, notes) = model.table();
                prop_assert_eq!(newest(&table).await, expected);
                prop_assert_eq!(remembered(&setting).await, notes);
            }
            Ok(())
        })?;
    }

    /// With ties, in the order of their arrival: however it is cut.
    #[test]
    fn any_cut_makes_the_same_history(events in any_events(), cuts in prop::collection::vec(1..9_usize, 1..50), keeps_sequence in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let columns = if keeps_sequence { sequenced() } else { COLUMNS.to_vec() };
            let setting = setting();
            let table = setting.table(&columns, &[]).await;
            let mut model = Model::new(keeps_sequence);
            model.take(&events);
            let (mut rest, mut cuts) = (events.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let part;
                (part, rest) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                record(&table, part).await;
            }
            let (expected, notes) = model.table();
            prop_assert_eq!(newest(&table).await, expected);
            prop_assert_eq!(remembered(&setting).await, notes);
            Ok(())
        })?;
    }
}
