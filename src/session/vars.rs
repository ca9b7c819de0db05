//! The variables of a session: one table says what exists, which values it takes and what it starts with.
//!
//! Values are kept checked and typed; text is made only to show them. A name with a dot that the table does not hold is a custom variable of
//! the client's own, kept as text. Whether the protocol reports a change is said here too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Micros;
use crate::error::{Code, Error, Result};

use super::value::{Shape, Value};

/// One variable that can be shown, and mostly set.
pub struct Variable {
    /// As `SHOW ALL` prints it; names are compared without case.
    pub name: &'static str,
    pub shape: Shape,
    pub default: &'static str,
    /// Clients are told of every change.
    pub reported: bool,
    pub about: &'static str,
}

const fn var(name: &'static str, shape: Shape, default: &'static str, about: &'static str) -> Variable {
    Variable { name, shape, default, reported: false, about }
}

const fn reported(name: &'static str, shape: Shape, default: &'static str, about: &'static str) -> Variable {
    Variable { name, shape, default, reported: true, about }
}

const ISOLATION: Shape = Shape::Choice(&["read committed", "read uncommitted", "repeatable read"]);
const LOCALE: Shape = Shape::Fixed;
const LEVELS: Shape = Shape::Choice(&["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"]);

/// Every variable, ordered by name.
pub static VARIABLES: &[Variable] = &[
    reported("application_name", Shape::Text, "", "Name of the client program, for the list of sessions."),
    var("bytea_output", Shape::Choice(&["hex", "escape"]), "hex", "How bytes are written as text."),
    reported("client_encoding", Shape::Encoding, "UTF8", "Text is always UTF-8."),
    var("client_min_messages", LEVELS, "notice", "Messages below this level are not sent."),
    reported("DateStyle", Shape::DateStyle, "ISO, MDY", "Dates are always written as ISO 8601."),
    var("default_table_access_method", Shape::Fixed, "heap", "What pg_class says of lake tables."),
    var("default_tablespace", Shape::Text, "", "Has no effect."),
    var("default_transaction_deferrable", Shape::Flag, "off", "Has no effect."),
    var("default_transaction_isolation", ISOLATION, "read committed", "Isolation of new transactions."),
    reported("default_transaction_read_only", Shape::Flag, "off", "New transactions change nothing."),
    var("escape_string_warning", Shape::Flag, "on", "Has no effect."),
    var("extra_float_digits", Shape::Integer { min: -15, max: 3 }, "1", "Floats are always written with all their digits."),
    var("hub.as_of", Shape::Moment, "", "Every lake table is read as it was at this time; the session cannot write."),
    var("idle_in_transaction_session_timeout", Shape::Millis, "0", "Ends a session that leaves a transaction open."),
    var("idle_session_timeout", Shape::Millis, "0", "Ends a session that does nothing."),
    reported("in_hot_standby", Shape::Fixed, "off", "Whether the hub is a replica."),
    reported("integer_datetimes", Shape::Fixed, "on", "Times are whole microseconds."),
    reported("IntervalStyle", Shape::Choice(&["postgres"]), "postgres", "How intervals are written."),
    reported("is_superuser", Shape::Fixed, "on", "Whether the role may do everything."),
    var("jit", Shape::Flag, "off", "Has no effect."),
    var("lc_collate", LOCALE, "C", "Text is ordered by its bytes."),
    var("lc_ctype", LOCALE, "C.UTF-8", "Text is UTF-8."),
    var("lc_messages", Shape::Text, "C", "Messages are in English."),
    var("lc_monetary", Shape::Text, "C", "Has no effect."),
    var("lc_numeric", Shape::Text, "C", "Has no effect."),
    var("lc_time", Shape::Text, "C", "Has no effect."),
    var("lock_timeout", Shape::Millis, "0", "There are no locks to wait for."),
    var("max_identifier_length", Shape::Fixed, "63", "Longest name that every client shows whole."),
    var("max_index_keys", Shape::Fixed, "32", "Most columns that a key is looked for by clients."),
    var("role", Shape::Text, "none", "The role whose rights the session has; none is the one that logged in."),
    var("row_security", Shape::Flag, "on", "Has no effect."),
    var("search_path", Shape::Names, "\"$user\", public", "Schemas in which names without one are looked up."),
    reported("server_encoding", Shape::Fixed, "UTF8", "Text is always UTF-8."),
    reported("server_version", Shape::Fixed, "16.9", "The version of PostgreSQL whose protocol and catalog this follows."),
    var("server_version_num", Shape::Fixed, "160009", "The same as a number."),
    reported("session_authorization", Shape::Fixed, "", "The role that logged in."),
    reported("standard_conforming_strings", Shape::Choice(&["on"]), "on", "A backslash in a string is a backslash."),
    var("statement_timeout", Shape::Millis, "0", "A statement that takes longer is cancelled; 0 means never."),
    var("synchronous_commit", Shape::Choice(&["on", "remote_apply", "remote_write", "local"]), "on", "What is committed is on disk."),
    var("temp_buffers", Shape::Text, "8MB", "Has no effect."),
    reported("TimeZone", Shape::TimeZone, "UTC", "Zone in which times are read and written."),
    var("transaction_deferrable", Shape::Flag, "off", "Has no effect."),
    var("transaction_isolation", ISOLATION, "read committed", "Isolation of this transaction."),
    var("transaction_read_only", Shape::Flag, "off", "This transaction changes nothing."),
    var("transaction_timeout", Shape::Millis, "0", "Longest time a transaction may take."),
    var("work_mem", Shape::Text, "4MB", "Has no effect: memory is shared by all sessions."),
    var("xmloption", Shape::Choice(&["content", "document"]), "content", "Has no effect."),
];

/// The values of one session. Cloned at BEGIN, so that ROLLBACK can bring them back.
#[derive(Debug, Clone)]
pub struct Vars {
    /// One value per entry of `VARIABLES`, in its order.
    values: Vec<Value>,
    /// What RESET goes back to: the table's defaults and what the client said when it connected.
    defaults: Vec<Value>,
    custom: BTreeMap<String, String>,
    custom_defaults: BTreeMap<String, String>,
    /// Another number for every change, in whatever session.
    edition: u64,
    /// Name and value of all, once they were asked for.
    shown: OnceLock<Arc<Vec<(String, String)>>>,
}

static EDITIONS: AtomicU64 = AtomicU64::new(0);

impl Vars {
    /// # Errors
    /// `Internal` if the table holds a default that its own shape refuses.
    pub fn new(role: &str) -> Result<Self> {
        let mut values = Vec::with_capacity(VARIABLES.len());
        for variable in VARIABLES {
            let text = if variable.name == "session_authorization" { role } else { variable.default };
            values.push(variable.shape.read_default(text).map_err(|error| Error::internal("a default is not valid").caused_by(error))?);
        }
        let (custom, custom_defaults) = (BTreeMap::new(), BTreeMap::new());
        let mut vars = Self { defaults: values.clone(), values, custom, custom_defaults, edition: 0, shown: OnceLock::new() };
        vars.changes();
        Ok(vars)
    }

    /// Two sets with the same number hold the same values.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    fn changes(&mut self) {
        self.edition = EDITIONS.fetch_add(1, Ordering::Relaxed);
        self.shown.take();
    }

    /// Name and value of all variables.
    pub fn shown(&self) -> Arc<Vec<(String, String)>> {
        Arc::clone(self.shown.get_or_init(|| Arc::new(self.all().into_iter().map(|(name, value, _)| (name, value)).collect())))
    }

    /// Sets what the client asked for when it connected: RESET comes back to it.
    ///
    /// # Errors
    /// As [`Vars::set`].
    pub fn start_with(&mut self, name: &str, value: &str) -> Result<()> {
        self.set(name, &[value.to_owned()])?;
        match find(name) {
            Some((index, _)) => {
                if let (Some(slot), Some(value)) = (self.defaults.get_mut(index), self.values.get(index)) {
                    *slot = value.clone();
                }
            }
            None => {
                self.custom_defaults.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        Ok(())
    }

    /// # Errors
    /// `UndefinedObject` for an unknown name, `InvalidParameter` for a value it does not take, `WrongState` for one that cannot be set.
    pub fn set(&mut self, name: &str, words: &[String]) -> Result<()> {
        self.changes();
        let Some((index, variable)) = find(name) else {
            custom(name)?;
            self.custom.insert(name.to_ascii_lowercase(), words.join(", "));
            return Ok(());
        };
        let value = variable.shape.read(variable.name, words, self.time_zone())?;
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value;
        }
        Ok(())
    }

    /// Outside a transaction its settings are what the next one would begin with.
    pub fn tell_no_transaction(&mut self) {
        for (next, current) in [
            ("default_transaction_isolation", "transaction_isolation"),
            ("default_transaction_read_only", "transaction_read_only"),
            ("default_transaction_deferrable", "transaction_deferrable"),
        ] {
            let (Some((from, _)), Some((to, _))) = (find(next), find(current)) else { continue };
            if let (Some(value), Some(slot)) = (self.values.get(from).cloned(), self.values.get_mut(to)) {
                *slot = value;
            }
        }
    }

    /// # Errors
    /// `UndefinedObject` for an unknown name.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        self.changes();
        let Some((index, _)) = find(name) else {
            custom(name)?;
            let name = name.to_ascii_lowercase();
            match self.custom_defaults.get(&name) {
                Some(value) => self.custom.insert(name, value.clone()),
                None => self.custom.remove(&name),
            };
            return Ok(());
        };
        if let (Some(slot), Some(value)) = (self.values.get_mut(index), self.defaults.get(index)) {
            *slot = value.clone();
        }
        Ok(())
    }

    /// All but the role, as PostgreSQL does.
    pub fn reset_all(&mut self) {
        self.changes();
        let role = find("role").and_then(|(index, _)| Some((index, self.values.get(index)?.clone())));
        self.values = self.defaults.clone();
        if let Some((index, role)) = role
            && let Some(slot) = self.values.get_mut(index)
        {
            *slot = role;
        }
        self.custom = self.custom_defaults.clone();
    }

    /// The value as SHOW prints it.
    ///
    /// # Errors
    /// `UndefinedObject` for an unknown name.
    pub fn show(&self, name: &str) -> Result<String> {
        match find(name) {
            Some((index, _)) => Ok(self.values.get(index).map(ToString::to_string).unwrap_or_default()),
            None => match self.custom.get(&name.to_ascii_lowercase()) {
                Some(value) => Ok(value.clone()),
                None => Err(unknown(name)),
            },
        }
    }

    /// The variable's own way to write its name; unknown names stay as they are.
    pub fn spelling(name: &str) -> &str {
        find(name).map_or(name, |(_, variable)| variable.name)
    }

    /// Every name, value and meaning, for SHOW ALL and `current_setting()`.
    pub fn all(&self) -> Vec<(String, String, &'static str)> {
        let known =
            VARIABLES.iter().zip(&self.values).map(|(variable, value)| (variable.name.to_owned(), value.to_string(), variable.about));
        known.chain(self.custom.iter().map(|(name, value)| (name.clone(), value.clone(), ""))).collect()
    }

    /// Names and values of which clients are told.
    pub fn reported(&self) -> Vec<(String, String)> {
        let pairs = VARIABLES.iter().zip(&self.values).filter(|(variable, _)| variable.reported);
        pairs.map(|(variable, value)| (variable.name.to_owned(), value.to_string())).collect()
    }

    /// The role of SET ROLE.
    pub fn role(&self) -> Option<&str> {
        match self.get("role") {
            Some(Value::Text(role)) if role != "none" => Some(role),
            _ => None,
        }
    }

    /// Says whether the role may do everything.
    pub fn tell_superuser(&mut self, is_superuser: bool) {
        self.changes();
        let told = if is_superuser { "on" } else { "off" };
        if let Some((index, variable)) = find("is_superuser")
            && let (Ok(value), Some(slot)) = (variable.shape.read_default(told), self.values.get_mut(index))
        {
            *slot = value;
        }
    }

    /// As written: `$user` is still in it.
    pub fn search_path(&self) -> &[String] {
        match self.get("search_path") {
            Some(Value::Names(names)) => names,
            _ => &[],
        }
    }

    pub fn time_zone(&self) -> &str {
        match self.get("TimeZone") {
            Some(Value::Text(zone)) => zone,
            _ => "UTC",
        }
    }

    pub fn as_of(&self) -> Option<Micros> {
        match self.get("hub.as_of") {
            Some(Value::Moment { at, .. }) => *at,
            _ => None,
        }
    }

    pub fn statement_timeout(&self) -> Option<Duration> {
        self.millis("statement_timeout")
    }

    /// A time limit; None when there is none.
    pub fn millis(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some(Value::Millis(millis)) if *millis > 0 => u64::try_from(*millis).ok().map(Duration::from_millis),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Flag(true)))
    }

    /// Whether a message of this severity is to be sent at all.
    pub fn wants(&self, severity: &str) -> bool {
        let least = match self.get("client_min_messages") {
            Some(Value::Text(level)) => level.as_str(),
            _ => "notice",
        };
        match least {
            "error" => false,
            "warning" => severity == "WARNING",
            _ => true,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        find(name).and_then(|(index, _)| self.values.get(index))
    }
}

fn find(name: &str) -> Option<(usize, &'static Variable)> {
    VARIABLES.iter().enumerate().find(|(_, variable)| variable.name.eq_ignore_ascii_case(name))
}

/// A name that the table does not hold may still be the client's own, if it has a prefix that is not ours.
fn custom(name: &str) -> Result<()> {
    match name.split_once('.') {
        Some((prefix, rest)) if !prefix.is_empty() && !rest.is_empty() && prefix != "hub" => Ok(()),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    let near = weir_sql::nearest(name, VARIABLES.iter().map(|variable| variable.name));
    Error::new(Code::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
        .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
}
