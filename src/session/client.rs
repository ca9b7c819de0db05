//! The state of one client's connection.
//!
//! Methods take `&self`: a cancel comes from another task while a statement runs. No lock is held across an await.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use weir_catalog::access::DATABASE;
use weir_catalog::{Access, AccessChange, AuditEntry, Change, Definitions, Object, ObjectId, SchemaVersion, TableCommit, Thing};
use weir_sql::{Privilege, Protected, Statement};

use super::cursor::Cursor;
use super::guard::Guard;
use super::link::Link;
use super::outcome::{News, Notice, TransactionStatus};
use super::transaction::{Block, Ended, Listening, Modes};
use super::vars::Vars;
use crate::clock::Micros;
use crate::engine::{Caller, Client, Notification, Scope, TEMPORARY, is_temporary};
use crate::error::{Code, Error, Result};
use crate::hub::Hub;

/// A statement kept by PREPARE.
pub struct Prepared {
    pub statement: Statement,
    pub types: Vec<Option<DataType>>,
}

/// One client.
pub struct Session {
    hub: Arc<Hub>,
    /// The role that logged in, and its number: another role that comes to have its name is another.
    role: String,
    role_id: Option<ObjectId>,
    database: String,
    state: Arc<Mutex<State>>,
    /// What others see of this client.
    client: Arc<Client>,
    link: Arc<Link>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

pub struct State {
    pub(super) vars: Vars,
    /// Values of the reported variables that the client knows.
    told: Vec<(String, String)>,
    /// Of the variables when they were last compared with it.
    told_edition: u64,
    pub(super) block: Option<Block>,
    prepared: BTreeMap<String, Arc<Prepared>>,
    /// Names of statements that the protocol prepared, and those of them that SQL let go since.
    protocol_statements: BTreeSet<String>,
    let_go: Vec<String>,
    cursors: BTreeMap<String, Arc<Cursor>>,
    /// What runs, for the audit.
    statement: Running,
}

/// What the audit says of the statement that runs.
#[derive(Clone, Default)]
struct Running {
    action: String,
    /// Without secrets.
    text: String,
}

impl Session {
    /// `startup` holds what the client sent when it connected: variables, and `options` with `-c name=value`.
    ///
    /// # Errors
    /// `UndefinedDatabase`, or whatever is wrong with a variable: the connection is then refused.
    pub fn new(hub: Arc<Hub>, role: String, database: String, startup: &[(String, String)]) -> Result<Self> {
        if database != hub.database() {
            return Err(Error::new(Code::UndefinedDatabase, format!("database \"{database}\" does not exist"))
                .hint(format!("The database of this hub is \"{}\".", hub.database())));
        }
        let mut vars = Vars::new(&role)?;
        for (name, value) in startup {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                "options" => {
                    for (name, value) in read_options(value)? {
                        vars.start_with(&name, &value)?;
                    }
                }
                name if name.starts_with("_pq_.") => {}
                name => vars.start_with(name, value)?,
            }
        }
        let access = hub.store().access()?;
        let limit = may_log_in(&access, &role, hub.database())?;
        refuse_role(&access, &role, &vars)?;
        let role_id = access.role(&role).map(|role| role.id);
        vars.tell_superuser(access.is_superuser(vars.role().unwrap_or(&role)));
        let (told, told_edition) = (vars.reported(), vars.edition());
        let statement = Running::default();
        let state = State {
            vars,
            told,
            told_edition,
            block: None,
            prepared: BTreeMap::new(),
            protocol_statements: BTreeSet::new(),
            let_go: Vec::new(),
            cursors: BTreeMap::new(),
            statement,
        };
        let state = Arc::new(Mutex::new(state));
        let engine = Arc::clone(hub.engine());
        let client = engine.clients().join(&role, hub.clock().now(), limit);
        let client = client.ok_or_else(|| Error::new(Code::TooManyConnections, format!("too many connections for role \"{role}\"")))?;
        let temporary = format!("{TEMPORARY}{}", client.process);
        let has_temporary = AtomicBool::new(false);
        let link = Arc::new(Link { state: Arc::clone(&state), client: Arc::clone(&client), engine, temporary, has_temporary });
        Ok(Self { hub, role, role_id, database, state, client, link, notices: Arc::default() })
    }

    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The role whose rights the session has: the one that logged in, or that of SET ROLE.
    pub fn role(&self) -> String {
        self.role_of(&self.state.lock().vars)
    }

    fn role_of(&self, vars: &Vars) -> String {
        vars.role().unwrap_or(&self.role).to_owned()
    }

    /// The role that logged in.
    pub fn session_role(&self) -> &str {
        &self.role
    }

    pub fn set_address(&self, address: Option<SocketAddr>) {
        self.client.set_address(address);
    }

    /// Whether the session's roles are still what they were.
    ///
    /// # Errors
    /// `BadAuthorization` when the role was dropped or renamed, `NoPrivilege` when it may no longer be the role it was SET to.
    pub fn check_role(&self) -> Result<()> {
        let access = self.hub.store().access()?;
        if access.has_no_roles() {
            return Ok(());
        }
        if access.role(&self.role).map(|role| role.id) != self.role_id || self.role_id.is_none() {
            return Err(Error::new(Code::BadAuthorization, format!("role \"{}\" does not exist", self.role))
                .hint("It was dropped or renamed: connect again.".to_owned()));
        }
        refuse_role(&access, &self.role, &self.state.lock().vars)
    }

    /// What is done now, as the audit tells it.
    pub fn audit_entry(&self, object: Option<String>, sqlstate: Option<String>) -> AuditEntry {
        let state = self.state.lock();
        let Running { action, text } = state.statement.clone();
        AuditEntry {
            at: self.hub.clock().now(),
            role: self.role_of(&state.vars),
            session_role: self.role.clone(),
            client: self.client.address().map(|address| address.to_string()),
            action,
            object,
            statement: Some(text),
            sqlstate,
        }
    }

    /// The messages since the last call, in order.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock())
    }

    pub fn notice(&self, notice: Notice) {
        if self.state.lock().vars.wants(notice.severity) {
            self.notices.lock().push(notice);
        }
    }

    /// Where work that goes on after its statement was answered leaves messages; None when the client wants none.
    pub fn later_notices(&self) -> Option<Arc<Mutex<Vec<Notice>>>> {
        self.state.lock().vars.wants("NOTICE").then(|| Arc::clone(&self.notices))
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        match &self.state.lock().block {
            None => TransactionStatus::Idle,
            Some(block) if block.has_failed() => TransactionStatus::Failed,
            Some(_) => TransactionStatus::InBlock,
        }
    }

    /// Reported variables for the end of the log-in.
    pub fn parameters(&self) -> Vec<(String, String)> {
        self.state.lock().vars.reported()
    }

    /// Reported variables that changed since the client was last told.
    pub fn changed_parameters(&self) -> Vec<(String, String)> {
        let mut state = self.state.lock();
        let edition = state.vars.edition();
        if std::mem::replace(&mut state.told_edition, edition) == edition {
            return Vec::new();
        }
        let now = state.vars.reported();
        let before = std::mem::replace(&mut state.told, now.clone());
        now.into_iter().filter(|pair| !before.contains(pair)).collect()
    }

    /// Ends the statement that is running, if one is. Called from another task.
    pub fn cancel(&self) {
        self.client.cancel();
    }

    /// Arms cancel and time limit for a new statement.
    pub fn guard(&self) -> Guard {
        let token = CancellationToken::new();
        self.client.begin_statement(token.clone());
        Guard::new(token, self.hub.clock().clone(), self.state.lock().vars.statement_timeout())
    }

    /// Gives up an open transaction when the client is gone.
    pub async fn close(&self) {
        self.cancel();
        self.state.lock().cursors.clear();
        if let Err(error) = self.rollback().await {
            tracing::warn!(error = %error, "could not clean up an open transaction");
        }
        if let Err(error) = self.drop_temporary().await {
            tracing::warn!(error = %error.chain(), "could not drop temporary tables; the next start does");
        }
    }

    // What others see, and what comes from others.

    pub fn process(&self) -> i32 {
        self.client.process
    }

    /// Enters a statement into the list of sessions; its text is without secrets.
    pub fn started(&self, action: &str, text: &str) {
        self.state.lock().statement = Running { action: action.to_owned(), text: text.to_owned() };
        let now = self.hub.clock().now();
        let (name, began) = {
            let state = self.state.lock();
            (state.vars.show("application_name").unwrap_or_default(), state.block.as_ref().map(|block| block.started_at))
        };
        self.client.note(|activity| {
            activity.application_name = name;
            activity.state = "active";
            activity.changed_at = now;
            text.clone_into(&mut activity.query);
            activity.query_started_at = Some(now);
            activity.transaction_started_at = began.or(Some(now));
        });
    }

    /// Waits, while the client sends nothing, for what is to be said to it unasked. May be dropped at any time.
    pub async fn news(&self) -> News {
        let status = self.transaction_status();
        let (limit, ended) = {
            let state = self.state.lock();
            match status {
                TransactionStatus::Idle => (state.vars.millis("idle_session_timeout"), News::IDLE),
                _ => (state.vars.millis("idle_in_transaction_session_timeout"), News::IDLE_IN_TRANSACTION),
            }
        };
        self.rest(status);
        let too_long = async {
            match limit {
                Some(limit) => self.hub.clock().sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.client.terminated() => News::TERMINATED,
            () = self.client.notified(), if status == TransactionStatus::Idle => News::Notified,
            () = too_long => ended,
        }
    }

    /// Notes that the client has the word.
    fn rest(&self, status: TransactionStatus) {
        let now = self.hub.clock().now();
        let (name, began) = {
            let state = self.state.lock();
            (state.vars.show("application_name").unwrap_or_default(), state.block.as_ref().map(|block| block.started_at))
        };
        self.client.note(|activity| {
            let resting = match status {
                TransactionStatus::Idle => "idle",
                TransactionStatus::InBlock => "idle in transaction",
                TransactionStatus::Failed => "idle in transaction (aborted)",
            };
            if activity.state != resting {
                activity.changed_at = now;
            }
            activity.state = resting;
            activity.application_name = name;
            activity.transaction_started_at = began;
        });
    }

    pub async fn terminated(&self) {
        self.client.terminated().await;
    }

    /// The notifications to send now: none inside a transaction.
    pub fn take_notifications(&self) -> Vec<Notification> {
        if self.in_block() { Vec::new() } else { self.audible(self.client.take_notifications()) }
    }

    /// LISTEN and UNLISTEN: now, or with the transaction.
    pub fn listening(&self, change: Listening) {
        match &mut self.state.lock().block {
            Some(block) => block.listening.push(change),
            None => self.apply_listening(&change),
        }
    }

    fn apply_listening(&self, change: &Listening) {
        match change {
            Listening::To(channel) => self.client.listen(channel),
            Listening::NotTo(channel) => self.client.unlisten(Some(channel)),
            Listening::Nothing => self.client.unlisten(None),
        }
    }

    /// Sends a notification: now, or with the transaction.
    ///
    /// # Errors
    /// `InvalidParameter` for a name or text that is too long.
    pub fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        self.link.notify(channel, payload)
    }

    // What planning needs.

    /// Definitions as this client sees them: with the pending ones of its transaction.
    pub fn definitions(&self) -> Arc<dyn Definitions> {
        match &self.state.lock().block {
            Some(block) => block.draft.clone(),
            None => self.hub.store().clone(),
        }
    }

    /// Who asks, from where and when.
    pub fn scope(&self, positional: Vec<ScalarValue>) -> Scope {
        let state = self.state.lock();
        Scope {
            role: self.role_of(&state.vars),
            database: self.database.clone(),
            search_path: self.search_path_of(&state.vars),
            time_zone: state.vars.time_zone().to_owned(),
            now: self.now_of(&state),
            as_of: state.vars.as_of(),
            positional,
            named: Vec::new(),
            settings: state.vars.shown(),
            snapshot: state.block.as_ref().map(|block| Arc::clone(&block.snapshot)),
            caller: Some(Arc::clone(&self.link) as Arc<dyn Caller>),
            rights_of: None,
        }
    }

    /// Schemas in which a name without one is looked up, in order.
    pub fn search_path(&self) -> Vec<String> {
        self.search_path_of(&self.state.lock().vars)
    }

    fn search_path_of(&self, vars: &Vars) -> Vec<String> {
        let named = vars.search_path().iter().map(|name| if name == "$user" { self.role_of(vars) } else { name.clone() });
        named.collect()
    }

    /// The time of the statement, of the transaction inside BEGIN.
    pub fn now(&self) -> Micros {
        self.now_of(&self.state.lock())
    }

    fn now_of(&self, state: &State) -> Micros {
        state.block.as_ref().map_or_else(|| self.hub.clock().now(), |block| block.started_at)
    }

    // Changes.

    /// Makes changes of definitions: at once, or with the transaction.
    ///
    /// # Errors
    /// Whatever the catalog says; nothing was changed then. `NotSupported` in a transaction that changed rows of a table that others know.
    pub fn stage(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.are_temporary(changes)? {
            return self.stage_temporary(changes);
        }
        let in_block = self.in_block();
        if self.state.lock().block.as_ref().is_some_and(|block| block.snapshot.changes_known_tables()) {
            return Err(rows_and_definitions());
        }
        let objects = names_of(&*self.definitions(), changes)?;
        let mut changes = changes.to_vec();
        changes.push(Change::Audit(self.audit_entry(objects, None)));
        self.definitions().stage(&changes, &self.role(), self.now())?;
        if !in_block {
            self.hub.runner().definitions_changed();
        }
        Ok(())
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(super) fn note_temporary(&self, made: Vec<weir_catalog::ObjectId>) {
        if let Some(block) = &mut self.state.lock().block {
            block.temporary.extend(made);
        }
    }

    /// Refuses a transaction that changes both definitions and rows that others know.
    ///
    /// # Errors
    /// `NotSupported`.
    pub fn check_rows_changed(&self) -> Result<()> {
        match &self.state.lock().block {
            Some(block) if !block.draft.is_empty() && block.snapshot.changes_known_tables() => Err(rows_and_definitions()),
            _ => Ok(()),
        }
    }

    /// As [`Session::check_rows_changed`], before anything is changed.
    ///
    /// # Errors
    /// `NotSupported`.
    pub fn check_changeable(&self, table: &Object) -> Result<()> {
        let has_definitions = self.state.lock().block.as_ref().is_some_and(|block| !block.draft.is_empty());
        if has_definitions && !is_temporary(&table.schema) && self.hub.store().object_by_id(table.id)?.is_some() {
            return Err(rows_and_definitions());
        }
        Ok(())
    }

    /// Whether rows wait for the COMMIT of the open transaction.
    pub fn has_changed_rows(&self) -> bool {
        self.state.lock().block.as_ref().is_some_and(|block| block.snapshot.has_changes())
    }

    pub fn in_block(&self) -> bool {
        self.state.lock().block.is_some()
    }

    /// Enters versions of lake tables into the hub's index: now, or after the commit that makes the tables known.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn record_commits(&self, commits: Vec<TableCommit>) -> Result<()> {
        if let Some(block) = &mut self.state.lock().block {
            block.record_commits(commits);
            return Ok(());
        }
        Ok(self.hub.store().record_commits(&commits)?)
    }

    /// Enters the columns of a relation into the history of schemas: now, or after the commit.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn record_schema(&self, version: SchemaVersion) -> Result<()> {
        if let Some(block) = &mut self.state.lock().block {
            block.record_schema(version);
            return Ok(());
        }
        Ok(self.hub.store().add_schema_version(&version)?)
    }

    /// Remembers the folder of a new table, so that a rollback takes it away again.
    pub fn folder_created(&self, location: &str) {
        if is_temporary(location) {
            return;
        }
        if let Some(block) = &mut self.state.lock().block {
            block.folder_created(location.to_owned());
        }
    }

    /// Removes the folders of dropped tables: now, or after the commit.
    pub async fn folders_dropped(&self, locations: Vec<String>) {
        let now = {
            let mut state = self.state.lock();
            match &mut state.block {
                Some(block) => {
                    let (now, later): (Vec<_>, Vec<_>) = locations.into_iter().partition(|location| is_temporary(location));
                    later.into_iter().for_each(|location| block.folder_dropped(location));
                    now
                }
                None => locations,
            }
        };
        self.remove_folders(now).await;
    }

    /// Removes folders that no table names. One that cannot be removed costs space, nothing else.
    pub async fn remove_folders(&self, locations: Vec<String>) {
        for location in locations {
            if let Err(error) = self.hub.engine().lake().drop_table(&location).await {
                tracing::warn!(error = %error, location, "a folder that no table uses could not be removed");
            }
        }
    }

    /// Why a statement that changes something may not run, if so.
    pub fn refuse_write(&self, command: &str) -> Result<()> {
        let state = self.state.lock();
        let refused = || Error::new(Code::ReadOnly, format!("cannot execute {command} in a read-only transaction"));
        if state.vars.as_of().is_some() {
            return Err(refused().hint("The session reads the past: RESET hub.as_of first.".to_owned()));
        }
        let read_only = match &state.block {
            Some(_) => state.vars.flag("transaction_read_only"),
            None => state.vars.flag("default_transaction_read_only"),
        };
        if read_only { Err(refused()) } else { Ok(()) }
    }

    // Transactions.

    /// Answers false when one is open already.
    pub fn begin(&self, modes: Modes) -> Result<bool> {
        let started_at = self.hub.clock().now();
        let mut state = self.state.lock();
        if state.block.is_some() {
            return Ok(false);
        }
        let cursors = state.cursors.keys().cloned().collect();
        state.block = Some(Block::new(self.hub.store().clone(), started_at, &state.vars, cursors));
        let read_only = modes.read_only.unwrap_or_else(|| state.vars.flag("default_transaction_read_only"));
        state.vars.set("transaction_read_only", &[if read_only { "on" } else { "off" }.to_owned()])?;
        let isolation = match modes.isolation {
            Some(isolation) => isolation.to_owned(),
            None => state.vars.show("default_transaction_isolation")?,
        };
        state.vars.set("transaction_isolation", &[isolation])?;
        Ok(true)
    }

    /// Answers whether the transaction was committed: false when a statement of it had failed, None when there was none.
    ///
    /// # Errors
    /// What the catalog says, such as `Conflict`; everything of the transaction is undone then.
    pub async fn commit(&self) -> Result<Option<bool>> {
        let Some(block) = self.take_block() else { return Ok(None) };
        if block.has_failed() {
            self.keep_cursors(|name, _| block.had_cursor(name));
            self.end(block.rolled_back()).await;
            return Ok(Some(false));
        }
        match self.land(&block).await {
            Ok(rows) => {
                block.listening.iter().for_each(|change| self.apply_listening(change));
                block.notifications.iter().for_each(|notification| self.hub.engine().clients().send(notification));
                self.keep_cursors(|_, cursor| cursor.outlives_commit());
                let mut ended = block.committed();
                ended.commits.extend(rows);
                if let Err(error) = self.note(&ended) {
                    // The commits are made: the tables themselves know what the index lacks.
                    tracing::warn!(error = %error.chain(), "versions of a transaction are missing from the index");
                }
                self.end(ended).await;
                Ok(Some(true))
            }
            Err(error) => {
                self.keep_cursors(|name, _| block.had_cursor(name));
                self.end(block.rolled_back()).await;
                Err(error)
            }
        }
    }

    /// Makes the transaction's commits: rows first, so that a table that was made here is filled when its name is known.
    async fn land(&self, block: &Block) -> Result<Vec<TableCommit>> {
        let rows = block.snapshot.commit(self.hub.engine(), &*block.draft, &self.role()).await?;
        let has_definitions = !block.draft.is_empty();
        let now = self.hub.clock().now();
        let told = block.draft.commit_telling(&self.link.events_of(&block.notifications, now), &self.role(), now);
        match told {
            Err(error) if !has_definitions && !rows.is_empty() => {
                // The rows have landed: the transaction is committed, and only its notifications are lost.
                tracing::error!(error = %Error::from(error).chain(), "notifications of a transaction could not be logged");
            }
            told => told?,
        }
        if has_definitions {
            self.hub.runner().definitions_changed();
        }
        Ok(rows)
    }

    fn note(&self, ended: &Ended) -> Result<()> {
        self.hub.store().record_commits(&ended.commits)?;
        for version in &ended.schemas {
            self.hub.store().add_schema_version(version)?;
        }
        Ok(())
    }

    /// Answers false when there was no transaction.
    ///
    /// # Errors
    /// None yet: folders that cannot be removed are logged.
    pub async fn rollback(&self) -> Result<bool> {
        let Some(block) = self.take_block() else { return Ok(false) };
        self.keep_cursors(|name, _| block.had_cursor(name));
        let made = block.temporary.clone();
        self.end(block.rolled_back()).await;
        self.drop_temporary_of(|id| made.contains(&id)).await?;
        Ok(true)
    }

    fn take_block(&self) -> Option<Block> {
        self.state.lock().block.take()
    }

    fn keep_cursors(&self, stays: impl Fn(&str, &Cursor) -> bool) {
        self.state.lock().cursors.retain(|name, cursor| stays(name, cursor));
    }

    async fn end(&self, ended: Ended) {
        let mut vars = ended.vars;
        vars.tell_no_transaction();
        self.state.lock().vars = vars;
        self.remove_folders(ended.folders_to_remove).await;
    }

    /// # Errors
    /// `NoTransaction`.
    pub fn savepoint(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        let State { vars, block, cursors, .. } = &mut *state;
        block.as_mut().ok_or_else(|| outside("SAVEPOINT"))?.savepoint(name, vars, cursors.keys().cloned().collect());
        Ok(())
    }

    /// # Errors
    /// `NoTransaction`, `UndefinedSavepoint`.
    pub fn release(&self, name: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.block.as_mut().ok_or_else(|| outside("RELEASE SAVEPOINT"))?.release(name)
    }

    /// # Errors
    /// `NoTransaction`, `UndefinedSavepoint`.
    pub async fn rollback_to(&self, name: &str) -> Result<()> {
        let folders = {
            let mut state = self.state.lock();
            let (ended, open) = state.block.as_mut().ok_or_else(|| outside("ROLLBACK TO SAVEPOINT"))?.rollback_to(name)?;
            state.cursors.retain(|cursor, _| open.contains(cursor));
            state.vars = ended.vars;
            ended.folders_to_remove
        };
        self.remove_folders(folders).await;
        Ok(())
    }

    /// A statement failed: the open transaction can only be rolled back.
    pub fn fail(&self) {
        if let Some(block) = &self.state.lock().block {
            block.fail();
        }
    }

    /// To be set when rows fail after their statement was answered.
    pub fn failure_flag(&self) -> Option<Arc<AtomicBool>> {
        self.state.lock().block.as_ref().map(|block| block.failed.clone())
    }

    // Variables.

    /// Changes variables; `local` ends with the transaction. A change that fails leaves all as it was.
    ///
    /// # Errors
    /// As [`Vars::set`].
    pub fn change_vars(&self, local: Local, change: impl Fn(&mut Vars) -> Result<()>) -> Result<()> {
        change_vars(&mut self.state.lock(), self.hub.store().access()?.as_ref(), &self.role, local, change)
    }

    pub fn vars(&self) -> Vars {
        self.state.lock().vars.clone()
    }

    // Prepared statements and cursors.

    /// # Errors
    /// `DuplicatePrepared`.
    pub fn prepare(&self, name: &str, prepared: Prepared) -> Result<()> {
        let mut state = self.state.lock();
        if state.prepared.contains_key(name) {
            return Err(Error::new(Code::DuplicatePrepared, format!("prepared statement \"{name}\" already exists")));
        }
        state.prepared.insert(name.to_owned(), Arc::new(prepared));
        Ok(())
    }

    /// # Errors
    /// `UndefinedPrepared`.
    pub fn prepared(&self, name: &str) -> Result<Arc<Prepared>> {
        self.state.lock().prepared.get(name).cloned().ok_or_else(|| no_prepared(name))
    }

    /// A statement of the protocol has that name from now on, or no longer. DEALLOCATE knows it as one of SQL's.
    pub fn note_protocol_statement(&self, name: &str, is_there: bool) {
        let mut state = self.state.lock();
        match is_there {
            true => drop(state.protocol_statements.insert(name.to_owned())),
            false => drop(state.protocol_statements.remove(name)),
        }
    }

    /// Statements of the protocol that SQL let go.
    pub fn take_let_go(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().let_go)
    }

    /// Forgets one, or all.
    ///
    /// # Errors
    /// `UndefinedPrepared`.
    pub fn deallocate(&self, name: Option<&str>) -> Result<()> {
        let mut state = self.state.lock();
        match name {
            None => {
                state.prepared.clear();
                let all = std::mem::take(&mut state.protocol_statements);
                state.let_go.extend(all);
            }
            Some(name) if state.prepared.remove(name).is_some() => {}
            Some(name) if state.protocol_statements.remove(name) => state.let_go.push(name.to_owned()),
            Some(name) => return Err(no_prepared(name)),
        }
        Ok(())
    }

    /// # Errors
    /// `DuplicateCursor`.
    pub fn open_cursor(&self, name: &str, cursor: Cursor) -> Result<()> {
        let mut state = self.state.lock();
        if state.cursors.contains_key(name) {
            return Err(Error::new(Code::DuplicateCursor, format!("cursor \"{name}\" already exists")));
        }
        state.cursors.insert(name.to_owned(), Arc::new(cursor));
        Ok(())
    }

    /// # Errors
    /// `UndefinedCursor`.
    pub fn cursor(&self, name: &str) -> Result<Arc<Cursor>> {
        self.state.lock().cursors.get(name).cloned().ok_or_else(|| no_cursor(name))
    }

    /// # Errors
    /// `UndefinedCursor`.
    pub fn close_cursor(&self, name: Option<&str>) -> Result<()> {
        let mut state = self.state.lock();
        match name {
            None => state.cursors.clear(),
            Some(name) if state.cursors.remove(name).is_some() => {}
            Some(name) => return Err(no_cursor(name)),
        }
        Ok(())
    }
}

/// How long a change of a variable lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// Until the end of the transaction.
    Yes,
    No,
}

/// `session_role` is the role that logged in: it decides which role may be taken on.
pub(super) fn change_vars(
    state: &mut State,
    access: &Access,
    session_role: &str,
    local: Local,
    change: impl Fn(&mut Vars) -> Result<()>,
) -> Result<()> {
    let change = |vars: &mut Vars| -> Result<()> {
        change(vars)?;
        vars.tell_superuser(access.is_superuser(vars.role().unwrap_or(session_role)));
        Ok(())
    };
    let mut vars = state.vars.clone();
    change(&mut vars)?;
    refuse_role(access, session_role, &vars)?;
    match (&mut state.block, local) {
        (None, Local::Yes) => return Ok(()),
        (Some(block), Local::No) => change(&mut block.kept)?,
        _ => {}
    }
    if state.block.is_none() {
        vars.tell_no_transaction();
    }
    state.vars = vars;
    Ok(())
}

/// Whether the role may have a session here; answers how many it may have.
fn may_log_in(access: &Access, role: &str, database: &str) -> Result<Option<usize>> {
    if access.has_no_roles() {
        return Ok(None);
    }
    let Some(known) = access.role(role) else {
        return Err(Error::new(Code::BadAuthorization, format!("role \"{role}\" does not exist")));
    };
    if !known.login {
        return Err(Error::new(Code::BadAuthorization, format!("role \"{role}\" is not permitted to log in")));
    }
    if !access.allows(role, Thing::of_hub(DATABASE, Protected::Database), Privilege::Connect) {
        return Err(Error::new(Code::NoPrivilege, format!("permission denied for database \"{database}\""))
            .detail("User does not have CONNECT privilege."));
    }
    Ok(usize::try_from(known.connection_limit).ok().filter(|_| !known.superuser))
}

/// Refuses a role that the session may not be.
fn refuse_role(access: &Access, session_role: &str, vars: &Vars) -> Result<()> {
    let Some(role) = vars.role() else { return Ok(()) };
    if access.role(role).is_none() {
        return Err(Error::new(Code::InvalidParameter, format!("role \"{role}\" does not exist")));
    }
    if !access.can_become(session_role, role) {
        return Err(Error::new(Code::NoPrivilege, format!("permission denied to set role \"{role}\"")));
    }
    Ok(())
}

/// The objects of the changes by name, for the audit.
fn names_of(definitions: &dyn Definitions, changes: &[Change]) -> Result<Option<String>> {
    const LISTED: usize = 20;
    let mut names: Vec<String> = Vec::new();
    for change in changes {
        let name = match change {
            Change::Create { object, .. } | Change::Replace { object, .. } => Some(object.full_name()),
            Change::Body { id, .. } | Change::Comment { id, .. } | Change::Drop { id } | Change::PutSecret { id, .. } => {
                definitions.object_by_id(*id)?.map(|object| object.full_name())
            }
            Change::Access(AccessChange::Grant { key, .. } | AccessChange::Revoke { key, .. }) => {
                definitions.object_by_id(key.object)?.map(|object| object.full_name())
            }
            Change::Access(AccessChange::PutRole(role)) => Some(role.name.clone()),
            Change::Access(AccessChange::DropRole(id)) => definitions.access()?.role_by_id(*id).map(|role| role.name),
            Change::Access(AccessChange::PutMember(membership)) => Some(definitions.access()?.name_of(membership.role)),
            Change::Access(AccessChange::DropMember { role, .. }) => Some(definitions.access()?.name_of(*role)),
            Change::Access(AccessChange::PutDefault { .. } | AccessChange::DropDefault { .. }) | Change::Audit(_) | Change::Event(_) => {
                None
            }
        };
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
        if names.len() > LISTED {
            break;
        }
    }
    Ok(Some(names.join(", ")).filter(|names| !names.is_empty()))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.engine().clients().leave(self.client.process);
    }
}

fn outside(command: &str) -> Error {
    Error::new(Code::NoTransaction, format!("{command} can only be used in transaction blocks"))
}

fn rows_and_definitions() -> Error {
    Error::new(Code::NotSupported, "a transaction cannot change both definitions and rows of a table that is there already")
        .detail("The catalog and the lake do not commit together.")
        .hint("COMMIT between the two. Rows of a table made in the same transaction can be changed.".to_owned())
}

fn no_prepared(name: &str) -> Error {
    Error::new(Code::UndefinedPrepared, format!("prepared statement \"{name}\" does not exist"))
}

fn no_cursor(name: &str) -> Error {
    Error::new(Code::UndefinedCursor, format!("cursor \"{name}\" does not exist"))
}

/// Reads `-c name=value` and `--name=value`; a backslash keeps the next character.
fn read_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = match c {
            c if c.is_whitespace() => {
                words.push(String::new());
                continue;
            }
            '\\' => chars.next(),
            c => Some(c),
        };
        if let (Some(last), Some(c)) = (words.last_mut(), word) {
            last.push(c);
        }
    }
    let mut options = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(rest) => Some(rest.to_owned()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                Some(rest) => Some(rest.to_owned()),
                None => None,
            },
        };
        match setting.as_deref().and_then(|setting| setting.split_once('=')) {
            Some((name, value)) => options.push((name.replace('-', "_"), value.to_owned())),
            None => {
                return Err(Error::new(Code::Syntax, format!("invalid command-line argument for server process: {word}"))
                    .hint("Write options as -c name=value.".to_owned()));
            }
        }
    }
    Ok(options)
}
