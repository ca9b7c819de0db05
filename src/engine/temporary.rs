//! Temporary tables: each session has a schema of its own for them, which ends with it.

use std::sync::Arc;

use weir_catalog::{Change, Kind, Object, Store, TableBody};

use crate::clock::Micros;
use crate::delta::Lake;
use crate::error::Result;

/// How the names of those schemas begin; the number of the session's process follows.
pub const TEMPORARY: &str = "pg_temp_";

/// Whether a schema holds the temporary tables of a session: nobody else looks there.
pub fn is_temporary(schema: &str) -> bool {
    schema.starts_with(TEMPORARY)
}

/// Drops what sessions left that did not end.
///
/// # Errors
/// Whatever the catalog says.
pub async fn drop_left_over(store: &Arc<dyn Store>, lake: &Arc<Lake>, now: Micros) -> Result<()> {
    let left = store.objects(None, None)?.into_iter().filter(|object| is_temporary(&object.schema)).collect();
    drop_tables(store, lake, left, now).await?;
    let schemas = store.objects(Some(Kind::Schema), None)?.into_iter().filter(|schema| is_temporary(&schema.name));
    let drops: Vec<Change> = schemas.map(|schema| Change::Drop { id: schema.id }).collect();
    if !drops.is_empty() {
        store.apply(&drops, "admin", now)?;
    }
    Ok(())
}

/// Drops temporary tables with their rows.
///
/// # Errors
/// Whatever the catalog says.
pub async fn drop_tables(store: &Arc<dyn Store>, lake: &Arc<Lake>, tables: Vec<Object>, now: Micros) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let drops: Vec<Change> = tables.iter().map(|table| Change::Drop { id: table.id }).collect();
    store.apply(&drops, "admin", now)?;
    for table in tables {
        let Ok(body) = serde_json::from_value::<TableBody>(table.body) else { continue };
        if let Err(error) = lake.drop_table(&body.location).await {
            tracing::warn!(error = %error, location = body.location, "the folder of a temporary table could not be removed");
        }
    }
    Ok(())
}
