//! `CREATE [OR REPLACE] CONNECTION [IF NOT EXISTS] name TYPE type [WITH (..)]`
//!
//! Checks keys, types and secrets; dials only with `validate = true`.

use serde_json::Value as Json;
use weir_catalog::{Change, Definitions, Kind, Object, ObjectId};
use weir_sql::Ident;
use weir_sql::statements::create_connection::CreateConnection;

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use super::validate_connection;
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};
use crate::sources::{self, Connector};
use crate::spec::{Opt, Spec};

/// What acts once, at CREATE, and is not kept as an option of the connection.
const AT_ONCE: Spec = Spec {
    name: "connection",
    summary: "Options of CREATE CONNECTION itself.",
    options: &[Opt::bool("validate").default("false").doc("Dial the system before the connection is made.")],
};

/// Types that the language knows and that are not built yet.
const LATER: &[&str] = &[
    "http",
    "graphql",
    "grpc",
    "soap",
    "mysql",
    "sqlserver",
    "oracle",
    "db2",
    "odbc",
    "kafka",
    "rabbitmq",
    "kinesis",
    "s3",
    "azure_blob",
    "gcs",
    "sftp",
    "ftp",
    "as2",
    "smtp",
];

pub(super) async fn execute(session: &Session, statement: &CreateConnection, text: &str) -> Result<Outcome> {
    let CreateConnection { name, or_replace, if_not_exists, connection_type, options: _ } = statement;
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Connection, &place)?;
    let wanted = Wanted { kind: Kind::Connection, or_replace: *or_replace, if_not_exists: *if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(Outcome::done("CREATE CONNECTION")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    if let Some(old) = &old {
        refuse_other_type(&*definitions, old, connection_type)?;
    }
    let (validate, depends_on) = check(session, &*definitions, &place.schema, statement)?;
    let new = New { kind: Kind::Connection, place, definition: text, body: Json::Null, comment: None, depends_on };
    let (_, change) = definition::put(session, &*definitions, new, old)?;
    if let (true, Change::Create { object, .. } | Change::Replace { object, .. }) = (validate, &change) {
        validate_connection::must_work(session, object).await?;
    }
    session.stage(&[change])?;
    Ok(Outcome::done("CREATE CONNECTION"))
}

/// Checks type, options and secrets. Answers whether to dial, and the secrets.
///
/// # Errors
/// `UndefinedObject` or `NotSupported` for the type, `InvalidOption`, `UndefinedObject` for a secret.
pub(super) fn check(
    session: &Session,
    definitions: &dyn Definitions,
    schema: &str,
    statement: &CreateConnection,
) -> Result<(bool, Vec<ObjectId>)> {
    let connector = connector(&statement.connection_type)?;
    if connector.reads_server_files() {
        privileges::require_server_files(definitions, &session.role(), "connect to the server's files")?;
    }
    let (validate, given) = definition::take_flag(&statement.options, &AT_ONCE, "validate")?;
    let options = connector.spec().read(&given)?;
    Ok((validate, definition::secrets(session, definitions, schema, &options)?))
}

/// # Errors
/// `NotSupported` for a type that comes later, `UndefinedObject` for one that nobody knows.
pub(super) fn connector(name: &Ident) -> Result<&'static dyn Connector> {
    if let Some(connector) = sources::connector(&name.value) {
        return Ok(connector);
    }
    if LATER.contains(&name.value.as_str()) {
        return Err(Error::new(Code::NotSupported, format!("connections of type {} are not supported yet", name.value)).at(name.position));
    }
    let known: Vec<&str> = sources::CONNECTORS.iter().map(|connector| connector.spec().name).collect();
    let hint = match weir_sql::nearest(&name.value, known.iter().copied()) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None => format!("Known types: {}.", known.join(", ")),
    };
    Err(Error::new(Code::UndefinedObject, format!("connection type \"{}\" does not exist", name.value)).hint(hint).at(name.position))
}

/// Sources on a connection were checked against its type, so it stays as long as one is there.
fn refuse_other_type(definitions: &dyn Definitions, old: &Object, new_type: &Ident) -> Result<()> {
    let before = crate::engine::definition::connection(old)?;
    if before.connection_type == *new_type || definitions.dependents(old.id)?.is_empty() {
        return Ok(());
    }
    let message = format!("cannot change the type of connection \"{}\"", old.name);
    Err(Error::new(Code::InUse, message)
        .detail(format!("Sources on it were made for type {}.", before.connection_type.value))
        .hint("Drop them first, or make a connection with another name.".to_owned())
        .at(new_type.position))
}
