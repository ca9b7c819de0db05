//! Named places where a crash test may stop the process; nothing in a release build.

/// Every point, in the order a run passes them. Each is named after what has just happened.
pub const FAIL_POINTS: &[&str] = &["run.frozen", "run.executed", "deadletters.committed", "target.committed", "run.finished"];

/// Stops the process here when a crash test asked for it.
pub(super) fn reached(name: &str) {
    let _ = name;
    fail::fail_point!(name);
}
