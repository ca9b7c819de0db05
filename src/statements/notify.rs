//! `LISTEN channel`, `UNLISTEN {channel | *}`, `NOTIFY channel [, 'payload']`
//!
//! All of them take effect with the transaction.

use weir_sql::statements::notify::Bus;

use crate::error::Result;
use crate::session::{Listening, Outcome, Session};

pub(super) fn execute(session: &Session, statement: &Bus) -> Result<Outcome> {
    Ok(Outcome::done(match statement {
        Bus::Listen(channel) => {
            session.listening(Listening::To(channel.value.clone()));
            "LISTEN"
        }
        Bus::Unlisten(channel) => {
            session.listening(channel.as_ref().map_or(Listening::Nothing, |channel| Listening::NotTo(channel.value.clone())));
            "UNLISTEN"
        }
        Bus::Notify { channel, payload } => {
            session.notify(&channel.value, payload.as_deref().unwrap_or_default()).map_err(|error| error.at(channel.position))?;
            "NOTIFY"
        }
    }))
}
