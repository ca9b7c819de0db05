//! The coarse answers must never miss, and what is spread must come back whole and in order.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use proptest::prelude::*;
use serde_json::json;

use super::scatter::{Scatter, Side, splitters};
use super::shape::Shape;
use super::sieve::{Bounds, Filter};
use crate::delta::files::FileStats;
use crate::delta::{Scratch, UpsertSpec};

fn shape() -> Arc<Shape> {
    let table = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("arrival", DataType::Int64, true),
    ]));
    let spec = UpsertSpec { key: vec!["id".into(), "name".into()], sequence: None, delete: None, ignore_null_updates: false };
    Arc::new(Shape::new(&table, &spec, &table).unwrap())
}

fn batch(shape: &Shape, rows: &[(i64, String)], first: usize) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1))),
        Arc::new(Int64Array::from_iter_values((first..first + rows.len()).map(|number| number as i64))),
    ];
    RecordBatch::try_new(shape.events.clone(), columns).unwrap()
}

fn stats(low: &(i64, String), high: &(i64, String)) -> FileStats {
    let (first, last) = (low.1.clone().min(high.1.clone()), low.1.clone().max(high.1.clone()));
    let (low, high) = (low.0.min(high.0), low.0.max(high.0));
    FileStats::of(json!({"minValues": {"id": low, "name": first}, "maxValues": {"id": high, "name": last}}))
}

#[test]
fn a_file_between_the_keys_is_not_read() {
    let shape = shape();
    let mut bounds = Bounds::of(&shape, &[batch(&shape, &[(1, "b".into()), (9, "b".into())], 0)]).unwrap();
    let may_hold = |bounds: &Bounds, low: (i64, &str), high: (i64, &str)| {
        bounds.may_hold(&stats(&(low.0, low.1.to_owned()), &(high.0, high.1.to_owned())))
    };
    assert!(may_hold(&bounds, (0, "a"), (1, "c")));
    assert!(!may_hold(&bounds, (2, "a"), (8, "c")));
    assert!(!may_hold(&bounds, (0, "c"), (9, "d")));
    bounds.join(Bounds::of(&shape, &[batch(&shape, &[(5, "x".into())], 0)]).unwrap());
    assert!(may_hold(&bounds, (2, "a"), (8, "c")));
    assert!(!may_hold(&bounds, (2, "a"), (4, "c")));
    assert!(may_hold(&bounds, (9, "m"), (12, "x")));
}

#[test]
fn more_values_than_ranges_still_enclose() {
    let shape = shape();
    let rows: Vec<(i64, String)> = (0..60_000).map(|id| (id * 3, String::new())).collect();
    let mut bounds = Bounds::of(&shape, &[batch(&shape, &rows[..30_000], 0)]).unwrap();
    bounds.join(Bounds::of(&shape, &[batch(&shape, &rows[30_000..], 0)]).unwrap());
    for row in rows.iter().step_by(7) {
        assert!(bounds.may_hold(&stats(row, row)));
    }
    assert!(!bounds.may_hold(&stats(&(-5, String::new()), &(-1, String::new()))));
    assert!(!bounds.may_hold(&stats(&(180_000, String::new()), &(190_000, String::new()))));
}

#[test]
fn a_filter_lets_few_strangers_through() {
    let mut filter = Filter::new();
    let key = |number: u64| number.to_be_bytes();
    (0..1_000_000).for_each(|number| filter.enter(&key(number)));
    assert!((0..1_000_000).all(|number| filter.may_hold(&key(number))));
    let strangers = (1_000_000..2_000_000).filter(|number| filter.may_hold(&key(*number))).count();
    assert!(strangers < 1_000, "{strangers}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn bounds_never_miss_a_key(
        parts in prop::collection::vec(prop::collection::vec((-50..50_i64, "[a-c]{0,2}"), 1..20), 1..5),
        low in (-50..50_i64, "[a-c]{0,2}"), high in (-50..50_i64, "[a-c]{0,2}"),
    ) {
        let shape = shape();
        let mut bounds: Option<Bounds> = None;
        for rows in &parts {
            let more = Bounds::of(&shape, &[batch(&shape, rows, 0)]).unwrap();
            match &mut bounds {
                Some(bounds) => bounds.join(more),
                None => bounds = Some(more),
            }
        }
        let (first, last) = (low.1.clone().min(high.1.clone()), low.1.clone().max(high.1.clone()));
        let is_inside = |row: &(i64, String)| (low.0.min(high.0)..=low.0.max(high.0)).contains(&row.0) && (&first..=&last).contains(&&row.1);
        if parts.iter().flatten().any(is_inside) {
            prop_assert!(bounds.unwrap().may_hold(&stats(&low, &high)));
        }
    }

    #[test]
    fn what_is_scattered_comes_back_in_order(rows in prop::collection::vec((0..30_i64, "[a-b]{0,1}"), 1..300), size in 1..50_usize, memory in 0..5000_usize) {
        let shape = shape();
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch { folder: folder.path().join("spill"), memory_bytes: memory };
        let batches: Vec<RecordBatch> = rows.chunks(size).enumerate().map(|(number, rows)| batch(&shape, rows, number * size)).collect();
        let cuts = splitters(&shape, &batches[..1]).unwrap();
        let mut scatter = Scatter::new(shape.clone(), Side::Events, cuts, &scratch).unwrap();
        batches.into_iter().for_each(|batch| scatter.push(batch).unwrap());
        let scattered = scatter.finish().unwrap();
        let mut before: Option<Box<[u8]>> = None;
        let mut seen = vec![false; rows.len()];
        for range in &scattered.ranges {
            let mut arrival = -1;
            let mut highest = before.clone();
            for batch in scattered.read(range) {
                let batch = batch.unwrap();
                for (key, number) in shape.keys(&batch).unwrap().iter().zip(batch.column(2).as_primitive::<Int64Type>().values()) {
                    prop_assert!(*number > arrival, "rows of a range keep their order");
                    arrival = *number;
                    prop_assert!(before.as_ref().is_none_or(|before| key.data() > before.as_ref()), "ranges do not overlap");
                    highest = highest.max(Some(key.data().into()));
                    seen[usize::try_from(*number).unwrap()] = true;
                }
            }
            before = highest;
        }
        prop_assert!(seen.iter().all(|seen| *seen));
        prop_assert_eq!(scattered.ranges.iter().map(|range| range.rows).sum::<u64>(), rows.len() as u64);
    }
}
