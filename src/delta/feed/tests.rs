//! The feed of a table: in order, without what changes no row, and never silently less than it should be.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::TableReference;
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::SessionContext;

use super::*;
use crate::delta::compact::Effort;
use crate::delta::tests::setting::*;
use crate::delta::{Matching, Sweep, Token, UpsertSpec, schema as types};

const MOST: Most = Most { versions: 100, bytes: u64::MAX };

/// Each row of the pieces, as version, change and values.
fn told(pieces: &[Piece], columns: &SchemaRef) -> Vec<String> {
    let mut lines = Vec::new();
    for piece in pieces {
        for batch in piece.read(columns).unwrap() {
            let (rows, changes) = batch.unwrap();
            let changes = changes.as_string::<i32>();
            let texts: Vec<_> = rows.columns().iter().map(|column| types::cast(column, &DataType::Utf8, "text").unwrap()).collect();
            for row in 0..rows.num_rows() {
                let mut line = format!("{} {}", piece.version, changes.value(row));
                for text in &texts {
                    let text = text.as_string::<i32>();
                    line.push_str(if text.is_null(row) { " -" } else { " " });
                    line.push_str(if text.is_null(row) { "" } else { text.value(row) });
                }
                lines.push(line);
            }
        }
    }
    lines
}

async fn update(table: &Table, id: i64, column: &str, value: datafusion::logical_expr::Expr) {
    let context = SessionContext::new();
    let key = ["id".to_owned()];
    let rows = Matching {
        session: &context.state(),
        relation: TableReference::bare("orders"),
        predicate: Some(col("orders.id").eq(lit(id))),
        key: &key,
    };
    table.update(&[(column.to_owned(), value)], &rows, None, &facts()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_version_took_away_comes_before_what_it_brought() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let spec = UpsertSpec { key: vec!["id".into()], sequence: None, delete: Some("gone".into()), ignore_null_updates: false };
    let mut batch: Vec<_> = pairs(&[(1, "A"), (2, "x"), (4, "d")]).columns().to_vec();
    batch.push(Arc::new(BooleanArray::from(vec![false, true, false])));
    let fields = [("id", DataType::Int64), ("name", DataType::Utf8), ("gone", DataType::Boolean)];
    let batch = RecordBatch::try_new(schema(&fields), batch).unwrap();
    let stream = datafusion::physical_plan::memory::MemoryStream::try_new(vec![batch.clone()], batch.schema(), None).unwrap();
    table.upsert(Box::pin(stream), &spec, Some(&Token { app_id: "a".into(), batch: 1 }), &|| facts()).await.unwrap();
    update(&table, 3, "name", lit("C")).await;
    // Another key: gone and come.
    update(&table, 3, "id", lit(1_i64)).await;
    let pieces = table.changes_between(1, 4).await.unwrap();
    assert_eq!(
        told(&pieces, &table.schema()),
        ["2 delete 2 b", "2 insert 4 d", "2 update_postimage 1 A", "3 update_postimage 3 C", "4 delete 3 C", "4 insert 1 C"]
    );
    let only = schema(&[("name", DataType::Utf8)]);
    assert_eq!(told(&table.pieces_of(1).await.unwrap(), &only), ["1 insert a", "1 insert b", "1 insert c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_no_row_is_passed_over_and_a_part_ends_where_it_is_told() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    assert_eq!(table.ahead(0, MOST).await.unwrap(), Ahead::Nothing);
    assert_eq!(table.ahead(-1, MOST).await.unwrap(), Ahead::Quiet(0));
    for id in 1..=3 {
        append(&table, &[(id, "a")]).await;
    }
    table.compact(Effort::All, &facts()).await.unwrap();
    table.append(Vec::new(), Some(&token(1)), &facts()).await.unwrap();
    assert_eq!(table.ahead(3, MOST).await.unwrap(), Ahead::Quiet(5));
    assert_eq!(table.ahead(0, MOST).await.unwrap(), Ahead::Rows(5));
    assert_eq!(table.ahead(0, Most { versions: 1, bytes: u64::MAX }).await.unwrap(), Ahead::Rows(1));
    assert_eq!(table.ahead(1, Most { versions: 2, bytes: u64::MAX }).await.unwrap(), Ahead::Rows(5));
    // A single version may be more than the limit.
    assert_eq!(table.ahead(0, Most { versions: 100, bytes: 1 }).await.unwrap(), Ahead::Rows(1));
    assert_eq!(told(&table.changes_between(0, 5).await.unwrap(), &table.schema()), ["1 insert 1 a", "2 insert 2 a", "3 insert 3 a"]);
    assert_eq!(table.first_change_behind(3).await.unwrap(), None);
    // Going back is the difference.
    table.restore(1, &facts()).await.unwrap();
    let mut back = told(&table.changes_between(5, 6).await.unwrap(), &schema(&[("id", DataType::Int64)]));
    back.sort();
    assert_eq!(back.last().unwrap(), "6 insert 1");
    assert!(back.contains(&"6 delete 3".to_owned()), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_lack_new_columns() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    update(&table, 1, "name", lit("b")).await;
    table.evolve(&[Field::new("more", DataType::Int64, true)], &facts()).await.unwrap();
    append(&table, &[(2, "c")]).await;
    let all = told(&table.changes_between(0, 4).await.unwrap(), &table.schema());
    assert_eq!(all, ["1 insert 1 a -", "2 update_postimage 1 b -", "4 insert 2 c -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_was_never_recorded_is_an_error() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    update(&table, 1, "name", lit("b")).await;
    update(&table, 1, "name", lit("c")).await;
    // Files carry the time of the machine, which is later than that of the test.
    setting.clock.advance_to(START + 50 * 365 * 24 * 60 * 60 * 1_000_000);
    table.vacuum(Some(0), Sweep::Remove).await.unwrap();
    for error in [table.changes_between(0, 3).await.unwrap_err(), table.changes_between(1, 3).await.unwrap_err()] {
        assert_eq!(error.code(), Code::WrongState);
        assert!(error.message().ends_with("is no longer kept"), "{error:?}");
        assert!(error.detail_text().unwrap().starts_with("The oldest version that is kept is 3;"), "{error:?}");
    }
    assert_eq!(table.changes_between(3, 3).await.unwrap().len(), 0);

    let mut metadata = table.known().metadata.as_ref().clone();
    metadata.configuration.remove("delta.enableChangeDataFeed");
    let set = |metadata| crate::delta::commit::Draft {
        actions: vec![crate::delta::log::Action::MetaData(metadata)],
        ..crate::delta::commit::Draft::new("SET TBLPROPERTIES", Box::leak(Box::new(facts())))
    };
    table.commit(set(metadata.clone())).await.unwrap();
    append(&table, &[(2, "a")]).await;
    metadata.configuration.insert("delta.enableChangeDataFeed".into(), "true".into());
    table.commit(set(metadata)).await.unwrap();
    append(&table, &[(3, "a")]).await;
    let error = table.ahead(3, MOST).await.unwrap_err();
    assert_eq!((error.code(), error.detail_text()), (Code::WrongState, Some("It records them since version 6.")));
    assert_eq!(table.changes_between(3, 7).await.unwrap_err().code(), Code::WrongState);
    assert_eq!(table.ahead(5, MOST).await.unwrap(), Ahead::Rows(7));
}
