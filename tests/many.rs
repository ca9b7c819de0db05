//! Many pipelines on one hub: they take turns, and one that never ends holds nobody up.

use crate::hub::Hub;

const PIPELINES: usize = 500;

/// How long all of them may take: the machine is shared by many tests.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// More than the hub has with so many pipelines, by far less than a plan kept for each.
const MOST_BYTES: u64 = 1 << 30;

async fn number(client: &tokio_postgres::Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.expect("an answer").get(0)
}

async fn until(client: &tokio_postgres::Client, query: &str, wanted: i64) {
    let watch = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(250));
        while number(client, query).await != wanted {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, watch).await.is_ok(), "{query} was never {wanted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_pipelines_take_turns() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client
        .batch_execute(
            "CREATE PIPELINE endless TRIGGER ON EVENT go INTO never APPEND
             AS SELECT count(*) AS n FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b",
        )
        .await
        .expect("a definition");
    for at in 0..PIPELINES {
        let definition = format!("CREATE PIPELINE p{at} TRIGGER ON EVENT go INTO t{at} APPEND AS SELECT {at} AS n");
        client.batch_execute(&definition).await.expect("a definition");
    }
    let all = i64::try_from(PIPELINES).expect("a number");
    let done = "SELECT count(DISTINCT pipeline) FROM hub.runs WHERE status = 'succeeded'";
    client.batch_execute("NOTIFY go").await.expect("published");
    until(&client, done, all).await;
    assert_eq!(number(&client, "SELECT count(*) FROM hub.runs WHERE status = 'running'").await, 1, "the endless one");
    let resident = hub.resident_bytes();
    assert!(resident < MOST_BYTES, "the hub has {resident} bytes");

    let run = client.query_one("SELECT run_id::text FROM hub.runs WHERE status = 'running'", &[]).await.expect("its run");
    let cancel = format!("ALTER PIPELINE endless SUSPEND; CANCEL RUN '{}'", run.get::<_, String>(0));
    client.batch_execute(&cancel).await.expect("cancelled");
    until(&client, "SELECT count(*) FROM hub.runs WHERE status = 'cancelled'", 1).await;

    client.batch_execute("NOTIFY go").await.expect("published");
    until(&client, "SELECT count(*) FROM hub.runs WHERE status = 'succeeded'", 2 * all).await;
    let uneven = "SELECT count(*) FROM (SELECT pipeline FROM hub.runs WHERE status = 'succeeded' GROUP BY pipeline HAVING count(*) <> 2) x";
    assert_eq!(number(&client, uneven).await, 0);
}
