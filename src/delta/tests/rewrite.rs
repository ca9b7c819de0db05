//! Deletes, updates, replacement and restoring.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::TableReference;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::{SessionContext, col, lit};

use super::setting::*;
use crate::delta::{Matching, Table, WriterOptions};
use crate::error::Code;

/// The condition of a query as the planner leaves it, subqueries included.
async fn condition(context: &SessionContext, table: &Table, text: &str) -> Expr {
    context.deregister_table("orders").unwrap();
    context.register_table("orders", table.scan(None).await.unwrap()).unwrap();
    let plan = context.state().create_logical_plan(&format!("SELECT * FROM orders WHERE {text}")).await.unwrap();
    match plan.inputs()[0] {
        LogicalPlan::Filter(filter) => filter.predicate.clone(),
        other => panic!("{other}"),
    }
}

async fn delete(table: &Table, text: &str) -> crate::delta::Committed {
    let context = SessionContext::new();
    let predicate = Some(condition(&context, table, text).await);
    let rows = Matching { session: &context.state(), relation: TableReference::bare("orders"), predicate, key: &[] };
    table.delete(&rows, None, &facts()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_matching_rows_are_deleted() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a"), (2, "b"), (3, "c")]).await;
    append(&table, &[(4, "d"), (5, "e")]).await;
    assert_eq!(delete(&table, "1 = 2").await.rows.deleted, 0);
    assert_eq!(delete(&table, "name = NULL").await.rows.deleted, 0);
    assert_eq!(table.version().await.unwrap(), 2, "nothing matched, nothing was committed");
    assert_eq!(delete(&table, "id IN (SELECT id + 1 FROM orders WHERE name = 'a')").await.rows.deleted, 1);
    assert_eq!(newest(&table).await, ["1 a", "3 c", "4 d", "5 e"]);
    assert_eq!(delete(&table, "id > 3").await.rows.deleted, 2);
    assert_eq!(newest(&table).await, ["1 a", "3 c"]);
    let changes = lines(table.changes(3, None).await.unwrap()).await;
    assert_eq!(changes, ["2 b delete 3 2026-01-01T00:00:00Z", "4 d delete 4 2026-01-01T00:00:00Z", "5 e delete 4 2026-01-01T00:00:00Z"]);
    let context = SessionContext::new();
    let all = Matching { session: &context.state(), relation: TableReference::bare("orders"), predicate: None, key: &[] };
    assert_eq!(table.delete(&all, None, &facts()).await.unwrap().rows.deleted, 2);
    assert_eq!(newest(&table).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_see_the_old_values() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let context = SessionContext::new();
    let predicate = Some(condition(&context, &table, "id <> 2").await);
    let rows = Matching { session: &context.state(), relation: TableReference::bare("orders"), predicate, key: &[] };
    let assignments = [("id".to_owned(), col("id") + lit(10)), ("name".to_owned(), lit("x"))];
    assert_eq!(table.update(&assignments, &rows, None, &facts()).await.unwrap().rows.updated, 2);
    assert_eq!(newest(&table).await, ["11 x", "13 x", "2 b"]);
    assert_eq!(lines(table.changes(2, None).await.unwrap()).await.len(), 4);
    let unknown = [("colour".to_owned(), lit(1))];
    assert_eq!(table.update(&unknown, &rows, None, &facts()).await.unwrap_err().code(), Code::UndefinedColumn);
    assert_eq!(newest(&table).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn replacement_is_one_step_and_can_be_undone() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a"), (2, "b")]).await;
    let written = write(&table, pairs(&[(7, "new")])).await;
    let done = table.replace(vec![written], None, None, None, Some(&token(1)), &facts()).await.unwrap();
    assert_eq!((done.version, done.rows.inserted, done.rows.deleted), (2, 1, 2));
    assert_eq!(newest(&table).await, ["7 new"]);
    let written = write(&table, pairs(&[(8, "twice")])).await;
    assert!(table.replace(vec![written], None, None, None, Some(&token(1)), &facts()).await.unwrap().repeated);

    let columns = schema(&[("id", DataType::Utf8), ("more", DataType::Float64)]);
    let mut writer = table.writer(WriterOptions { schema: Some(columns.clone()), ..WriterOptions::default() }).await.unwrap();
    let ids: arrow::array::ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["k"]));
    writer.write(arrow::array::RecordBatch::try_from_iter([("id", ids)]).unwrap()).await.unwrap();
    let written = writer.finish().await.unwrap();
    table.replace(vec![written], None, Some(&columns), None, None, &facts()).await.unwrap();
    assert_eq!(newest(&table).await, ["k -"]);
    assert_eq!(lines(table.scan(Some(1)).await.unwrap()).await, ["1 a", "2 b"]);

    let restored = table.restore(1, &facts()).await.unwrap();
    assert_eq!((restored.version, restored.rows.inserted, restored.rows.deleted), (4, 2, 1));
    assert_eq!(newest(&table).await, ["1 a", "2 b"]);
    assert_eq!(table.schema(), schema(PAIRS));
    assert_eq!(table.restore(3, &facts()).await.unwrap().version, 5);
    assert_eq!(newest(&table).await, ["k -"]);
    assert_eq!(table.restore(77, &facts()).await.unwrap_err().code(), Code::InvalidParameter);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_can_be_replaced() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a"), (2, "b"), (3, "b")]).await;
    let context = SessionContext::new();
    let predicate = Some(condition(&context, &table, "name = 'b'").await);
    let rows = Matching { session: &context.state(), relation: TableReference::bare("orders"), predicate, key: &[] };
    let written = write(&table, pairs(&[(9, "b")])).await;
    let done = table.replace(vec![written], None, None, Some(&rows), None, &facts()).await.unwrap();
    assert_eq!((done.rows.inserted, done.rows.deleted), (1, 2));
    assert_eq!(newest(&table).await, ["1 a", "9 b"]);
    let changes = lines(table.changes(2, None).await.unwrap()).await;
    let stamp = "2 2026-01-01T00:00:00Z";
    assert_eq!(changes, [format!("2 b delete {stamp}"), format!("3 b delete {stamp}"), format!("9 b insert {stamp}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_gives_way_to_a_stranger() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    // A stranger adds a column: files written for the old ones still fit, a new description would not.
    let stranger = setting.elsewhere().table("shop/orders").await.unwrap();
    let written = write(&table, pairs(&[(2, "b")])).await;
    stranger.evolve(&[arrow::datatypes::Field::new("more", DataType::Int64, true)], &facts()).await.unwrap();
    table.append(vec![written], None, &facts()).await.unwrap();
    assert_eq!(newest(&table).await, ["1 a -", "2 b -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_match_are_not_read() {
    for partition_by in [&[][..], &["id"]] {
        let setting = setting();
        let table = setting.table(PAIRS, partition_by).await;
        for first in [10, 20, 30] {
            append(&table, &[(first, "a"), (first, "m")]).await;
        }
        // Only what is read is missed.
        let files = table.live_files(&table.snapshot().await.unwrap()).await.unwrap();
        assert_eq!(files.len(), 3);
        let away = |number: usize| files[number].data.path.with_extension("away");
        let place = |number: usize| files[number].data.path.clone();
        let of = |id: &str| {
            (0..3)
                .find(|number| {
                    files[*number].data.read(&table.schema()).unwrap().any(|batch| {
                        let shown = arrow::util::pretty::pretty_format_batches(&[batch.unwrap()]).unwrap().to_string();
                        shown.contains(id)
                    })
                })
                .unwrap()
        };
        let (low, high) = (of("10"), of("30"));
        for number in [low, high] {
            std::fs::rename(place(number), away(number)).unwrap();
        }
        assert_eq!(delete(&table, "id > 15 AND id < 25 AND name = 'm'").await.rows.deleted, 1);
        assert_eq!(delete(&table, "id = 40 OR name > 'x'").await.rows.deleted, 0);
        assert_eq!(delete(&table, "id + 1 = 21 AND id BETWEEN 16 AND 24").await.rows.deleted, 1);
        std::fs::rename(away(low), place(low)).unwrap();
        assert_eq!(delete(&table, "id <= 10").await.rows.deleted, 2);
        std::fs::rename(away(high), place(high)).unwrap();
        assert_eq!(newest(&table).await, ["30 a", "30 m"]);
    }
}
