//! Opening a table and adding to it, however long its log is: nothing reads the list of files, and no token is forgotten.

use super::setting::*;
use crate::delta::{Committed, Table};

async fn put(table: &Table, batch: i64) -> Committed {
    let written = write(table, pairs(&[(batch, "x")])).await;
    table.append(vec![written], Some(&token(batch)), &facts()).await.unwrap()
}

fn in_log(setting: &Setting, ends: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(setting.path("_delta_log")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ends)).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_opening_nor_adding_reads_the_list_of_files() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    for batch in 1..=45 {
        put(&table, batch).await;
        setting.lake.close().await;
    }
    assert!(!table.has_listed_files().await);
    assert_eq!(in_log(&setting, ".checkpoint.parquet").len(), 2);
    let hint = std::fs::read_to_string(setting.path("_delta_log/_last_checkpoint")).unwrap();
    assert!(hint.contains("\"version\":40"), "{hint}");
    let cold = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(cold.newest().await.unwrap(), (45, START));
    assert!(put(&cold, 45).await.repeated);
    assert_eq!(put(&cold, 46).await.version, 46);
    assert_eq!(lines(cold.scan(Some(7)).await.unwrap()).await.len(), 7);
    assert!(!cold.has_listed_files().await);
    assert_eq!(newest(&cold).await.len(), 46);
    assert!(cold.has_listed_files().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_behind_a_checkpoint_is_known() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    let first = put(&table, 1).await;
    for id in 0..30 {
        append(&table, &[(id, "y")]).await;
        setting.lake.close().await;
    }
    let cold = setting.elsewhere().table("shop/orders").await.unwrap();
    let again = put(&cold, 1).await;
    assert_eq!((again.repeated, again.version, again.rows), (true, first.version, first.rows));
    // Where only the checkpoint is left of it, the batch is still known as done.
    for version in 0..15 {
        std::fs::remove_file(setting.path(&format!("_delta_log/{version:020}.json"))).unwrap();
    }
    let cold = setting.elsewhere().table("shop/orders").await.unwrap();
    assert_eq!(cold.applied("pipeline/out").await.unwrap(), Some(1));
    assert!(put(&cold, 1).await.repeated);
    assert_eq!(newest(&cold).await.len(), 31);
    let error = cold.scan(Some(9)).await.unwrap_err();
    assert_eq!(error.detail_text(), Some("Versions 20 to 31 are kept."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_another_writer_commits_meanwhile_is_not_added_again() {
    let setting = setting();
    let ours = setting.table(PAIRS, &[]).await;
    put(&ours, 1).await;
    let theirs = setting.elsewhere().table("shop/orders").await.unwrap();
    for batch in 2..30 {
        // One of the two does not know yet what the other just did, and has written the rows as well.
        let (first, second) = if batch % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
        let late = write(second, pairs(&[(batch, "x")])).await;
        let done = put(first, batch).await;
        let again = second.append(vec![late], Some(&token(batch)), &facts()).await.unwrap();
        assert_eq!((again.repeated, again.version), (true, done.version));
    }
    let both = tokio::join!(put(&ours, 30), put(&theirs, 30));
    assert_eq!((both.0.version, both.0.repeated != both.1.repeated), (both.1.version, true));
    assert_eq!(newest(&ours).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_opens_from_nothing() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    for id in 1..=65 {
        append(&table, &[(id, "x")]).await;
        setting.lake.close().await;
    }
    for hint in [None, Some("{\"version\":20,\"size\":22}"), Some("nonsense"), Some("{\"version\":7000,\"size\":1}")] {
        if let Some(hint) = hint {
            std::fs::write(setting.path("_delta_log/_last_checkpoint"), hint).unwrap();
        }
        let cold = setting.elsewhere().table("shop/orders").await.unwrap();
        assert_eq!(cold.version().await.unwrap(), 65);
        for version in [0, 1, 19, 20, 21, 39, 40, 41, 64] {
            assert_eq!(lines(cold.scan(Some(version)).await.unwrap()).await.len() as u64, version, "with {hint:?}");
        }
    }
}
