//! Logs: one subscriber for the process, human lines or JSON, on stderr.
//!
//! A panic anywhere becomes one ERROR line with its place; whether the process goes on is decided where the task was started. Row values and
//! secrets never get here.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::error::{Code, Error, Result};

/// What libraries below us log without being asked is kept to warnings; `log.level` can still name each of them.
const QUIET: &str = "datafusion=warn,deltalake=warn,delta_kernel=warn,buoyant_kernel=warn,buoyant_kernel_engine=warn,object_store=warn,sqlparser=warn,pgwire=warn,hyper=warn,tokio_postgres=warn";

/// Starts logging. The second call in one process changes nothing, so tests may open several hubs.
///
/// # Errors
/// `InvalidParameter` when `log.level` is not a filter.
pub fn init(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log_level)).map_err(|e| {
        Error::new(Code::InvalidParameter, format!("log.level {:?} is not a filter", config.log_level))
            .hint("Use error, warn, info, debug, trace, or a filter such as warn,weir=debug.".to_owned())
            .caused_by(e)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Taken already means an earlier hub of this process did it.
    let _ = match config.log {
        LogFormat::Human => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let trace = std::backtrace::Backtrace::capture();
    tracing::error!(message = "a task panicked", panic = message.unwrap_or("unknown"), place, thread, backtrace = %trace);
}
