//! Getting in, and what is said when that fails.

use super::{Server, code_of, connection};
use crate::error::{Code, Error};
use crate::formats::Logical;
use crate::sources::connector;
use crate::sources::contract::ScanRequest;
use crate::sources::postgres::tls::{Identity, MakeTls};
use crate::spec::Options;
use arrow::datatypes::DataType;
use tokio_postgres::tls::MakeTlsConnect;

async fn refused(server: &Server, connection: Options) -> Error {
    let source = server.open_on(connection, "(id int)", "WITH (table = 'weir_in.t')").await.unwrap();
    source.scan(None, ScanRequest::default()).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_apart_and_keep_the_password() {
    let Some(server) = Server::with_schema("weir_in").await else { return };
    server.run("CREATE TABLE t (id int); DROP ROLE IF EXISTS weir_nobody; CREATE ROLE weir_nobody LOGIN PASSWORD 'no body'").await;
    let wrong = "hunter2-wrong";
    let error = refused(&server, server.connection(&[("password", wrong)])).await;
    assert_eq!((error.code(), error.code().sqlstate()), (Code::SourceRefused, "28000"));
    assert!(error.chain().contains("password authentication failed"), "{}", error.chain());
    assert!(error.hint_text().is_some());
    assert!(!format!("{error:?} {}", error.chain()).contains(wrong));
    // A port that nobody listens on: bound, and given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let error = refused(&server, server.connection(&[("port", &free)])).await;
    assert_eq!((error.code(), error.code().sqlstate()), (Code::SourceUnavailable, "HV00N"));
    assert!(error.hint_text().is_some());
    assert_eq!(refused(&server, server.connection(&[("database", "no such")])).await.code(), Code::SourceRefused);
    let nobody = server.connection(&[("user", "weir_nobody"), ("password", "no body")]);
    assert_eq!(refused(&server, nobody).await.code(), Code::SourceRefused);
    // Somebody who accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let error = refused(&server, server.connection(&[("port", &port), ("connect_timeout", "200 ms")])).await;
    assert_eq!(error.code(), Code::SourceUnavailable);
}

#[tokio::test]
async fn a_missing_table_has_a_likely_name() {
    let Some(server) = Server::with_schema("weir_missing").await else { return };
    server.run("CREATE TABLE \"Orders\" (id int)").await;
    let fails = async |table: &str| {
        let source = server.try_source("(id int)", &format!("WITH (table = '{table}')")).await.unwrap();
        source.scan(None, ScanRequest::default()).await.map(drop).unwrap_err()
    };
    let error = fails("weir_missing.Orders").await;
    assert_eq!(error.code(), Code::UndefinedTable);
    assert_eq!(error.hint_text(), Some("Did you mean weir_missing.\"Orders\"?"));
    assert_eq!(fails("a.b.c.d").await.code(), Code::InvalidOption);
    assert!(fails("pg_catalog.pg_class_oid_index").await.message().contains("not a table"));
    // A source without columns opens while nobody answers, and finds them later.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let source = server.open_on(server.connection(&[("port", &free)]), "", "WITH (table = 't')").await.unwrap();
    assert_eq!(source.schema().fields().len(), 0);
    assert_eq!(code_of(source.scan(None, ScanRequest::default()).await), Code::SourceUnavailable);
}

#[tokio::test]
async fn tls_is_what_the_connection_asks_for() {
    let Some(server) = Server::with_schema("weir_tls").await else { return };
    let Ok(authority) = std::env::var("WEIR_TEST_POSTGRES_CA") else {
        println!("skipped: WEIR_TEST_POSTGRES_CA is not set");
        return;
    };
    server.run("CREATE TABLE t (id int)").await;
    server.run("CREATE VIEW me AS SELECT ssl AS id FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
    let read = async |options: &[(&str, &str)]| {
        let source = server.open_on(server.connection(options), "(id boolean)", "WITH (table = 'weir_tls.me')").await.unwrap();
        let table = source.scan(None, ScanRequest::default()).await?;
        super::collect(datafusion::prelude::SessionContext::new().read_table(table).unwrap()).await.map(|batches| super::rows(&batches))
    };
    let pem = std::fs::read_to_string(&authority).unwrap();
    assert_eq!(read(&[("sslmode", "disable")]).await.unwrap(), ["false"]);
    assert_eq!(read(&[("sslmode", "prefer")]).await.unwrap(), ["true"]);
    assert_eq!(read(&[("sslmode", "require")]).await.unwrap(), ["true"]);
    assert_eq!(read(&[("sslmode", "verify-ca"), ("sslrootcert", &authority)]).await.unwrap(), ["true"]);
    assert_eq!(read(&[("sslmode", "verify-full"), ("sslrootcert", &authority)]).await.unwrap(), ["true"]);
    assert_eq!(read(&[("sslmode", "verify-full"), ("sslrootcert", &pem)]).await.unwrap(), ["true"]);
    for mode in ["verify-full", "verify-ca"] {
        let error = read(&[("sslmode", mode)]).await.unwrap_err();
        assert_eq!(error.code(), Code::SourceRefused, "{}", error.chain());
        assert!(error.hint_text().unwrap().contains("sslrootcert"));
    }
    assert_eq!(code_of(read(&[("sslmode", "verify-full"), ("sslrootcert", "/no/such/file")]).await), Code::InvalidOption);
    assert_eq!(code_of(read(&[("sslrootcert", "-----BEGIN nonsense"), ("sslmode", "require")]).await), Code::InvalidOption);
}

/// The test server's certificate names 127.0.0.1 and localhost.
#[tokio::test]
async fn only_verify_full_asks_for_the_name() {
    let Some(server) = Server::with_schema("weir_tls_name").await else { return };
    let Ok(authority) = std::env::var("WEIR_TEST_POSTGRES_CA") else {
        println!("skipped: WEIR_TEST_POSTGRES_CA is not set");
        return;
    };
    let pem = std::fs::read_to_string(&authority).unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user(&server.user).password(&server.password).dbname(&server.database).ssl_mode(tokio_postgres::config::SslMode::Require);
    for (identity, name, is_let_in) in [
        (Identity::SignedAndNamed, "localhost", true),
        (Identity::SignedAndNamed, "other.example", false),
        (Identity::Signed, "other.example", true),
        (Identity::Any, "other.example", true),
    ] {
        let stream = tokio::net::TcpStream::connect((server.host.as_str(), server.port)).await.unwrap();
        let mut tls = MakeTls::new(identity, Some(&pem)).unwrap();
        let handshake = MakeTlsConnect::<tokio::net::TcpStream>::make_tls_connect(&mut tls, name).unwrap();
        let connected = config.connect_raw(stream, handshake).await;
        assert_eq!(connected.is_ok(), is_let_in, "{identity:?} {name}");
    }
}

#[tokio::test]
async fn checks_come_one_after_the_other() {
    let Some(server) = Server::with_schema("weir_checks").await else { return };
    server.run("CREATE TABLE t (id int)").await;
    let postgres = connector("postgres").unwrap();
    let names = |checks: &[crate::sources::contract::Check]| checks.iter().map(|check| (check.check.clone(), check.ok)).collect::<Vec<_>>();
    let all = postgres.validate(&server.connection(&[("sslmode", "prefer")])).await;
    let want = ["address", "connect", "encryption", "log in", "rights"].map(|name| (name.to_owned(), true));
    assert_eq!(names(&all), want, "{all:?}");
    assert!(all[3].detail.contains("PostgreSQL"), "{all:?}");
    let wrong = postgres.validate(&server.connection(&[("password", "wrong")])).await;
    assert_eq!(names(&wrong).last(), Some(&("log in".to_owned(), false)));
    assert!(!format!("{wrong:?}").contains("\"wrong\""));
    let down = postgres.validate(&connection(&[("host", "no.such.host.invalid"), ("user", "x")])).await;
    assert_eq!(names(&down), [("address".to_owned(), false)]);
}

#[tokio::test]
async fn a_schema_is_listed_with_keys_and_types() {
    let Some(server) = Server::with_schema("weir_list").await else { return };
    server
        .run(
            "CREATE TABLE b (y int, x text, tags text[], doc jsonb, PRIMARY KEY (x, y)); CREATE VIEW \"A b\" AS SELECT 1::numeric(5,1) AS n;
             CREATE TABLE p (k int) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2); CREATE SEQUENCE s",
        )
        .await;
    let postgres = connector("postgres").unwrap();
    let listed = postgres.list_schema(&server.connection(&[]), "weir_list").await.unwrap();
    assert_eq!(listed.iter().map(|relation| relation.name.as_str()).collect::<Vec<_>>(), ["A b", "b", "p"]);
    assert_eq!(listed[0].options, [("table".to_owned(), "weir_list.\"A b\"".to_owned())]);
    assert_eq!(listed[0].columns[0].data_type, DataType::Decimal128(5, 1));
    let b = &listed[1];
    assert_eq!(b.primary_key, ["x", "y"]);
    let columns: Vec<_> = b.columns.iter().map(|column| (column.name.as_str(), column.not_null, column.logical)).collect();
    assert_eq!(
        columns,
        [("y", true, Logical::Plain), ("x", true, Logical::Plain), ("tags", false, Logical::Jsonb), ("doc", false, Logical::Jsonb)]
    );
    let error = postgres.list_schema(&server.connection(&[]), "weir_lst").await.unwrap_err();
    assert_eq!(error.code(), Code::UndefinedSchema);
    assert!(error.hint_text().is_some());
}
