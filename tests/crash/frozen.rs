//! A run that is repeated reads the columns that it was frozen with, whatever its source got meanwhile.

use std::path::Path;

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders FROM CONNECTION inbox FORMAT csv (header = true) WITH (path = 'csv/*.csv', settle = '0 s', poll = '1 hour');
    CREATE PIPELINE first INTO first_table APPEND AS SELECT * FROM STREAM(orders);
    CREATE PIPELINE second INTO second_table APPEND AS SELECT * FROM STREAM(orders);";

fn drop_file(place: &Place, name: &str, text: &str) {
    std::fs::write(Path::new(&place.inbox()).join("csv").join(name), text).expect("a file");
}

async fn columns(hub: &Hub, table: &str) -> String {
    let query = "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns
        WHERE column_name NOT LIKE '\\_%' AND table_name = ";
    hub.value(&format!("{query}'{table}'")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_run_reads_the_columns_it_was_frozen_with() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    drop_file(&place, "1.csv", "id\n1\n");
    let mut hub = Hub::start(&place, Some("run.frozen=return"));
    hub.ready().await;
    hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
    assert!(hub.try_run("RUN PIPELINE first").await.is_err(), "the hub passed its fail point");
    hub.ended().await;

    // The run is held while another pipeline meets a file with one more field.
    drop_file(&place, "2.csv", "id,extra\n2,x\n");
    let mut hub = Hub::start(&place, Some("run.executed=1*pause->off"));
    hub.ready().await;
    hub.until("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.first' AND status = 'running'", "1").await;
    hub.run("RUN PIPELINE second").await;
    assert_eq!(columns(&hub, "second_table").await, "id extra");
    hub.kill();

    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.until("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.first' AND status = 'succeeded'", "1").await;
    assert_eq!(columns(&hub, "first_table").await, "id");
    hub.run("RUN PIPELINE first").await;
    assert_eq!(columns(&hub, "first_table").await, "id extra");
    assert_eq!(hub.value("SELECT string_agg(id || coalesce(extra, '-'), ' ' ORDER BY id) FROM first_table").await, "1- 2x");
    hub.stop().await;
}

const RULED: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders (id bigint) FROM CONNECTION inbox FORMAT csv (header = true) WITH (path = 'csv/*.csv', settle = '0 s');
    CREATE TABLE listed (id bigint);
    CREATE TABLE customers (id bigint);
    INSERT INTO listed VALUES (1), (2), (3);
    INSERT INTO customers VALUES (1), (2), (4);
    CREATE PIPELINE ruled INTO landed CONSTRAINT listed EXPECT (id IN (SELECT id FROM listed))
        CONSTRAINT known FOREIGN KEY (id) REFERENCES customers (id) APPEND AS SELECT * FROM STREAM(orders);";

/// Dead letters are committed before the rows: a second attempt that judged otherwise would lose a record or land it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_run_judges_by_the_tables_it_was_frozen_with() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    drop_file(&place, "1.csv", "id\n1\n2\n3\n4\n");
    let mut hub = Hub::start(&place, Some("run.frozen=return"));
    hub.ready().await;
    hub.run(&RULED.replace("{inbox}", &place.inbox())).await;
    assert!(hub.try_run("RUN PIPELINE ruled").await.is_err(), "the hub passed its fail point");
    hub.ended().await;

    // The letters are there, the rows are not: now the tables that the rules look at change.
    let mut hub = Hub::start(&place, Some("deadletters.committed=1*pause->off"));
    hub.ready().await;
    hub.until("SELECT count(*) FROM hub.dead_letters", "2").await;
    hub.run("DELETE FROM listed WHERE id = 1; INSERT INTO listed VALUES (4)").await;
    hub.run("DELETE FROM customers WHERE id = 2; INSERT INTO customers VALUES (3)").await;
    hub.kill();

    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.until("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.ruled' AND status = 'succeeded'", "1").await;
    assert_eq!(hub.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM landed").await, "1 2");
    let letters = "SELECT string_agg(rule || ' ' || source_position::text, ', ' ORDER BY rule) FROM hub.dead_letters";
    assert_eq!(hub.value(letters).await, "known 4, listed 5");
    hub.stop().await;
}
