//! INSERT, UPDATE and DELETE on lake tables. Each is one commit of its table, or waits with others of its transaction for one; always through
//! `delta` and nothing else.
//!
//! The planner's own DML never runs: it can lose conditions. A statement is planned as the SELECT of the rows it means, and the condition is
//! taken from there. Statements on one table follow each other, so that what was checked still holds at the commit.

mod change;
mod checks;
mod columns;
mod copy;
mod insert;

pub use copy::line_behind;

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Statement};
use weir_catalog::{Definitions, Kind, Object, TableCommit};
use weir_sql::Privilege;

use super::errors::catalog_error;
use super::position::Place;
use super::resolve::{Looked, folded, look_up, undefined};
use super::{Engine, Scope, letters, privileges};
use crate::delta::{Committed, Facts, Table, Token};
use crate::error::{Code, Error, Result};

/// What a data-changing statement did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmlDone {
    pub kind: DmlKind,
    pub rows: u64,
    /// The table's new version; None when nothing was to do, or when it waits for the end of a transaction.
    pub version: Option<u64>,
    /// Rows that rules let pass or left out.
    pub notices: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmlKind {
    Insert,
    Update,
    Delete,
}

/// The table a statement changes, and what it needs to do so.
struct Target {
    object: Object,
    table: Arc<Table>,
}

/// What is the same for all of one statement.
struct Ask<'a> {
    temporals: &'a [weir_sql::Temporal],
    place: Place<'a>,
    scope: &'a Scope,
    definitions: &'a dyn Definitions,
    /// Of the commit, where the same rows may come again.
    token: Option<&'a Token>,
}

impl Engine {
    /// Runs a data-changing statement and commits it, or leaves it to the transaction of the scope.
    ///
    /// # Errors
    /// `NotSupported` for what is not a lake table and for clauses that are not built; `WrongState` and `NoPrivilege` for tables of the hub;
    /// violations of the table's rules with their own codes; `Conflict` when another writer was faster. Nothing is written then.
    pub async fn dml(&self, dml: &weir_sql::Dml, scope: &Scope, definitions: &dyn Definitions) -> Result<DmlDone> {
        if scope.as_of.is_some() {
            return Err(
                Error::new(Code::ReadOnly, "nothing can be changed while hub.as_of is set").hint("RESET hub.as_of first.".to_owned())
            );
        }
        let ask = Ask { temporals: &dml.temporals, place: Place::dml(dml), scope, definitions, token: None };
        match dml.ast.as_ref() {
            Statement::Insert(insert) => self.insert(insert, &ask).await,
            Statement::Update(update) => self.update(update, &ask).await,
            Statement::Delete(delete) => self.delete(delete, &ask).await,
            _ => Err(Error::new(Code::NotSupported, "this statement is not supported")),
        }
    }

    /// The lake table of that name.
    async fn target(&self, name: &ObjectName, privilege: Privilege, ask: &Ask<'_>) -> Result<Target> {
        let idents: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        let parts: Vec<String> = idents.iter().map(|ident| folded(ident)).collect();
        let position = idents.first().map(|ident| (ident.span.start.line, ident.span.start.column)).and_then(|spot| ask.place.offset(spot));
        let found = look_up(&parts, ask.scope, ask.definitions).map_err(|error| error.at(position))?;
        let full = parts.join(".");
        match found {
            None => Err(undefined(&parts, ask.scope, ask.definitions).at(position)),
            Some(Looked::Object(object)) if object.kind == Kind::Table => {
                // Whoever may edit a pipeline's dead letters may edit those; the statement sees to that.
                if !is_dead_letters(&object) {
                    privileges::require(ask.definitions, ask.scope.judged(), &object, privilege).map_err(|error| error.at(position))?;
                }
                let table = self.table(&object).await?;
                if let Some(snapshot) = &ask.scope.snapshot {
                    snapshot.admit(self, &object).map_err(|error| error.at(position))?;
                }
                Ok(Target { object: *object, table })
            }
            Some(Looked::Object(object)) => {
                Err(Error::new(Code::NotSupported, format!("{} \"{}\" cannot be changed", object.kind.noun(), object.full_name()))
                    .hint("INSERT, UPDATE and DELETE work on lake tables.".to_owned())
                    .at(position))
            }
            Some(_) => Err(Error::new(Code::WrongState, format!("system table \"{full}\" cannot be changed")).at(position)),
        }
    }

    /// Puts the commit in the hub's own index.
    fn noted(&self, target: &Target, committed: &Committed, operation: &str, user: &str) -> Result<()> {
        let commit = TableCommit {
            table_id: target.object.id,
            version: committed.version,
            committed_at: committed.committed_at,
            operation: operation.to_owned(),
            run_id: None,
            user: user.to_owned(),
        };
        self.store().record_commits(&[commit]).map_err(catalog_error)
    }
}

fn facts(ask: &Ask<'_>) -> Facts {
    Facts { run_id: None, user: ask.scope.role.clone(), extra: std::collections::BTreeMap::new() }
}

/// `0A000` for a clause that was written and is not built.
fn refuse(written: bool, clause: &str) -> Result<()> {
    match written {
        true => Err(Error::new(Code::NotSupported, format!("{clause} is not supported"))),
        false => Ok(()),
    }
}

fn is_dead_letters(object: &Object) -> bool {
    letters::are(object)
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
