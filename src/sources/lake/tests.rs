//! Positions: of which table, and never one that is passed over in silence.

use futures::TryStreamExt;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::delta::{Facts, Lake, Scratch, WriterOptions};

const ALL: BatchLimit = BatchLimit { files: usize::MAX, bytes: u64::MAX };

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

async fn append(table: &Table, ids: &[i64]) {
    let rows = RecordBatch::try_new(columns(), vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap();
    let mut writer = table.writer(WriterOptions::default()).await.unwrap();
    writer.write(rows).await.unwrap();
    let written = writer.finish().await.unwrap();
    table.append(vec![written], None, &Facts::default()).await.unwrap();
}

async fn ids(source: &LakeTable, from: Option<Position>, to: Position, partitions: usize) -> Vec<i64> {
    let request = ScanRequest { provenance: true, rejects: Some(RejectSink::default()), ordered: partitions == 1, partitions };
    let table = source.scan(Some(Range { from, to }), request).await.unwrap();
    let context = datafusion::prelude::SessionContext::new();
    let plan = table.scan(&context.state(), Some(&vec![0]), &[], None).await.unwrap();
    let rows = datafusion::physical_plan::execute_stream(plan, context.task_ctx()).unwrap();
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let mut ids: Vec<i64> = batches
        .iter()
        .flat_map(|batch| arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).values().to_vec())
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_belongs_to_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = Scratch::of(folder.path().join("spill"), 1 << 30);
    let lake = Lake::open(folder.path().to_str().unwrap(), scratch, Clock::test(1_767_225_600_000_000)).unwrap();
    let open = async || {
        let table = lake.create("shop/t", &columns(), &[], &Facts::default()).await.unwrap();
        (LakeTable::open("shop.t".to_owned(), Arc::clone(&table), columns()).unwrap(), table)
    };
    let (source, table) = open().await;
    assert_eq!(source.next(None, &ALL).await.unwrap(), None, "nothing was ever put into it");
    append(&table, &[1, 2]).await;
    let first = source.next(None, &ALL).await.unwrap().unwrap();
    assert_eq!(first.get("version"), Some(&json!(1)));
    assert_eq!(ids(&source, None, first.clone(), 1).await, [1, 2]);
    assert_eq!(source.next(Some(&first), &ALL).await.unwrap(), None);
    append(&table, &[3]).await;
    let second = source.next(Some(&first), &ALL).await.unwrap().unwrap();
    append(&table, &[4]).await;
    // What was frozen stays what it is, whatever comes behind it, in any number of partitions.
    for partitions in [1, 4] {
        assert_eq!(ids(&source, Some(first.clone()), second.clone(), partitions).await, [3]);
        assert_eq!(ids(&source, None, second.clone(), partitions).await, [1, 2, 3]);
    }
    let earliest = source.position_at(&StartPoint::Earliest).await.unwrap().unwrap();
    assert_eq!(earliest.get("version"), None);
    assert_eq!(source.next(Some(&earliest), &ALL).await.unwrap().unwrap().get("version"), Some(&json!(3)));

    // Another table at its place is another table, although its versions have the same numbers.
    lake.drop_table("shop/t").await.unwrap();
    let (source, table) = open().await;
    for id in 5..8 {
        append(&table, &[id]).await;
    }
    for refused in [
        source.next(Some(&second), &ALL).await.unwrap_err(),
        source.oldest_unread(Some(&second)).await.unwrap_err(),
        source.scan(Some(Range { from: Some(first), to: second.clone() }), ScanRequest::default()).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::WrongState);
        assert_eq!(refused.message(), "table \"shop.t\" is not the one that was read before");
        assert!(refused.hint_text().unwrap().contains("RESET OFFSETS FOR shop.t TO EARLIEST"), "{refused:?}");
    }
    // One that was put back from a copy is older than what was read of it.
    let newer = json!({ "table": table.identity(), "version": 9 });
    assert_eq!(source.next(Some(&newer), &ALL).await.unwrap_err().code(), Code::WrongState);
}
