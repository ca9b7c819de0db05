//! What sets a pipeline off is neither lost nor doubled when the hub dies between seeing it and the run that it makes.

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE PIPELINE first INTO one REPLACE AS SELECT 1 AS a;
    CREATE PIPELINE after_first TRIGGER AFTER PIPELINE first INTO log_after APPEND AS SELECT 1 AS a;
    CREATE PIPELINE on_news TRIGGER ON EVENT news WHEN (data->>'n' IS NOT NULL) INTO log_news APPEND AS SELECT 1 AS a;
    CREATE PIPELINE sentinel TRIGGER ON EVENT other INTO log_other APPEND AS SELECT 1 AS a;";

/// Where the hub dies: before the run is frozen, right after, after its rows have landed, and when it is over.
const POINTS: &[&str] = &["trigger.due", "run.frozen", "target.committed", "run.finished"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_makes_one_run_wherever_the_hub_dies() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run(SCRIPT).await;
    hub.stop().await;
    let (mut news, mut after) = (0, 0);
    for point in POINTS {
        news += 1;
        dies_at(&place, &format!("{point}=return"), "NOTIFY news, '{\"n\": 1}'").await;
        settles(&place, news, after, point).await;
        // The run by hand passes the points of runs first, and is none of a trigger.
        after += 1;
        let passed = if *point == "trigger.due" { "" } else { "1*off->" };
        dies_at(&place, &format!("{point}={passed}return"), "RUN PIPELINE first").await;
        settles(&place, news, after, point).await;
    }
}

async fn dies_at(place: &Place, fail_points: &str, statement: &str) {
    let mut hub = Hub::start(place, Some(fail_points));
    hub.ready().await;
    // Nobody can tell whether it is answered before the hub dies.
    drop(hub.try_run(statement).await);
    hub.ended().await;
}

/// The next life makes the runs that are owed, and no others.
async fn settles(place: &Place, news: u32, after: u32, point: &str) {
    let mut hub = Hub::start(place, None);
    hub.ready().await;
    for (pipeline, table, made) in [("on_news", "log_news", news), ("after_first", "log_after", after)] {
        hub.until(&format!("SELECT count(*) FROM {table}"), &made.to_string()).await;
        let ended = format!("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.{pipeline}' AND status = 'succeeded'");
        hub.until(&ended, &made.to_string()).await;
    }
    // What the start found to do is done when a later event has had its run.
    hub.run("NOTIFY other").await;
    hub.until("SELECT count(*) FROM log_other", &(news + after).to_string()).await;
    hub.until("SELECT count(*) FROM hub.runs WHERE status = 'running'", "0").await;
    let counts = "SELECT (SELECT count(*) FROM log_news) || ' ' || (SELECT count(*) FROM log_after)";
    assert_eq!(hub.value(counts).await, format!("{news} {after}"), "after dying at {point}");
    hub.stop().await;
}

const ALERT: &str = "CREATE TABLE problems (id int);
    CREATE TABLE told (id int);
    CREATE PIPELINE repair INTO repaired APPEND AS SELECT 1 AS a;
    CREATE ALERT trouble TRIGGER ON EVENT look IF EXISTS (SELECT id FROM problems)
    THEN INTO told, RUN PIPELINE repair, NOTIFY said;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_acts_once_wherever_the_hub_dies() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run(ALERT).await;
    hub.stop().await;
    // Before its acts, and after each of them before that is noted.
    let points = ["alert.moved=return", "alert.acted=return", "alert.acted=1*off->return", "alert.acted=2*off->return"];
    for (round, point) in (1..).zip(points) {
        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        hub.run("DELETE FROM problems").await;
        looks(&hub).await;
        assert_eq!(hub.value("SELECT state FROM hub.alerts").await, "ok");
        hub.run(&format!("INSERT INTO problems VALUES ({round})")).await;
        hub.stop().await;
        dies_at(&place, point, "NOTIFY look").await;

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        let counts = "SELECT (SELECT count(*) FROM told) || ' ' || (SELECT count(*) FROM repaired) || ' ' ||
            (SELECT count(*) FROM hub.events WHERE type = 'said')";
        let expected = format!("{round} {round} {round}");
        hub.until(counts, &expected).await;
        assert_eq!(hub.value("SELECT max(id) FROM told").await, round.to_string());
        // A look at the same state is no edge, and finds nothing left to do.
        looks(&hub).await;
        assert_eq!(hub.value(counts).await, expected, "after dying at {point}");
        hub.stop().await;
    }
}

/// Has the alert ask its query once more.
async fn looks(hub: &Hub) {
    let checked = hub.value("SELECT coalesce(last_checked_at, timestamptz '2000-01-01 00:00+00') FROM hub.alerts").await;
    hub.run("NOTIFY look").await;
    hub.until(&format!("SELECT last_checked_at > timestamptz '{checked}' FROM hub.alerts"), "t").await;
}
