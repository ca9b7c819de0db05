//! A run with several outputs that ends between them: what landed stays once, what did not lands with the next attempt or run.

use std::path::{Path, PathBuf};

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders (id bigint, amount bigint) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/*.csv', settle = '0 s', poll = '1 hour');
    CREATE PIPELINE two WITH (retry_limit = 0) AS
        WITH good AS (SELECT id, amount FROM STREAM(orders) WHERE id < 1000)
        INTO everything CONSTRAINT positive EXPECT (amount > 0) AS (SELECT * FROM good)
        INTO latest UPSERT KEY (id) AS (SELECT * FROM good)";

fn drop_file(place: &Place, name: &str, text: &str) {
    std::fs::write(Path::new(&place.inbox()).join("csv").join(name), text).expect("a file");
}

async fn state(hub: &Hub) -> String {
    let rows = |table: &str| format!("(SELECT string_agg(id || ':' || amount, ' ' ORDER BY id, amount) FROM {table})");
    let letters = "(SELECT string_agg(output || ' ' || source_position || ' ' || status, ' ' ORDER BY output, source_position) FROM hub.dead_letters)";
    hub.value(&format!("SELECT {} || ' | ' || {} || ' | ' || {letters}", rows("everything"), rows("latest"))).await
}

/// Outputs run side by side, so what the first death leaves differs from life to life; what is there in the end must not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_two_outputs_doubles_and_loses_nothing() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in ["run.executed", "deadletters.committed", "target.committed"] {
        for passed in 0..2 {
            let place = Place::new();
            drop_file(&place, "1.csv", "id,amount\n1,10\n2,20\nx,1\n3,-1\n1,11\n");
            let mut hub = Hub::start(&place, Some(&format!("{point}={passed}*off->return")));
            hub.ready().await;
            hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
            assert!(hub.try_run("RUN PIPELINE two").await.is_err(), "the hub passed {point}");
            hub.ended().await;

            let mut hub = Hub::start(&place, None);
            hub.ready().await;
            hub.until("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.two' AND status = 'succeeded'", "1").await;
            let expected = "1:10 1:11 2:20 | 1:11 2:20 3:-1 | everything 4 open everything 5 open latest 4 open";
            assert_eq!(state(&hub).await, expected, "after a death at {point}, passed {passed} times");
            assert_eq!(hub.value("SELECT rows_in FROM hub.runs WHERE pipeline = 'public.two'").await, "10");
            hub.stop().await;
        }
    }
}

/// The next version of a table that the lake cannot write.
fn block(place: &Place, table: &str) -> PathBuf {
    let folders = std::fs::read_dir(place.lake().join("public")).expect("a schema").map(|entry| entry.expect("an entry").path());
    let mut own = folders.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(table)));
    let log = own.next().expect("a table").join("_delta_log");
    let versions = std::fs::read_dir(&log).expect("a log").filter_map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().strip_suffix(".json")?.parse::<u64>().ok()
    });
    let next = log.join(format!("{:020}.json", versions.max().expect("a version") + 1));
    std::fs::create_dir(&next).expect("a folder in the place of a commit");
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_failed_in_part_is_finished_by_the_next() {
    let place = Place::new();
    drop_file(&place, "1.csv", "id,amount\n1,10\n");
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
    hub.run("RUN PIPELINE two").await;

    let blocked = block(&place, "latest");
    drop_file(&place, "2.csv", "id,amount\n1,12\n2,20\n3,-1\n");
    assert!(hub.try_run("RUN PIPELINE two").await.is_err(), "a commit was written over a folder");
    assert_eq!(hub.value("SELECT string_agg(id || ':' || amount, ' ' ORDER BY id, amount) FROM everything").await, "1:10 1:12 2:20");
    let failed = "FROM hub.runs WHERE status = 'failed'";
    assert_eq!(hub.value(&format!("SELECT count(*) {failed}")).await, "1");
    assert_eq!(
        hub.value(&format!("SELECT string_agg(output, ' ') FROM hub.run_outputs WHERE run_id = (SELECT run_id {failed})")).await,
        "everything"
    );

    // The next run goes on with the other output and reads nothing new, although there is something.
    std::fs::remove_dir(&blocked).expect("the folder");
    drop_file(&place, "3.csv", "id,amount\n4,40\n");
    hub.run("RUN PIPELINE two").await;
    assert_eq!(state(&hub).await, "1:10 1:12 2:20 | 1:12 2:20 3:-1 | everything 4 open");
    hub.run("RUN PIPELINE two").await;
    assert_eq!(state(&hub).await, "1:10 1:12 2:20 4:40 | 1:12 2:20 3:-1 4:40 | everything 4 open");
    let before = hub.value("SELECT count(*) FROM hub.runs").await;
    hub.run("RUN PIPELINE two").await;
    assert_eq!(hub.value("SELECT count(*) FROM hub.runs").await, before, "there was something left to do");
    hub.stop().await;
}

const STEPS: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE customer_files (id bigint) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/c*.csv', settle = '0 s', poll = '1 hour');
    CREATE SOURCE order_files (id bigint, customer bigint) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/o*.csv', settle = '0 s', poll = '1 hour');
    CREATE TABLE customers (id bigint);
    CREATE TABLE orders (id bigint, customer bigint);
    CREATE TABLE counts (n bigint);
    CREATE PIPELINE nightly AS
        STEP one (INTO customers APPEND AS (SELECT id FROM STREAM(customer_files)))
        STEP two (INTO orders APPEND FOREIGN KEY (customer) REFERENCES customers (id) AS (SELECT id, customer FROM STREAM(order_files))
                  INTO counts REPLACE AS (SELECT count(*) AS n FROM customers))";

/// The second step judges by what the first one has made, also when it comes to it in another life and others have changed the table since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_two_steps_changes_nothing() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in
        ["step.landed=return", "deadletters.committed=1*off->return", "target.committed=1*off->return", "step.landed=1*off->return"]
    {
        let place = Place::new();
        drop_file(&place, "c1.csv", "id\n1\n2\n");
        drop_file(&place, "o1.csv", "id,customer\n10,1\n11,3\n");
        let mut hub = Hub::start(&place, Some(point));
        hub.ready().await;
        hub.run(&STEPS.replace("{inbox}", &place.inbox())).await;
        assert!(hub.try_run("RUN PIPELINE nightly").await.is_err(), "the hub passed {point}");
        hub.ended().await;

        // What the first step has made is changed before the second goes on: held at its own dead letters, if it comes to them.
        let mut hub = Hub::start(&place, Some("run.executed=1*pause->off"));
        hub.ready().await;
        hub.run("DELETE FROM customers WHERE id = 1; INSERT INTO customers VALUES (3)").await;
        hub.kill();

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        hub.until("SELECT count(*) FROM hub.runs WHERE status = 'succeeded'", "1").await;
        assert_eq!(hub.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM customers").await, "2 3", "after {point}");
        assert_eq!(hub.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM orders").await, "10", "after {point}");
        assert_eq!(hub.value("SELECT string_agg(n::text, ' ') FROM counts").await, "2", "after {point}");
        assert_eq!(
            hub.value("SELECT string_agg(step || ' ' || source_position, ' ') FROM hub.dead_letters").await,
            "two 3",
            "after {point}"
        );
        assert_eq!(hub.value("SELECT count(*) FROM hub.source_offsets").await, "2");
        hub.stop().await;
    }
}
