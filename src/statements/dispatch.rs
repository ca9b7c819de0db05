//! From a text to its answer: parse, describe without running, execute.
//!
//! `describe` never changes anything. `execute` holds the rule of the failed transaction, refuses writes of a read-only one, and puts every
//! statement and its rows under the session's cancel and time limit.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;
use weir_sql::{Statement, StatementKind};

use super::effect::{Effect, alter_command, effect};
use super::{
    alter_object, alter_pipeline, alter_secret, alter_source, alter_table, cancel_run, comment_on, copy, create_alert, create_connection,
    create_pipeline, create_schema, create_secret, create_source, create_table, create_template, create_view, cursor, describe_history,
    describe_object, dml, drop_object, explain, explain_change, explain_pipeline, grant, grant_role, import_foreign_schema, names, notify,
    optimize, prepared, query, redact, replay_pipeline, restore_table, roles, run_pipeline, set_variable, show_create, show_objects,
    show_runs, transaction, truncate, vacuum, validate_connection,
};
use crate::error::{Code, Error, Result};
use crate::session::{CopyFile, CopyIn, Description, Outcome, Session, TransactionStatus};

/// The statements of a text. A text that does not parse fails the open transaction, as any other error does.
///
/// # Errors
/// `Syntax` or `NotSupported`, with the position in the text.
pub fn parse(session: &Session, text: &str) -> Result<Vec<Statement>> {
    weir_sql::parse_in(text, session.hub().database()).map_err(|error| {
        session.fail();
        error.into()
    })
}

/// What is known of a statement before it runs. `hints` are the parameter types that the client gave.
///
/// # Errors
/// Whatever is wrong with the statement: an unknown table, a type that does not fit.
pub async fn describe(session: &Session, statement: &Statement, hints: &[Option<DataType>]) -> Result<Description> {
    let result = async {
        admit(session, statement)?;
        session.guard().run(describe_kind(session, &statement.kind, hints)).await
    };
    result.await.inspect_err(|_| session.fail())
}

/// Runs a statement. Rows that are still to come obey the same cancel and time limit.
///
/// # Errors
/// Whatever goes wrong; an open transaction can then only be rolled back.
pub async fn execute(session: &Session, statement: &Statement, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    let result = async {
        session.started(action(statement), &shown(statement));
        admit(session, statement)?;
        let guard = session.guard();
        let work = execute_kind(session, statement, parameters);
        let outcome = match effect(&statement.kind) {
            // Half an end is none: it takes what it takes.
            Effect::EndsTransaction => work.await?,
            _ => guard.run(work).await?,
        };
        Ok(match outcome {
            Outcome::Rows { schema, rows, tag } => Outcome::Rows { schema, rows: guard.rows(rows, session.failure_flag()), tag },
            Outcome::CopyOut { schema, rows, style } => Outcome::CopyOut { schema, rows: guard.rows(rows, session.failure_flag()), style },
            Outcome::CopyIn(copy) => {
                let CopyIn { columns, style, table, rows, done } = copy;
                Outcome::CopyIn(CopyIn { columns, style, table, rows, done: async move { guard.run(done).await }.boxed() })
            }
            Outcome::CopyFile(copy) => {
                let CopyFile { is_binary, bytes, done } = copy;
                Outcome::CopyFile(CopyFile { is_binary, bytes, done: async move { guard.run(done).await }.boxed() })
            }
            Outcome::Done { tag } => Outcome::Done { tag },
        })
    };
    result.await.inspect_err(|error| {
        session.fail();
        note_refusal(session, statement, error);
    })
}

/// As the audit names the statement.
fn action(statement: &Statement) -> &'static str {
    match effect(&statement.kind) {
        Effect::Writes(command) => command,
        Effect::Reads => "SELECT",
        Effect::Session | Effect::EndsTransaction => "SESSION",
    }
}

/// What was refused for want of a right, and definitions that failed, are in the audit too.
fn note_refusal(session: &Session, statement: &Statement, error: &Error) {
    let defines = matches!(effect(&statement.kind), Effect::Writes(_))
        && !matches!(statement.kind, StatementKind::Dml(_) | StatementKind::Truncate(_) | StatementKind::Copy(_));
    if !defines && error.code() != Code::NoPrivilege {
        return;
    }
    let entry = session.audit_entry(None, Some(error.code().sqlstate().to_owned()));
    if let Err(failed) = session.hub().store().audit(&[entry]) {
        tracing::warn!(error = %failed, "a refusal could not be put into the audit");
    }
}

/// The text for the list of sessions: nothing in it is a secret.
fn shown(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::CreateSecret(secret) => redact::create_secret(secret, &statement.text),
        StatementKind::AlterSecret(secret) => redact::alter_secret(secret, &statement.text),
        StatementKind::CreateRole(role) => redact::create_role(role, &statement.text),
        StatementKind::AlterRole(role) => redact::alter_role(role, &statement.text),
        // Options may hold what should have been a secret.
        StatementKind::CreateConnection(connection) => format!("CREATE CONNECTION {} ..", names::plain(&connection.name)),
        StatementKind::AlterObject(object) => format!("{} {} ..", alter_command(object.kind), names::plain(&object.name)),
        _ => statement.text.clone(),
    }
}

/// Whether the statement may run at all in the state the session is in.
fn admit(session: &Session, statement: &Statement) -> Result<()> {
    let effect = effect(&statement.kind);
    if session.transaction_status() == TransactionStatus::Failed && effect != Effect::EndsTransaction {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(Error::new(Code::FailedTransaction, message));
    }
    if effect != Effect::EndsTransaction {
        session.check_role()?;
    }
    match effect {
        Effect::Writes(command) => session.refuse_write(command),
        Effect::Reads | Effect::Session | Effect::EndsTransaction => Ok(()),
    }
}

/// Boxed, because EXECUTE comes back here.
pub(super) fn describe_kind<'a>(
    session: &'a Session,
    kind: &'a StatementKind,
    hints: &'a [Option<DataType>],
) -> BoxFuture<'a, Result<Description>> {
    async move {
        match kind {
            StatementKind::Query(query) => query::describe(session, query, hints).await,
            StatementKind::Dml(dml) => dml::describe(session, dml, hints).await,
            StatementKind::Execute(execute) => prepared::describe(session, execute).await,
            StatementKind::DeclareCursor(declare) => {
                Ok(Description { columns: None, ..query::describe(session, &declare.query, hints).await? })
            }
            StatementKind::Explain(explain) => {
                Ok(Description { columns: Some(explain::columns()), ..query::describe(session, &explain.query, hints).await? })
            }
            other => Ok(Description { columns: columns(session, other).await?, ..Description::default() }),
        }
    }
    .boxed()
}

/// The columns that a statement of our own answers.
async fn columns(session: &Session, kind: &StatementKind) -> Result<Option<SchemaRef>> {
    Ok(match kind {
        StatementKind::ValidateConnection(_) => Some(validate_connection::columns()),
        StatementKind::ShowObjects(_) => Some(show_objects::columns()),
        StatementKind::ShowCreate(_) => Some(show_create::columns()),
        StatementKind::ShowRuns(_) => Some(show_runs::columns()),
        StatementKind::DescribeObject(statement) => Some(describe_object::columns(statement)),
        StatementKind::DescribeHistory(_) => Some(describe_history::columns()),
        StatementKind::RunPipeline(statement) => Some(run_pipeline::columns(session, statement).await?),
        StatementKind::ReplayPipeline(_) => Some(run_pipeline::report_columns()),
        StatementKind::ExplainChange(_) => Some(explain_change::columns()),
        StatementKind::ExplainPipeline(statement) => Some(explain_pipeline::columns(session, statement).await?),
        StatementKind::RestoreTable(_) => Some(restore_table::columns()),
        StatementKind::Optimize(_) => Some(optimize::columns()),
        StatementKind::Vacuum(_) => Some(vacuum::columns()),
        StatementKind::ShowVariable(statement) => Some(set_variable::columns(statement)),
        StatementKind::FetchCursor(statement) => cursor::columns(session, statement)?,
        StatementKind::Query(_)
        | StatementKind::Dml(_)
        | StatementKind::Explain(_)
        | StatementKind::Execute(_)
        | StatementKind::CreateSchema(_)
        | StatementKind::CreateSecret(_)
        | StatementKind::AlterSecret(_)
        | StatementKind::CreateConnection(_)
        | StatementKind::ImportForeignSchema(_)
        | StatementKind::CreateSource(_)
        | StatementKind::CreateView(_)
        | StatementKind::CreateTable(_)
        | StatementKind::CreatePipeline(_)
        | StatementKind::CreateAlert(_)
        | StatementKind::CreateTemplate(_)
        | StatementKind::AlterObject(_)
        | StatementKind::AlterPipeline(_)
        | StatementKind::AlterSource(_)
        | StatementKind::AlterTable(_)
        | StatementKind::DropObject(_)
        | StatementKind::CommentOn(_)
        | StatementKind::CancelRun(_)
        | StatementKind::Truncate(_)
        | StatementKind::Transaction(_)
        | StatementKind::SetVariable(_)
        | StatementKind::ResetVariable(_)
        | StatementKind::Discard(_)
        | StatementKind::Bus(_)
        | StatementKind::DeclareCursor(_)
        | StatementKind::CloseCursor(_)
        | StatementKind::Prepare(_)
        | StatementKind::Deallocate(_)
        | StatementKind::Copy(_)
        | StatementKind::CreateRole(_)
        | StatementKind::AlterRole(_)
        | StatementKind::DropRole(_)
        | StatementKind::Grant(_)
        | StatementKind::GrantRole(_)
        | StatementKind::DefaultPrivileges(_)
        | StatementKind::NotBuilt { .. } => None,
    })
}

/// Boxed, because EXECUTE comes back here.
pub(super) fn execute_kind<'a>(
    session: &'a Session,
    statement: &'a Statement,
    parameters: Vec<ScalarValue>,
) -> BoxFuture<'a, Result<Outcome>> {
    let text = statement.text.as_str();
    async move {
        match &statement.kind {
            StatementKind::Query(it) => query::execute(session, it, parameters).await,
            StatementKind::Dml(it) => dml::execute(session, it, parameters).await,
            StatementKind::Explain(it) => explain::execute(session, it, parameters).await,
            StatementKind::CreateSchema(it) => create_schema::execute(session, it, text),
            StatementKind::CreateSecret(it) => create_secret::execute(session, it, text),
            StatementKind::AlterSecret(it) => alter_secret::execute(session, it, text),
            StatementKind::CreateConnection(it) => create_connection::execute(session, it, text).await,
            StatementKind::ValidateConnection(it) => validate_connection::execute(session, it).await,
            StatementKind::ImportForeignSchema(it) => import_foreign_schema::execute(session, it).await,
            StatementKind::CreateSource(it) => create_source::execute(session, it, text).await,
            StatementKind::CreateView(it) => create_view::execute(session, it, text).await,
            StatementKind::CreateTable(it) => create_table::execute(session, it, text).await,
            StatementKind::CreatePipeline(it) => create_pipeline::execute(session, it, text).await,
            StatementKind::CreateAlert(it) => create_alert::execute(session, it, text).await,
            StatementKind::CreateTemplate(it) => create_template::execute(session, it, text),
            StatementKind::AlterObject(it) => alter_object::execute(session, it, text).await,
            StatementKind::AlterPipeline(it) => alter_pipeline::execute(session, it, text).await,
            StatementKind::AlterSource(it) => alter_source::execute(session, it),
            StatementKind::AlterTable(it) => alter_table::execute(session, it, text).await,
            StatementKind::DropObject(it) => drop_object::execute(session, it).await,
            StatementKind::ShowObjects(it) => show_objects::execute(session, it),
            StatementKind::ShowCreate(it) => show_create::execute(session, it),
            StatementKind::ShowRuns(it) => show_runs::execute(session, it),
            StatementKind::DescribeObject(it) => describe_object::execute(session, it).await,
            StatementKind::DescribeHistory(it) => describe_history::execute(session, it).await,
            StatementKind::CommentOn(it) => comment_on::execute(session, it),
            StatementKind::RunPipeline(it) => run_pipeline::execute(session, it).await,
            StatementKind::ReplayPipeline(it) => replay_pipeline::execute(session, it).await,
            StatementKind::CancelRun(it) => cancel_run::execute(session, it),
            StatementKind::ExplainChange(it) => explain_change::execute(session, it).await,
            StatementKind::ExplainPipeline(it) => explain_pipeline::execute(session, it).await,
            StatementKind::RestoreTable(it) => restore_table::execute(session, it).await,
            StatementKind::Transaction(it) => transaction::execute(session, it).await,
            StatementKind::SetVariable(it) => set_variable::set(session, it),
            StatementKind::ResetVariable(it) => set_variable::reset(session, it),
            StatementKind::ShowVariable(it) => set_variable::show(session, it),
            StatementKind::Discard(it) => set_variable::discard(session, *it).await,
            StatementKind::DeclareCursor(it) => cursor::declare(session, it, parameters).await,
            StatementKind::FetchCursor(it) => cursor::fetch(session, it).await,
            StatementKind::CloseCursor(it) => cursor::close(session, it),
            StatementKind::Prepare(it) => prepared::prepare(session, it),
            StatementKind::Execute(it) => prepared::execute(session, it).await,
            StatementKind::Deallocate(it) => prepared::deallocate(session, it),
            StatementKind::Optimize(it) => optimize::execute(session, it).await,
            StatementKind::Vacuum(it) => vacuum::execute(session, it).await,
            StatementKind::Truncate(it) => truncate::execute(session, it).await,
            StatementKind::Bus(it) => notify::execute(session, it),
            StatementKind::Copy(it) => copy::execute(session, it).await,
            StatementKind::CreateRole(it) => roles::create(session, it),
            StatementKind::AlterRole(it) => roles::alter(session, it),
            StatementKind::DropRole(it) => roles::drop(session, it),
            StatementKind::Grant(it) => grant::execute(session, it),
            StatementKind::GrantRole(it) => grant_role::execute(session, it),
            StatementKind::DefaultPrivileges(it) => grant::defaults(session, it),
            StatementKind::NotBuilt { what, position } => Err(not_built(what, *position)),
        }
    }
    .boxed()
}

fn not_built(what: &str, position: usize) -> Error {
    Error::new(Code::NotSupported, format!("{what} is not supported yet")).at(position)
}
