//! The connector `postgres`: its options, opening a source, checking a connection, and what a schema holds.

use std::sync::Arc;

use arrow::datatypes::DataType;
use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_sql::statements::create_source::{CreateSource, Envelope, Origin, SchemaChange};

use super::column::check_declared;
use super::cursor::Cursor;
use super::describe::{Relation, list};
use super::link::{Link, Target};
use super::source::PostgresSource;
use super::types::RemoteColumn;
use crate::error::{Code, Error, Result};
use crate::formats::{ColumnSpec, Logical};
use crate::sources::columns::{amend, declared_columns, evolved, rescue, schema_change};
use crate::sources::contract::{Check, Connector, OpenRequest, RemoteRelation, Source};
use crate::spec::{Opt, Options, Spec};

const SPEC: Spec = Spec {
    name: "postgres",
    summary: "A PostgreSQL database, read only.",
    options: &[
        Opt::text("host").required().doc("Host name or address."),
        Opt::integer("port").default("5432").doc("Port."),
        Opt::text("database").doc("Database; the user's name when left out."),
        Opt::text("user").required().doc("User to log in as."),
        Opt::secret("password").doc("The user's password."),
        Opt::choice("sslmode", &["disable", "prefer", "require", "verify-ca", "verify-full"]).default("require").doc(
            "require encrypts without asking who answers; verify-full also checks the certificate and its name; prefer and disable may talk in the clear.",
        ),
        Opt::text("sslrootcert").doc("Certificates to trust: the path of a PEM file of the hub's machine, or its text."),
        Opt::duration("connect_timeout").default("10 s").doc("How long to wait for a session."),
        Opt::text("application_name").default("weir").doc("What the server shows in pg_stat_activity."),
    ],
};

const SOURCE_SPEC: Spec = Spec {
    name: "postgres source",
    summary: "A table, a view or a query.",
    options: &[
        Opt::text("table").doc("'schema.table' or 'table', with double quotes around names that are not in lower case."),
        Opt::text("query").doc("A SELECT to read in place of a table."),
    ],
};

pub(in crate::sources) struct Postgres;

#[async_trait]
impl Connector for Postgres {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn source_spec(&self) -> &'static Spec {
        &SOURCE_SPEC
    }

    fn takes_format(&self) -> bool {
        false
    }

    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Source>> {
        let OpenRequest { source_id: _, name, connection, options, definition, found, store: _, clock: _ } = request;
        refuse_what_tables_cannot(&definition)?;
        let mut declared = declared_columns(&definition)?;
        declared.iter().try_for_each(check_declared)?;
        let schema_change = schema_change(&definition);
        let names = declared.iter().map(|column| column.name.clone()).collect();
        if let (Some(found), false) = (&found, declared.is_empty()) {
            amend(&mut declared, found);
        }
        let mut columns = match (found, schema_change) {
            (Some(found), SchemaChange::Evolve) => {
                let new: Vec<ColumnSpec> = evolved(&declared, &found, |_| false).collect();
                Some(declared.into_iter().chain(new).collect())
            }
            _ if !declared.is_empty() => Some(declared),
            (Some(found), _) => Some(evolved(&[], &found, |_| false).collect()),
            (None, _) => None,
        };
        if let (Some(columns), SchemaChange::Rescue) = (&mut columns, schema_change) {
            rescue(columns)?;
        }
        let is_known = columns.is_some();
        let source = PostgresSource {
            name,
            connection: match &definition.origin {
                Origin::Connection(name) => name.to_string(),
                Origin::Webhook | Origin::Upload => String::new(),
            },
            target: Target::new(&connection)?,
            relation: relation(&options)?,
            cursor: definition.incremental.as_ref().map(Cursor::new).transpose()?,
            schema_change,
            declared: names,
            described: Mutex::new(None),
            columns: RwLock::new(columns.filter(|columns: &Vec<ColumnSpec>| !columns.is_empty())),
        };
        if !is_known {
            // A server that is down shows at the first read; until then nobody knows the columns.
            if let Err(error) = source.look().await {
                tracing::warn!(source = source.name, error = %error.chain(), "columns of a PostgreSQL source could not be found yet");
            }
        }
        Ok(Arc::new(source))
    }

    async fn validate(&self, connection: &Options) -> Vec<Check> {
        let target = match Target::new(connection) {
            Ok(target) => target,
            Err(error) => return vec![failed("options", &error)],
        };
        let mut checks = Vec::new();
        if reach(&target, &mut checks).await {
            match target.dial().await {
                Ok(link) => look_around(&link, &mut checks).await,
                Err(error) => checks.push(failed("log in", &error)),
            }
        }
        checks
    }

    async fn list_schema(&self, connection: &Options, schema: &str) -> Result<Vec<RemoteRelation>> {
        let target = Target::new(connection)?;
        let link = target.dial().await?;
        let listed = list(&target, &link, schema).await?;
        let relations = listed.into_iter().map(|listed| RemoteRelation {
            columns: listed.described.columns.iter().map(declarable).collect(),
            options: vec![("table".to_owned(), format!("{}.{}", weir_sql::quote_ident(schema), weir_sql::quote_ident(&listed.name)))],
            name: listed.name,
            primary_key: listed.primary_key,
        });
        Ok(relations.collect())
    }
}

/// As a column list can say it: there is no type of the language for arrays.
fn declarable(remote: &RemoteColumn) -> ColumnSpec {
    let found = remote.found();
    match found.data_type {
        DataType::List(_) => ColumnSpec { data_type: DataType::Utf8, logical: Logical::Jsonb, ..found },
        _ => found,
    }
}

fn relation(options: &Options) -> Result<Relation> {
    match (options.text("table"), options.text("query")) {
        (Some(table), None) if !table.trim().is_empty() => Ok(Relation::Table(table.trim().to_owned())),
        (None, Some(query)) if !query.trim().is_empty() => Ok(Relation::Query(query.to_owned())),
        _ => Err(Error::new(Code::InvalidOption, "a source on PostgreSQL needs option \"table\" or option \"query\", and not both")
            .hint("Add WITH (table = 'schema.table').".to_owned())),
    }
}

fn refuse_what_tables_cannot(definition: &CreateSource) -> Result<()> {
    let CreateSource { format, envelope, include, verify, .. } = definition;
    if format.is_some() {
        return Err(Error::new(Code::InvalidDefinition, "tables of PostgreSQL have columns of their own and take no FORMAT"));
    }
    if !matches!(envelope, None | Some(Envelope::None)) {
        return Err(Error::new(Code::NotSupported, "change data capture from PostgreSQL is not built yet")
            .hint("Use INCREMENTAL BY column.".to_owned()));
    }
    if let Some(include) = include.first() {
        return Err(Error::new(Code::NotSupported, "INCLUDE has no meaning for tables of PostgreSQL").at(include.position));
    }
    if verify.is_some() {
        return Err(Error::new(Code::InvalidDefinition, "VERIFY is for webhooks"));
    }
    Ok(())
}

fn failed(check: &str, error: &Error) -> Check {
    let detail = error.detail_text().map_or_else(|| error.chain(), |detail| format!("{error}. {detail}"));
    Check { check: check.to_owned(), ok: false, detail }
}

/// Whether somebody listens where the connection says.
async fn reach(target: &Target, checks: &mut Vec<Check>) -> bool {
    let resolved = timeout(target.timeout, tokio::net::lookup_host((target.host.as_str(), target.port))).await;
    let addresses: Vec<_> = match resolved {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return push(checks, "address", false, error.to_string()),
        Err(_) => return push(checks, "address", false, "no answer in time".to_owned()),
    };
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    push(checks, "address", !addresses.is_empty(), shown.join(", "));
    match timeout(target.timeout, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(stream)) => {
            let peer = stream.peer_addr().map_or_else(|_| target.address(), |peer| peer.to_string());
            push(checks, "connect", true, peer)
        }
        Ok(Err(error)) => push(checks, "connect", false, error.to_string()),
        Err(_) => push(checks, "connect", false, "no answer in time".to_owned()),
    }
}

fn push(checks: &mut Vec<Check>, check: &str, ok: bool, detail: String) -> bool {
    checks.push(Check { check: check.to_owned(), ok, detail });
    ok
}

const WHO: &str = "SELECT current_user || ' in database ' || current_database() || ' of PostgreSQL ' || current_setting('server_version'), \
    (SELECT version || ' ' || cipher FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)";
const RIGHTS: &str = "SELECT count(*) FILTER (WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')), count(*) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

async fn look_around(link: &Link, checks: &mut Vec<Check>) {
    match link.client.query_one(WHO, &[]).await {
        Ok(row) => {
            let tls: Option<String> = row.try_get(1).ok().flatten();
            push(checks, "encryption", true, tls.unwrap_or_else(|| "none: the connection is in the clear".to_owned()));
            push(checks, "log in", true, row.try_get(0).unwrap_or_default());
        }
        Err(error) => drop(push(checks, "log in", false, error.to_string())),
    }
    match link.client.query_one(RIGHTS, &[]).await {
        Ok(row) => {
            let (readable, all): (i64, i64) = (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
            push(checks, "rights", readable > 0, format!("{readable} of {all} tables and views can be read"));
        }
        Err(error) => drop(push(checks, "rights", false, error.to_string())),
    }
}
