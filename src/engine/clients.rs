//! The clients that are connected: who they are, what they do, and what they are to be told.
//!
//! A notification reaches those that listen when it is sent, at most once; whoever comes later reads hub.events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use weir_catalog::ObjectId;

use crate::clock::Micros;
use crate::error::Result;

/// Notifications that wait for one client; more are dropped, as its connection is not taking them.
const MAX_WAITING: usize = 10_000;

/// What a function of a query may do to the session that runs it.
pub trait Caller: Send + Sync + fmt::Debug {
    fn process(&self) -> i32;
    /// The role that logged in.
    fn session_role(&self) -> String;
    /// The schema of the session's temporary tables, once it has any.
    fn temporary_schema(&self) -> Option<&str>;
    /// Changes a setting and answers its new value.
    ///
    /// # Errors
    /// As SET.
    fn set(&self, name: &str, value: &str, only_transaction: bool) -> Result<String>;
    /// Sends a notification: now, or with the transaction.
    ///
    /// # Errors
    /// `InvalidParameter` for a name or text that is too long.
    fn notify(&self, channel: &str, payload: &str) -> Result<()>;
}

/// What `NOTIFY` sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Who sent it.
    pub process: i32,
    pub channel: String,
    pub payload: String,
    /// The object that it tells of: only who may know of it hears it.
    pub about: Option<ObjectId>,
}

/// Every client.
#[derive(Default)]
pub struct Clients(Mutex<BTreeMap<i32, Arc<Client>>>);

/// One client.
pub struct Client {
    pub process: i32,
    pub role: String,
    pub started_at: Micros,
    /// Where it connects from.
    address: Mutex<Option<SocketAddr>>,
    activity: Mutex<Activity>,
    listening: Mutex<BTreeSet<String>>,
    waiting: Mutex<VecDeque<Notification>>,
    news: Notify,
    /// Of the statement that was started last.
    statement: Mutex<CancellationToken>,
    terminated: CancellationToken,
}

/// What a client does, for the list of sessions.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    pub application_name: String,
    /// `active`, `idle`, ..
    pub state: &'static str,
    pub changed_at: Micros,
    /// The last statement, without secrets.
    pub query: String,
    pub query_started_at: Option<Micros>,
    pub transaction_started_at: Option<Micros>,
}

impl Clients {
    /// A new client with a process id that no other has; None when the role has `limit` already.
    pub fn join(&self, role: &str, now: Micros, limit: Option<usize>) -> Option<Arc<Client>> {
        let mut clients = self.0.lock();
        if limit.is_some_and(|limit| clients.values().filter(|client| client.role == role).count() >= limit) {
            return None;
        }
        let process = loop {
            let process = rand::rng().random_range(1..i32::MAX);
            if !clients.contains_key(&process) {
                break process;
            }
        };
        let client = Arc::new(Client {
            process,
            role: role.to_owned(),
            started_at: now,
            address: Mutex::default(),
            activity: Mutex::new(Activity { state: "idle", changed_at: now, ..Activity::default() }),
            listening: Mutex::default(),
            waiting: Mutex::default(),
            news: Notify::new(),
            statement: Mutex::new(CancellationToken::new()),
            terminated: CancellationToken::new(),
        });
        clients.insert(process, Arc::clone(&client));
        Some(client)
    }

    pub fn leave(&self, process: i32) {
        self.0.lock().remove(&process);
    }

    pub fn get(&self, process: i32) -> Option<Arc<Client>> {
        self.0.lock().get(&process).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Client>> {
        self.0.lock().values().cloned().collect()
    }

    pub(super) fn has_listener(&self, channel: &str) -> bool {
        self.0.lock().values().any(|client| client.listening.lock().contains(channel))
    }

    /// Gives the notification to every client that listens.
    pub fn send(&self, notification: &Notification) {
        for client in self.all() {
            if client.listening.lock().contains(&notification.channel) {
                client.tell(notification.clone());
            }
        }
    }
}

impl Client {
    fn tell(&self, notification: Notification) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            tracing::warn!(process = self.process, channel = notification.channel, "a notification is dropped: its client takes none");
            return;
        }
        waiting.push_back(notification);
        drop(waiting);
        self.news.notify_one();
    }

    pub fn listen(&self, channel: &str) {
        self.listening.lock().insert(channel.to_owned());
    }

    /// Without a name: from all.
    pub fn unlisten(&self, channel: Option<&str>) {
        let mut listening = self.listening.lock();
        match channel {
            Some(channel) => drop(listening.remove(channel)),
            None => listening.clear(),
        }
    }

    pub fn take_notifications(&self) -> Vec<Notification> {
        self.waiting.lock().drain(..).collect()
    }

    /// Returns once a notification waits.
    pub async fn notified(&self) {
        loop {
            let news = self.news.notified();
            if !self.waiting.lock().is_empty() {
                return;
            }
            news.await;
        }
    }

    pub fn set_address(&self, address: Option<SocketAddr>) {
        *self.address.lock() = address;
    }

    pub fn address(&self) -> Option<SocketAddr> {
        *self.address.lock()
    }

    pub fn activity(&self) -> Activity {
        self.activity.lock().clone()
    }

    pub fn note(&self, change: impl FnOnce(&mut Activity)) {
        change(&mut self.activity.lock());
    }

    /// Takes the token of a new statement.
    pub fn begin_statement(&self, token: CancellationToken) {
        *self.statement.lock() = token;
    }

    /// Ends the statement that is running, if one is.
    pub fn cancel(&self) {
        self.statement.lock().cancel();
    }

    /// Ends the statement and then the connection.
    pub fn terminate(&self) {
        self.terminated.cancel();
        self.cancel();
    }

    pub async fn terminated(&self) {
        self.terminated.cancelled().await;
    }
}
