//! A history under deaths at every point: its rows, and the events that its rows do not tell, land together and once.

use std::path::Path;

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE events (id bigint, v text, seq bigint, op text) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/*.csv', settle = '0 s', poll = '1 hour');
    CREATE PIPELINE keep WITH (retry_limit = 0)
        INTO history SCD TYPE 2 KEY (id) SEQUENCE BY seq TRACK HISTORY ON (v) DELETE WHEN (op = 'D')
        AS SELECT id, v, seq, op FROM STREAM(events)";

const FIRST: &str = "id,v,seq,op\n1,a,1,U\n1,a,5,U\n2,,7,D\nx,,1,U\n3,c,1,U\n";
/// Late events: they need what the rows of the first file do not tell.
const SECOND: &str = "id,v,seq,op\n1,b,3,U\n2,z,4,U\n3,c,2,U\n";
const THIRD: &str = "id,v,seq,op\n1,a,9,U\n3,d,1,U\n2,z,8,U\n";

const EXPECTED: &str = "1:a:1-3 1:b:3-5 1:a:5- 2:z:4-7 2:z:8- 3:d:1-2 3:c:2-";

fn drop_file(place: &Place, name: &str, text: &str) {
    std::fs::write(Path::new(&place.inbox()).join("csv").join(name), text).expect("a file");
}

async fn state(hub: &Hub) -> String {
    let row = "id || ':' || v || ':' || valid_from || '-' || coalesce(valid_to::text, '')";
    hub.value(&format!("SELECT string_agg({row}, ' ' ORDER BY id, valid_from) FROM history")).await
}

async fn finished(hub: &Hub, runs: usize) {
    hub.until("SELECT count(*) FROM hub.runs WHERE pipeline = 'public.keep' AND status = 'succeeded'", &runs.to_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_changes_no_history() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in ["run.frozen", "run.executed", "deadletters.committed", "tombstones.written", "target.committed", "run.finished"] {
        let place = Place::new();
        drop_file(&place, "1.csv", FIRST);
        let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
        hub.ready().await;
        hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
        assert!(hub.try_run("RUN PIPELINE keep").await.is_err(), "the hub passed {point}");
        hub.ended().await;

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        finished(&hub, 1).await;
        drop_file(&place, "2.csv", SECOND);
        hub.stop().await;

        // Once more, where what is remembered is read and changed.
        let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
        hub.ready().await;
        assert!(hub.try_run("RUN PIPELINE keep").await.is_err(), "the hub passed {point}");
        hub.ended().await;

        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        finished(&hub, 2).await;
        drop_file(&place, "3.csv", THIRD);
        hub.run("RUN PIPELINE keep").await;
        assert_eq!(state(&hub).await, EXPECTED, "after deaths at {point}");
        let sums = "SELECT sum(rows_in) || ' ' || sum(rows_quarantined) || ' ' || count(*) FROM hub.runs WHERE status = 'succeeded'";
        assert_eq!(hub.value(sums).await, "11 1 3", "after deaths at {point}");
        assert_eq!(hub.value("SELECT count(*) FROM hub.dead_letters").await, "1", "after deaths at {point}");
        // All events once more make the same history.
        hub.run("RUN PIPELINE keep FULL REFRESH").await;
        assert_eq!(state(&hub).await, EXPECTED, "after deaths at {point}, anew");
        hub.stop().await;
    }
}
