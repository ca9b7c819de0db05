//! All that the protocol needs of the rest of the hub.

use std::net::SocketAddr;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use weir_catalog::Role;
use weir_sql::Statement;

use crate::engine::Notification;
use crate::error::Result;
use crate::session::{Description, News, Notice, Outcome, TransactionStatus};

/// Where a socket finds roles and opens its session.
pub trait Door: Send + Sync + 'static {
    fn role(&self, name: &str) -> Result<Option<Role>>;
    /// Whose stored password the made-up one of an unknown role is derived from.
    fn any_role(&self) -> Result<Option<Role>>;
    /// Whether the password of a role that exists opens anything now.
    fn password_counts(&self, role: &Role) -> bool;
    /// Opens the session of a role that was proven.
    fn open(&self, role: &str, database: &str, startup: &[(String, String)], peer: Option<SocketAddr>) -> Result<Arc<dyn Backend>>;
    /// Notes a log-in that was refused.
    fn refused(&self, role: &str, peer: Option<SocketAddr>, sqlstate: &str);
}

/// One session. A call may be dropped; `cancel` may come at any time from another task.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    fn parse(&self, text: &str) -> Result<Vec<Statement>>;
    async fn describe(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Description>;
    async fn execute(&self, statement: &Statement, parameters: Vec<ScalarValue>) -> Result<Outcome>;
    /// The columns of a cursor that SQL opened: to the protocol it is a portal as well.
    fn cursor_columns(&self, name: &str) -> Option<SchemaRef>;
    fn take_notices(&self) -> Vec<Notice>;
    fn transaction_status(&self) -> TransactionStatus;
    /// Reported settings, at the start.
    fn parameters(&self) -> Vec<(String, String)>;
    /// Reported settings that changed since the last call.
    fn changed_parameters(&self) -> Vec<(String, String)>;
    fn cancel(&self);
    /// Something failed on the way to or from the session: an open transaction is as failed as after any other error.
    fn fail(&self);
    /// A prepared statement has that name from now on, or no longer: SQL's DEALLOCATE may name it.
    fn note_statement(&self, _name: &str, _is_there: bool) {}
    /// Prepared statements that SQL let go since the last call.
    fn take_let_go(&self) -> Vec<String> {
        Vec::new()
    }
    /// A number that no other session has, if the sessions count themselves.
    fn process(&self) -> Option<i32> {
        None
    }
    /// Waits, between two statements, for what is to be said unasked. May be dropped at any time.
    async fn news(&self) -> News {
        std::future::pending().await
    }
    /// Returns when somebody ends this session.
    async fn terminated(&self) {
        std::future::pending().await
    }
    fn take_notifications(&self) -> Vec<Notification> {
        Vec::new()
    }
    /// The client is gone.
    async fn close(&self);
}
