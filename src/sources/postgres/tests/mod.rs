//! PostgreSQL as a source, against a real server.
//!
//! The server is that of `WEIR_TEST_POSTGRES` (a superuser's URL). Each test has a schema of its own on it.

mod connecting;
mod following;
mod reading;
mod streams;
mod types;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use weir_catalog::ObjectId;
use weir_sql::{Ident, Name, OptionEntry, OptionValue, StatementKind};

use crate::clock::Clock;
use crate::error::{Code, Error};
use crate::sources::connector;
use crate::sources::contract::{OpenRequest, Range, RejectSink, ScanRequest, Source, SourceReject};
use crate::spec::Options;

/// A schema on the server.
struct Server {
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
    schema: &'static str,
    admin: tokio_postgres::Client,
}

impl Server {
    /// None when there is no server to test against; that is a failure when servers are required.
    async fn with_schema(schema: &'static str) -> Option<Self> {
        let Ok(url) = std::env::var("WEIR_TEST_POSTGRES") else {
            assert!(std::env::var_os("WEIR_TEST_SERVICES").is_none(), "WEIR_TEST_POSTGRES is not set");
            println!("skipped: WEIR_TEST_POSTGRES is not set");
            return None;
        };
        let url = url::Url::parse(&url).unwrap();
        let (admin, connection) = tokio_postgres::connect(url.as_str(), tokio_postgres::NoTls).await.unwrap();
        drop(tokio::spawn(connection));
        admin
            .batch_execute(&format!("SET client_min_messages TO error; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path TO {schema}"))
            .await
            .unwrap();
        Some(Self {
            host: url.host_str().unwrap().to_owned(),
            port: url.port().unwrap(),
            user: url.username().to_owned(),
            password: url.password().unwrap().to_owned(),
            database: url.path().trim_start_matches('/').to_owned(),
            schema,
            admin,
        })
    }

    async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Options of a connection to the server; `more` replaces or adds.
    fn connection(&self, more: &[(&str, &str)]) -> Options {
        let port = self.port.to_string();
        let mut given = vec![
            ("host", self.host.as_str()),
            ("port", &port),
            ("user", &self.user),
            ("database", &self.database),
            ("password", &self.password),
            ("sslmode", "disable"),
        ];
        for option in more {
            given.retain(|(key, _)| *key != option.0);
            given.push(*option);
        }
        connection(&given)
    }

    async fn open_on(&self, connection: Options, columns: &str, rest: &str) -> Result<Arc<dyn Source>, Error> {
        let text = format!("CREATE SOURCE s.t {columns} FROM CONNECTION shop.erp {rest}");
        let Some(StatementKind::CreateSource(definition)) = weir_sql::parse(&text).unwrap().pop().map(|statement| statement.kind) else {
            panic!("not a source: {text}");
        };
        let postgres = connector("postgres").unwrap();
        let options = postgres.source_spec().read(&definition.options)?;
        postgres
            .open(OpenRequest {
                source_id: ObjectId(20_000),
                name: "s.t".into(),
                connection,
                options,
                definition: *definition,
                found: None,
                store: weir_catalog::open_in_memory().unwrap(),
                clock: Clock::real(),
            })
            .await
    }

    async fn try_source(&self, columns: &str, rest: &str) -> Result<Arc<dyn Source>, Error> {
        self.open_on(self.connection(&[]), columns, rest).await
    }

    /// A source on a table of the test's schema.
    async fn source(&self, table: &str, columns: &str, clauses: &str) -> Arc<dyn Source> {
        self.try_source(columns, &format!("{clauses} WITH (table = '{}.{table}')", self.schema)).await.unwrap()
    }
}

fn connection(given: &[(&str, &str)]) -> Options {
    let entry = |(key, value): &(&str, &str)| {
        let value = match *key {
            "password" => OptionValue::Secret { name: secret_name(), key: None },
            _ => OptionValue::Text((*value).to_owned()),
        };
        OptionEntry { key: (*key).to_owned(), position: 1, value, value_position: 1 }
    };
    let options = weir_sql::Options { entries: given.iter().map(entry).collect() };
    let password = given.iter().find(|(key, _)| *key == "password").map_or("", |(_, value)| *value);
    connector("postgres").unwrap().spec().read(&options).unwrap().reveal(&|_, _| Ok(password.to_owned())).unwrap()
}

fn secret_name() -> Name {
    Name { schema: None, name: Ident { value: "password".to_owned(), position: 1 } }
}

/// All there is now, with filters and the like put on by `shape`.
async fn read(source: &Arc<dyn Source>, shape: impl FnOnce(DataFrame) -> DataFrame) -> Vec<String> {
    let table = source.scan(None, ScanRequest { partitions: 2, ..ScanRequest::default() }).await.unwrap();
    rows(&collect(shape(SessionContext::new().read_table(table).unwrap())).await.unwrap())
}

async fn collect(frame: DataFrame) -> Result<Vec<RecordBatch>, Error> {
    let mut stream = frame.execute_stream().await.map_err(unwrapped)?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.map_err(unwrapped)?);
    }
    Ok(batches)
}

/// Our own error, taken out of the engine's.
fn unwrapped(error: datafusion::error::DataFusionError) -> Error {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = next {
        if let Some(own) = current.downcast_ref::<Error>() {
            return own.clone();
        }
        next = match current.downcast_ref::<datafusion::error::DataFusionError>() {
            Some(datafusion::error::DataFusionError::External(inner)) => Some(&**inner as &(dyn std::error::Error + 'static)),
            _ => current.source(),
        };
    }
    Error::internal("another error").caused_by(error)
}

/// A range with its rejects, as a pipeline reads it.
async fn follow(source: &Arc<dyn Source>, range: Option<Range>) -> (Vec<String>, Vec<SourceReject>, i64) {
    let sink = RejectSink::default();
    let request = ScanRequest { provenance: true, rejects: Some(sink.clone()), ordered: true, partitions: 1 };
    let table = source.scan(range, request).await.unwrap();
    let batches = collect(SessionContext::new().read_table(table).unwrap()).await.unwrap();
    (rows(&batches), sink.drain(), sink.read())
}

/// `a|b|c` per row; NULL is written as `-`.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn code_of<T>(result: Result<T, Error>) -> Code {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.code(),
    }
}
