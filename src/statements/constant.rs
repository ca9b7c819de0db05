//! The value of an expression that reads no rows: arguments of EXECUTE, the version of RESTORE.

use datafusion::common::ScalarValue;
use futures::StreamExt;
use weir_sql::Expr;

use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::session::Session;

/// Works the expression out.
///
/// # Errors
/// Whatever is wrong with it; it cannot name a column.
pub(super) async fn value(session: &Session, expr: &Expr) -> Result<ScalarValue> {
    let at = |error: Error| error.at(expr.position);
    let query = weir_sql::parse_query(&format!("SELECT {}", expr.text)).map_err(|error| at(error.into()))?;
    let planned = session.hub().engine().plan(&query, &session.scope(Vec::new()), &*session.definitions(), None).await.map_err(at)?;
    let mut rows = session.hub().engine().rows(planned).await.map_err(at)?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| at(Engine::error(error)))?;
        if let Some(column) = batch.columns().first().filter(|column| !column.is_empty()) {
            return ScalarValue::try_from_array(column, 0).map_err(|error| at(Engine::error(error)));
        }
    }
    Err(at(Error::new(Code::InvalidParameter, "the expression has no value")))
}
