//! Every statement of the language reference that is due parses, and its parts are where they belong.

use crate::statements::alter_object::ObjectChange;
use crate::statements::alter_pipeline::{OffsetTarget, PipelineChange};
use crate::statements::alter_source::SchemaDecision;
use crate::statements::alter_table::TableChange;
use crate::statements::comment_on::CommentTarget;
use crate::statements::copy::CopyDirection;
use crate::statements::create_alert::Act;
use crate::statements::create_pipeline::{AfterOutcome, Body, CreatePipeline, Mode, RejectLimit, Track, TriggerKind, UpdateWait};
use crate::statements::create_secret::{SecretProvider, SecretValue};
use crate::statements::create_source::{CreateSource, Envelope, Meta, Origin, SchemaChange};
use crate::statements::cursor::FetchCount;
use crate::statements::grant::{Direction, GrantOn};
use crate::statements::import_foreign_schema::ImportFilter;
use crate::statements::notify::Bus;
use crate::statements::roles::{RoleChange, RoleOption, Who};
use crate::statements::run_pipeline::RunHow;
use crate::statements::set_variable::VariableValue;
use crate::statements::transaction::{Isolation, Transaction};
use crate::{
    Action, Element, Interval, ObjectKind, OnError, OptionValue, Options, Privilege, Protected, RuleKind, StatementKind, TemporalPoint,
    parse,
};

fn one(text: &str) -> StatementKind {
    let mut statements = parse(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    assert_eq!(statements.len(), 1, "{text}");
    let statement = statements.remove(0);
    assert_eq!(statement.text, text.trim().trim_end_matches(';').trim());
    statement.kind
}

macro_rules! is {
    ($text:expr, $pattern:pat => $then:expr) => {
        match one($text) {
            $pattern => $then,
            other => panic!("{}\n{other:?}", $text),
        }
    };
}

fn text(options: &Options, key: &str) -> String {
    match &options.get(key).unwrap_or_else(|| panic!("{key} in {options:?}")).value {
        OptionValue::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn names(columns: &[crate::Ident]) -> Vec<&str> {
    columns.iter().map(|column| column.value.as_str()).collect()
}

#[test]
fn secrets() {
    is!("CREATE SECRET shop.client_secret FROM ENV 'SHOP_CLIENT_SECRET';", StatementKind::CreateSecret(s) => {
        assert_eq!(s.name.to_string(), "shop.client_secret");
        let SecretValue::Reference { provider, reference, options } = s.value else { panic!() };
        assert_eq!((provider, reference.as_str(), options.is_empty()), (SecretProvider::Env, "SHOP_CLIENT_SECRET", true));
    });
    is!("CREATE SECRET shop.hook_key FROM VAULT 'secret/data/shop' WITH (field = 'hook_key', address = 'https://vault:8200')",
        StatementKind::CreateSecret(s) => {
            let SecretValue::Reference { options, .. } = s.value else { panic!() };
            assert_eq!(text(&options, "field"), "hook_key");
    });
    is!("CREATE OR REPLACE SECRET crm.password AS 'it''s'", StatementKind::CreateSecret(s) => {
        assert!(s.or_replace);
        assert_eq!(s.value, SecretValue::Value("it's".to_owned()));
        assert!(!format!("{s:?}").contains("it's"), "the value must not be printed");
    });
    is!("ALTER  SECRET crm.password AS 'new'", StatementKind::AlterSecret(s) => {
        assert_eq!(s.value, SecretValue::Value("new".to_owned()));
    });
    is!("ALTER SECRET crm.password RENAME TO pw", StatementKind::AlterObject(a) => {
        assert_eq!(a.kind, ObjectKind::Secret);
    });
}

#[test]
fn connections() {
    is!("CREATE CONNECTION shop.api TYPE http WITH (
      url = 'https://shop.example.com/api/v2', auth = 'oauth2',
      oauth2.token_url = 'https://shop.example.com/oauth/token', oauth2.client_id = 'hub',
      oauth2.client_secret = SECRET shop.client_secret KEY 'id',
      rate_limit = '10/s', retry_limit = 6, timeout = 30 s, x = -1.5, y = TRUE, z = INTERVAL '1 day', l = ('a', 2), p = $cursor)",
        StatementKind::CreateConnection(c) => {
            assert_eq!(c.connection_type.value, "http");
            let value = |key: &str| c.options.get(key).unwrap().value.clone();
            let OptionValue::Secret { name, key } = value("oauth2.client_secret") else { panic!() };
            assert_eq!((name.to_string().as_str(), key.as_deref()), ("shop.client_secret", Some("id")));
            assert_eq!(value("retry_limit"), OptionValue::Number("6".to_owned()));
            assert_eq!(value("timeout"), OptionValue::Interval(Interval { micros: 30_000_000, ..Interval::default() }));
            assert_eq!(value("x"), OptionValue::Number("-1.5".to_owned()));
            assert_eq!(value("y"), OptionValue::Bool(true));
            assert_eq!(value("z"), OptionValue::Interval(Interval { days: 1, ..Interval::default() }));
            let list = vec![OptionValue::Text("a".to_owned()), OptionValue::Number("2".to_owned())];
            assert_eq!(value("l"), OptionValue::List(list));
            assert_eq!(value("p"), OptionValue::Param("cursor".to_owned()));
    });
    is!("CREATE CONNECTION IF NOT EXISTS files TYPE local OPTIONS (root '/data', settle '2 s')", StatementKind::CreateConnection(c) => {
        assert!(c.if_not_exists);
        assert_eq!(text(&c.options, "root"), "/data");
    });
    is!("VALIDATE CONNECTION erp.files", StatementKind::ValidateConnection(v) => assert_eq!(v.name.to_string(), "erp.files"));
    is!("IMPORT FOREIGN SCHEMA \"SALES\" LIMIT TO (customers, orders) FROM CONNECTION erp.db INTO erp",
        StatementKind::ImportForeignSchema(i) => {
            assert_eq!(i.remote_schema.value, "SALES");
            let ImportFilter::LimitTo(tables) = i.filter else { panic!() };
            assert_eq!(names(&tables), ["customers", "orders"]);
    });
    is!("IMPORT FOREIGN SCHEMA public EXCEPT (logs) FROM SERVER db INTO erp WITH (x = 1)", StatementKind::ImportForeignSchema(i) => {
        assert!(matches!(i.filter, ImportFilter::Except(_)));
    });
    is!("ALTER CONNECTION shop.api SET (rate_limit = '20/s')", StatementKind::AlterObject(a) => {
        assert!(matches!(a.change, ObjectChange::Set(o) if text(&o, "rate_limit") == "20/s"));
    });
    is!("ALTER CONNECTION IF EXISTS shop.api RESET (rate_limit, oauth2.scope)", StatementKind::AlterObject(a) => {
        assert!(a.if_exists);
        let ObjectChange::Reset(keys) = a.change else { panic!() };
        assert_eq!(keys.iter().map(|k| k.key.as_str()).collect::<Vec<_>>(), ["rate_limit", "oauth2.scope"]);
    });
}

fn source(text: &str) -> CreateSource {
    is!(text, StatementKind::CreateSource(source) => *source)
}

#[test]
fn sources() {
    let s = source(
        "CREATE SOURCE shop.orders_api (
  id         bigint NOT NULL PATH '$.id',
  email      text            PATH '$.customer.email',
  total      numeric(12,2)   PATH '$.total',
  placed_on  date            PATH '$.placed' NULL ON ERROR,
  state      text            DEFAULT 'new' PATH '$.s' DEFAULT 'odd' ON ERROR COMMENT 'how it stands',
  net        numeric GENERATED ALWAYS AS (total / 1.21),
  updated_at timestamptz NOT NULL,
  lines      jsonb,
  CONSTRAINT positive EXPECT (total >= 0) ON VIOLATION DROP ROW MESSAGE 'negative',
  PRIMARY KEY (id))
FROM CONNECTION shop.api
FORMAT json (records = '$.orders[*]')
INCREMENTAL BY updated_at LOOKBACK '10 minutes' STARTING AT '2025-01-01'
ON SCHEMA CHANGE RESCUE
WITH (path = '/orders', param.updated_since = $cursor, pagination = 'link', page_size = 200)",
    );
    let columns: Vec<_> = s.elements.iter().filter_map(|e| if let Element::Column(c) = e { Some(c) } else { None }).collect();
    assert_eq!(columns.len(), 8);
    assert!(columns[0].not_null && columns[0].path.as_deref() == Some("$.id"));
    assert_eq!(columns[2].data_type.text, "numeric(12,2)");
    assert_eq!(columns[3].on_error, Some(OnError::Null));
    assert_eq!(columns[4].default.as_ref().unwrap().text, "'new'");
    assert!(matches!(&columns[4].on_error, Some(OnError::Default(e)) if e.text == "'odd'"));
    assert_eq!(columns[4].comment.as_deref(), Some("how it stands"));
    assert_eq!(columns[5].generated.as_ref().unwrap().text, "total / 1.21");
    assert!(columns[6].not_null);
    let Element::Rule(rule) = &s.elements[8] else { panic!() };
    assert_eq!((rule.action, rule.message.as_deref()), (Some(Action::Drop), Some("negative")));
    assert!(matches!(&s.elements[9], Element::PrimaryKey(key) if names(key) == ["id"]));
    let incremental = s.incremental.unwrap();
    assert_eq!(incremental.column.value, "updated_at");
    assert_eq!(incremental.lookback.unwrap().micros, 600_000_000);
    assert_eq!(incremental.starting_at.unwrap().text, "'2025-01-01'");
    assert_eq!(s.schema_change, Some(SchemaChange::Rescue));
    assert_eq!(s.options.get("param.updated_since").unwrap().value, OptionValue::Param("cursor".to_owned()));

    let s = source(
        "CREATE SOURCE erp.customer_files FROM CONNECTION erp.files
FORMAT csv (header = true, delimiter = ';', encoding = 'latin1')
INCLUDE FILE AS file_name, LINE AS line_no, RAW
ON SCHEMA CHANGE EVOLVE
WITH (path = 'customers_*.csv', poll = '1 minute', settle = '30 s', after = 'move:done/') COMMENT 'kept'",
    );
    assert!(s.elements.is_empty());
    let include: Vec<_> = s.include.iter().map(|i| (i.meta, i.alias.as_ref().map(|a| a.value.as_str()))).collect();
    assert_eq!(include, [(Meta::File, Some("file_name")), (Meta::Line, Some("line_no")), (Meta::Raw, None)]);
    assert_eq!(s.format.unwrap().options.get("header").unwrap().value, OptionValue::Bool(true));
    assert_eq!(s.comment.as_deref(), Some("kept"));

    let s = source("CREATE SOURCE web.events (payload jsonb) FROM WEBHOOK FORMAT json");
    assert_eq!(s.origin, Origin::Webhook);
    let s = source(
        "CREATE SOURCE shop.order_hook (payload jsonb) FROM WEBHOOK FORMAT json
INCLUDE HEADERS, TIMESTAMP AS received_at
VERIFY (secure_compare(headers->>'x-shopify-hmac-sha256',
        encode(hmac(body, secret('shop.hook_key'), 'sha256'), 'base64')))
WITH (dedupe = 'headers.x-shopify-webhook-id', buffer_retention = '7 days')",
    );
    assert!(s.verify.unwrap().text.starts_with("secure_compare("));
    source("CREATE SOURCE crm.hub_hook (payload jsonb) FROM WEBHOOK FORMAT json WITH (verify = 'hubspot', secret = SECRET crm.hook_key)");
    let s = source(
        "CREATE SOURCE erp.orders_cdc FROM CONNECTION erp.pg ENVELOPE debezium WITH (table = 'public.orders', publication = 'hub', slot = 'hub_orders')",
    );
    assert_eq!(s.envelope, Some(Envelope::Debezium));
    source(
        "CREATE SOURCE iot.readings (device text, ts timestamptz, v float8) FROM CONNECTION iot.kafka FORMAT json INCLUDE PARTITION, OFFSET WITH (topic = 'readings', start = 'earliest')",
    );
    source("CREATE SOURCE edi.orders FROM CONNECTION edi.as2 FORMAT edifact (message = 'ORDERS', release = 'D96A')");
    source("CREATE SOURCE sales.order_upload (order_id bigint NOT NULL, total numeric) FROM UPLOAD FORMAT csv (header = true)");
    let s = source(
        "CREATE SOURCE crm.company (domain text, name text, employees int, LOOKUP KEY (domain))
FROM CONNECTION crm.api FORMAT json (records = '$')
WITH (path = '/companies/{domain}', cache_ttl = '1 hour', cache_rows = 50000, not_found = 404, on_error = 'null')",
    );
    assert_eq!(names(s.lookup_key().unwrap()), ["domain"]);
}

fn pipeline(text: &str) -> CreatePipeline {
    is!(text, StatementKind::CreatePipeline(pipeline) => *pipeline)
}

#[test]
fn the_common_pipeline() {
    let p = pipeline(
        "CREATE PIPELINE sales.load_orders
  SCHEDULE EVERY '5 minutes'
  REJECT LIMIT 5 PERCENT
  WITH (retry_limit = 8, retry_backoff = '1 s', retry_backoff_max = '10 min', max_lag = '15 min')
INTO sales.orders UPSERT KEY (order_id) SEQUENCE BY updated_at
  CONSTRAINT positive   EXPECT (total >= 0)                                    MESSAGE 'negative total'
  CONSTRAINT mail_shape EXPECT (email ~ '^[^@ ]+@[^@ ]+$' OR email IS NULL)     ON VIOLATION WARN
  CONSTRAINT known_cust FOREIGN KEY (customer_id) REFERENCES sales.customers (id) ON VIOLATION QUARANTINE
  CONSTRAINT sane_date  EXPECT (placed_on BETWEEN '2015-01-01' AND current_date + interval '1 day') ON VIOLATION FAIL
AS SELECT o.id AS order_id, lower(o.email) AS email, o.total, o.placed_on, o.updated_at, c.id AS customer_id
   FROM STREAM(shop.orders_api) o LEFT JOIN sales.customers c ON c.email = lower(o.email)",
    );
    assert_eq!(p.header.reject_limit, Some(RejectLimit::Percent(5.0)));
    assert!(matches!(&p.header.triggers[0].kind, TriggerKind::Every { interval, offset: None } if interval.micros == 300_000_000));
    assert_eq!(p.header.triggers[0].text, "SCHEDULE EVERY '5 minutes'");
    let Body::Single(output) = p.body else { panic!() };
    let Some(Mode::Upsert { keyed, ignore_null_updates: false }) = &output.mode else { panic!() };
    assert_eq!(names(&keyed.key), ["order_id"]);
    assert_eq!(keyed.sequence_by.as_ref().unwrap().text, "updated_at");
    assert_eq!(output.rules.len(), 4);
    assert_eq!(output.rules[0].message.as_deref(), Some("negative total"));
    assert!(matches!(&output.rules[0].kind, RuleKind::Expect(e) if e.text == "total >= 0"));
    assert!(matches!(&output.rules[2].kind, RuleKind::ForeignKey { table, .. } if table.to_string() == "sales.customers"));
    let actions: Vec<_> = output.rules.iter().map(|rule| rule.action).collect();
    assert_eq!(actions, [None, Some(Action::Warn), Some(Action::Quarantine), Some(Action::Fail)]);
    assert!(output.query.text.starts_with("SELECT o.id AS order_id") && output.query.text.ends_with("lower(o.email)"));
}

#[test]
fn pipelines_of_every_shape() {
    let p = pipeline(
        "CREATE PIPELINE erp.nightly (batch text DEFAULT current_date::text)
  TRIGGER ON UPDATE OF ALL erp.customer_files, erp.order_files
AS
STEP customers (
  INTO sales.customers SCD TYPE 2 KEY (id) SEQUENCE BY file_ts TRACK HISTORY ON * EXCEPT (file_ts)
  AS (SELECT id, initcap(name) AS name, country, file_ts FROM STREAM(erp.customer_files)) )
STEP orders ON FAILURE CONTINUE (
  INTO sales.orders UPSERT KEY (order_id)
    FOREIGN KEY (customer_id) REFERENCES sales.customers (id)
  AS (SELECT *, $batch AS batch FROM STREAM(erp.order_files)) )",
    );
    assert_eq!(p.parameters[0].default.as_ref().unwrap().text, "current_date::text");
    assert!(matches!(&p.header.triggers[0].kind, TriggerKind::Update { of, wait: UpdateWait::All, .. } if of.len() == 2));
    let Body::Steps(steps) = p.body else { panic!() };
    assert!(
        matches!(&steps[0].outputs.outputs[0].mode, Some(Mode::ScdType2 { track: Track::AllExcept(c), .. }) if names(c) == ["file_ts"])
    );
    assert!(steps[1].continue_on_failure);

    let p = pipeline(
        "CREATE PIPELINE leads.intake TRIGGER ON UPDATE AS
WITH clean AS (SELECT payload->>'email' AS email, payload->>'name' AS name, leads.score(payload) AS score
               FROM STREAM(web.leads))
INTO leads.contacts UPSERT KEY (email) NOT NULL (email) AS (SELECT * FROM clean)
INTO cms.contacts   RETURNING INTO leads.cms_log        AS (SELECT email, name FROM clean)
INTO mail.sales                                         AS (SELECT * FROM clean WHERE score > 80)",
    );
    let Body::Outputs(outputs) = p.body else { panic!() };
    assert_eq!((outputs.shared.len(), outputs.outputs.len()), (1, 3));
    assert!(matches!(&outputs.outputs[0].rules[0].kind, RuleKind::NotNull(c) if names(c) == ["email"]));
    assert_eq!(outputs.outputs[1].returning_into.as_ref().unwrap().to_string(), "leads.cms_log");

    let p = pipeline(
        "CREATE PIPELINE sales.daily TRIGGER AFTER PIPELINE sales.load_orders
INTO sales.daily_totals REPLACE AS SELECT placed_on, sum(total) AS total FROM sales.orders GROUP BY 1",
    );
    assert!(matches!(&p.header.triggers[0].kind, TriggerKind::After { on: AfterOutcome::Success, .. }));
    assert!(matches!(p.body, Body::Single(output) if output.mode == Some(Mode::Replace)));

    let p = pipeline(
        "CREATE PIPELINE partner.export SCHEDULE CRON '0 6 * * MON-FRI' AT TIME ZONE 'Europe/Madrid'
INTO partner.stock_file AS SELECT sku, qty FROM stock.current",
    );
    assert!(matches!(&p.header.triggers[0].kind, TriggerKind::Cron { time_zone: Some(z), .. } if z == "Europe/Madrid"));

    let p = pipeline(
        "CREATE PIPELINE sales.day_close TRIGGER ON EVENT orders_ready WHEN (data->>'day' IS NOT NULL)
INTO sales.closed_days APPEND AS SELECT (data->>'day')::date AS day FROM STREAM(hub.events) WHERE type = 'orders_ready'",
    );
    assert!(matches!(&p.header.triggers[0].kind, TriggerKind::Event { when: Some(_), .. }));

    let p = pipeline(
        "CREATE TEMP PIPELINE once INTO sales.legacy APPEND CONSTRAINT ok EXPECT (id > 0)
AS SELECT id, upper(name) AS name FROM STREAM(upload)",
    );
    assert!(p.temporary);

    let p = pipeline(
        "CREATE OR REPLACE PIPELINE p COMMENT 'c' REJECT LIMIT 10 ROWS SCHEDULE EVERY 5 MINUTES OFFSET '1 min'
TRIGGER ON UPDATE OF ANY a, b.c AT MOST EVERY '10 s'
INTO t UPSERT KEYS (a, b) DELETE WHEN (op = 'd') SEQUENCE BY (SELECT 1) IGNORE NULL UPDATES UNIQUE (x)
ON SCHEMA CHANGE FAIL PARTITIONED BY (d) AS SELECT 1 AS a",
    );
    assert_eq!(p.header.reject_limit, Some(RejectLimit::Rows(10)));
    assert_eq!(p.header.triggers.len(), 2);
    let Body::Single(output) = p.body else { panic!() };
    assert_eq!((names(&output.partitioned_by), output.schema_change), (vec!["d"], Some(SchemaChange::Fail)));
    let Some(Mode::Upsert { keyed, ignore_null_updates: true }) = output.mode else { panic!() };
    assert_eq!(keyed.delete_when.unwrap().text, "op = 'd'");

    for text in [
        "SCD TYPE 2 KEYS (a) SEQUENCE BY ts TRACK HISTORY ON (b, c) DELETE WHEN (op = 'd') NOT NULL (b)",
        "SCD TYPE 2 KEY (a) DELETE WHEN (op = 'd') TRACK HISTORY ON (b, c) SEQUENCE BY ts NOT NULL (b)",
    ] {
        let p = pipeline(&format!("CREATE PIPELINE p INTO t {text} AS SELECT 1 AS a"));
        let Body::Single(output) = p.body else { panic!() };
        let Some(Mode::ScdType2 { keyed, track: Track::Only(tracked) }) = output.mode else { panic!("{text}") };
        assert_eq!((keyed.sequence_by.unwrap().text.as_str(), keyed.delete_when.unwrap().text.as_str()), ("ts", "op = 'd'"));
        assert_eq!((names(&tracked), output.rules.len()), (vec!["b", "c"], 1));
    }

    let p = pipeline("CREATE PIPELINE crm.members FROM TEMPLATE template.csv_to_table (conn => erp.files, pattern => 'members_*.csv', target => crm.members, key => id)
WITH (max_lag = '2 hours')");
    assert!(matches!(p.body, Body::Template { arguments, .. } if arguments.len() == 4));
    let p = pipeline("CREATE PIPELINE p INTO t REPLACE WHERE (d = '2026-01-01' AND x IN (1, 2)) AS SELECT 1 AS a");
    assert!(matches!(p.body, Body::Single(o) if matches!(o.mode, Some(Mode::ReplaceWhere(_)))));
}

#[test]
fn a_word_that_could_continue_an_expression_ends_it() {
    let p = pipeline("CREATE PIPELINE p INTO t UPSERT KEY (a) SEQUENCE BY ts NOT NULL (a) AS SELECT 1 AS a");
    let Body::Single(output) = p.body else { panic!() };
    let Some(Mode::Upsert { keyed, .. }) = &output.mode else { panic!() };
    assert_eq!(keyed.sequence_by.as_ref().unwrap().text, "ts");
    assert!(matches!(&output.rules[0].kind, RuleKind::NotNull(_)));
    is!("CREATE TABLE t (a int DEFAULT 5 NOT NULL, b bool DEFAULT (1 IS NOT NULL) NOT NULL, c int DEFAULT 1 + 2)", StatementKind::CreateTable(t) => {
        let Element::Column(a) = &t.elements[0] else { panic!() };
        assert_eq!((a.default.as_ref().unwrap().text.as_str(), a.not_null), ("5", true));
        let Element::Column(c) = &t.elements[2] else { panic!() };
        assert_eq!(c.default.as_ref().unwrap().text, "1 + 2");
    });
}

#[test]
fn tables_and_views() {
    is!("CREATE TABLE IF NOT EXISTS sales.t (id bigint PRIMARY KEY, email text NOT NULL DEFAULT 'x' UNIQUE, d date CHECK (d > '2020-01-01'),
         tags text[], CONSTRAINT pos EXPECT (id > 0) ON VIOLATION WARN, CHECK (id < 9), FOREIGN KEY (id) REFERENCES o (id))
         PARTITIONED BY (d) WITH (retention = '30 days') COMMENT 'orders'", StatementKind::CreateTable(t) => {
        assert_eq!(t.elements.len(), 7);
        assert_eq!(names(&t.partitioned_by), ["d"]);
        assert!(t.if_not_exists && t.query.is_none());
        assert!(matches!(&t.elements[5], Element::Rule(r) if matches!(r.kind, RuleKind::Check(_))));
    });
    is!("CREATE TABLE t AS SELECT 1 AS a", StatementKind::CreateTable(t) => assert_eq!(t.query.unwrap().text, "SELECT 1 AS a"));
    is!("CREATE TABLE t (a int, CONSTRAINT pk PRIMARY KEY (a))", StatementKind::CreateTable(t) => {
        assert!(matches!(&t.elements[1], Element::PrimaryKey(_)));
    });
    is!("CREATE VIEW v (a, b) COMMENT 'x' AS SELECT 1, 2", StatementKind::CreateView(v) => {
        assert_eq!((names(&v.columns), v.query.text.as_str(), v.query.position), (vec!["a", "b"], "SELECT 1, 2", 37));
    });
    is!("CREATE OR REPLACE VIEW s.v AS WITH x AS (SELECT 1 AS a) SELECT * FROM x", StatementKind::CreateView(v) => assert!(v.or_replace));
    is!("ALTER TABLE t ADD CONSTRAINT ok EXPECT (a > 0) ON VIOLATION QUARANTINE", StatementKind::AlterTable(a) => {
        assert!(matches!(&a.changes[0], TableChange::AddRule(r) if r.action == Some(Action::Quarantine)));
    });
    is!("ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS a int NOT NULL, DROP COLUMN b, DROP CONSTRAINT IF EXISTS c", StatementKind::AlterTable(a) => {
        assert_eq!(a.changes.len(), 3);
    });
    for (text, expected) in [
        ("ALTER TABLE t RENAME TO u", "Object(RenameTo"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "RenameColumn"),
        ("ALTER TABLE t RENAME a TO b", "RenameColumn"),
        ("ALTER TABLE t ALTER COLUMN a TYPE bigint", "SetType"),
        ("ALTER TABLE t ALTER a SET NOT NULL", "SetNotNull"),
        ("ALTER TABLE t ALTER a DROP DEFAULT", "DropDefault"),
        ("ALTER TABLE t ALTER a SET DEFAULT 1 + 1", "SetDefault"),
        ("ALTER TABLE t SET (x = 1)", "Object(Set("),
        ("ALTER TABLE t SET SCHEMA s", "Object(SetSchema"),
        ("ALTER TABLE t OWNER TO ana", "Object(OwnerTo"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "AddPrimaryKey"),
    ] {
        let StatementKind::AlterTable(alter) = one(text) else { panic!("{text}") };
        assert!(format!("{:?}", alter.changes[0]).starts_with(expected), "{text}: {alter:?}");
    }
}

#[test]
fn altering_pipelines() {
    let change = |text: &str| is!(text, StatementKind::AlterPipeline(alter) => alter.change);
    assert_eq!(change("ALTER PIPELINE p SUSPEND"), PipelineChange::Suspend);
    assert_eq!(change("ALTER PIPELINE IF EXISTS s.p RESUME"), PipelineChange::Resume);
    assert!(matches!(change("ALTER PIPELINE p SET (max_lag='1 h')"), PipelineChange::Object(ObjectChange::Set(_))));
    assert!(matches!(change("ALTER PIPELINE p RESET (max_lag)"), PipelineChange::Object(ObjectChange::Reset(_))));
    assert!(matches!(change("ALTER PIPELINE p SET SCHEDULE EVERY '1 hour'"), PipelineChange::SetTrigger(_)));
    assert!(matches!(change("ALTER PIPELINE p ADD TRIGGER ON UPDATE"), PipelineChange::AddTrigger(_)));
    assert_eq!(change("ALTER PIPELINE p DROP SCHEDULE"), PipelineChange::DropSchedule);
    assert_eq!(change("ALTER PIPELINE p DROP TRIGGERS"), PipelineChange::DropTriggers);
    let reset = change("ALTER PIPELINE p RESET OFFSETS FOR shop.orders_api TO '2026-01-01'");
    assert!(matches!(reset, PipelineChange::ResetOffsets { source: Some(_), to: OffsetTarget::At(e) } if e.text == "'2026-01-01'"));
    let reset = change("ALTER PIPELINE p RESET OFFSETS");
    assert_eq!(reset, PipelineChange::ResetOffsets { source: None, to: OffsetTarget::Earliest });
    let reset = change("ALTER PIPELINE p RESET OFFSETS TO LATEST");
    assert_eq!(reset, PipelineChange::ResetOffsets { source: None, to: OffsetTarget::Latest });
    assert!(matches!(change("ALTER PIPELINE p RENAME TO q"), PipelineChange::Object(ObjectChange::RenameTo(_))));
}

#[test]
fn deciding_on_schema_changes() {
    let decision = |text: &str| is!(text, StatementKind::AlterSource(alter) => (alter.name.to_string(), alter.change, alter.decision));
    let accept = |rename| SchemaDecision::Accept { rename };
    assert_eq!(decision("ALTER SOURCE shop.s ACCEPT SCHEMA CHANGE 12"), ("shop.s".into(), 12, accept(None)));
    let (_, _, renamed) = decision("alter source if exists s accept schema change 3 rename name to \"Full Name\"");
    let SchemaDecision::Accept { rename: Some((old, new)) } = renamed else { panic!("{renamed:?}") };
    assert_eq!((old.value.as_str(), new.value.as_str()), ("name", "Full Name"));
    assert_eq!(decision("ALTER SOURCE s REJECT SCHEMA CHANGE 7"), ("s".into(), 7, SchemaDecision::Reject));
    // The words stay free for others.
    is!("ALTER SOURCE accept RENAME TO reject", StatementKind::AlterObject(_) => ());
    for wrong in [
        "ALTER SOURCE s ACCEPT SCHEMA CHANGE",
        "ALTER SOURCE s ACCEPT SCHEMA CHANGE -1",
        "ALTER SOURCE s ACCEPT SCHEMA CHANGE 1 RENAME a",
        "ALTER SOURCE s REJECT SCHEMA CHANGE 1 RENAME a TO b",
        "ALTER SOURCE s ACCEPT 1",
        "ALTER TABLE t ACCEPT SCHEMA CHANGE 1",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn doing() {
    let run = |text: &str| is!(text, StatementKind::RunPipeline(run) => run);
    let r = run("RUN PIPELINE erp.nightly (batch => '20261101')");
    assert_eq!((r.arguments[0].name.as_ref().unwrap().value.as_str(), r.how), ("batch", RunHow::New));
    assert_eq!(run("RUN PIPELINE sales.load_orders DRY RUN LIMIT 100").how, RunHow::Dry { limit: Some(100) });
    let r = run("RUN PIPELINE sales.load_orders FULL REFRESH WITH (wait = false)");
    assert_eq!((r.how, r.options.get("wait").unwrap().value.clone()), (RunHow::FullRefresh, OptionValue::Bool(false)));
    let r = run("RUN PIPELINE p STARTING AT '2026-10-01' UNTIL '2026-11-01'");
    assert!(matches!(r.how, RunHow::Backfill { from, until: Some(until) } if from.text == "'2026-10-01'" && until.text == "'2026-11-01'"));
    assert!(run("RUN PIPELINE p ()").arguments.is_empty());
    is!("REPLAY PIPELINE sales.load_orders WHERE rule = 'known_country' AND note IS NOT NULL WITH (wait = true)", StatementKind::ReplayPipeline(r) => {
        assert_eq!(r.condition.unwrap().text, "rule = 'known_country' AND note IS NOT NULL");
        assert!(!r.options.is_empty());
    });
    is!("CANCEL RUN '018f'", StatementKind::CancelRun(c) => assert_eq!(c.run_id, "018f"));
    is!("COPY PIPELINE sales.load_upload (batch => 'A7') FROM STDIN WITH (FORMAT csv, HEADER)", StatementKind::Copy(c) => {
        assert!(matches!(c.direction, CopyDirection::IntoPipeline { arguments, .. } if arguments.len() == 1));
        assert_eq!(text(&c.options, "format"), "csv");
        assert_eq!(c.options.get("header").unwrap().value, OptionValue::Bool(true));
    });
    is!("COPY sales.order_upload (a, b) FROM STDIN WITH (FORMAT csv, wait true, DELIMITER ';')", StatementKind::Copy(c) => {
        assert!(matches!(c.direction, CopyDirection::IntoRelation { columns, .. } if columns.len() == 2));
        assert_eq!(c.options.get("wait").unwrap().value, OptionValue::Bool(true));
    });
    is!("COPY (SELECT 1) TO STDOUT CSV HEADER", StatementKind::Copy(c) => {
        assert!(matches!(c.direction, CopyDirection::OutOfQuery(_)));
        assert_eq!(text(&c.options, "format"), "csv");
    });
    is!("EXPLAIN PIPELINE p", StatementKind::ExplainPipeline(e) => assert_eq!(e.format, None));
    is!("EXPLAIN (RULES, FORMAT json) PIPELINE p", StatementKind::ExplainPipeline(e) => assert_eq!(e.format.unwrap().value, "json"));
    is!("EXPLAIN CREATE OR REPLACE PIPELINE p INTO t AS SELECT 1 AS a", StatementKind::ExplainChange(e) => {
        assert_eq!(e.text, "CREATE OR REPLACE PIPELINE p INTO t AS SELECT 1 AS a");
        assert!(matches!(*e.change, StatementKind::CreatePipeline(_)));
    });
    is!("EXPLAIN (FORMAT json) ALTER TABLE t ADD CONSTRAINT c EXPECT (a > 0)", StatementKind::ExplainChange(e) => {
        assert_eq!((e.text.as_str(), e.format.unwrap().value.as_str()), ("ALTER TABLE t ADD CONSTRAINT c EXPECT (a > 0)", "json"));
    });
    is!("EXPLAIN ALTER PIPELINE p SET (max_lag = '1 h')", StatementKind::ExplainChange(_) => ());
    is!("EXPLAIN ANALYZE SELECT 1", StatementKind::Explain(e) => assert!(e.analyze));
    is!("EXPLAIN (ANALYZE, COSTS off) SELECT 1", StatementKind::Explain(e) => assert!(e.analyze));
    is!("EXPLAIN (SELECT 1)", StatementKind::Explain(e) => assert_eq!(e.query.text, "(SELECT 1)"));
}

#[test]
fn history() {
    is!("DESCRIBE HISTORY sales.orders LIMIT 5", StatementKind::DescribeHistory(d) => assert_eq!(d.limit, Some(5)));
    is!("RESTORE TABLE sales.orders TO VERSION AS OF 41", StatementKind::RestoreTable(r) => {
        assert!(matches!(r.to, TemporalPoint::Version(e) if e.text == "41"));
    });
    is!("RESTORE TABLE t TO TIMESTAMP AS OF now() - interval '1 day'", StatementKind::RestoreTable(r) => {
        assert!(matches!(r.to, TemporalPoint::Timestamp(e) if e.text == "now() - interval '1 day'"));
    });
    is!("OPTIMIZE t", StatementKind::Optimize(_) => ());
    is!("TRUNCATE TABLE ONLY a.t, u RESTART IDENTITY CASCADE", StatementKind::Truncate(t) => assert_eq!(t.names.len(), 2));
    is!("CREATE LOCAL TEMPORARY TABLE t (a int) ON COMMIT PRESERVE ROWS", StatementKind::CreateTable(t) => assert!(t.temporary));
    is!("VACUUM t RETAIN '30 days' DRY RUN", StatementKind::Vacuum(v) => assert_eq!((v.retain.unwrap().days, v.dry_run), (30, true)));
    is!("SET hub.as_of = '2026-11-01'", StatementKind::SetVariable(s) => {
        assert_eq!((s.name.as_str(), s.value), ("hub.as_of", VariableValue::Values(vec!["2026-11-01".to_owned()])));
    });
}

#[test]
fn lifecycle() {
    for (noun, nouns) in [
        ("SCHEMA", "SCHEMAS"),
        ("SECRET", "SECRETS"),
        ("CONNECTION", "CONNECTIONS"),
        ("SOURCE", "SOURCES"),
        ("VIEW", "VIEWS"),
        ("PIPELINE", "PIPELINES"),
        ("TABLE", "TABLES"),
    ] {
        is!(&format!("DROP {noun} IF EXISTS a CASCADE"), StatementKind::DropObject(d) => {
            assert_eq!((d.kind.noun(), d.if_exists, d.cascade), (noun, true, true));
        });
        is!(&format!("DROP {noun} a, b RESTRICT"), StatementKind::DropObject(d) => assert_eq!((d.names.len(), d.cascade), (2, false)));
        is!(&format!("SHOW {nouns} IN s LIKE 'a%'"), StatementKind::ShowObjects(s) => assert_eq!(s.like.as_deref(), Some("a%")));
        is!(&format!("SHOW CREATE {noun} a"), StatementKind::ShowCreate(s) => assert_eq!(s.kind.noun(), noun));
        is!(&format!("DESCRIBE {noun} a"), StatementKind::DescribeObject(d) => assert_eq!(d.kind.unwrap().noun(), noun));
        is!(&format!("COMMENT ON {noun} a IS 'x'"), StatementKind::CommentOn(c) => assert_eq!(c.comment.as_deref(), Some("x")));
        is!(&format!("ALTER {noun} a OWNER TO b"), StatementKind::AlterObject(_) | StatementKind::AlterTable(_) | StatementKind::AlterPipeline(_) => ());
    }
    is!("DESCRIBE s.orders", StatementKind::DescribeObject(d) => assert_eq!(d.kind, None));
    is!("DESCRIBE history", StatementKind::DescribeObject(d) => assert_eq!(d.name.to_string(), "history"));
    is!("COMMENT ON COLUMN s.t.c IS NULL", StatementKind::CommentOn(c) => {
        assert!(matches!(c.target, CommentTarget::Column { table, column } if table.to_string() == "s.t" && column.value == "c"));
    });
    is!("SHOW RUNS FOR s.p", StatementKind::ShowRuns(s) => assert!(s.pipeline.is_some()));
    is!("SHOW RUNS", StatementKind::ShowRuns(s) => assert!(s.pipeline.is_none()));
    is!("CREATE SCHEMA crm AUTHORIZATION crm_team", StatementKind::CreateSchema(c) => assert_eq!(c.owner.unwrap().value, "crm_team"));
    is!("CREATE SCHEMA IF NOT EXISTS crm", StatementKind::CreateSchema(c) => assert!(c.if_not_exists));
}

#[test]
fn session() {
    use Transaction::{Begin, Commit, Release, Rollback, RollbackTo, Savepoint, SetModes};
    let tx = |text: &str| is!(text, StatementKind::Transaction(tx) => tx);
    assert!(matches!(tx("BEGIN"), Begin(_)) && matches!(tx("START TRANSACTION"), Begin(_)));
    assert!(matches!(tx("BEGIN WORK ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE"),
        Begin(m) if m.isolation == Some(Isolation::RepeatableRead) && m.read_only == Some(true) && m.deferrable == Some(false)));
    assert!(matches!(tx("END"), Commit { chain: false }) && matches!(tx("COMMIT TRANSACTION AND CHAIN"), Commit { chain: true }));
    assert!(matches!(tx("ABORT"), Rollback { .. }) && matches!(tx("ROLLBACK"), Rollback { .. }));
    assert!(matches!(tx("SAVEPOINT a"), Savepoint(_)) && matches!(tx("RELEASE SAVEPOINT a"), Release(_)));
    assert!(matches!(tx("ROLLBACK TO SAVEPOINT a"), RollbackTo(_)) && matches!(tx("ROLLBACK TO a"), RollbackTo(_)));
    assert!(matches!(tx("SET TRANSACTION READ ONLY"), SetModes { session: false, .. }));
    assert!(matches!(tx("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"), SetModes { session: true, .. }));
    let set = |text: &str| is!(text, StatementKind::SetVariable(set) => (set.name, set.local, set.value));
    let values = |list: &[&str]| VariableValue::Values(list.iter().map(|v| (*v).to_owned()).collect());
    assert_eq!(set("SET search_path TO crm, \"Other\", public"), ("search_path".into(), false, values(&["crm", "Other", "public"])));
    assert_eq!(set("SET LOCAL x = -5"), ("x".into(), true, values(&["-5"])));
    assert_eq!(set("SET SESSION extra_float_digits = 3"), ("extra_float_digits".into(), false, values(&["3"])));
    assert_eq!(set("SET TIME ZONE 'UTC'"), ("timezone".into(), false, values(&["UTC"])));
    assert_eq!(set("SET TimeZone = DEFAULT"), ("timezone".into(), false, VariableValue::Default));
    assert_eq!(set("SET NAMES 'utf8'").0, "client_encoding");
    assert_eq!(set("SET standard_conforming_strings = on").2, values(&["on"]));
    is!("RESET ALL", StatementKind::ResetVariable(r) => assert_eq!(r.name, None));
    is!("SHOW hub.as_of", StatementKind::ShowVariable(s) => assert_eq!(s.name.as_deref(), Some("hub.as_of")));
    is!("SHOW TRANSACTION ISOLATION LEVEL", StatementKind::ShowVariable(s) => assert_eq!(s.name.as_deref(), Some("transaction_isolation")));
    is!("DISCARD ALL", StatementKind::Discard(_) => ());
    is!("LISTEN \"sales.load_orders\"", StatementKind::Bus(Bus::Listen(c)) => assert_eq!(c.value, "sales.load_orders"));
    is!("UNLISTEN *", StatementKind::Bus(Bus::Unlisten(None)) => ());
    is!("NOTIFY orders_ready, '{\"day\":\"2026-11-01\"}'", StatementKind::Bus(Bus::Notify { payload: Some(_), .. }) => ());
    is!("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1", StatementKind::DeclareCursor(d) => assert!(d.hold && !d.scroll));
    for (text, count) in [
        ("FETCH c", FetchCount::Forward(1)),
        ("FETCH FORWARD 100 FROM c", FetchCount::Forward(100)),
        ("FETCH 10 IN c", FetchCount::Forward(10)),
        ("FETCH ALL FROM c", FetchCount::All),
        ("FETCH PRIOR FROM c", FetchCount::Backward),
    ] {
        is!(text, StatementKind::FetchCursor(f) => assert_eq!((f.count, f.name.value.as_str()), (count, "c"), "{text}"));
    }
    is!("CLOSE ALL", StatementKind::CloseCursor(c) => assert!(c.name.is_none()));
    is!("PREPARE p (int, text) AS SELECT $1, $2", StatementKind::Prepare(p) => {
        assert_eq!((p.types.len(), p.statement.text.as_str()), (2, "SELECT $1, $2"));
    });
    is!("EXECUTE p (1, 'a')", StatementKind::Execute(e) => assert_eq!(e.arguments.len(), 2));
    is!("DEALLOCATE ALL", StatementKind::Deallocate(d) => assert!(d.name.is_none()));
}

#[test]
fn queries_and_changes() {
    for text in [
        "SELECT 1",
        "VALUES (1), (2)",
        "TABLE t",
        "(SELECT 1)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT * FROM table_changes('sales.orders', 40, 42)",
        "SELECT * FROM hub.run('erp.nightly', '{\"batch\":\"20261101\"}')",
        "SELECT l.*, c.name FROM STREAM(web.leads) l LEFT JOIN crm.company c ON c.domain = split_part(l.email,'@',2)",
        "SELECT rule, error, count(*) FROM hub.dead_letters WHERE pipeline = 'sales.load_orders' AND status = 'open' GROUP BY 1,2",
        "SELECT DISTINCT ON (a) a FROM t ORDER BY a",
        "SELECT * FROM a, LATERAL (SELECT 1) b",
        "SELECT a FROM t OFFSET 5 LIMIT 2",
    ] {
        is!(text, StatementKind::Query(query) => assert_eq!((query.text.as_str(), query.position), (text, 1)));
    }
    for text in [
        "INSERT INTO cms.contacts SELECT 1",
        "INSERT INTO t (a, b) VALUES (1, DEFAULT)",
        "DELETE FROM t WHERE a = 1",
        "UPDATE hub.dead_letters SET record = jsonb_set(record,'{country}','\"ES\"'), note = 'fixed by ana' WHERE rule = 'known_country' AND status = 'open'",
        "UPDATE hub.dead_letters SET status = 'discarded' WHERE first_seen < now() - interval '90 days'",
    ] {
        is!(text, StatementKind::Dml(_) => ());
    }
    is!("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", StatementKind::Query(query) => {
        assert!(query.ast.fetch.is_none());
        assert!(format!("{:?}", query.ast.limit_clause).contains("\"3\""), "{:?}", query.ast.limit_clause);
    });
}

#[test]
fn table_is_short_for_select() {
    is!("WITH x AS (TABLE s.t) TABLE x", StatementKind::Query(query) => {
        assert_eq!(query.ast.to_string(), "WITH x AS (SELECT * FROM s.t) SELECT * FROM x");
    });
    is!("TABLE s.t", StatementKind::Query(query) => assert_eq!(query.ast.to_string(), "SELECT * FROM s.t"));
}

/// What psql 15 and pgjdbc send on their own.
#[test]
fn what_clients_ask() {
    for text in [
        r#"SELECT n.nspname as "Schema", c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2"#,
        r#"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3"#,
        r#"SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid) AS attcollation
FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"#,
        r#"SELECT d.datname as "Name", pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges" FROM pg_catalog.pg_database d ORDER BY 1"#,
        "SELECT c2.relname FROM pg_catalog.pg_class c2 WHERE c2.oid = ANY (ARRAY(SELECT 1::pg_catalog.regclass)) ",
        "SELECT 1 FROM pg_catalog.unnest(ARRAY[1]) AS x(a), pg_catalog.pg_class c",
    ] {
        is!(text, StatementKind::Query(_) => ());
    }
    is!("SET extra_float_digits = 3", StatementKind::SetVariable(_) => ());
    is!("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", StatementKind::Transaction(_) => ());
    is!("SHOW TRANSACTION ISOLATION LEVEL", StatementKind::ShowVariable(_) => ());
}

#[test]
fn roles_and_rights() {
    is!("CREATE USER IF NOT EXISTS \"a b\" WITH SUPERUSER NOLOGIN PASSWORD 'x''y' VALID UNTIL '2030-01-01' CONNECTION LIMIT -1 IN ROLE a, b ROLE c", StatementKind::CreateRole(r) => {
        assert!(r.is_user && r.if_not_exists && r.name.value == "a b");
        assert!(r.options.contains(&RoleOption::Login(false)) && r.options.contains(&RoleOption::ConnectionLimit(-1)));
        assert!(!format!("{r:?}").contains("x'y"));
        assert!(matches!(r.options.get(2), Some(RoleOption::Password(Some(password))) if password.0 == "x'y"));
    });
    is!("ALTER ROLE CURRENT_USER PASSWORD NULL", StatementKind::AlterRole(r) => {
        assert_eq!((r.role.who, r.change), (Who::Current, RoleChange::Options(vec![RoleOption::Password(None)])));
    });
    is!("ALTER USER bob RENAME TO eve", StatementKind::AlterRole(r) => assert!(matches!(r.change, RoleChange::RenameTo(name) if name.value == "eve")));
    is!("DROP ROLE IF EXISTS a, SESSION_USER", StatementKind::DropRole(r) => assert!(r.if_exists && r.roles.len() == 2));
    is!("GRANT SELECT, insert ON source, a.b TO PUBLIC, bob WITH GRANT OPTION", StatementKind::Grant(g) => {
        assert_eq!(g.privileges, Some(vec![Privilege::Select, Privilege::Insert]));
        assert!(g.grant_option && matches!(&g.on, GrantOn::Objects { kind: Protected::Relation, names } if names.len() == 2));
        assert_eq!(g.roles[0].who, Who::Public);
    });
    is!("GRANT USAGE ON CONNECTION erp.db TO erp_team", StatementKind::Grant(g) => {
        assert!(matches!(g.on, GrantOn::Objects { kind: Protected::Connection, .. }));
    });
    is!("REVOKE GRANT OPTION FOR ALL PRIVILEGES ON ALL PIPELINES IN SCHEMA a, b FROM bob CASCADE", StatementKind::Grant(g) => {
        assert!(g.direction == Direction::Revoke && g.grant_option && g.cascade && g.privileges.is_none());
        assert!(matches!(g.on, GrantOn::AllIn { kind: Protected::Pipeline, schemas } if schemas.len() == 2));
    });
    is!("GRANT a, b TO c WITH ADMIN OPTION, INHERIT FALSE", StatementKind::GrantRole(g) => {
        assert_eq!((g.roles.len(), g.admin, g.inherit, g.set), (2, Some(true), Some(false), None));
    });
    is!("REVOKE ADMIN OPTION FOR a FROM b", StatementKind::GrantRole(g) => assert_eq!((g.admin, g.inherit), (Some(false), None)));
    is!("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s REVOKE ALL ON TABLES FROM bi", StatementKind::DefaultPrivileges(d) => {
        assert_eq!((d.kind, d.in_schemas.len(), d.for_roles.len()), (Protected::Relation, 1, 1));
    });
    for wrong in
        ["CREATE ROLE a LOGIN NOLOGIN", "GRANT FLY ON t TO a", "GRANT SELECT ON t", "CREATE OR REPLACE ROLE a", "CREATE ROLE public.x"]
    {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn alerts() {
    let alert = "CREATE OR REPLACE ALERT ops.late SCHEDULE EVERY '1 minute'
        IF EXISTS (SELECT pipeline, lag FROM hub.pipeline_status WHERE late) FOR '5 minutes'
        THEN INTO mail.oncall, INTO ops.log AS (SELECT now() AS at), NOTIFY ops_alerts, RUN PIPELINE ops.ticket (kind => 'late')
        WITH (repeat_every = '2 hours', notify_resolved = true)";
    is!(alert, StatementKind::CreateAlert(a) => {
        assert!(a.or_replace && !a.if_not_exists);
        assert_eq!((a.name.to_string().as_str(), a.trigger.map(|t| t.text).as_deref()), ("ops.late", Some("SCHEDULE EVERY '1 minute'")));
        assert_eq!(a.query.text, "SELECT pipeline, lag FROM hub.pipeline_status WHERE late");
        assert_eq!(a.hold.and_then(|hold| hold.as_micros()), Some(300_000_000));
        let [Act::Into { query: None, .. }, Act::Into { query: Some(own), .. }, Act::Notify(channel), Act::Run { arguments, .. }] =
            a.acts.as_slice() else { panic!("{:?}", a.acts) };
        assert_eq!((own.text.as_str(), channel.value.as_str(), arguments.len()), ("SELECT now() AS at", "ops_alerts", 1));
        assert_eq!(text(&a.options, "repeat_every"), "2 hours");
    });
    is!("CREATE ALERT IF NOT EXISTS a IF EXISTS (SELECT 1) THEN NOTIFY n", StatementKind::CreateAlert(a) => {
        assert!(a.if_not_exists && a.trigger.is_none() && a.hold.is_none() && a.options.is_empty());
    });
    is!("CREATE ALERT a TRIGGER AFTER PIPELINE p ON COMPLETION IF EXISTS (SELECT 1) THEN NOTIFY n", StatementKind::CreateAlert(a) => {
        assert!(matches!(a.trigger.unwrap().kind, TriggerKind::After { on: AfterOutcome::Completion, .. }));
    });
    is!("SHOW ALERTS IN ops", StatementKind::ShowObjects(s) => assert_eq!(s.kind, ObjectKind::Alert));
    is!("DROP ALERT IF EXISTS a, b", StatementKind::DropObject(d) => assert_eq!(d.names.len(), 2));
    is!("ALTER ALERT a SET (repeat_every = '1 h')", StatementKind::AlterObject(a) => assert_eq!(a.kind, ObjectKind::Alert));
    for wrong in ["CREATE ALERT a THEN NOTIFY n", "CREATE ALERT a IF EXISTS (SELECT 1)", "CREATE ALERT a IF EXISTS (SELECT 1) THEN MAIL x"]
    {
        parse(wrong).unwrap_err();
    }
}

#[test]
fn what_comes_later_has_a_name() {
    for (text, expected) in [
        ("CREATE SINK cms.contacts (email text NOT NULL) TO CONNECTION cms.api FORMAT json", "CREATE SINK"),
        ("CREATE FUNCTION f(p jsonb) RETURNS int LANGUAGE javascript AS $$ return 1; $$", "CREATE FUNCTION"),
        ("CREATE ROLE bob CREATEDB", "CREATE ROLE .. CREATEDB"),
        ("ALTER ROLE bob SET search_path = a", "ALTER ROLE .. SET"),
        ("GRANT SELECT (a), UPDATE ON t TO bob", "privileges on columns"),
        ("GRANT EXECUTE ON FUNCTION f TO bob", "GRANT .. ON FUNCTION"),
        ("GRANT USAGE ON ALL SEQUENCES IN SCHEMA a TO bob", "GRANT .. ON SEQUENCES"),
        ("REASSIGN OWNED BY bob TO eve", "REASSIGN"),
        ("DROP OWNED BY bob", "DROP OWNED"),
        ("CREATE SERVER n FOREIGN DATA WRAPPER t OPTIONS (a 'b')", "CREATE SERVER"),
        ("CREATE FOREIGN TABLE t (a int) SERVER s", "CREATE FOREIGN TABLE"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE TEMP VIEW v AS SELECT 1", "CREATE TEMPORARY VIEW"),
        ("ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO bi", "ALTER DEFAULT PRIVILEGES .. ON TYPES"),
        ("DROP SINK s", "DROP SINK"),
        ("SHOW SINKS", "SHOW SINKS"),
        ("MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE", "MERGE"),
        ("DESCRIBE SINK s", "DESCRIBE SINK"),
    ] {
        is!(text, StatementKind::NotBuilt { what, .. } => assert_eq!(what, expected));
    }
}

#[test]
fn several_statements_in_one_text() {
    let text = "SELECT ';' ; -- one; two\n CREATE SECRET a AS $$x;y$$;; /* ; */ SELECT (1); \n";
    let statements = parse(text).unwrap();
    let seen: Vec<_> = statements.iter().map(|s| (s.position, s.text.as_str())).collect();
    assert_eq!(seen, [(1, "SELECT ';'"), (27, "CREATE SECRET a AS $$x;y$$"), (64, "SELECT (1)")]);
    for statement in &statements {
        let at: String = text.chars().skip(statement.position - 1).take(statement.text.chars().count()).collect();
        assert_eq!(at, statement.text);
    }
    assert!(parse(" ; -- nothing\n ;").unwrap().is_empty());
}

#[test]
fn the_words_of_the_language_stay_usable_names() {
    is!("SELECT source, pipeline, sink, expect, message, trigger, schedule, secret, step FROM source, connection, pipeline stream", StatementKind::Query(_) => ());
    is!("CREATE TABLE pipeline (source text, connection text, expect int, message text, version int, at text)", StatementKind::CreateTable(t) => {
        assert_eq!(t.elements.len(), 6);
    });
    is!("DROP TABLE pipeline", StatementKind::DropObject(_) => ());
}
