//! What planning needs to know, and what it gives back.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use weir_catalog::{Kind, Object, ObjectId};

use super::{Caller, Snapshot};
use crate::clock::Micros;
use crate::error::Result;

/// Who asks, from where and when. One per statement; cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    pub role: String,
    pub database: String,
    pub search_path: Vec<String>,
    /// IANA name or fixed offset; used by now(), casts to timestamptz and output.
    pub time_zone: String,
    /// The time of the statement (of the transaction inside BEGIN).
    pub now: Micros,
    /// `SET hub.as_of`: every lake table is read as it was then.
    pub as_of: Option<Micros>,
    /// Values of `$1`, `$2`, ..
    pub positional: Vec<ScalarValue>,
    /// Values of `$name`.
    pub named: Vec<(String, ScalarValue)>,
    /// Session settings, for current_setting().
    pub settings: Arc<Vec<(String, String)>>,
    /// The lake as the transaction around the statement sees it; None reads what is there now.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The session behind the statement; None for the hub's own work.
    pub caller: Option<Arc<dyn Caller>>,
    /// Inside a view: its owner, whose rights count there.
    pub rights_of: Option<String>,
}

impl Scope {
    /// For the rules of a table: names mean what they mean beside it, and are read with its owner's rights, whoever writes the row.
    pub fn of_table(&self, table: &Object) -> Scope {
        let mut search_path = vec![table.schema.clone()];
        if table.schema != "public" {
            search_path.push("public".to_owned());
        }
        Scope { search_path, rights_of: Some(table.owner.clone()), ..self.clone() }
    }

    /// The role whose rights count.
    pub fn judged(&self) -> &str {
        self.rights_of.as_deref().unwrap_or(&self.role)
    }
}

/// One relation as a query names it, before it has rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A table, view, source or system table as it is now (or at the scope's `as_of`).
    Plain,
    Version(u64),
    Time(Micros),
    /// `STREAM(x)`: rows not yet consumed. Only pipelines can answer it.
    Stream,
}

/// Gives rows to relations before the engine's own way does: a run pins versions and ranges with it.
#[async_trait]
pub trait Relations: Send + Sync {
    /// None: resolve it the usual way.
    async fn provider(&self, relation: &RelationKey, wanted: &Wanted) -> Result<Option<Arc<dyn TableProvider>>>;

    /// Columns of a stream, once it has a provider, that can be named and that `*` does not give.
    fn hidden(&self, _stream: &RelationKey) -> SchemaRef {
        Arc::new(Schema::empty())
    }
}

/// A relation of the catalog, after its name was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationKey {
    pub id: ObjectId,
    pub kind: Kind,
    pub schema: String,
    pub name: String,
}

impl RelationKey {
    /// As `Object::full_name`.
    pub fn full_name(&self) -> String {
        if self.schema.is_empty() { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}

/// One relation that a plan reads; views are listed themselves and through what they read.
#[derive(Clone)]
pub struct Used {
    pub relation: RelationKey,
    /// Schema and table by which scans of the plan name it.
    pub reference: (String, String),
    pub wanted: Wanted,
    /// Version of a lake table that the provider shows.
    pub version: Option<u64>,
}

/// A bound query, not yet optimised.
pub struct Planned {
    pub plan: LogicalPlan,
    /// The state it was planned in; optimise and execute with this one.
    pub state: Arc<SessionState>,
    pub used: Vec<Used>,
    /// For NOTICE messages: an unbounded source read without STREAM, ..
    pub notices: Vec<String>,
}
