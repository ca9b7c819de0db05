//! A table that is read by its change feed, under deaths: what is read of it lands once, whatever came meanwhile.

use std::path::Path;

use super::hub::{Hub, Place};

const SCRIPT: &str = "CREATE CONNECTION inbox TYPE local WITH (root = '{inbox}');
    CREATE SOURCE orders (id bigint, amount bigint, gone boolean) FROM CONNECTION inbox FORMAT csv (header = true)
        WITH (path = 'csv/*.csv', settle = '0 s', poll = '1 hour');
    CREATE PIPELINE first INTO t1 UPSERT KEY (id) DELETE WHEN (gone) AS SELECT id, amount, gone FROM STREAM(orders);
    CREATE PIPELINE second WITH (retry_limit = 0)
        INTO t2 UPSERT KEY (id) DELETE WHEN (_change_type = 'delete') AS SELECT id, amount FROM STREAM(t1);
    CREATE PIPELINE log WITH (retry_limit = 0)
        INTO changes APPEND AS SELECT id, amount, _change_type AS change, _commit_version AS version FROM STREAM(t1)";

fn drop_file(place: &Place, name: &str, text: &str) {
    std::fs::write(Path::new(&place.inbox()).join("csv").join(name), text).expect("a file");
}

async fn differences(hub: &Hub) -> String {
    let one_way =
        |from: &str, to: &str| format!("(SELECT count(*) FROM (SELECT id, amount FROM {from} EXCEPT SELECT id, amount FROM {to}) x)");
    hub.value(&format!("SELECT {} + {}", one_way("t1", "t2"), one_way("t2", "t1"))).await
}

/// A source feeds a table, the table a second one and a log of its changes. The hub dies at each point of the second link's runs, and the
/// table changes before the next life takes the run up: it goes on with what was frozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_tables_survives_each_death() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    for point in ["run.frozen", "run.executed", "target.committed", "run.finished"] {
        for dying in ["second", "log"] {
            survives(point, dying).await;
        }
    }
}

async fn survives(point: &str, dying: &str) {
    let when = format!("after {dying} died at {point}");
    let place = Place::new();
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run(&SCRIPT.replace("{inbox}", &place.inbox())).await;
    drop_file(&place, "1.csv", "id,amount,gone\n1,10,false\n2,20,false\n3,30,false\n");
    hub.run("RUN PIPELINE first; RUN PIPELINE second; RUN PIPELINE log").await;
    drop_file(&place, "2.csv", "id,amount,gone\n1,11,false\n2,0,true\n4,40,false\n");
    hub.run("RUN PIPELINE first").await;
    hub.stop().await;

    let mut hub = Hub::start(&place, Some(&format!("{point}=return")));
    hub.ready().await;
    assert!(hub.try_run(&format!("RUN PIPELINE {dying}")).await.is_err(), "the hub passed {point}");
    hub.ended().await;

    // The run is taken up and held before it lands, so that the table changes under it.
    let mut hub = Hub::start(&place, Some("run.executed=1*pause->off"));
    hub.ready().await;
    hub.run("UPDATE t1 SET amount = 12 WHERE id = 1; DELETE FROM t1 WHERE id = 4; INSERT INTO t1 (id, amount) VALUES (2, 22)").await;
    hub.kill();

    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.until("SELECT count(*) FROM hub.runs WHERE status IN ('queued', 'running')", "0").await;
    let mirrored = "SELECT string_agg(id || ' ' || amount, ', ' ORDER BY id) FROM t2";
    let logged = "SELECT string_agg(id || ' ' || amount || ' ' || change, ', ' ORDER BY version, id, change) FROM changes";
    let before = "1 10 insert, 2 20 insert, 3 30 insert, 1 11 update_postimage, 2 20 delete, 4 40 insert";
    match dying {
        "second" => assert_eq!(hub.value(mirrored).await, "1 11, 3 30, 4 40", "{when}"),
        _ => assert_eq!(hub.value(logged).await, before, "{when}"),
    }
    hub.run("RUN PIPELINE second; RUN PIPELINE log").await;
    assert_eq!(hub.value(logged).await, format!("{before}, 1 12 update_postimage, 4 40 delete, 2 22 insert"), "{when}");
    assert_eq!(hub.value(mirrored).await, "1 12, 2 22, 3 30", "{when}");
    assert_eq!(differences(&hub).await, "0", "{when}");
    hub.stop().await;
}
