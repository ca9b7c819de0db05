//! The session as functions of its own queries see it: settings, notifications.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::client::{Local, State, change_vars};
use crate::engine::{Caller, Client, Engine, Notification};
use crate::error::{Code, Error, Result};

/// Longest payload and name of a channel, as PostgreSQL has them.
const MAX_PAYLOAD_BYTES: usize = 7_999;
const MAX_CHANNEL_BYTES: usize = 63;

pub struct Link {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) client: Arc<Client>,
    pub(super) engine: Arc<Engine>,
    /// The schema of the session's temporary tables, and whether there have been any.
    pub(super) temporary: String,
    pub(super) has_temporary: AtomicBool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("process", &self.client.process).finish_non_exhaustive()
    }
}

impl Caller for Link {
    fn process(&self) -> i32 {
        self.client.process
    }

    fn session_role(&self) -> String {
        self.client.role.clone()
    }

    fn temporary_schema(&self) -> Option<&str> {
        self.has_temporary.load(Ordering::Acquire).then_some(self.temporary.as_str())
    }

    fn set(&self, name: &str, value: &str, only_transaction: bool) -> Result<String> {
        let mut state = self.state.lock();
        let words = [value.to_owned()];
        let local = if only_transaction { Local::Yes } else { Local::No };
        let mut changed = state.vars.clone();
        changed.set(name, &words)?;
        change_vars(&mut state, self.engine.store().access()?.as_ref(), &self.client.role, local, |vars| vars.set(name, &words))?;
        changed.show(name)
    }

    fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        if channel.is_empty() {
            return Err(Error::new(Code::InvalidParameter, "channel name cannot be empty"));
        }
        if channel.len() > MAX_CHANNEL_BYTES {
            return Err(Error::new(Code::InvalidParameter, "channel name too long"));
        }
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::new(Code::InvalidParameter, "payload string too long"));
        }
        let notification = Notification { process: self.client.process, channel: channel.to_owned(), payload: payload.to_owned() };
        match &mut self.state.lock().block {
            Some(block) => block.notify(notification),
            None => self.engine.clients().send(&notification),
        }
        Ok(())
    }
}
