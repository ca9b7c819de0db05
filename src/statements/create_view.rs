//! `CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(columns)] [COMMENT '..'] AS query`
//!
//! The query is bound now, so that a mistake shows now; it is planned anew from its text at each use.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use weir_catalog::{Definitions, Kind, ObjectId, RelationBody};
use weir_sql::statements::create_view::CreateView;

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use super::{columns, query};
use crate::delta::normalise;
use crate::engine::Planned;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &CreateView, text: &str) -> Result<Outcome> {
    let CreateView { name, or_replace, if_not_exists, columns: _, comment, query } = statement;
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::View, &place)?;
    let wanted = Wanted { kind: Kind::View, or_replace: *or_replace, if_not_exists: *if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(Outcome::done("CREATE VIEW")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let planned = query::plan(session, query, Vec::new()).await?;
    let depends_on = used(&*definitions, &planned)?;
    if let Some(old) = &old
        && depends_on.contains(&old.id)
    {
        return Err(Error::new(Code::InvalidDefinition, format!("view \"{}\" would read itself", old.name)).at(query.position));
    }
    let found = renamed(statement, planned.plan.schema().as_arrow())?;
    // Kept under the names that users know, whatever layout the planner chose for text.
    let found = columns::as_known(&shown(&found), &found);
    let body = RelationBody { columns: Some(found), last_ok_at: None, last_error: None, search_path: Some(session.search_path()) };
    let new = New { kind: Kind::View, place, definition: text, body: columns::body(&body)?, comment: comment.clone(), depends_on };
    let (_, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    Ok(Outcome::done("CREATE VIEW"))
}

/// The types that clients are told of: a view stores nothing, so it may have those that a table cannot.
fn shown(found: &SchemaRef) -> SchemaRef {
    let only_queried = |field: &Field| {
        matches!(field.data_type(), DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) | DataType::Duration(_))
    };
    let stored = normalise(found);
    let fields = stored.fields().iter().zip(found.fields());
    let fields: Vec<FieldRef> = fields.map(|(stored, found)| Arc::clone(if only_queried(found) { found } else { stored })).collect();
    Arc::new(Schema::new(fields))
}

/// The objects a plan reads; system tables are not objects.
///
/// # Errors
/// Whatever the catalog says.
pub(super) fn used(definitions: &dyn Definitions, planned: &Planned) -> Result<Vec<ObjectId>> {
    let mut ids: Vec<ObjectId> = Vec::new();
    for used in &planned.used {
        let id = used.relation.id;
        if !ids.contains(&id) && definitions.object_by_id(id)?.is_some() {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The query's columns under the names of the view's own list; names must differ.
fn renamed(statement: &CreateView, found: &Schema) -> Result<SchemaRef> {
    let wanted = &statement.columns;
    if wanted.len() > found.fields().len() {
        let position = wanted.get(found.fields().len()).map(|column| column.position);
        return Err(Error::new(Code::Syntax, "CREATE VIEW specifies more column names than columns").at(position));
    }
    let mut fields: Vec<Field> = Vec::with_capacity(found.fields().len());
    for (index, field) in found.fields().iter().enumerate() {
        let name = wanted.get(index).map_or(field.name().as_str(), |column| column.value.as_str());
        if fields.iter().any(|field| field.name() == name) {
            let position = wanted.get(index).map_or(statement.query.position, |column| column.position);
            return Err(Error::new(Code::DuplicateColumn, format!("column \"{name}\" specified more than once")).at(position));
        }
        fields.push(field.as_ref().clone().with_name(name));
    }
    Ok(Arc::new(Schema::new(fields)))
}
