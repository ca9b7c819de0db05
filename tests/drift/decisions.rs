//! What somebody decides about a change, and what tables become by it.

use super::{CHANGES, Files, adds_up, files_hub, number, rows, run};

const COLUMNS: &str = "(id int NOT NULL, total int, name text)";

async fn fails(client: &tokio_postgres::Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let error = error.as_db_error().expect("an answer of the hub");
    format!("{} {}{}", error.code().code(), error.message(), error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_field_and_its_old_name_fill_one_column() {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format: "csv" };
    files.write("r", 1, "id,total,name\n1,10,ana\n");
    files.make("r", COLUMNS, "EVOLVE").await;
    assert_eq!(run(&client, "m.p_r").await, None);
    files.write("r", 2, "id,total,full_name\n2,20,bob\n");
    assert_eq!(run(&client, "m.p_r").await, None);
    let id = number(&client, "SELECT id FROM hub.schema_changes WHERE status = 'open' AND kind = 'rename'").await;
    client.batch_execute(&format!("ALTER SOURCE m.s_r ACCEPT SCHEMA CHANGE {id} RENAME name TO full_name")).await.expect("it is accepted");
    files.write("r", 3, "id,total,full_name\n3,30,cas\n");
    files.write("r", 4, "id,total,name\n4,40,dan\n");
    assert_eq!(run(&client, "m.p_r").await, None);
    let table = rows(&client, "SELECT id, name, full_name FROM m.r ORDER BY id", false).await;
    assert_eq!(table, ["1|ana|∅", "2|∅|bob", "3|cas|∅", "4|dan|∅"]);
    adds_up(&client, "r", 4).await;
    assert_eq!(number(&client, "SELECT count(*) FROM hub.schema_changes WHERE status = 'open'").await, 0);
    let versions = "SELECT version, columns LIKE '%full_name%' FROM hub.schema_versions WHERE relation = 'm.s_r' ORDER BY version";
    assert_eq!(rows(&client, versions, false).await, ["1|f", "2|t", "3|f"]);
    let decided = "SELECT decided_by, decided_at IS NOT NULL FROM hub.schema_changes WHERE kind = 'rename'";
    assert_eq!(rows(&client, decided, false).await, ["admin|t"]);
}

/// The table is written anew with the wider column; its old versions are what they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_widened_table_keeps_its_past() {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format: "csv" };
    files.write("w", 1, "id,total,name\n1,10,ana\n2,20,bob\n");
    files.make("w", COLUMNS, "IGNORE").await;
    assert_eq!(run(&client, "m.p_w").await, None);
    files.write("w", 2, "id,total,name\n3,3000000000,cas\n4,40,dan\n");
    assert_eq!(run(&client, "m.p_w").await, None);
    let id = number(&client, "SELECT id FROM hub.schema_changes WHERE status = 'open' AND kind = 'widen'").await;
    let before = number(&client, "SELECT max(version) FROM hub.table_history WHERE relation = 'm.w'").await;
    client.batch_execute(&format!("ALTER SOURCE m.s_w ACCEPT SCHEMA CHANGE {id}")).await.expect("it is accepted");
    client.batch_execute("REPLAY PIPELINE m.p_w").await.expect("what did not fit comes back");
    let table = rows(&client, "SELECT id, total FROM m.w ORDER BY id", false).await;
    assert_eq!(table, ["1|10", "2|20", "3|3000000000", "4|40"]);
    adds_up(&client, "w", 4 + 1).await;
    let kind = "SELECT data_type FROM information_schema.columns WHERE table_name = 'w' AND column_name = 'total'";
    assert_eq!(rows(&client, kind, false).await, ["bigint"]);
    let then = format!("SELECT id, total, arrow_typeof(total) FROM m.w VERSION AS OF {before} ORDER BY id");
    assert_eq!(rows(&client, &then, false).await, ["1|10|Int32", "2|20|Int32", "4|40|Int32"]);
    let changes = format!("SELECT id, total, _change_type FROM table_changes('m.w', {before}) ORDER BY id");
    let after = rows(&client, &changes, false).await;
    assert_eq!(after.iter().filter(|line| line.ends_with("insert")).count(), after.len(), "nothing was deleted or updated: {after:?}");
    assert!(after.contains(&"3|3000000000|insert".to_owned()) && !after.contains(&"1|10|insert".to_owned()), "{after:?}");
    let versions = "SELECT version, columns LIKE '%bigint%' FROM hub.schema_versions WHERE relation = 'm.w' ORDER BY version";
    assert_eq!(rows(&client, versions, false).await, ["1|f", "2|t"]);
    // Going back is a new version with the old columns, which the next run widens again.
    client.batch_execute(&format!("RESTORE TABLE m.w TO VERSION AS OF {before}")).await.expect("it is restored");
    files.write("w", 3, "id,total,name\n5,5000000000,eva\n");
    assert_eq!(run(&client, "m.p_w").await, None);
    assert_eq!(rows(&client, "SELECT id, total FROM m.w ORDER BY id", false).await, ["1|10", "2|20", "4|40", "5|5000000000"]);
}

/// Deleted keys are remembered by their value: the type of a key stays as long as there are any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_by_which_deletions_are_remembered_keeps_its_type() {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format: "csv" };
    files.write("k", 1, "id,at,gone\n1,5,false\n2,5,true\n");
    let sql = "CREATE SOURCE m.s_k (id int, at int, gone boolean) FROM CONNECTION m.files FORMAT csv ON SCHEMA CHANGE EVOLVE \
               WITH (path = 'k/*.txt', settle = '0 s'); \
               CREATE PIPELINE m.p_k INTO m.k UPSERT KEY (id) SEQUENCE BY at DELETE WHEN (gone) AS SELECT id, at, gone FROM STREAM(m.s_k)";
    client.batch_execute(sql).await.expect("a pipeline");
    assert_eq!(run(&client, "m.p_k").await, None);
    files.write("k", 2, "id,at,gone\n2,4,false\n3000000000,6,false\n4,6,false\n");
    assert_eq!(run(&client, "m.p_k").await, None);
    assert_eq!(rows(&client, "SELECT id, arrow_typeof(id) FROM m.k ORDER BY id", false).await, ["1|Int32", "4|Int32"]);
    let letters = "SELECT stage, record->>'id' FROM hub.dead_letters WHERE pipeline = 'm.p_k'";
    assert_eq!(rows(&client, letters, false).await, ["transform|3000000000"], "the one that does not fit waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_is_not_asked_again() {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format: "csv" };
    let open = async |relation: &str| {
        number(&client, &format!("SELECT count(*) FROM hub.schema_changes WHERE status = 'open' AND relation = '{relation}'")).await
    };
    let first = async |relation: &str| {
        number(&client, &format!("SELECT min(id) FROM hub.schema_changes WHERE status = 'open' AND relation = '{relation}'")).await
    };
    for (name, policy) in [("a", "IGNORE"), ("b", "IGNORE"), ("c", "FAIL"), ("d", "IGNORE")] {
        files.write(name, 1, "id,total,name\n1,10,ana\n");
        files.make(name, COLUMNS, policy).await;
        assert_eq!(run(&client, &format!("m.p_{name}")).await, None);
    }

    // Accepted: the column need not be there any more.
    files.write("a", 2, "id,total\n2,20\n");
    assert_eq!(run(&client, "m.p_a").await, None);
    let id = first("m.s_a").await;
    client.batch_execute(&format!("ALTER SOURCE m.s_a ACCEPT SCHEMA CHANGE {id}")).await.expect("it is accepted");
    files.write("a", 3, "id,total\n3,30\n");
    assert_eq!(run(&client, "m.p_a").await, None);
    assert_eq!((open("m.s_a").await, number(&client, "SELECT count(*) FROM m.a").await), (0, 3));

    // Rejected: records go on being refused, and nobody is asked.
    for number in [2, 3] {
        files.write("b", number, &format!("id,total,name\n{number},many,bob\n"));
        assert_eq!(run(&client, "m.p_b").await, None);
        if number == 2 {
            let id = first("m.s_b").await;
            client.batch_execute(&format!("ALTER SOURCE m.s_b REJECT SCHEMA CHANGE {id}")).await.expect("it is rejected");
        }
    }
    assert_eq!(open("m.s_b").await, 0);
    adds_up(&client, "b", 3).await;

    // A source that stood still takes the new field once it is accepted.
    files.write("c", 2, "id,total,name,extra\n2,20,bob,x\n");
    assert!(run(&client, "m.p_c").await.is_some());
    let id = first("m.s_c").await;
    client.batch_execute(&format!("ALTER SOURCE m.s_c ACCEPT SCHEMA CHANGE {id}")).await.expect("it is accepted");
    assert_eq!(run(&client, "m.p_c").await, None);
    assert_eq!(rows(&client, "SELECT id, extra FROM m.c ORDER BY id", false).await, ["1|∅", "2|x"]);

    // What must have a value need not have one any more; what was refused for it comes back.
    files.write("d", 2, "id,total,name\n,20,bob\n");
    assert_eq!(run(&client, "m.p_d").await, None);
    let id = first("m.s_d").await;
    client.batch_execute(&format!("ALTER SOURCE m.s_d ACCEPT SCHEMA CHANGE {id}; REPLAY PIPELINE m.p_d")).await.expect("it is accepted");
    assert_eq!(rows(&client, "SELECT id, name FROM m.d ORDER BY name", false).await, ["1|ana", "∅|bob"]);

    let decided = format!("{CHANGES} WHERE status <> 'open' ORDER BY c.id");
    assert_eq!(
        rows(&client, &decided, false).await,
        [
            "drop name: text -> missing, accepted",
            "retype total: integer -> text, rejected",
            "add extra: - -> text, accepted",
            "nullable id: NOT NULL -> NULL, accepted",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_decides_and_only_once() {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format: "csv" };
    files.write("o", 1, "id,total,name\n1,10,ana\n");
    files.make("o", COLUMNS, "EVOLVE").await;
    assert_eq!(run(&client, "m.p_o").await, None);
    files.write("o", 2, "id,total\n2,20\n");
    assert_eq!(run(&client, "m.p_o").await, None);
    client
        .batch_execute("CREATE ROLE bob LOGIN PASSWORD 'long enough'; GRANT USAGE ON SCHEMA m TO bob; GRANT SELECT ON SOURCE m.s_o TO bob")
        .await
        .expect("a role");
    let bob = hub.connect_as("bob", "long enough").await.expect("bob");
    assert_eq!(rows(&bob, "SELECT kind FROM hub.schema_changes", false).await, ["drop"]);
    assert!(fails(&bob, "ALTER SOURCE m.s_o ACCEPT SCHEMA CHANGE 1").await.starts_with("42501"));
    assert_eq!(
        fails(&client, "ALTER SOURCE m.s_o ACCEPT SCHEMA CHANGE 7").await,
        "42704 source \"m.s_o\" has no schema change 7 (Open: 1.)"
    );
    assert!(fails(&client, "BEGIN; ALTER SOURCE m.s_o ACCEPT SCHEMA CHANGE 1; COMMIT").await.starts_with("0A000"));
    client.batch_execute("ROLLBACK").await.expect("it ends");
    client.batch_execute("ALTER SOURCE m.s_o REJECT SCHEMA CHANGE 1").await.expect("the owner decides");
    assert_eq!(
        fails(&client, "ALTER SOURCE m.s_o ACCEPT SCHEMA CHANGE 1").await,
        "55000 schema change 1 of source \"m.s_o\" is decided already"
    );
    assert!(fails(&client, "ALTER SOURCE m.nobody REJECT SCHEMA CHANGE 1").await.starts_with("42"));
    client.batch_execute("ALTER SOURCE IF EXISTS m.nobody REJECT SCHEMA CHANGE 1").await.expect("nothing to do");
}
