//! Old events go, a few at a time, so that no other writer of the catalog waits long. Those that a trigger has still to see stay.

use std::sync::Arc;
use std::time::Duration;

use super::runner::Runner;
use crate::engine::catalog_error;
use crate::error::Result;

const EVERY: Duration = Duration::from_secs(3600);
const AT_ONCE: usize = 1000;

impl Runner {
    /// Takes away what is older than `keep`, now and once an hour, until the hub closes.
    pub(super) async fn forget_events(self: Arc<Self>, keep: Duration) {
        loop {
            loop {
                match self.forget_some(keep) {
                    Ok(0) => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(error = %error.chain(), "old events could not be removed");
                        break;
                    }
                }
                if self.closing.is_cancelled() {
                    return;
                }
            }
            tokio::select! {
                () = self.clock.sleep(EVERY) => {}
                () = self.closing.cancelled() => return,
            }
        }
    }

    fn forget_some(&self, keep: Duration) -> Result<usize> {
        let before = self.clock.now().saturating_sub(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX));
        self.engine.store().forget_events(before, self.seen_by_all()?, AT_ONCE).map_err(catalog_error)
    }
}
