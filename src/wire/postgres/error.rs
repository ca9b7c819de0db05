//! How an error reaches a Postgres client: the one place that builds ErrorResponse and NoticeResponse.

use pgwire::error::ErrorInfo;
use pgwire::messages::PgWireBackendMessage;
use uuid::Uuid;

use crate::error::{Code, Error};
use crate::session::Notice;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Fault {
    /// The other side is gone, or asked to go: nothing is left to be said.
    Closed,
    /// The client is told why, then the socket is closed.
    Fatal(Fatal),
}

/// The last words to a client.
#[derive(Debug)]
pub(super) struct Fatal {
    pub(super) sqlstate: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::Fatal(Fatal { sqlstate, message: message.into(), hint: None })
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::fatal(Code::Protocol.sqlstate(), message)
    }

    /// The hub stops, or an administrator ends the connection.
    pub(super) fn shutting_down() -> Self {
        Self::fatal(Code::ShuttingDown.sqlstate(), "terminating connection due to administrator command")
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        tracing::debug!(%error, "connection lost");
        Self::Closed
    }
}

/// A refusal before the session exists ends the connection, with the error's own code.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let info = to_pg(&error);
        Self::Fatal(Fatal { sqlstate: error.code().sqlstate(), message: info.message, hint: info.hint })
    }
}

/// An error as the fields of an ErrorResponse. `Internal` is masked with an id that the log repeats.
pub(super) fn to_pg(error: &Error) -> ErrorInfo {
    let mut info = response("ERROR", error.code().sqlstate(), error.message());
    if error.code() == Code::Internal {
        let id = Uuid::new_v4();
        tracing::error!(error_id = %id, error = %error.chain(), "internal error");
        info.message = "internal error".to_owned();
        info.detail = Some(format!("The cause is in the hub's log under error_id {id}."));
    } else {
        tracing::debug!(sqlstate = error.code().sqlstate(), error = %error.chain(), "statement failed");
        info.detail = error.detail_text().map(clean);
    }
    info.hint = error.hint_text().map(clean);
    info.position = error.position().map(|position| position.to_string());
    info
}

pub(super) fn error_message(error: &Error) -> PgWireBackendMessage {
    PgWireBackendMessage::ErrorResponse(to_pg(error).into())
}

pub(super) fn fatal_message(fatal: &Fatal) -> PgWireBackendMessage {
    let mut info = response("FATAL", fatal.sqlstate, &fatal.message);
    info.hint = fatal.hint.as_deref().map(clean);
    PgWireBackendMessage::ErrorResponse(info.into())
}

pub(super) fn notice_message(notice: &Notice) -> PgWireBackendMessage {
    let mut info = response(notice.severity, notice.sqlstate, &notice.message);
    info.detail = notice.detail.as_deref().map(clean);
    info.hint = notice.hint.as_deref().map(clean);
    PgWireBackendMessage::NoticeResponse(info.into())
}

fn response(severity: &str, sqlstate: &str, message: &str) -> ErrorInfo {
    let mut info = ErrorInfo::new(severity.to_owned(), sqlstate.to_owned(), clean(message));
    info.severity_nonlocalized = Some(severity.to_owned());
    info
}

/// A NUL would end the field early and shift all that follows.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
