//! What a server or the way to it answered, as an error that a client can act on.
//!
//! The server's own words go to the detail and to the source chain. No message holds a password or a row's value.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use super::link::Target;
use crate::error::{Code, Error};

/// While opening a session.
pub(super) fn dialling(target: &Target, error: tokio_postgres::Error) -> Error {
    if let Some(answer) = error.as_db_error() {
        return with_words(log_in(target, answer), answer).caused_by(error);
    }
    let address = target.address();
    if find::<rustls::Error>(&error) || says(&error, "TLS") {
        let hint = if says(&error, "does not support TLS") {
            "The server offers no TLS. Switch it on there, or set sslmode = 'disable' to talk in the clear."
        } else {
            "Set sslrootcert to the certificate that signed the server's, or sslmode = 'require' to encrypt without asking who answers."
        };
        return Error::new(Code::SourceRefused, format!("PostgreSQL at {address} cannot be reached by TLS as the connection asks for"))
            .hint(hint.to_owned())
            .caused_by(error);
    }
    if says(&error, "password missing") || says(&error, "authentication") {
        return Error::new(Code::SourceRefused, format!("PostgreSQL at {address} refused user \"{}\"", target.user))
            .hint("Set the connection's password = SECRET name.".to_owned())
            .caused_by(error);
    }
    unreachable_server(&address).caused_by(error)
}

/// Nobody answered in time.
pub(super) fn silent(target: &Target) -> Error {
    unreachable_server(&target.address()).detail(format!("No answer within {} seconds.", target.timeout.as_secs_f32()))
}

fn unreachable_server(address: &str) -> Error {
    Error::new(Code::SourceUnavailable, format!("PostgreSQL at {address} cannot be reached"))
        .hint("Check host and port of the connection, and that the server is running.".to_owned())
}

/// While a session is open.
pub(super) fn reading(target: &Target, what: &str, error: tokio_postgres::Error) -> Error {
    let address = target.address();
    let Some(answer) = error.as_db_error() else {
        if error.is_closed() || find::<io::Error>(&error) {
            return Error::new(Code::SourceUnavailable, format!("the connection to PostgreSQL at {address} broke while reading {what}"))
                .caused_by(error);
        }
        return Error::new(Code::DataException, format!("{what} at {address} cannot be read")).caused_by(error);
    };
    let state = answer.code();
    let class = state.code().get(..2).unwrap_or_default();
    let unreadable = || format!("{what} of PostgreSQL at {address} cannot be read");
    let made = if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        Error::new(Code::SourceRefused, format!("user \"{}\" may not read {what} of PostgreSQL at {address}", target.user))
            .hint(format!("On that server: GRANT SELECT ON .. TO {}.", weir_sql::quote_ident(&target.user)))
    } else if *state == SqlState::UNDEFINED_TABLE || *state == SqlState::INVALID_SCHEMA_NAME {
        Error::new(Code::UndefinedTable, format!("{what} does not exist in PostgreSQL at {address}"))
    } else if *state == SqlState::UNDEFINED_COLUMN {
        Error::new(Code::UndefinedColumn, unreadable())
    } else if class == "42" {
        Error::new(Code::InvalidDefinition, unreadable())
    } else if matches!(class, "08" | "40" | "53" | "55" | "57" | "58") {
        Error::new(Code::SourceUnavailable, format!("PostgreSQL at {address} cannot serve {what} now"))
    } else {
        Error::new(Code::DataException, unreadable())
    };
    with_words(made, answer).caused_by(error)
}

fn log_in(target: &Target, answer: &DbError) -> Error {
    let state = answer.code();
    let address = target.address();
    if matches!(state.code().get(..2), Some("53" | "57" | "08")) {
        return Error::new(Code::SourceUnavailable, format!("PostgreSQL at {address} takes no connection now"));
    }
    if *state == SqlState::UNDEFINED_DATABASE {
        return Error::new(Code::SourceRefused, format!("PostgreSQL at {address} has no database \"{}\"", target.database))
            .hint("Check option database of the connection.".to_owned());
    }
    Error::new(Code::SourceRefused, format!("PostgreSQL at {address} refused user \"{}\"", target.user))
        .hint("Check user and password of the connection, and the server's pg_hba.conf.".to_owned())
}

fn with_words(error: Error, answer: &DbError) -> Error {
    error.detail(format!("The server says: {}", answer.message()))
}

/// Whether a cause of that type is in the chain, also inside an `io::Error`, which does not show what it wraps.
fn find<T: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if current.is::<T>() || wrapped.is_some_and(|inner| find::<T>(inner)) {
            return true;
        }
        next = current.source();
    }
    false
}

/// Whether one of the causes has these words: the library's own kinds are not public.
fn says(error: &(dyn StdError + 'static), words: &str) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        if current.to_string().contains(words) {
            return true;
        }
        next = current.source();
    }
    false
}
