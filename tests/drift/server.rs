//! A table of a PostgreSQL server, whose columns the source has found.
//!
//! What a server says of its columns counts for all rows: where one is gone or is something else, nothing can be read until somebody decides,
//! and nothing is passed over meanwhile.

use tokio_postgres::Client;

use super::{POLICIES, Wrong, adds_up, number, outcome, run};
use crate::server::with_server;

struct Change {
    name: &'static str,
    first: &'static str,
    second: &'static str,
    outcome: [&'static str; 4],
}

/// `$t` stands for the table.
const CHANGES: &[Change] = &[
    Change {
        name: "add",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ADD extra text; INSERT INTO $t VALUES (2, 20, 'bob', 'x')",
        outcome: [
            "id|total|name|extra
             1|10|ana|∅
             2|20|bob|x
             add extra: - -> text, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|bob|{\"extra\": \"x\"}",
            "id|total|name
             1|10|ana
             2|20|bob",
            "id|total|name
             1|10|ana
             add extra: - -> text, open
             failed 22000 weir_drift.add_fail has a new column \"extra\"",
        ],
    },
    Change {
        name: "dropped",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t DROP name; INSERT INTO $t VALUES (2, 20)",
        outcome: [
            "id|total|name
             1|10|ana
             drop name: text -> missing, open
             failed 42703 column \"name\" does not exist in weir_drift.dropped_evolve on the server",
            "id|total|name|_rescued_data
             1|10|ana|∅
             drop name: text -> missing, open
             failed 42703 column \"name\" does not exist in weir_drift.dropped_rescue on the server",
            "id|total|name
             1|10|ana
             drop name: text -> missing, open
             failed 42703 column \"name\" does not exist in weir_drift.dropped_ignore on the server",
            "id|total|name
             1|10|ana
             drop name: text -> missing, open
             failed 42703 column \"name\" does not exist in weir_drift.dropped_fail on the server",
        ],
    },
    Change {
        name: "renamed",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t RENAME name TO full_name; INSERT INTO $t VALUES (2, 20, 'bob')",
        outcome: [
            "id|total|name
             1|10|ana
             rename name: name -> full_name, open
             failed 42703 column \"name\" does not exist in weir_drift.renamed_evolve on the server",
            "id|total|name|_rescued_data
             1|10|ana|∅
             rename name: name -> full_name, open
             failed 42703 column \"name\" does not exist in weir_drift.renamed_rescue on the server",
            "id|total|name
             1|10|ana
             rename name: name -> full_name, open
             failed 42703 column \"name\" does not exist in weir_drift.renamed_ignore on the server",
            "id|total|name
             1|10|ana
             rename name: name -> full_name, open
             add full_name: - -> text, open
             failed 22000 weir_drift.renamed_fail has a new column \"full_name\"",
        ],
    },
    Change {
        name: "widened",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total TYPE bigint; INSERT INTO $t VALUES (2, 3000000000, 'bob'), (3, 30, 'cas')",
        outcome: [
            "id|total|name
             1|10|ana
             2|3000000000|bob
             3|30|cas
             widen total: integer -> bigint, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             3|30|cas|∅
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             widen total: integer -> bigint, open
             failed 22000 column \"total\" of weir_drift.widened_fail is no longer what it was",
        ],
    },
    Change {
        name: "narrowed",
        first: "CREATE TABLE $t (id int NOT NULL, total bigint, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total TYPE int; INSERT INTO $t VALUES (2, 20, 'bob')",
        outcome: [
            "id|total|name
             1|10|ana
             2|20|bob
             narrow total: bigint -> integer, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|bob|∅
             narrow total: bigint -> integer, open",
            "id|total|name
             1|10|ana
             2|20|bob
             narrow total: bigint -> integer, open",
            "id|total|name
             1|10|ana
             narrow total: bigint -> integer, open
             failed 22000 column \"total\" of weir_drift.narrowed_fail is no longer what it was",
        ],
    },
    Change {
        name: "retyped",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total TYPE text; INSERT INTO $t VALUES (2, 'high', 'bob')",
        outcome: [
            "id|total|name
             1|10|ana
             retype total: integer -> text, open
             failed 42804 column \"total\" is declared as integer but is text on the server",
            "id|total|name|_rescued_data
             1|10|ana|∅
             retype total: integer -> text, open
             failed 42804 column \"total\" is declared as integer but is text on the server",
            "id|total|name
             1|10|ana
             retype total: integer -> text, open
             failed 42804 column \"total\" is declared as integer but is text on the server",
            "id|total|name
             1|10|ana
             retype total: integer -> text, open
             failed 42804 column \"total\" is declared as integer but is text on the server",
        ],
    },
    Change {
        name: "nullable",
        first: "CREATE TABLE $t (id int NOT NULL, total int NOT NULL, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total DROP NOT NULL; INSERT INTO $t VALUES (2, NULL, 'bob'), (3, 30, 'cas')",
        outcome: [
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:total x1
             nullable total: NOT NULL -> NULL, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             3|30|cas|∅
             quarantined not_null:total x1
             nullable total: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:total x1
             nullable total: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             nullable total: NOT NULL -> NULL, open
             failed 22000 column \"total\" of weir_drift.nullable_fail is no longer what it was",
        ],
    },
    // What is promised beyond what was asked for breaks nothing.
    Change {
        name: "not_null",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total SET NOT NULL; INSERT INTO $t VALUES (2, 20, 'bob')",
        outcome: [
            "id|total|name
             1|10|ana
             2|20|bob",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|bob|∅",
            "id|total|name
             1|10|ana
             2|20|bob",
            "id|total|name
             1|10|ana
             2|20|bob",
        ],
    },
    Change {
        name: "nested",
        first: "CREATE TABLE $t (id int NOT NULL, total int, name text); INSERT INTO $t VALUES (1, 10, 'ana')",
        second: "ALTER TABLE $t ALTER total TYPE jsonb USING to_jsonb(total); INSERT INTO $t VALUES (2, '{\"net\": 20}', 'bob')",
        outcome: [
            "id|total|name
             1|10|ana
             nested total: integer -> jsonb, open
             failed 42804 column \"total\" is declared as integer but is jsonb on the server",
            "id|total|name|_rescued_data
             1|10|ana|∅
             nested total: integer -> jsonb, open
             failed 42804 column \"total\" is declared as integer but is jsonb on the server",
            "id|total|name
             1|10|ana
             nested total: integer -> jsonb, open
             failed 42804 column \"total\" is declared as integer but is jsonb on the server",
            "id|total|name
             1|10|ana
             nested total: integer -> jsonb, open
             failed 42804 column \"total\" is declared as integer but is jsonb on the server",
        ],
    },
];

async fn make(client: &Client, schema: &str, name: &str, policy: &str) {
    let sql = format!(
        "CREATE SOURCE m.s_{name} FROM CONNECTION m.pg INCREMENTAL BY id ON SCHEMA CHANGE {policy} WITH (table = '{schema}.{name}'); \
         CREATE PIPELINE m.p_{name} WITH (lineage_columns = false) INTO m.{name} APPEND AS SELECT * FROM STREAM(m.s_{name})"
    );
    client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell() {
    let Some((server, _hub, client)) = with_server("weir_drift").await else { return };
    let mut wrong = Wrong::default();
    for change in CHANGES {
        for (policy, expected) in POLICIES.iter().zip(change.outcome) {
            let name = format!("{}_{}", change.name, policy.to_lowercase());
            let table = format!("weir_drift.{name}");
            let rows = async || number(&server, &format!("SELECT count(*) FROM {table}")).await;
            server.batch_execute(&change.first.replace("$t", &table)).await.expect("a table");
            make(&client, "weir_drift", &name, policy).await;
            assert_eq!(run(&client, &format!("m.p_{name}")).await, None, "{name}: the first run");
            let before = rows().await;
            server.batch_execute(&change.second.replace("$t", &table)).await.expect("another table");
            let failure = run(&client, &format!("m.p_{name}")).await;
            let handed_in = if failure.is_some() { before } else { rows().await };
            adds_up(&client, &name, handed_in).await;
            wrong.compare(&name, expected, &outcome(&client, &name, failure).await);
        }
    }
}

/// A source that stood still goes on where it was, once somebody has decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_let_it_go_on() {
    let Some((server, _hub, client)) = with_server("weir_decided").await else { return };
    let mut wrong = Wrong::default();
    let accepted = [
        ("dropped", "id|total|name\n1|10|ana\n2|20|∅\ndrop name: text -> missing, accepted"),
        ("renamed", "id|total|name\n1|10|ana\n2|20|bob\nrename name: name -> full_name, accepted"),
        ("retyped", "id|total|name\n1|10|ana\nquarantined transform x1\nretype total: integer -> text, accepted"),
    ];
    for (name, expected) in accepted {
        let change = CHANGES.iter().find(|change| change.name == name).expect("a change");
        let table = format!("weir_decided.{name}");
        server.batch_execute(&change.first.replace("$t", &table)).await.expect("a table");
        make(&client, "weir_decided", name, "EVOLVE").await;
        assert_eq!(run(&client, &format!("m.p_{name}")).await, None, "{name}: the first run");
        server.batch_execute(&change.second.replace("$t", &table)).await.expect("another table");
        assert!(run(&client, &format!("m.p_{name}")).await.is_some(), "{name} waits for a decision");
        let id = number(&client, &format!("SELECT id FROM hub.schema_changes WHERE relation = 'm.s_{name}' AND status = 'open'")).await;
        client.batch_execute(&format!("ALTER SOURCE m.s_{name} ACCEPT SCHEMA CHANGE {id}")).await.expect("it is accepted");
        let failure = run(&client, &format!("m.p_{name}")).await;
        adds_up(&client, name, number(&server, &format!("SELECT count(*) FROM {table}")).await).await;
        wrong.compare(name, expected, &outcome(&client, name, failure).await);
    }
}
