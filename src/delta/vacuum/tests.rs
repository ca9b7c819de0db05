//! What is still needed stays, whatever the retention; what nobody needs goes.

use std::time::{Duration, SystemTime};

use super::*;
use crate::delta::tests::setting::*;
use crate::delta::{Effort, Table, UpsertSpec};

/// Later than any file is.
const LATER: Micros = 4_000_000_000_000_000;

async fn grown(setting: &Setting) -> std::sync::Arc<Table> {
    let table = setting.table(PAIRS, &[]).await;
    for id in 0..4 {
        append(&table, &[(id, "a")]).await;
    }
    table
}

fn paths(files: &[Leftover]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

fn on_disk(setting: &Setting) -> usize {
    walk(&setting.path(""), Micros::MAX).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_kept_for_the_retention() {
    let setting = setting();
    let table = grown(&setting).await;
    setting.clock.advance_to(LATER);
    table.compact(Effort::All, &facts()).await.unwrap();
    // The version before was the newest until a moment ago.
    assert!(table.vacuum(None, Sweep::Remove).await.unwrap().is_empty());
    assert!(table.vacuum(Some(0), Sweep::List).await.unwrap().len() == 4);
    setting.clock.advance_to(LATER + 29 * DAY);
    assert!(table.vacuum(None, Sweep::Remove).await.unwrap().is_empty());
    assert_eq!(lines(table.scan(Some(4)).await.unwrap()).await.len(), 4);
    setting.clock.advance_to(LATER + 30 * DAY + 1);
    let listed = table.vacuum(None, Sweep::List).await.unwrap();
    assert_eq!((listed.len(), on_disk(&setting)), (4, 5), "a list removes nothing");
    assert_eq!(table.vacuum(None, Sweep::Remove).await.unwrap(), listed);
    assert_eq!((on_disk(&setting), newest(&table).await.len()), (1, 4));
    // What has lost files says so, whoever asks and how.
    let cold = setting.elsewhere().table("shop/orders").await.unwrap();
    for table in [&table, &cold] {
        assert_eq!(table.scan(Some(4)).await.unwrap_err().detail_text(), Some("Versions 5 to 5 are kept."));
        assert_eq!(table.changes(4, None).await.unwrap_err().code(), Code::InvalidParameter);
        assert_eq!(table.restore(4, &facts()).await.unwrap_err().code(), Code::InvalidParameter);
        assert_eq!(table.version_at(LATER - 1).await.unwrap_err().code(), Code::InvalidParameter);
    }
    assert_eq!(newest(&setting.elsewhere().table("shop/orders").await.unwrap()).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_within_the_retention_keeps_what_it_names() {
    let setting = setting();
    let table = grown(&setting).await;
    setting.clock.advance_to(LATER);
    let spec = UpsertSpec { key: vec!["id".into()], sequence: None, delete: None, ignore_null_updates: false };
    for step in 1..=3 {
        setting.clock.advance_to(LATER + step * DAY);
        let rows = pairs(&[(0, "changed"), (step, "changed")]);
        let input = futures::stream::iter([Ok(rows.clone())]);
        let input = Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(rows.schema(), input));
        table.upsert(input, &spec, None, &facts).await.unwrap();
    }
    // Version 6 was made on the second day and is the newest until the third.
    setting.clock.advance_to(LATER + 4 * DAY);
    let removed = table.vacuum(Some(2 * DAY), Sweep::Remove).await.unwrap();
    assert!(!removed.is_empty());
    for version in [6, 7] {
        assert_eq!(lines(table.scan(Some(version)).await.unwrap()).await.len(), 4);
    }
    assert_eq!(lines(table.changes(6, None).await.unwrap()).await.len(), 8);
    // Behind the retention only the newest counts.
    setting.clock.advance_to(LATER + 9 * DAY);
    table.vacuum(Some(0), Sweep::Remove).await.unwrap();
    assert_eq!(newest(&table).await.len(), 4);
    assert_eq!(lines(table.changes(7, None).await.unwrap()).await.len(), 4);
    assert!(table.vacuum(Some(0), Sweep::List).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_commit_is_nobodys_leftover() {
    let setting = setting();
    let table = grown(&setting).await;
    setting.clock.advance_to(LATER);
    let waiting = write(&table, pairs(&[(9, "later")])).await;
    let mut open = table.writer(crate::delta::WriterOptions::default()).await.unwrap();
    open.write(pairs(&[(10, "later")])).await.unwrap();
    let mut staged = table.stage(4).await.unwrap();
    staged.append(write(&table, pairs(&[(11, "later")])).await, crate::delta::RestsOn::Columns);
    // As a process leaves it that is killed before its commit; and what is not ours at all.
    std::fs::write(setting.path("part-0-lost.snappy.parquet"), "x").unwrap();
    std::fs::write(setting.path("notes.txt"), "x").unwrap();
    std::fs::create_dir(setting.path("_other")).unwrap();
    std::fs::write(setting.path("_other/part.parquet"), "x").unwrap();
    assert_eq!(paths(&table.vacuum(Some(0), Sweep::Remove).await.unwrap()), ["part-0-lost.snappy.parquet"]);
    table.append(vec![waiting, open.finish().await.unwrap()], None, &facts()).await.unwrap();
    staged.commit(&facts()).await.unwrap().unwrap();
    assert_eq!(newest(&table).await.len(), 7);
    assert!(table.vacuum(Some(0), Sweep::Remove).await.unwrap().is_empty());
    assert_eq!(newest(&table).await.len(), 7);
    assert!(setting.path("notes.txt").exists() && setting.path("_other/part.parquet").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_file_may_be_another_process_at_work() {
    let setting = setting();
    let table = grown(&setting).await;
    setting.clock.advance_to(LATER);
    let lost = setting.path("part-0-lost.snappy.parquet");
    let file = std::fs::File::create(&lost).unwrap();
    let at = |micros: Micros| SystemTime::UNIX_EPOCH + Duration::from_micros(micros as u64);
    file.set_modified(at(LATER - 2 * DAY + 1)).unwrap();
    assert!(table.vacuum(Some(2 * DAY), Sweep::List).await.unwrap().is_empty());
    file.set_modified(at(LATER - 2 * DAY)).unwrap();
    assert_eq!(table.vacuum(Some(2 * DAY), Sweep::List).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_that_a_version_names_stay() {
    use crate::delta::tests::tombstones::{deletions, remembered};
    let setting = setting();
    let table = deletions(&setting, &[(1, 5), (2, 5)]).await;
    setting.clock.advance_to(LATER);
    for id in 3..9 {
        crate::delta::tests::tombstones::bury(&table, id, 5).await;
    }
    let before = remembered(&setting).await;
    assert_eq!(before.len(), 8);
    setting.clock.advance_to(LATER + 40 * DAY);
    let removed = table.vacuum(None, Sweep::Remove).await.unwrap();
    assert!(paths(&removed).iter().any(|path| path.starts_with("_weir_tombstones/") && path.ends_with(".json")), "{removed:?}");
    assert_eq!(remembered(&setting).await, before);
    // A list that cannot be read is no reason to remove what it may name.
    let number = table.applied(APP).await.unwrap().unwrap();
    std::fs::write(setting.path(&format!("_weir_tombstones/{}", list_name(number))), "{").unwrap();
    std::fs::write(setting.path("_weir_tombstones/part-0-lost.snappy.parquet"), "x").unwrap();
    let removed = table.vacuum(Some(0), Sweep::Remove).await.unwrap();
    assert!(!paths(&removed).iter().any(|path| path.starts_with("_weir_tombstones")), "{removed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_cut_where_it_can_still_be_read() {
    let setting = setting();
    let table = setting.table(PAIRS, &[]).await;
    for id in 0..70 {
        setting.clock.advance_to(START + id * DAY);
        table.append(vec![write(&table, pairs(&[(id, "x")])).await], Some(&token(id)), &facts()).await.unwrap();
        setting.lake.close().await;
    }
    // Thirty days back is version 40, and its checkpoint is that version itself.
    assert_eq!(table.trim_log().await.unwrap(), 41);
    assert_eq!(table.trim_log().await.unwrap(), 0);
    let cold = setting.elsewhere().table("shop/orders").await.unwrap();
    for version in [40, 41, 59, 70] {
        assert_eq!(lines(cold.scan(Some(version)).await.unwrap()).await.len() as u64, version);
    }
    assert_eq!(cold.scan(Some(39)).await.unwrap_err().detail_text(), Some("Versions 40 to 70 are kept."));
    assert_eq!(cold.applied("pipeline/out").await.unwrap(), Some(69));
}

#[test]
fn durations_of_the_properties() {
    assert_eq!(duration("interval 30 days"), Some(30 * DAY));
    assert_eq!(duration("INTERVAL 1 week 2 hours"), Some(7 * DAY + 7_200_000_000));
    for odd in ["", "interval", "30", "interval 1 month", "interval x days"] {
        assert_eq!(duration(odd), None, "{odd}");
    }
}
