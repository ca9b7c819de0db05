//! A disk that fails and a disk that is full: the first ends the hub, the second only the statement that met it.

use std::path::Path;

use super::hub::{Hub, Place};

/// What a hub whose disk failed ends with.
const DISK_FAILED: i32 = 74;

const SCRIPT: &str = "CREATE TABLE ledger (id bigint);
    CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders (id bigint) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/*.csv', settle = '0 s', poll = '100 ms');
    CREATE PIPELINE load INTO loaded APPEND AS SELECT id FROM STREAM(orders);
    RUN PIPELINE load;";

fn drop_file(place: &Place, name: &str, rows: std::ops::Range<u32>) {
    let lines: Vec<String> = rows.map(|id| id.to_string()).collect();
    std::fs::write(Path::new(&place.inbox()).join("csv").join(name), format!("id\n{}\n", lines.join("\n"))).expect("a file");
}

fn data_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("the table's folder");
    entries.filter(|entry| entry.as_ref().expect("an entry").file_name().to_string_lossy().ends_with(".parquet")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_ends_the_hub_and_the_next_start_needs_no_hand() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in weir::SYNC_POINTS {
        let place = Place::new();
        drop_file(&place, "first.csv", 0..10);
        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
        hub.stop().await;

        // One run whose rows cannot be made durable, one statement: neither is answered.
        drop_file(&place, "second.csv", 10..30);
        for statement in ["RUN PIPELINE load", "INSERT INTO ledger VALUES (1)"] {
            let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
            hub.ready().await;
            assert!(hub.try_run(statement).await.is_err(), "{point}: \"{statement}\" was answered");
            assert_eq!(hub.ended().await, Some(DISK_FAILED), "{point}:\n{}", place.log());
            assert!(place.log().contains("the disk failed to make a write durable"), "{}", place.log());
            // A hub on a good disk in between finds what was cut off.
            let mut hub = Hub::start(&place, None);
            hub.ready().await;
            hub.run("RUN PIPELINE load").await;
            hub.stop().await;
        }
        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        assert_eq!(hub.value("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || max(id) FROM loaded").await, "30 30 29", "{point}");
        // Its log entry may have been there when the folder's sync failed: then it counts, once.
        let inserted = hub.value("SELECT count(*) FROM ledger").await;
        assert!(["0", "1"].contains(&inserted.as_str()), "{point}: {inserted} rows of one insert");
        hub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_statement_and_leaves_no_file() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    let mut hub = Hub::start(&place, Some("data.write=2*return->off"));
    hub.ready().await;
    hub.run("CREATE TABLE ledger (id bigint)").await;
    for _ in 0..2 {
        let error = hub.try_run("INSERT INTO ledger VALUES (1)").await.expect_err("a full disk");
        assert_eq!(error.code().map(|code| code.code()), Some("53100"), "{error:?}");
        assert_eq!(hub.value("SELECT count(*) FROM ledger").await, "0");
    }
    let folder = place.lake().join("public");
    let table = std::fs::read_dir(&folder).expect("the schema's folder").next().expect("a table").expect("an entry").path();
    assert_eq!(data_files(&table), 0);
    hub.run("INSERT INTO ledger VALUES (1)").await;
    assert_eq!(hub.value("SELECT count(*) FROM ledger").await, "1");
    assert_eq!(data_files(&table), 1);
    hub.stop().await;
}
