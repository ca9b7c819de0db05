//! Whatever happens between the copy and the commit, no row is lost and no writer is turned away.

use datafusion::common::TableReference;
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::SessionContext;

use super::*;
use crate::delta::tests::setting::*;
use crate::delta::{Matching, RestsOn, UpsertSpec};

const TARGET: usize = 128 << 20;

async fn filled(setting: &Setting) -> std::sync::Arc<Table> {
    let table = setting.table(PAIRS, &[]).await;
    for id in 0..12 {
        append(&table, &[(id, "a"), (id + 100, "b")]).await;
    }
    table
}

async fn files(table: &Table) -> usize {
    table.live_files(&table.snapshot().await.unwrap()).await.unwrap().len()
}

/// The copies of all files, as they are before the commit.
async fn copied(table: &Table) -> (Vec<Bin>, Version) {
    let loaded = table.loaded().await.unwrap();
    let snapshot = loaded.snapshot().unwrap().snapshot();
    let mut bins = Vec::new();
    for sources in choose(table.live_files(snapshot).await.unwrap(), Effort::All, TARGET) {
        let options = WriterOptions::default();
        bins.push(table.copy(sources, &options, &table.schema(), &CancellationToken::new()).await.unwrap());
    }
    (bins, snapshot.version())
}

async fn upsert(table: &Table, rows: &[(i64, &str)]) {
    let rows = pairs(rows);
    let spec = UpsertSpec { key: vec!["id".into()], sequence: None, delete: None, ignore_null_updates: false };
    let input = futures::stream::iter([Ok(rows.clone())]);
    let input = Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(rows.schema(), input));
    table.upsert(input, &spec, None, &facts).await.unwrap();
}

async fn delete(table: &Table, id: i64) -> Result<Committed> {
    let context = SessionContext::new();
    let relation = TableReference::bare("orders");
    let predicate = Some(col("orders.id").eq(lit(id)));
    table.delete(&Matching { session: &context.state(), relation, predicate, key: &[] }, None, &facts()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_become_one_and_no_row_changes() {
    let setting = setting();
    let table = filled(&setting).await;
    let before = newest(&table).await;
    let done = table.compact(Effort::All, &facts()).await.unwrap();
    assert_eq!((done.files_before, done.files_after, files(&table).await), (12, 1, 1));
    let version = done.committed.unwrap().version;
    assert_eq!((version, newest(&table).await), (13, before.clone()));
    assert_eq!(lines(table.changes(version, None).await.unwrap()).await, Vec::<String>::new());
    assert_eq!(lines(table.scan(Some(12)).await.unwrap()).await, before);
    assert_eq!(newest(&setting.elsewhere().table("shop/orders").await.unwrap()).await, before);
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_none());
    assert_eq!(table.history(Some(1)).await.unwrap()[0].operation, "OPTIMIZE");
    // What is added later is found by its key, and so is what was moved.
    upsert(&table, &[(3, "new"), (500, "c")]).await;
    assert_eq!(newest(&table).await.len(), 25);
    assert!(newest(&table).await.contains(&"3 new".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_is_for_itself() {
    let setting = setting();
    let table = setting.table(PAIRS, &["name"]).await;
    for id in 0..6 {
        append(&table, &[(id, "a"), (id + 100, ""), (id + 200, "b / ü")]).await;
    }
    let before = newest(&table).await;
    let done = table.compact(Effort::All, &facts()).await.unwrap();
    assert_eq!((done.files_before, done.files_after), (18, 3));
    assert_eq!(newest(&table).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_pays_is_copied() {
    let sizes = |files: &[LiveFile]| files.len();
    // Files of a keyed table are smaller, however large the table is.
    assert_eq!([0, 1 << 30, 1 << 40].map(keyed_file_bytes), [8 << 20, 16 << 20, 128 << 20]);
    let setting = setting();
    let table = filled(&setting).await;
    let all = || async { table.live_files(&table.snapshot().await.unwrap()).await.unwrap() };
    assert_eq!(choose(all().await, Effort::Worthwhile(13), TARGET).len(), 0);
    assert_eq!(choose(all().await, Effort::Worthwhile(12), TARGET).iter().map(|group| sizes(group)).collect::<Vec<_>>(), [12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn added_rows_stay_beside_what_was_copied() {
    let setting = setting();
    let table = filled(&setting).await;
    let stranger = setting.elsewhere().table("shop/orders").await.unwrap();
    let (bins, version) = copied(&table).await;
    append(&table, &[(900, "x")]).await;
    append(&stranger, &[(901, "y")]).await;
    let done = table.swap(bins, version, &facts()).await.unwrap();
    assert_eq!((done.files_before, files(&table).await), (12, 3));
    assert_eq!(newest(&table).await.len(), 26);
    assert_eq!(newest(&stranger).await, newest(&table).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_not_put_back() {
    for by_stranger in [false, true] {
        for change in 0..4 {
            let setting = setting();
            let table = filled(&setting).await;
            let writer = if by_stranger { setting.elsewhere().table("shop/orders").await.unwrap() } else { table.clone() };
            let (bins, version) = copied(&table).await;
            match change {
                0 => drop(delete(&writer, 3).await.unwrap()),
                1 => upsert(&writer, &[(3, "new"), (700, "x")]).await,
                2 => drop(writer.restore(2, &facts()).await.unwrap()),
                _ => drop(
                    writer
                        .evolve(&[arrow::datatypes::Field::new("more", arrow::datatypes::DataType::Int64, true)], &facts())
                        .await
                        .unwrap(),
                ),
            }
            let after = newest(&writer).await;
            let count = data_files(&setting);
            assert!(table.swap(bins, version, &facts()).await.unwrap().committed.is_none(), "change {change}");
            assert_eq!(newest(&table).await, after);
            assert_eq!(data_files(&setting), count - 1, "the copy is removed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_is_not_turned_away() {
    let setting = setting();
    let table = filled(&setting).await;
    let context = SessionContext::new();
    let matching = |id: i64| Matching {
        session: Box::leak(Box::new(context.state())),
        relation: TableReference::bare("orders"),
        predicate: Some(col("orders.id").eq(lit(id))),
        key: &[],
    };
    // It has looked at the table and changes its rows only after the files were put together.
    let mut late = table.stage(12).await.unwrap();
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_some());
    assert_eq!(late.delete(&matching(3)).await.unwrap(), 1);
    append_beside(&mut late, &table).await;
    // Now it rests on files: those stay.
    for id in 50..53 {
        append(&setting.elsewhere().table("shop/orders").await.unwrap(), &[(id, "z")]).await;
    }
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_none());
    // Rows that others added stand in the way of a deletion, as ever.
    assert_eq!(late.commit(&facts()).await.unwrap_err().code(), Code::Conflict);
    let mut again = table.stage(table.version().await.unwrap()).await.unwrap();
    assert_eq!(again.delete(&matching(3)).await.unwrap(), 1);
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_none());
    again.commit(&facts()).await.unwrap().unwrap();
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_some());
    assert_eq!(newest(&table).await.len(), 26);
    // One that only rests on what the rows are commits behind a compaction.
    append(&table, &[(60, "q")]).await;
    let mut checked = table.stage(table.version().await.unwrap()).await.unwrap();
    checked.append(write(&table, pairs(&[(61, "r")])).await, RestsOn::Rows);
    assert!(table.compact(Effort::All, &facts()).await.unwrap().committed.is_some());
    checked.commit(&facts()).await.unwrap().unwrap();
    assert_eq!(newest(&table).await.len(), 28);
}

async fn append_beside(staged: &mut crate::delta::Staged, table: &Table) {
    staged.append(write(table, pairs(&[(800, "own")])).await, RestsOn::Columns);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_compactions_side_by_side() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let compacting = {
        let (table, done) = (table.clone(), done.clone());
        tokio::spawn(async move {
            let mut commits = 0;
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                commits += usize::from(table.compact(Effort::All, &facts()).await.unwrap().committed.is_some());
            }
            commits
        })
    };
    let mut model = std::collections::BTreeMap::new();
    for step in 0..40_i64 {
        match step % 4 {
            0 | 1 => {
                append(&table, &[(step, "added"), (step + 1000, "added")]).await;
                model.extend([(step, "added"), (step + 1000, "added")]);
            }
            2 => {
                upsert(&table, &[(step - 1, "changed"), (step + 2000, "new")]).await;
                model.extend([(step - 1, "changed"), (step + 2000, "new")]);
            }
            _ => {
                // In one process a writer never hears of a compaction.
                delete(&table, step - 3).await.unwrap();
                model.remove(&(step - 3));
            }
        }
    }
    done.store(true, std::sync::atomic::Ordering::Release);
    assert!(compacting.await.unwrap() > 0);
    let mut expected: Vec<String> = model.iter().map(|(id, name)| format!("{id} {name}")).collect();
    expected.sort();
    assert_eq!(newest(&table).await, expected);
    assert_eq!(newest(&setting.elsewhere().table("shop/orders").await.unwrap()).await, expected);
}
