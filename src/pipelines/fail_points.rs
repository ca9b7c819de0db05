//! Named places where a crash test may stop the process; nothing in a release build.
//!
//! The variable FAILPOINTS says what happens where: `target.committed=return` ends the process there, as a crash would, with no
//! destructor run; `target.committed=2*off->return` when it comes there for the third time.

/// Every point, in the order a run passes them. Each is named after what has just happened; `tombstones.written` lies in `delta`.
pub const FAIL_POINTS: &[&str] = &[
    "trigger.due",
    "run.frozen",
    "run.executed",
    "deadletters.committed",
    "tombstones.written",
    "target.committed",
    "step.landed",
    "run.finished",
];

/// Points that only a run over a file passes which a client sent, before those of every run; `upload.write` of `stores`, where the disk is
/// full, is none of them.
pub const UPLOAD_POINTS: &[&str] = &["upload.spooled"];

/// Syncs that a crash test may let fail, which ends the process too: in `stores`.
pub const SYNC_POINTS: &[&str] = &["file.sync", "folder.sync"];

/// Reads FAILPOINTS. The points act as long as the answer is kept.
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Stops the process here when a crash test asked for it.
pub(super) fn reached(name: &str) {
    let _ = name;
    fail::fail_point!(name, |_| std::process::abort());
}
