//! The templates that a hub brings along, in schema `template`.
//!
//! They are made once for each edition of the text, as any user could make them. Whoever drops or changes one is not contradicted at the next
//! start.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::session::Session;
use crate::statements;

const TEXT: &str = include_str!("../../sql/templates/shipped.sql");

/// Grows with each change of the text.
const EDITION: &str = "1";
const SETTING: &str = "shipped_templates";

/// # Errors
/// What the statements say.
pub(super) async fn ensure(hub: &Arc<Hub>) -> Result<()> {
    let store = hub.store();
    if store.setting(SETTING)?.as_deref() == Some(EDITION) {
        return Ok(());
    }
    let Some(owner) = store.roles()?.into_iter().find(|role| role.superuser && role.login) else { return Ok(()) };
    let session = Session::new(Arc::clone(hub), owner.name, hub.database().to_owned(), &[])?;
    let made = make(&session).await;
    session.close().await;
    made?;
    store.set_setting(SETTING, EDITION)?;
    Ok(())
}

/// All of them or none.
async fn make(session: &Session) -> Result<()> {
    let text = format!("BEGIN;\n{TEXT}\nCOMMIT");
    for statement in statements::parse(session, &text)? {
        statements::execute(session, &statement, Vec::new())
            .await
            .map_err(|error| Error::internal("the templates that come with the hub could not be made").caused_by(error))?;
    }
    Ok(())
}
