//! A table that is kept like another by its change feed holds the same rows, whatever was done to the other and however that was cut into runs.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::hub::Hub;

const STATEMENTS: usize = 60;
const KEYS: i64 = 12;

/// Some statement that changes rows, or only files and columns.
fn statement(random: &mut StdRng, number: usize) -> String {
    let key = random.random_range(0..KEYS);
    let other = random.random_range(0..KEYS);
    match random.random_range(0..12) {
        0..=3 => format!(
            "INSERT INTO t (id, v) SELECT g, 'i{number}' FROM generate_series({key}, {}) g WHERE g NOT IN (SELECT id FROM t)",
            key + 3
        ),
        4 | 5 => format!("UPDATE t SET v = 'u{number}' WHERE id >= {key}"),
        6 => format!("DELETE FROM t WHERE id BETWEEN {key} AND {other}"),
        7 => format!("UPDATE t SET id = id + 100 WHERE id = {key} AND {key} + 100 NOT IN (SELECT id FROM t)"),
        8 => format!(
            "BEGIN; UPDATE t SET v = 'a{number}' WHERE id = {key}; DELETE FROM t WHERE id = {other}; UPDATE t SET v = 'b{number}'; COMMIT"
        ),
        9 => "RUN PIPELINE fill".to_owned(),
        10 => "OPTIMIZE t".to_owned(),
        _ => format!("RESTORE TABLE t TO VERSION AS OF {}", random.random_range(1..3)),
    }
}

/// Runs a pipeline, and says what came of it.
async fn status_of_run(client: &Client, pipeline: &str) -> String {
    let rows = client.simple_query(&format!("RUN PIPELINE {pipeline}")).await.expect("a run");
    let statuses = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get("status"),
        _ => None,
    });
    statuses.last().expect("the row of a run").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_equals_its_table() {
    let seed = std::env::var("WEIR_STREAMS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("WEIR_STREAMS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    let mirrors = ["each", "seldom", "bounded"];
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)").await.expect("a table");
    client.batch_execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").await.expect("rows");
    client.batch_execute("INSERT INTO t VALUES (3, 'c')").await.expect("rows");
    let fill = "CREATE PIPELINE fill INTO t UPSERT KEY (id) DELETE WHEN (v = 'gone')
        AS SELECT g AS id, CASE WHEN g % 5 = 0 THEN 'gone' ELSE 'f' || now() END AS v FROM generate_series(0, 15) g";
    client.batch_execute(fill).await.expect("a pipeline");
    for (mirror, options) in mirrors.iter().zip(["", "", "WITH (batch_files = 2)"]) {
        let text = format!(
            "CREATE PIPELINE {mirror} {options} INTO {mirror}_rows UPSERT KEY (id) DELETE WHEN (_change_type = 'delete')
             AS SELECT id, v FROM STREAM(t)"
        );
        client.batch_execute(&text).await.expect("a pipeline");
    }
    let mut done = Vec::new();
    for number in 0..STATEMENTS {
        let statement = statement(&mut random, number);
        client.batch_execute(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        done.push(statement);
        client.batch_execute("RUN PIPELINE each").await.expect("a run");
        if let Some(name) = ["seldom", "bounded", "none", "none"].choose(&mut random).filter(|name| **name != "none") {
            client.batch_execute(&format!("RUN PIPELINE {name}")).await.expect("a run");
        }
    }
    for mirror in mirrors {
        // A bounded one takes as many runs as it needs.
        while status_of_run(&client, mirror).await != "skipped" {}
        let differences = format!(
            "SELECT count(*) FROM ((SELECT id, v FROM t EXCEPT SELECT id, v FROM {mirror}_rows)
             UNION ALL (SELECT id, v FROM {mirror}_rows EXCEPT SELECT id, v FROM t)) x"
        );
        let differences: i64 = client.query_one(&differences, &[]).await.expect("a count").get(0);
        assert_eq!(differences, 0, "{mirror} after {}", done.join(";\n"));
        let counts = format!("SELECT (SELECT count(*) FROM t) - (SELECT count(*) FROM {mirror}_rows)");
        assert_eq!(client.query_one(&counts, &[]).await.expect("a count").get::<_, i64>(0), 0, "{mirror}");
    }
}
