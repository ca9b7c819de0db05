//! Appends: tokens, crashes between files and commit, writers side by side, versions and their own columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};

use super::setting::*;
use crate::delta::{Facts, WriterOptions};
use crate::error::Code;

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_and_versions_stay() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    assert_eq!(newest(&table).await, Vec::<String>::new());
    assert_eq!(append(&table, &[(1, "a"), (2, "b")]).await.version, 1);
    assert_eq!(append(&table, &[(3, "c")]).await.version, 2);
    assert_eq!(newest(&table).await, ["1 a", "2 b", "3 c"]);
    assert_eq!(lines(table.scan(Some(1)).await.unwrap()).await, ["1 a", "2 b"]);
    let elsewhere = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(newest(&elsewhere).await, ["1 a", "2 b", "3 c"]);
    let again = setting.lake.create("shop/orders", &schema(PAIRS), &[], &facts()).await.unwrap_err();
    assert_eq!(again.code(), Code::DuplicateTable);
    assert_eq!(setting.lake.table("shop/none").await.unwrap_err().code(), Code::UndefinedTable);
    assert_eq!(setting.lake.table("../etc").await.unwrap_err().code(), Code::InvalidParameter);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_applied_once() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    let mut facts = Facts { run_id: Some(uuid::Uuid::now_v7()), ..facts() };
    facts.extra = BTreeMap::from([("range".to_owned(), "1..7".to_owned())]);
    let first = table.append(vec![write(&table, pairs(&[(1, "a")])).await], Some(&token(1)), &facts).await.unwrap();
    assert!(!first.repeated);
    let files = data_files(&setting);
    let other = Facts::default();
    let second = table.append(vec![write(&table, pairs(&[(1, "a")])).await], Some(&token(1)), &other).await.unwrap();
    assert!(second.repeated);
    assert_eq!((second.version, second.rows, &second.facts), (first.version, first.rows, &facts));
    assert_eq!(data_files(&setting), files, "the files of a repeated batch are removed");
    // A process that starts anew finds the same in the log.
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(table.applied("pipeline/out").await.unwrap(), Some(1));
    assert_eq!(table.applied("pipeline/other").await.unwrap(), None);
    let third = table.append(vec![write(&table, pairs(&[(1, "a")])).await], Some(&token(1)), &other).await.unwrap();
    assert_eq!((third.repeated, third.version, third.rows, third.facts), (true, 1, first.rows, facts));
    // A batch without rows is known too.
    assert_eq!(table.append(vec![], Some(&token(2)), &other).await.unwrap().version, 2);
    assert!(table.append(vec![], Some(&token(2)), &other).await.unwrap().repeated);
    assert_eq!(newest(&table).await, ["1 a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_commit_are_harmless() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    let before = data_files(&setting);
    // A crash leaves the files behind, because nobody gets to drop them.
    let _never_dropped = std::mem::ManuallyDrop::new(write(&table, pairs(&[(9, "lost")])).await);
    assert_eq!(data_files(&setting), before + 1);
    // So does a commit that never got its name.
    std::fs::write(setting.path("_delta_log/00000000000000000002.json#77"), "{\"add\":").unwrap();
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(newest(&table).await, ["1 a"]);
    append(&table, &[(2, "b")]).await;
    assert_eq!(newest(&table).await, ["1 a", "2 b"]);
    // A creation that broke off does not stand in the way of the next.
    std::fs::create_dir_all(setting.folder.path().join("shop/half/_delta_log")).unwrap();
    assert_eq!(setting.lake.table("shop/half").await.unwrap_err().code(), Code::UndefinedTable);
    setting.lake.create("shop/half", &schema(PAIRS), &[], &facts()).await.unwrap();
    // An abandoned writer cleans up after itself.
    let count = data_files(&setting);
    let mut writer = table.writer(WriterOptions::default()).await.unwrap();
    writer.write(pairs(&[(9, "lost")])).await.unwrap();
    drop(writer);
    assert_eq!(data_files(&setting), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_side_by_side_all_land() {
    let setting = setting();
    setting.table(PAIRS, &[]).await;
    let mut tasks = Vec::new();
    for worker in 0..4_i64 {
        // Two of the writers share a process, the others are strangers.
        let lake = if worker < 2 { setting.lake.clone() } else { setting.elsewhere() };
        tasks.push(tokio::spawn(async move {
            let table = lake.table("shop/orders").await.unwrap();
            for step in 0..12 {
                append(&table, &[(worker * 100 + step, "x")]).await;
            }
            lake.close().await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(table.version().await.unwrap(), 48);
    assert_eq!(newest(&table).await.len(), 48);
    let has_checkpoint = std::fs::read_dir(setting.path("_delta_log"))
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().contains("checkpoint.parquet"));
    assert!(has_checkpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_keeps_its_own_columns() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    let add = [Field::new("price", DataType::Float64, true), Field::new("id", DataType::Int64, true)];
    assert_eq!(table.evolve(&add, &facts()).await.unwrap().unwrap().version, 2);
    assert_eq!(table.evolve(&add, &facts()).await.unwrap(), None);
    append(&table, &[(2, "b")]).await;
    assert_eq!(newest(&table).await, ["1 a -", "2 b -"]);
    assert_eq!(lines(table.scan(Some(1)).await.unwrap()).await, ["1 a"]);
    let clash = table.evolve(&[Field::new("name", DataType::Int64, true)], &facts()).await.unwrap_err();
    assert_eq!(clash.code(), Code::WrongType);
    let missing = table.scan(Some(99)).await.unwrap_err();
    assert_eq!(missing.code(), Code::InvalidParameter);
    assert_eq!(missing.detail_text(), Some("Versions 0 to 3 are kept."));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_must_fit_the_table() {
    let setting = setting();
    let columns =
        Arc::new(arrow::datatypes::Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]));
    let table = setting.lake.create("shop/strict", &columns, &[], &facts()).await.unwrap();
    let mut writer = table.writer(WriterOptions::default()).await.unwrap();
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let error = writer.write(RecordBatch::try_from_iter([("id", nulls)]).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotNullViolated);
    let extra: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let error = writer.write(RecordBatch::try_from_iter([("colour", extra)]).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::UndefinedColumn);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_split_and_found() {
    let setting = setting();
    let table = setting.table(PAIRS, &["name"]).await;
    append(&table, &[(1, "a"), (2, "b / ü"), (3, "a")]).await;
    append(&table, &[(4, "")]).await;
    assert_eq!(newest(&table).await, ["1 a", "2 b / ü", "3 a", "4 -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_find_their_version() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    for step in 1..=30 {
        setting.clock.advance_to(START + step * 1_000_000 + 7);
        append(&table, &[(step, "x")]).await;
    }
    assert_eq!(table.version_at(START).await.unwrap(), 0);
    assert_eq!(table.version_at(START + 9_000_006).await.unwrap(), 8);
    assert_eq!(table.version_at(START + 9_000_007).await.unwrap(), 9);
    setting.clock.advance_to(START + 60_000_000);
    assert_eq!(table.version_at(START + 59_000_000).await.unwrap(), 30);
    let early = table.version_at(START - 1).await.unwrap_err();
    assert_eq!(early.code(), Code::InvalidParameter);
    assert_eq!(early.detail_text(), Some("The oldest kept version is 0 of 2026-01-01 00:00:00.000000+00."));
    assert_eq!(table.version_at(START + 61_000_000).await.unwrap_err().code(), Code::InvalidParameter);
    let history = table.history(Some(2)).await.unwrap();
    assert_eq!(history.iter().map(|entry| entry.version).collect::<Vec<_>>(), [30, 29]);
    assert_eq!((history[0].operation.as_str(), history[0].user.as_deref()), ("WRITE", Some("ana")));
    assert_eq!(history[0].timestamp, START + 30_000_007);
    assert_eq!(table.history(None).await.unwrap().len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_is_gone() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    append(&table, &[(1, "a")]).await;
    setting.lake.drop_table("shop/orders").await.unwrap();
    assert!(!setting.path("").exists());
    assert_eq!(table.append(vec![], Some(&token(1)), &facts()).await.unwrap_err().code(), Code::UndefinedTable);
    assert_eq!(setting.lake.table("shop/orders").await.unwrap_err().code(), Code::UndefinedTable);
    let table = setting.table(PAIRS, &[]).await;
    assert_eq!(newest(&table).await, Vec::<String>::new());
}
