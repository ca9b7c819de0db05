//! Whether a role may do a thing: every check of the hub, in PostgreSQL's words.
//!
//! What a role holds is worked out by the catalog's `Access`, without I/O; here it becomes an error. Names are looked up with the rights of
//! `Scope::judged`: the caller, or inside a view the view's owner. Schemas of the hub itself are open to everybody; what their tables show is
//! filtered by each.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use weir_catalog::access::{AUDIT, READ_ALL_DATA, READ_SERVER_FILES};
use weir_catalog::{Access, Definitions, Kind, Object, Thing};
use weir_sql::{Privilege, Protected};

use super::errors::catalog_error;
use crate::error::{Code, Error, Result};

/// Schemas whose names everybody may look up.
const OPEN: &[&str] = &["hub", "pg_catalog", "information_schema"];

/// The noun and the name as PostgreSQL prints them.
fn named(object: &Object) -> String {
    format!("{} {}", object.kind.noun(), object.name)
}

pub fn denied(what: &str) -> Error {
    Error::new(Code::NoPrivilege, format!("permission denied for {what}"))
}

fn access(definitions: &dyn Definitions) -> Result<std::sync::Arc<Access>> {
    definitions.access().map_err(catalog_error)
}

/// # Errors
/// `NoPrivilege`, unless the role has the right on the object.
pub fn require(definitions: &dyn Definitions, role: &str, object: &Object, privilege: Privilege) -> Result<()> {
    match access(definitions)?.allows(role, Thing::of(object), privilege) {
        true => Ok(()),
        false => Err(denied(&named(object))),
    }
}

/// # Errors
/// `NoPrivilege`, unless the role has some right on the object.
pub fn require_any(definitions: &dyn Definitions, role: &str, object: &Object) -> Result<()> {
    match access(definitions)?.allows_any(role, Thing::of(object)) {
        true => Ok(()),
        false => Err(denied(&named(object))),
    }
}

/// # Errors
/// `NoPrivilege`, unless the object is the role's own, or that of a role whose rights it has.
pub fn require_owner(definitions: &dyn Definitions, role: &str, object: &Object) -> Result<()> {
    match access(definitions)?.is_owner(role, &object.owner) {
        true => Ok(()),
        false => Err(Error::new(Code::NoPrivilege, format!("must be owner of {}", named(object)))),
    }
}

/// To drop: the owner of an object, or of the schema it lies in.
///
/// # Errors
/// As [`require_owner`].
pub fn require_owner_to_drop(definitions: &dyn Definitions, role: &str, object: &Object) -> Result<()> {
    let schema = definitions.object(Kind::Schema, "", &object.schema).map_err(catalog_error)?;
    if schema.is_some_and(|schema| require_owner(definitions, role, &schema).is_ok()) {
        return Ok(());
    }
    require_owner(definitions, role, object)
}

/// Whether names in the schema may be looked up. A schema that does not exist has none.
///
/// # Errors
/// What the catalog says.
pub fn may_look_into(definitions: &dyn Definitions, role: &str, schema: &str) -> Result<bool> {
    if OPEN.contains(&schema) {
        return Ok(true);
    }
    Ok(match definitions.object(Kind::Schema, "", schema).map_err(catalog_error)? {
        Some(schema) => access(definitions)?.allows(role, Thing::of(&schema), Privilege::Usage),
        None => true,
    })
}

/// # Errors
/// `NoPrivilege`, unless the role may look names up in the schema.
pub fn require_usage(definitions: &dyn Definitions, role: &str, schema: &str) -> Result<()> {
    match may_look_into(definitions, role, schema)? {
        true => Ok(()),
        false => Err(denied(&format!("schema {schema}"))),
    }
}

/// # Errors
/// `NoPrivilege`, unless the role may make objects in the schema.
pub fn require_create(definitions: &dyn Definitions, role: &str, schema: &str) -> Result<()> {
    match definitions.object(Kind::Schema, "", schema).map_err(catalog_error)? {
        Some(schema) => require(definitions, role, &schema, Privilege::Create),
        // Whoever looks the schema up says so.
        None => Ok(()),
    }
}

/// # Errors
/// `NoPrivilege`, unless the role may read what the server's own account reads: its files and environment.
pub fn require_server_files(definitions: &dyn Definitions, role: &str, what: &str) -> Result<()> {
    match access(definitions)?.has_rights_of_id(role, READ_SERVER_FILES) {
        true => Ok(()),
        false => Err(Error::new(Code::NoPrivilege, format!("permission denied to {what}"))
            .detail("Only roles with privileges of the \"pg_read_server_files\" role may read what belongs to the server.")),
    }
}

/// # Errors
/// `NoPrivilege`, unless the role may read the audit.
pub fn require_audit(definitions: &dyn Definitions, role: &str) -> Result<()> {
    match access(definitions)?.allows(role, Thing::of_hub(AUDIT, Protected::Relation), Privilege::Select) {
        true => Ok(()),
        false => Err(denied("table audit")),
    }
}

/// Which dead letters a role may see or, with MAINTAIN, edit: those of pipelines it has the right on. None means all.
///
/// Letters name their pipeline and nothing else of it: one whose name could be that of two pipelines is shown to nobody, and those older than
/// the pipeline are of another one that had its name.
///
/// # Errors
/// What the catalog says.
pub(super) fn letters_filter(
    definitions: &dyn Definitions,
    role: &str,
    privileges: &[Privilege],
    column: &dyn Fn(&str) -> Expr,
) -> Result<Option<Expr>> {
    let access = access(definitions)?;
    let reads_all = !privileges.contains(&Privilege::Update) && privileges.contains(&Privilege::Select);
    if access.is_superuser(role) || (reads_all && access.has_rights_of_id(role, READ_ALL_DATA)) {
        return Ok(None);
    }
    let pipelines = definitions.objects(Some(Kind::Pipeline), None).map_err(catalog_error)?;
    let mut terms = Vec::new();
    for pipeline in &pipelines {
        let full = pipeline.full_name();
        let is_ambiguous = pipelines.iter().any(|other| other.id != pipeline.id && other.full_name() == full);
        let may = privileges.iter().any(|privilege| access.allows(role, Thing::of(pipeline), *privilege));
        if may && !is_ambiguous {
            let since = ScalarValue::TimestampMicrosecond(Some(pipeline.created_at), Some("UTC".into()));
            terms.push(column("pipeline").eq(lit(full)).and(column("first_seen").gt_eq(lit(since))));
        }
    }
    Ok(Some(any_of(&terms)))
}

/// As a tree of small depth, however many there are.
fn any_of(terms: &[Expr]) -> Expr {
    match terms {
        [] => lit(false),
        [only] => only.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            any_of(left).or(any_of(right))
        }
    }
}
