//! The session as functions of its own queries see it: settings, notifications.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::client::{Local, State, change_vars};
use crate::engine::{Caller, Client, Engine, MAX_PAYLOAD_BYTES, Notification};
use crate::error::{Code, Error, Result};

/// Longest name of a channel, as PostgreSQL has it.
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
        self.refuse_channel(channel)?;
        let (channel, payload) = (channel.to_owned(), payload.to_owned());
        let notification = Notification { process: self.client.process, channel, payload, about: None };
        if let Some(block) = &mut self.state.lock().block {
            block.notify(notification);
            return Ok(());
        }
        let events = self.events_of(std::slice::from_ref(&notification), self.engine.clock().now());
        self.engine.store().add_events(&events)?;
        self.engine.clients().send(&notification);
        Ok(())
    }
}
