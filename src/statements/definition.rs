//! Making and changing objects of the catalog: the same steps for every noun.

use serde_json::Value as Json;
use weir_catalog::{Change, Definitions, Kind, Object, ObjectId};
use weir_sql::{Name, Options, Privilege};

use super::names;
use crate::engine::{is_temporary, privileges};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::spec::{self, Value};

/// An object about to be made or replaced.
pub(super) struct New<'a> {
    pub kind: Kind,
    pub place: names::Place,
    /// As typed; without a secret's value.
    pub definition: &'a str,
    pub body: Json,
    pub comment: Option<String>,
    pub depends_on: Vec<ObjectId>,
}

/// The change that makes the object, or replaces `old` and keeps its identity. Answers the id too.
///
/// # Errors
/// Whatever the catalog says.
pub(super) fn put(session: &Session, definitions: &dyn Definitions, new: New<'_>, old: Option<Object>) -> Result<(ObjectId, Change)> {
    let New { kind, place, definition, body, comment, depends_on } = new;
    let now = session.now();
    if !is_temporary(&place.schema) {
        for id in &depends_on {
            if definitions.object_by_id(*id)?.is_some_and(|other| is_temporary(&other.schema)) {
                return Err(Error::new(Code::NotSupported, format!("a {} that reads a temporary table is not supported", kind.noun())));
            }
        }
    }
    let change = match old {
        Some(old) => {
            let comment = comment.or_else(|| old.comment.clone());
            let object = Object { definition: definition.to_owned(), alters: Vec::new(), body, comment, changed_at: now, ..old };
            (object.id, Change::Replace { object, depends_on })
        }
        None => {
            let id = definitions.next_id()?;
            let object = Object {
                id,
                kind,
                schema: place.schema,
                name: place.name,
                owner: session.role(),
                version: 1,
                definition: definition.to_owned(),
                alters: Vec::new(),
                body,
                comment,
                created_at: now,
                changed_at: now,
            };
            (id, Change::Create { object, depends_on })
        }
    };
    Ok(change)
}

/// The change that adds one ALTER to what the object is; its dependencies stay, with `more` of them.
///
/// # Errors
/// Whatever the catalog says.
pub(super) fn alter(
    session: &Session,
    definitions: &dyn Definitions,
    mut object: Object,
    text: &str,
    more: Vec<ObjectId>,
) -> Result<Change> {
    let mut depends_on: Vec<ObjectId> = definitions.depends_on(object.id)?.into_iter().map(|on| on.id).collect();
    depends_on.extend(more);
    depends_on.sort_unstable();
    depends_on.dedup();
    object.alters.push(text.to_owned());
    object.changed_at = session.now();
    Ok(Change::Replace { object, depends_on })
}

/// The secrets that checked options name; each must exist. One without a schema is looked for beside the object itself, then in `public`: it
/// must mean the same secret to whoever uses the object.
///
/// # Errors
/// `UndefinedObject` for one that does not exist, `NoPrivilege` for one that the role may not use.
pub(super) fn secrets(session: &Session, definitions: &dyn Definitions, schema: &str, options: &spec::Options) -> Result<Vec<ObjectId>> {
    let mut ids = Vec::new();
    for name in options.secrets() {
        let own = name.schema.as_ref().map_or(schema, |schema| schema.value.as_str());
        let mut found = definitions.object(Kind::Secret, own, &name.name.value)?;
        if found.is_none() && name.schema.is_none() {
            found = definitions.object(Kind::Secret, "public", &name.name.value)?;
        }
        match found {
            Some(secret) => {
                let role = session.role();
                privileges::require_usage(definitions, &role, &secret.schema)?;
                privileges::require(definitions, &role, &secret, Privilege::Usage)?;
                ids.push(secret.id);
            }
            None => return Err(names::undefined(definitions, Kind::Secret, name)?),
        }
    }
    Ok(ids)
}

/// Takes one option out of a list: those that act at once and are no part of what is kept.
pub(super) fn take_flag(options: &Options, spec: &'static spec::Spec, key: &str) -> Result<(bool, Options)> {
    let (taken, rest): (Vec<_>, Vec<_>) = options.entries.iter().cloned().partition(|entry| entry.key == key);
    let read = spec.read(&Options { entries: taken })?;
    let flag = matches!(read.get(key), Some(Value::Bool(true)));
    Ok((flag, Options { entries: rest }))
}

/// A name of which only the parts are known.
pub(super) fn name_of(object: &Object) -> Name {
    let ident = |value: &str| weir_sql::Ident { value: value.to_owned(), position: 1 };
    let schema = Some(object.schema.as_str()).filter(|schema| !schema.is_empty()).map(ident);
    Name { schema, name: ident(&object.name) }
}
