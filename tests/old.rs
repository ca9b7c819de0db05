//! Data folders that older hubs have left: they open, everything is there, and what was under way is taken up.
//!
//! `tests/old/make.sh` has made them, each with the hub of its time; nobody makes them anew with a newer one.

use std::path::Path;
use std::process::Command;

use crate::hub::{Hub, until};

/// The archives, by the version of the catalog that they have.
const FOLDERS: &[&str] = &["catalog-1"];

fn unpack(name: &str, place: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old").join(format!("{name}.tar.gz"));
    let done = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(place).status().expect("tar starts");
    assert!(done.success(), "{} cannot be unpacked", archive.display());
}

async fn value(client: &tokio_postgres::Client, query: &str) -> String {
    let rows = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let row = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("{query} gives no row"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_of_an_older_hub_opens() {
    for name in FOLDERS {
        let hub = Hub::start_on(|place| {
            unpack(name, place);
            std::fs::rename(place.join("inbox"), place.join("files")).expect("the files it read");
        });
        let (client, _notices) = hub.connect().await;
        let ask = async |query: &str, expected: &str| assert_eq!(value(&client, query).await, expected, "{name}: {query}");

        ask("SELECT string_agg(id || ' ' || note || ' ' || COALESCE(price::text, '-'), ', ' ORDER BY id) FROM shop.notes", "1 first 1.50, 2 second -").await;
        ask("SELECT count(*) FROM shop.notes VERSION AS OF 1 WHERE note IS NULL", "1").await;
        ask("SELECT count(*) FROM shop.noted", "2").await;
        ask("SELECT obj_description('shop.notes'::regclass)", "What was noted.").await;
        ask("SELECT string_agg(id || ' ' || name, ', ' ORDER BY id) FROM shop.kept", "1 Ann, 2 Bob").await;
        ask("SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'files'", "id,name,amount").await;

        // The run that the old hub had frozen and never did. Its files lie elsewhere now, as they would after a move: it waits until it is told.
        client.batch_execute(&format!("ALTER CONNECTION shop.inbox SET (root = '{}')", hub.files().display())).await.expect("the new place");
        until(async || value(&client, "SELECT count(*) FROM hub.runs WHERE pipeline = 'shop.load' AND status = 'succeeded'").await == "2").await;
        ask("SELECT string_agg(id || ' ' || name || ' ' || amount, ', ' ORDER BY id) FROM shop.people", "1 Anna 11, 4 Dee 40, 5 Eve 50").await;
        ask("SELECT string_agg(rule || ' ' || source_position, ', ' ORDER BY source_position) FROM hub.dead_letters WHERE pipeline = 'shop.load'", "positive 3, type:amount 4").await;

        // It goes on: letters of the old hub can be put back, new pipelines run. What that hub deleted it did not remember.
        client
            .batch_execute(
                "UPDATE hub.dead_letters SET record = jsonb_set(record, '{amount}', '5') WHERE pipeline = 'shop.load' AND rule = 'positive';
                 REPLAY PIPELINE shop.load WHERE rule = 'positive';
                 INSERT INTO shop.notes VALUES (3, 'new', now(), 3);
                 CREATE PIPELINE shop.more INTO shop.more_people APPEND AS SELECT id FROM STREAM(shop.files);
                 RUN PIPELINE shop.more",
            )
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        std::fs::write(hub.files().join("3.csv"), "id,name,amount\n4,Late,39\n6,Fay,60\n").expect("a new file");
        client.batch_execute("RUN PIPELINE shop.remove; RUN PIPELINE shop.daily").await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        ask("SELECT string_agg(id || ' ' || name, ', ' ORDER BY id) FROM shop.kept", "1 Anna, 2 Bob, 4 Late, 5 Eve, 6 Fay").await;
        ask("SELECT string_agg(id || ' ' || amount, ', ' ORDER BY id) FROM shop.people", "1 11, 2 5, 4 40, 5 50").await;
        ask("SELECT amount FROM shop.totals", "106").await;
        ask("SELECT count(*) FROM shop.notes VERSION AS OF 1", "2").await;
        client.batch_execute("OPTIMIZE shop.people; VACUUM shop.people").await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        ask("SELECT count(*) FROM shop.people", "4").await;
    }
}
