//! `CREATE [OR REPLACE] ALERT [IF NOT EXISTS] name [trigger] IF EXISTS (query) [FOR interval] THEN act, .. [WITH (..)]`
//!
//! Binds the query and looks at what the acts need; nothing is asked or done. OR REPLACE keeps identity, state and history.

use serde_json::Value as Json;
use weir_catalog::{Definitions, Kind, ObjectId};
use weir_sql::statements::create_alert::{Act, CreateAlert};
use weir_sql::statements::create_pipeline::TriggerKind;

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use crate::engine::Scope;
use crate::error::{Code, Error, Result};
use crate::pipelines;
use crate::session::{Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &CreateAlert, text: &str) -> Result<Outcome> {
    let name = &statement.name;
    let done = Outcome::done("CREATE ALERT");
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Alert, &place)?;
    let wanted =
        Wanted { kind: Kind::Alert, or_replace: statement.or_replace, if_not_exists: statement.if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(done),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let owner = old.as_ref().map_or_else(|| session.role(), |old| old.owner.clone());
    let depends_on = check(session, &*definitions, statement, &place.schema, &owner).await?;
    let new = New { kind: Kind::Alert, place, definition: text, body: Json::Null, comment: None, depends_on };
    let (_, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    Ok(done)
}

/// Everything that the alert names.
async fn check(
    session: &Session,
    definitions: &dyn Definitions,
    statement: &CreateAlert,
    schema: &str,
    owner: &str,
) -> Result<Vec<ObjectId>> {
    pipelines::ALERT_SPEC.read(&statement.options)?;
    if let Some(trigger) = &statement.trigger
        && let TriggerKind::Update { of, .. } = &trigger.kind
        && of.is_empty()
    {
        return Err(Error::new(Code::InvalidDefinition, "TRIGGER ON UPDATE of an alert needs OF and the tables that it watches")
            .at(trigger.position));
    }
    if statement.hold.is_some_and(|hold| hold.as_micros().is_none_or(|micros| micros < 0)) {
        return Err(Error::new(Code::InvalidParameter, "FOR takes days, hours, minutes and seconds").at(statement.name.position()));
    }
    for act in &statement.acts {
        if let Act::Notify(channel) = act {
            session.refuse_channel(&channel.value).map_err(|error| error.at(channel.position))?;
        }
    }
    let search_path = pipelines::search_path(schema);
    let scope = Scope { search_path, rights_of: Some(owner.to_owned()), ..session.scope(Vec::new()) };
    let triggers = statement.trigger.as_slice();
    let mut named = pipelines::watched(triggers, schema, owner, definitions)?;
    if let Some(source) = named.iter().find(|object| object.kind == Kind::Source) {
        return Err(Error::new(Code::NotSupported, format!("an alert on updates of source \"{}\" is not supported", source.full_name()))
            .hint("Name the tables that its pipelines fill, or use SCHEDULE EVERY.".to_owned())
            .at(statement.name.position()));
    }
    named.extend(session.hub().runner().check_alert(statement, &scope, schema, definitions).await?);
    Ok(named.into_iter().map(|object| object.id).collect())
}
