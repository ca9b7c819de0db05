//! Rights over the wire: every path to an object refuses until exactly the rights it needs are there, and refuses again without any one of them.

use std::sync::Arc;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::hub::Hub;

/// SQLSTATE and message of what a statement ends with; None when it succeeds.
async fn outcome(client: &Client, text: &str) -> Option<(String, String)> {
    let result = match text.split_once(' ') {
        Some(("COPY", rest)) if rest.ends_with("FROM STDIN") => match client.copy_in::<_, bytes::Bytes>(text).await {
            Ok(sink) => {
                let mut sink = std::pin::pin!(sink);
                sink.as_mut().finish().await.map(|_| ())
            }
            Err(error) => Err(error),
        },
        Some(("COPY", _)) => client.copy_out(text).await.map(|_| ()),
        // The extended protocol, from Parse to Sync.
        Some(("!", text)) => client.query(text, &[]).await.map(|_| ()),
        _ => client.simple_query(text).await.map(|_| ()),
    };
    result.err().map(|error| match error.as_db_error() {
        Some(db) => (db.code().code().to_owned(), db.message().to_owned()),
        None => ("?".to_owned(), error.to_string()),
    })
}

async fn ok(client: &Client, text: &str) {
    if let Some((code, message)) = outcome(client, text).await {
        panic!("{text}\n{code} {message}");
    }
}

async fn refused(client: &Client, text: &str) -> String {
    match outcome(client, text).await {
        Some((code, message)) if code == "42501" => message,
        // As in PostgreSQL, a schema of the path that may not be used is passed over.
        Some((code, message)) if code == "42P01" && text.starts_with("SET search_path") => message,
        other => panic!("{text}\nwas to be refused for want of a right, and ended with {other:?}"),
    }
}

async fn refused_with(client: &Client, text: &str, wanted: &str, part: &str) {
    match outcome(client, text).await {
        Some((code, message)) if code == wanted && message.contains(part) => {}
        other => panic!("{text}\nwas to end with {wanted} {part}, and ended with {other:?}"),
    }
}

async fn column(client: &Client, text: &str) -> Vec<String> {
    let messages = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    rows.collect()
}

const SETUP: &[&str] = &[
    "CREATE ROLE bob LOGIN PASSWORD 'bob'",
    "CREATE ROLE eve LOGIN PASSWORD 'eve'",
    "CREATE SCHEMA s",
    "CREATE SCHEMA own AUTHORIZATION bob",
    "CREATE SECRET s.k AS 'value'",
    "CREATE CONNECTION s.c TYPE local WITH (root = '$FILES')",
    "CREATE TABLE s.t (a bigint PRIMARY KEY, b text)",
    "INSERT INTO s.t VALUES (1, 'x'), (2, 'y')",
    "CREATE VIEW s.v AS SELECT a FROM s.t",
    "CREATE SOURCE s.f (a bigint) FROM CONNECTION s.c FORMAT csv WITH (path = '*.csv', settle = '0 s')",
    "CREATE PIPELINE s.p INTO s.filled APPEND EXPECT (a > 0) AS SELECT a FROM STREAM(s.f)",
    "CREATE TABLE s.append (a bigint)",
];

const LOOK: &str = "USAGE ON SCHEMA s";
const READ: &[&str] = &[LOOK, "SELECT ON s.t"];

/// A statement, the rights it needs, and what puts things back.
const MATRIX: &[(&str, &[&str], &str)] = &[
    // Reading, in every form there is.
    ("SELECT * FROM s.t", READ, ""),
    ("! SELECT * FROM s.t", READ, ""),
    ("TABLE s.t", READ, ""),
    ("EXPLAIN SELECT * FROM s.t", READ, ""),
    ("EXPLAIN ANALYZE SELECT * FROM s.t", READ, ""),
    ("COPY s.t TO STDOUT", READ, ""),
    ("COPY (SELECT a FROM s.t) TO STDOUT", READ, ""),
    ("SELECT * FROM s.t VERSION AS OF 0", READ, ""),
    ("SELECT * FROM table_changes('s.t', 0)", READ, ""),
    ("WITH x AS (SELECT * FROM s.t) SELECT 1", READ, ""),
    ("SELECT (SELECT count(*) FROM s.t)", READ, ""),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM s.t)", READ, ""),
    ("SELECT 1 UNION ALL SELECT a FROM s.t", READ, ""),
    ("SELECT count(*) FROM generate_series(1, 2) g(n) JOIN s.t ON a = n", READ, ""),
    ("SET search_path = s; SELECT * FROM t; RESET search_path", READ, "RESET search_path"),
    ("PREPARE q AS SELECT * FROM s.t; EXECUTE q; DEALLOCATE q", READ, "DEALLOCATE ALL"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM s.t; CLOSE c", READ, ""),
    ("CREATE VIEW own.v AS SELECT * FROM s.t", READ, "DROP VIEW own.v"),
    ("CREATE TABLE own.x AS SELECT * FROM s.t", READ, "DROP TABLE own.x"),
    ("INSERT INTO own.t SELECT a FROM s.t", READ, ""),
    ("UPDATE own.t SET a = (SELECT max(a) FROM s.t)", READ, ""),
    ("DELETE FROM own.t WHERE a IN (SELECT a FROM s.t)", READ, ""),
    ("CREATE PIPELINE own.p INTO own.pt REPLACE AS SELECT a FROM s.t", READ, "DROP PIPELINE own.p; DROP TABLE IF EXISTS own.pt"),
    ("DESCRIBE HISTORY s.t", READ, ""),
    ("SELECT * FROM s.v", &[LOOK, "SELECT ON s.v"], ""),
    ("SELECT * FROM s.f", &[LOOK, "SELECT ON SOURCE s.f"], ""),
    (
        "CREATE PIPELINE own.p INTO own.pt AS SELECT a FROM STREAM(s.f)",
        &[LOOK, "SELECT ON SOURCE s.f"],
        "DROP PIPELINE own.p; DROP TABLE IF EXISTS own.pt",
    ),
    // Writing.
    ("INSERT INTO s.append VALUES (1)", &[LOOK, "INSERT ON s.append"], ""),
    ("! INSERT INTO s.append VALUES (1)", &[LOOK, "INSERT ON s.append"], ""),
    ("COPY s.append FROM STDIN", &[LOOK, "INSERT ON s.append"], ""),
    ("UPDATE s.append SET a = 5", &[LOOK, "UPDATE ON s.append"], ""),
    ("UPDATE s.append SET a = 6 WHERE a = 5", &[LOOK, "UPDATE ON s.append", "SELECT ON s.append"], ""),
    ("UPDATE s.append SET a = a + 1", &[LOOK, "UPDATE ON s.append", "SELECT ON s.append"], ""),
    ("DELETE FROM s.append WHERE a = 77", &[LOOK, "DELETE ON s.append", "SELECT ON s.append"], ""),
    ("DELETE FROM s.append", &[LOOK, "DELETE ON s.append"], ""),
    ("PREPARE q AS INSERT INTO s.append VALUES (1); EXECUTE q; DEALLOCATE q", &[LOOK, "INSERT ON s.append"], "DEALLOCATE ALL"),
    ("CREATE PIPELINE own.p INTO s.append APPEND AS SELECT a FROM own.t", &[LOOK, "INSERT ON s.append"], "DROP PIPELINE own.p"),
    (
        "CREATE PIPELINE own.p INTO s.append REPLACE AS SELECT a FROM own.t",
        &[LOOK, "INSERT ON s.append", "UPDATE ON s.append", "DELETE ON s.append"],
        "DROP PIPELINE own.p",
    ),
    ("CREATE TABLE own.r (a bigint, FOREIGN KEY (a) REFERENCES s.t)", &[LOOK, "REFERENCES ON s.t"], "DROP TABLE own.r"),
    ("RESTORE TABLE s.append TO VERSION AS OF 0", &[LOOK, "MAINTAIN ON s.append"], ""),
    ("OPTIMIZE s.append", &[LOOK, "MAINTAIN ON s.append"], ""),
    ("VACUUM s.append RETAIN '0 hours'", &[LOOK, "MAINTAIN ON s.append"], ""),
    // Making.
    ("CREATE TABLE s.new (a int)", &["USAGE, CREATE ON SCHEMA s"], "DROP TABLE s.new"),
    ("CREATE VIEW s.new AS SELECT 1 AS a", &["USAGE, CREATE ON SCHEMA s"], "DROP VIEW s.new"),
    (
        "CREATE PIPELINE own.p INTO s.new APPEND AS SELECT 1 AS a",
        &["USAGE, CREATE ON SCHEMA s"],
        "DROP PIPELINE own.p; DROP TABLE IF EXISTS s.new",
    ),
    ("CREATE TABLE public.new (a int)", &["CREATE ON SCHEMA public"], "DROP TABLE public.new"),
    ("CREATE SCHEMA mine", &["CREATE ON DATABASE weir"], "DROP SCHEMA mine"),
    ("CREATE SOURCE own.f FROM CONNECTION s.c FORMAT csv WITH (path = '*')", &[LOOK, "USAGE ON CONNECTION s.c"], "DROP SOURCE own.f"),
    ("VALIDATE CONNECTION s.c", &[LOOK, "USAGE ON CONNECTION s.c"], ""),
    (
        "CREATE CONNECTION own.c TYPE postgres WITH (host = 'localhost', database = 'x', user = 'x', password = SECRET s.k)",
        &[LOOK, "USAGE ON SECRET s.k"],
        "DROP CONNECTION own.c",
    ),
    // Pipelines.
    ("RUN PIPELINE s.p", &[LOOK, "EXECUTE ON PIPELINE s.p"], ""),
    ("COPY PIPELINE s.p FROM STDIN", &[LOOK, "EXECUTE ON PIPELINE s.p"], ""),
    ("SELECT * FROM hub.run('s.p')", &[LOOK, "EXECUTE ON PIPELINE s.p"], ""),
    ("RUN PIPELINE s.p DRY RUN", &[LOOK, "EXECUTE ON PIPELINE s.p", "SELECT ON PIPELINE s.p"], ""),
    ("! RUN PIPELINE s.p DRY RUN", &[LOOK, "EXECUTE ON PIPELINE s.p", "SELECT ON PIPELINE s.p"], ""),
    ("ALTER PIPELINE s.p SUSPEND", &[LOOK, "MAINTAIN ON PIPELINE s.p"], ""),
    ("ALTER PIPELINE s.p RESUME", &[LOOK, "MAINTAIN ON PIPELINE s.p"], ""),
    ("ALTER PIPELINE s.p RESET OFFSETS", &[LOOK, "MAINTAIN ON PIPELINE s.p"], ""),
    ("REPLAY PIPELINE s.p", &[LOOK, "MAINTAIN ON PIPELINE s.p"], ""),
    ("EXPLAIN PIPELINE s.p", &[LOOK, "SELECT ON PIPELINE s.p"], ""),
    ("SHOW RUNS FOR s.p", &[LOOK, "SELECT ON PIPELINE s.p"], ""),
    ("SHOW CREATE PIPELINE s.p", &[LOOK, "EXECUTE ON PIPELINE s.p"], ""),
    ("SHOW CREATE TABLE s.t", READ, ""),
    ("DESCRIBE s.t", READ, ""),
    ("SELECT * FROM hub.audit LIMIT 1", &["SELECT ON hub.audit"], ""),
];

/// What no right of others opens: the owner's own business, and a superuser's.
const OWNERS_ONLY: &[&str] = &[
    "ALTER TABLE s.t ADD COLUMN c int",
    "ALTER TABLE s.t RENAME TO u",
    "ALTER TABLE s.t OWNER TO bob",
    "ALTER TABLE s.t SET SCHEMA own",
    "ALTER VIEW s.v RENAME TO w",
    "ALTER SCHEMA s RENAME TO r",
    "ALTER SCHEMA s OWNER TO bob",
    "ALTER SECRET s.k AS 'mine'",
    "ALTER CONNECTION s.c SET (root = '/')",
    "ALTER SOURCE s.f SET (path = '/etc/passwd')",
    "ALTER PIPELINE s.p OWNER TO bob",
    "ALTER PIPELINE s.p RENAME TO q",
    "ALTER PIPELINE s.p ADD SCHEDULE EVERY '1 hour'",
    "CREATE OR REPLACE VIEW s.v AS SELECT 1 AS a",
    "CREATE OR REPLACE PIPELINE s.p INTO own.pt REPLACE AS SELECT 1 AS a",
    "CREATE OR REPLACE SECRET s.k AS 'mine'",
    "COMMENT ON TABLE s.t IS 'mine'",
    "DROP TABLE s.append",
    "DROP VIEW s.v",
    "DROP PIPELINE s.p",
    "DROP SCHEMA s CASCADE",
    "DROP SECRET s.k",
    "SHOW CREATE CONNECTION s.c",
    "GRANT SELECT ON hub.audit TO bob",
    "CREATE ROLE mallory SUPERUSER",
    "CREATE ROLE mallory",
    "ALTER ROLE bob SUPERUSER",
    "ALTER ROLE bob CREATEROLE",
    "ALTER ROLE eve PASSWORD 'mine'",
    "ALTER ROLE admin PASSWORD 'mine'",
    "DROP ROLE eve",
    "GRANT admin TO bob",
    "GRANT pg_read_all_data TO bob",
    "GRANT eve TO bob",
    "SET ROLE admin",
    "SET ROLE eve",
    "SET LOCAL ROLE admin",
    "SET role TO 'admin'",
    "SELECT set_config('role', 'admin', false)",
    "ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT SELECT ON TABLES TO bob",
    "CREATE SCHEMA trick AUTHORIZATION admin",
    "ALTER TABLE own.t OWNER TO admin",
    "CREATE CONNECTION own.files TYPE local WITH (root = '/')",
    "CREATE SECRET own.env FROM ENV 'HOME'",
    "CREATE SECRET own.file FROM FILE '/etc/passwd'",
    "SELECT * FROM hub.audit",
];

/// Everything on the objects that can be given.
const EVERYTHING: &[&str] = &[
    "ALL ON SCHEMA s",
    "ALL ON ALL TABLES IN SCHEMA s",
    "ALL ON ALL PIPELINES IN SCHEMA s",
    "ALL ON ALL SECRETS IN SCHEMA s",
    "ALL ON ALL CONNECTIONS IN SCHEMA s",
    "ALL ON DATABASE weir",
];

async fn set_up(hub: &Hub) -> Client {
    let (admin, _) = hub.connect().await;
    std::fs::write(hub.files().join("one.csv"), "a\n1\n-1\n").expect("a file");
    for text in SETUP {
        ok(&admin, &text.replace("$FILES", &hub.files().to_string_lossy())).await;
    }
    admin
}

async fn give(admin: &Client, right: &str) {
    ok(admin, &format!("GRANT {right} TO bob")).await;
}

async fn take(admin: &Client, right: &str) {
    ok(admin, &format!("REVOKE {right} FROM bob")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_needs_exactly_its_rights() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    let bob = Arc::new(hub.connect_as("bob", "bob").await.expect("bob logs in"));
    ok(&bob, "CREATE TABLE own.t (a bigint)").await;
    for (text, rights, undo) in MATRIX {
        for missing in *rights {
            let others: Vec<&&str> = rights.iter().filter(|right| *right != missing).collect();
            for right in &others {
                give(&admin, right).await;
            }
            refused(client_for(&hub, &bob, text).await.as_ref(), text).await;
            put_back(&bob).await;
            for right in &others {
                take(&admin, right).await;
            }
        }
        for right in *rights {
            give(&admin, right).await;
        }
        ok(client_for(&hub, &bob, text).await.as_ref(), text).await;
        for part in undo.split("; ").filter(|part| !part.is_empty()) {
            ok(&admin, part).await;
        }
        for right in *rights {
            take(&admin, right).await;
        }
        // The same session, after what it could do was taken from it.
        refused(client_for(&hub, &bob, text).await.as_ref(), text).await;
        put_back(&bob).await;
    }
}

/// A refused COPY FROM leaves the test's own client out of step: it gets a connection for itself.
async fn client_for(hub: &Hub, bob: &Arc<Client>, text: &str) -> Arc<Client> {
    match text.ends_with("FROM STDIN") {
        true => Arc::new(hub.connect_as("bob", "bob").await.expect("bob logs in")),
        false => Arc::clone(bob),
    }
}

/// After a statement that failed half way.
async fn put_back(bob: &Client) {
    ok(bob, "ROLLBACK; RESET search_path; DEALLOCATE ALL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_the_owners_own_cannot_be_given() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    ok(&bob, "CREATE TABLE own.t (a bigint)").await;
    for text in OWNERS_ONLY {
        refused(&bob, text).await;
    }
    for right in EVERYTHING {
        give(&admin, right).await;
    }
    for text in OWNERS_ONLY {
        refused(&bob, text).await;
    }
    // A member of the owner can what the owner can.
    ok(&admin, "CREATE ROLE team; GRANT team TO bob; ALTER TABLE s.append OWNER TO team").await;
    ok(&bob, "ALTER TABLE s.append ADD COLUMN c int").await;
    ok(&bob, "SET ROLE team").await;
    assert_eq!(column(&bob, "SELECT current_user || ' ' || session_user").await, ["team bob"]);
    refused(&bob, "SELECT * FROM own.t").await;
    ok(&bob, "RESET ROLE").await;
    ok(&admin, "REVOKE team FROM bob").await;
    assert!(refused(&bob, "DROP TABLE s.append").await.contains("must be owner of table append"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_set_ends_with_the_membership() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    ok(&admin, "CREATE ROLE team; GRANT team TO bob; GRANT USAGE ON SCHEMA s TO team; GRANT SELECT ON s.t TO team").await;
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    ok(&bob, "SET ROLE team").await;
    ok(&bob, "SELECT * FROM s.t").await;
    ok(&admin, "REVOKE team FROM bob").await;
    refused(&bob, "SELECT * FROM s.t").await;
    // A role of that name that was made later is another.
    ok(&admin, "CREATE ROLE tmp LOGIN PASSWORD 'tmp'; GRANT USAGE ON SCHEMA s TO tmp; GRANT SELECT ON s.t TO tmp").await;
    let tmp = hub.connect_as("tmp", "tmp").await.expect("tmp logs in");
    ok(&tmp, "SELECT * FROM s.t").await;
    ok(&admin, "REVOKE ALL ON SCHEMA s FROM tmp; REVOKE ALL ON s.t FROM tmp; DROP ROLE tmp; CREATE ROLE tmp SUPERUSER").await;
    refused_with(&tmp, "SELECT * FROM s.t", "28000", "does not exist").await;
    refused_with(&tmp, "SELECT 1", "28000", "does not exist").await;
}

/// A view reads with its owner's rights, and the caller cannot make its names mean anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_cannot_be_led_astray() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    for text in [
        "CREATE SCHEMA hidden; CREATE TABLE hidden.public_table (a text); INSERT INTO hidden.public_table VALUES ('secret')",
        "CREATE TABLE public.public_table (a text); INSERT INTO public.public_table VALUES ('known')",
        "CREATE VIEW public.v AS SELECT a FROM public_table",
        "GRANT SELECT ON public.v TO bob",
        "CREATE VIEW public.me AS SELECT current_user AS me",
        "GRANT SELECT ON public.me TO PUBLIC",
    ] {
        ok(&admin, text).await;
    }
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    assert_eq!(column(&bob, "SELECT * FROM v").await, ["known"]);
    ok(&bob, "SET search_path = hidden, public").await;
    assert_eq!(column(&bob, "SELECT * FROM public.v").await, ["known"]);
    refused(&bob, "SELECT * FROM hidden.public_table").await;
    assert_eq!(column(&bob, "SELECT me FROM public.me").await, ["bob"]);
    // The owner's rights count at each use.
    ok(&admin, "GRANT SELECT ON public.public_table TO bob").await;
    ok(&bob, "RESET search_path; CREATE VIEW own.v AS SELECT a FROM public_table; GRANT USAGE ON SCHEMA own TO eve; GRANT SELECT ON own.v TO eve").await;
    let eve = hub.connect_as("eve", "eve").await.expect("eve logs in");
    assert_eq!(column(&eve, "SELECT * FROM own.v").await, ["known"]);
    ok(&admin, "REVOKE SELECT ON public.public_table FROM bob").await;
    refused(&eve, "SELECT * FROM own.v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_runs_with_the_rights_its_owner_has_then() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    for right in [LOOK, "SELECT ON s.t", "INSERT ON s.append"] {
        give(&admin, right).await;
    }
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    ok(&bob, "CREATE PIPELINE own.p INTO s.append APPEND AS SELECT a FROM s.t").await;
    ok(&bob, "RUN PIPELINE own.p").await;
    take(&admin, "INSERT ON s.append").await;
    refused(&bob, "RUN PIPELINE own.p").await;
    // Whoever runs it: not his rights count.
    refused(&admin, "RUN PIPELINE own.p").await;
    give(&admin, "INSERT ON s.append").await;
    take(&admin, "SELECT ON s.t").await;
    refused(&admin, "RUN PIPELINE own.p").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_shown_and_edited_by_right() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    ok(&admin, "RUN PIPELINE s.p").await;
    assert_eq!(column(&admin, "SELECT count(*) FROM hub.dead_letters").await, ["1"]);
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    let count = async || column(&bob, "SELECT count(*) FROM hub.dead_letters").await;
    assert_eq!(count().await, ["0"]);
    // An error of a condition would tell what hidden rows hold.
    assert_eq!(column(&bob, "SELECT 1 / (CASE WHEN record IS NULL THEN 1 ELSE 0 END) FROM hub.dead_letters").await, Vec::<String>::new());
    ok(&bob, "SELECT * FROM hub.dead_letters WHERE 1 / (CASE WHEN pipeline = 's.p' THEN 0 ELSE 1 END) = 1").await;
    ok(&bob, "UPDATE hub.dead_letters SET note = 'x' WHERE 1 / (CASE WHEN pipeline = 's.p' THEN 0 ELSE 1 END) = 1").await;
    ok(&bob, "UPDATE hub.dead_letters SET note = 'mine'").await;
    refused(&bob, "DELETE FROM hub.dead_letters").await;
    give(&admin, "SELECT ON PIPELINE s.p").await;
    assert_eq!(count().await, ["1"]);
    ok(&bob, "UPDATE hub.dead_letters SET note = 'mine'").await;
    assert_eq!(column(&admin, "SELECT note FROM hub.dead_letters").await, ["NULL"]);
    take(&admin, "SELECT ON PIPELINE s.p").await;
    give(&admin, "MAINTAIN ON PIPELINE s.p").await;
    assert_eq!(count().await, ["1"]);
    refused_with(&bob, "UPDATE hub.dead_letters SET note = (SELECT max(record::text) FROM hub.dead_letters)", "0A000", "sub-query").await;
    ok(&bob, "UPDATE hub.dead_letters SET note = 'mine' WHERE status = 'open'").await;
    assert_eq!(column(&admin, "SELECT note FROM hub.dead_letters").await, ["mine"]);
    give(&admin, LOOK).await;
    refused(&bob, "REPLAY PIPELINE s.p WHERE (SELECT count(*) FROM s.t) > 0").await;
    ok(&bob, "REPLAY PIPELINE s.p WHERE note = 'mine'").await;
    assert_eq!(column(&admin, "SELECT count(*) FROM hub.audit WHERE role = 'bob' AND object = 'hub.dead_letters' AND ok").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_systems_own_tables_show_what_the_role_may_know() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    ok(&admin, "RUN PIPELINE s.p").await;
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    let tables = [
        "pipelines",
        "pipeline_versions",
        "pipeline_status",
        "runs",
        "run_outputs",
        "rule_results",
        "sources",
        "source_offsets",
        "files",
        "connections",
        "secrets",
        "settings",
        "schema_versions",
        "schema_changes",
        "table_history",
        "lineage",
        "column_lineage",
        "lineage_history",
        "openlineage",
        "dead_letters",
        "events",
        "alerts",
        "alert_history",
    ];
    for table in tables {
        assert_eq!(column(&bob, &format!("SELECT count(*) FROM hub.{table}")).await, ["0"], "{table}");
    }
    give(&admin, "EXECUTE ON PIPELINE s.p").await;
    assert_eq!(column(&bob, "SELECT name FROM hub.pipelines").await, ["p"]);
    assert_eq!(column(&bob, "SELECT count(*) FROM hub.runs").await, ["1"]);
    give(&admin, "USAGE ON CONNECTION s.c").await;
    assert_eq!(column(&bob, "SELECT definition FROM hub.connections").await, ["NULL"]);
    // What others run is theirs to know.
    assert_eq!(column(&bob, "SELECT DISTINCT query FROM pg_stat_activity WHERE usename = 'admin'").await, ["<insufficient privilege>"]);
    // Names are everybody's, as in PostgreSQL; answers about rights are the checks' own.
    assert_eq!(column(&bob, "SELECT relname FROM pg_class WHERE relname = 'filled'").await, ["filled"]);
    let asks = "SELECT has_table_privilege('bob', 's.t', 'SELECT') || ' ' || has_schema_privilege('s', 'USAGE') || ' ' || pg_has_role('bob', 'admin', 'MEMBER')";
    assert_eq!(column(&bob, asks).await, ["false false false"]);
    ok(&admin, "GRANT SELECT ON s.t TO bob WITH GRANT OPTION; GRANT USAGE ON SCHEMA s TO bob").await;
    let asks = "SELECT has_table_privilege('s.t', 'SELECT') || ' ' || has_table_privilege('s.t', 'SELECT WITH GRANT OPTION') || ' ' || has_table_privilege('s.t', 'INSERT')";
    assert_eq!(column(&bob, asks).await, ["true true false"]);
    assert_eq!(
        column(&admin, "SELECT array_to_string(relacl, ' ') FROM pg_class WHERE relname = 't' AND relnamespace = 's'::regnamespace").await,
        ["admin=arwdDxtm/admin bob=r*/admin"]
    );
    // Passed on, and taken back with what it was passed on for.
    ok(&bob, "GRANT SELECT ON s.t TO eve").await;
    refused_with(&admin, "REVOKE SELECT ON s.t FROM bob", "2BP01", "dependent privileges exist").await;
    ok(&admin, "REVOKE SELECT ON s.t FROM bob CASCADE").await;
    assert_eq!(column(&admin, "SELECT has_table_privilege('eve', 's.t', 'SELECT')").await, ["f"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_in_obeys_the_role() {
    let mut hub = Hub::start();
    let (admin, _) = hub.connect().await;
    for text in [
        "CREATE ROLE nologin NOLOGIN PASSWORD 'x'",
        "CREATE ROLE nopassword LOGIN",
        "CREATE ROLE expired LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'",
        "CREATE ROLE valid LOGIN PASSWORD 'x' VALID UNTIL '2999-01-01'",
        "CREATE ROLE once LOGIN PASSWORD 'x' CONNECTION LIMIT 1",
        "CREATE USER \"Robert'); DROP TABLE students; --\" PASSWORD 'x'",
    ] {
        ok(&admin, text).await;
    }
    let code = async |role: &str, password: &str| match hub.connect_as(role, password).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.as_db_error().map(|db| format!("{} {}", db.code().code(), db.message())).unwrap_or_default(),
    };
    assert_eq!(code("nologin", "x").await, "28000 role \"nologin\" is not permitted to log in");
    for (role, password) in
        [("nopassword", ""), ("nopassword", "x"), ("expired", "x"), ("valid", "y"), ("nobody", "x"), ("pg_read_all_data", "x")]
    {
        let wanted = format!("28P01 password authentication failed for user \"{role}\"");
        if !password.is_empty() {
            assert_eq!(code(role, password).await, wanted);
        }
    }
    assert_eq!(code("valid", "x").await, "ok");
    assert_eq!(code("Robert'); DROP TABLE students; --", "x").await, "ok");
    let first = hub.connect_as("once", "x").await.expect("the first");
    assert_eq!(code("once", "x").await, "53300 too many connections for role \"once\"");
    drop(first);
    ok(&admin, "REVOKE CONNECT ON DATABASE weir FROM PUBLIC").await;
    assert_eq!(code("valid", "x").await, "42501 permission denied for database \"weir\"");
    ok(&admin, "GRANT CONNECT ON DATABASE weir TO valid; ALTER ROLE valid PASSWORD 'changed'").await;
    assert_eq!(code("valid", "changed").await, "ok");
    let failures = "SELECT DISTINCT sqlstate FROM hub.audit WHERE action = 'log in' ORDER BY 1";
    assert_eq!(column(&admin, failures).await, ["28000", "28P01", "42501", "53300"]);
    // No password is in any text that is kept.
    assert_eq!(column(&admin, "SELECT count(*) FROM hub.audit WHERE statement LIKE '%changed%' OR statement LIKE '%''x''%'").await, ["0"]);
    // A start-up parameter is no way round SET ROLE.
    let error = hub.connect_with("valid", "changed", "-c role=admin").await.expect_err("refused");
    assert_eq!(error.code().map(|code| code.code()), Some("42501"));
    // All of it survives the end of the process.
    drop(admin);
    hub.kill_and_start();
    let valid = hub.connect_as("valid", "changed").await.expect("valid logs in");
    refused(&valid, "CREATE TABLE public.x (a int)").await;
    let (admin, _) = hub.connect().await;
    refused_with(&admin, "ALTER ROLE admin NOSUPERUSER", "2BP01", "last superuser").await;
    refused_with(&admin, "DROP ROLE admin", "55000", "current user cannot be dropped").await;
}

/// Rights given in a transaction that is still open are nobody's, and one taken by another counts inside it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_follow_transactions() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    ok(&admin, "BEGIN; GRANT USAGE ON SCHEMA s TO bob; GRANT SELECT ON s.t TO bob").await;
    refused(&bob, "SELECT * FROM s.t").await;
    ok(&admin, "ROLLBACK").await;
    refused(&bob, "SELECT * FROM s.t").await;
    ok(&admin, "BEGIN; GRANT USAGE ON SCHEMA s TO bob; GRANT SELECT ON s.t TO bob; COMMIT").await;
    ok(&bob, "SELECT * FROM s.t").await;
    ok(&bob, "BEGIN; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO eve").await;
    ok(&bob, "SELECT * FROM s.t").await;
    ok(&admin, "REVOKE SELECT ON s.t FROM bob").await;
    refused(&bob, "SELECT * FROM s.t").await;
    ok(&bob, "ROLLBACK").await;
    // Rights of objects to come.
    ok(&bob, "ALTER DEFAULT PRIVILEGES IN SCHEMA own GRANT SELECT ON TABLES TO eve; GRANT USAGE ON SCHEMA own TO eve; CREATE TABLE own.later (a int)").await;
    let eve = hub.connect_as("eve", "eve").await.expect("eve logs in");
    ok(&eve, "SELECT * FROM own.later").await;
    // Dropping takes the rights along; a role with any cannot be dropped.
    refused_with(&admin, "DROP ROLE eve", "2BP01", "some objects depend on it").await;
    ok(&bob, "DROP TABLE own.later; CREATE TABLE own.later (a int); REVOKE SELECT ON own.later FROM eve").await;
    refused(&eve, "SELECT * FROM own.later").await;
}

/// The rules of a table are its owner's: a writer neither learns by them what he may not read nor makes them look elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_a_table_are_its_owners() {
    let hub = Hub::start();
    let admin = set_up(&hub).await;
    for text in [
        "CREATE TABLE s.d (a bigint, hidden text, CHECK (a > 0))",
        "INSERT INTO s.d VALUES (1, 'secret')",
        "CREATE TABLE s.allowed (n bigint)",
        "INSERT INTO s.allowed VALUES (1)",
        "CREATE TABLE s.g (a bigint, CONSTRAINT known EXPECT (a IN (SELECT n FROM allowed)))",
        "CREATE TABLE s.child (a bigint, FOREIGN KEY (a) REFERENCES s.t)",
        "GRANT USAGE ON SCHEMA s TO bob; GRANT UPDATE ON s.d TO bob; GRANT INSERT ON s.g, s.child TO bob",
    ] {
        ok(&admin, text).await;
    }
    let bob = hub.connect_as("bob", "bob").await.expect("bob logs in");
    let error = bob.batch_execute("UPDATE s.d SET a = -1").await.expect_err("a rule");
    let db = error.as_db_error().expect("an answer");
    assert_eq!((db.code().code(), db.detail()), ("23514", None));
    ok(&bob, "CREATE TABLE own.allowed (n bigint); INSERT INTO own.allowed VALUES (99)").await;
    ok(&bob, "CREATE TABLE own.t (a bigint PRIMARY KEY); INSERT INTO own.t VALUES (99)").await;
    for path in ["own", "own, s", "s", "public"] {
        ok(&bob, &format!("SET search_path = {path}")).await;
        refused_with(&bob, "INSERT INTO s.g VALUES (99)", "23514", "known").await;
        refused_with(&bob, "INSERT INTO s.child VALUES (99)", "23503", "").await;
        ok(&bob, "INSERT INTO s.g VALUES (1)").await;
        ok(&bob, "INSERT INTO s.child VALUES (1)").await;
        refused(&bob, "SELECT * FROM s.allowed").await;
    }
}
