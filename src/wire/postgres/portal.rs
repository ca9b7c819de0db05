//! Prepared statements and portals of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use weir_sql::Statement;

use super::encode::Rows;
use super::types::{Column, PgType, columns};
use crate::error::{Code, Error, Result};
use crate::session::Description;

/// A parsed and described statement.
pub(super) struct Prepared {
    /// None for a text without a statement.
    pub(super) statement: Option<Statement>,
    pub(super) parameters: Vec<PgType>,
    /// What the client is told of them: the very types that it named itself.
    pub(super) announced: Vec<u32>,
    pub(super) description: Description,
}

/// A statement with its parameters, and how far it has run.
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    pub(super) formats: Vec<i16>,
    pub(super) state: State,
}

pub(super) enum State {
    /// Not yet executed.
    Bound(Vec<ScalarValue>),
    Rows(RowSource),
    /// All rows are sent; executing again gives none.
    Exhausted {
        tag: &'static str,
    },
    /// A command that is over, or failed: it does not run twice.
    Over,
}

/// An answer that is being sent.
pub(super) struct RowSource {
    pub(super) rows: SendableRecordBatchStream,
    pub(super) columns: Vec<Column>,
    /// The batch at hand and its next row.
    pub(super) batch: Option<(Rows, usize)>,
    pub(super) tag: &'static str,
}

impl RowSource {
    /// # Errors
    /// `NotSupported` when the answer does not have the columns that the client was told.
    pub(super) fn new(
        schema: &SchemaRef,
        rows: SendableRecordBatchStream,
        tag: &'static str,
        formats: &[i16],
        promised: Option<&SchemaRef>,
    ) -> Result<Self> {
        let columns = columns(schema.fields(), formats)?;
        if let Some(promised) = promised {
            let told = promised.fields().iter().map(|field| PgType::of_field(field).oid());
            if !told.eq(columns.iter().map(|column| column.pg_type.oid())) {
                return Err(Error::new(Code::NotSupported, "cached plan must not change result type")
                    .hint("Prepare the statement again.".to_owned()));
            }
        }
        Ok(Self { rows, columns, batch: None, tag })
    }
}

/// The names a connection has given. The empty name is free for all and replaced without asking.
#[derive(Default)]
pub(super) struct Names {
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
}

impl Names {
    pub(super) fn check_statement_is_new(&self, name: &str) -> Result<()> {
        if !name.is_empty() && self.statements.contains_key(name) {
            return Err(Error::new(Code::DuplicatePrepared, format!("prepared statement \"{name}\" already exists")));
        }
        Ok(())
    }

    pub(super) fn put_statement(&mut self, name: String, prepared: Prepared) {
        self.statements.insert(name, Arc::new(prepared));
    }

    pub(super) fn statement(&self, name: &str) -> Result<&Arc<Prepared>> {
        self.statements.get(name).ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(Code::UndefinedPrepared, message)
        })
    }

    pub(super) fn put_portal(&mut self, name: String, portal: Portal) -> Result<()> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Error::new(Code::DuplicateCursor, format!("portal \"{name}\" already exists")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    pub(super) fn portal(&self, name: &str) -> Result<&Portal> {
        self.portals.get(name).ok_or_else(|| Error::new(Code::UndefinedCursor, format!("portal \"{name}\" does not exist")))
    }

    pub(super) fn portal_mut(&mut self, name: &str) -> Result<&mut Portal> {
        self.portals.get_mut(name).ok_or_else(|| Error::new(Code::UndefinedCursor, format!("portal \"{name}\" does not exist")))
    }

    /// Forgets the unnamed statement and portal, before something else may use the session.
    pub(super) fn drop_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }

    pub(super) fn drop_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }

    pub(super) fn drop_portal(&mut self, name: &str) {
        self.portals.remove(name);
    }

    /// Portals end with their transaction.
    pub(super) fn drop_portals(&mut self) {
        self.portals.clear();
    }
}
