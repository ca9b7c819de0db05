//! A file that a client sent, and a hub that dies while it works on it: a run that was frozen lands once, before that nothing is left.

use bytes::Bytes;
use futures::SinkExt;

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders (id bigint, amount bigint) FROM CONNECTION inbox FORMAT csv WITH (path = 'csv/*.csv', settle = '0 s', poll = '1 hour');
    CREATE PIPELINE two WITH (retry_limit = 0) AS
        INTO everything CONSTRAINT positive EXPECT (amount > 0) AS (SELECT id, amount FROM STREAM(orders))
        INTO latest UPSERT KEY (id) AS (SELECT id, amount FROM STREAM(orders))";

const FILE: &str = "amount,id\n10,1\n20,2\nx,3\n-1,4\n11,1\n";

fn spooled(place: &Place) -> usize {
    std::fs::read_dir(place.uploads()).expect("the folder of uploads").count()
}

async fn copy(hub: &Hub) -> Result<u64, tokio_postgres::Error> {
    let client = hub.connect().await.expect("a connection");
    let sink = client.copy_in::<_, Bytes>("COPY PIPELINE two FROM STDIN WITH (FORMAT csv, HEADER)").await?;
    futures::pin_mut!(sink);
    sink.send(Bytes::from_static(FILE.as_bytes())).await?;
    sink.finish().await
}

async fn state(hub: &Hub) -> String {
    let rows = |table: &str| format!("(SELECT coalesce(string_agg(id || ':' || amount, ' ' ORDER BY id, amount), '') FROM {table})");
    let letters = "(SELECT coalesce(string_agg(output || ' ' || source_position || ' ' || status, ' ' ORDER BY output, source_position), '') FROM hub.dead_letters)";
    hub.value(&format!("SELECT {} || ' | ' || {} || ' | ' || {letters}", rows("everything"), rows("latest"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_run_was_frozen_lands_once_and_another_is_forgotten() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let points = weir::UPLOAD_POINTS.iter().chain(weir::FAIL_POINTS).filter(|point| !["trigger.due", "tombstones.written"].contains(point));
    for point in points {
        let place = Place::new();
        let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
        hub.ready().await;
        hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
        assert!(copy(&hub).await.is_err(), "the hub passed {point}");
        hub.ended().await;
        assert!(spooled(&place) <= 1 && (spooled(&place) == 1 || *point == "run.finished"), "{point}: the file was gone too early");

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        let expected = match weir::UPLOAD_POINTS.contains(point) {
            true => {
                assert_eq!(hub.value("SELECT count(*) FROM hub.runs").await, "0", "{point}");
                " |  | "
            }
            false => {
                hub.until("SELECT status || rows_in FROM hub.runs WHERE kind = 'copy'", "succeeded10").await;
                "1:10 1:11 2:20 | 1:11 2:20 4:-1 | everything 4 open everything 5 open latest 4 open"
            }
        };
        assert_eq!(state(&hub).await, expected, "after a death at {point}");
        hub.stop().await;
        assert_eq!(spooled(&place), 0, "{point}: the file was left behind");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_takes_no_file_and_heals() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    let mut hub = Hub::start(&place, Some("upload.write=1*return->off"));
    hub.ready().await;
    hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
    let error = copy(&hub).await.expect_err("a full disk");
    assert_eq!(error.code().map(|code| code.code()), Some("53100"), "{error:?}");
    assert_eq!((spooled(&place), hub.value("SELECT count(*) FROM hub.runs").await.as_str()), (0, "0"));
    assert_eq!(copy(&hub).await.expect("room again"), 5);
    hub.stop().await;
}

/// Its definition was frozen with the run: it needs neither the session nor the pipeline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_a_temporary_pipeline_is_taken_up_without_its_session() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in ["run.frozen", "deadletters.committed", "target.committed"] {
        let place = Place::new();
        let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
        hub.ready().await;
        hub.run("CREATE SCHEMA s; CREATE TABLE s.legacy (id bigint)").await;
        let client = hub.connect().await.expect("a connection");
        let script = "SET search_path = s; CREATE TEMP PIPELINE once AS
            STEP one (INTO legacy APPEND EXPECT (id > 0) AS (SELECT id FROM STREAM(upload)))
            STEP two (INTO made APPEND AS (SELECT amount FROM STREAM(upload)))";
        client.batch_execute(script).await.expect("a pipeline");
        let sink = client.copy_in::<_, Bytes>("COPY PIPELINE once FROM STDIN WITH (FORMAT csv, HEADER)").await.expect("a copy");
        {
            futures::pin_mut!(sink);
            sink.send(Bytes::from_static(b"amount,id\n10,1\n20,0\n")).await.expect("a piece");
            assert!(sink.finish().await.is_err(), "the hub passed {point}");
        }
        hub.ended().await;

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        hub.until("SELECT status || rows_in FROM hub.runs WHERE kind = 'copy'", "succeeded4").await;
        let state = "SELECT (SELECT string_agg(id::text, ' ') FROM s.legacy) || ' | ' || (SELECT string_agg(amount::text, ' ' ORDER BY 1) FROM s.made)
            || ' | ' || (SELECT string_agg(source_position::text, ' ') FROM hub.dead_letters)";
        assert_eq!(hub.value(state).await, "1 | 10 20 | 3", "after a death at {point}");
        assert_eq!(hub.value("SELECT count(*) FROM hub.pipelines").await, "0");
        hub.stop().await;
        assert_eq!(spooled(&place), 0, "{point}: the file was left behind");
    }
}
