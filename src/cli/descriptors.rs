//! How many files and sockets the process may have open.
//!
//! Systems start programs with a limit made for those that wait with `select`, often 1,024, and let them raise it.

/// Sockets on their way in, files of the lake, the catalog.
const BESIDES_CLIENTS: u64 = 1_500;

/// Raises the limit as far as the system lets anybody, and warns when it is still too low for what is configured.
pub(super) fn raise_limit(max_connections: usize) {
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            return;
        }
    };
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(BESIDES_CLIENTS);
    if limit < needed {
        tracing::warn!(limit, needed, "pg.max_connections may not be reached: raise the limit of open files (ulimit -Hn, LimitNOFILE)");
    }
}
