//! What may be set on a pipeline with `WITH (…)`.

use std::time::Duration;

use crate::error::Result;
use crate::spec::{Opt, Options, Spec};

pub static SPEC: Spec = Spec {
    name: "pipeline",
    summary: "Options of CREATE PIPELINE: when, how fast and how hard, never which rows.",
    options: &[
        Opt::integer("retry_limit").default("5").doc("How often a run that failed for a passing reason is tried again."),
        Opt::duration("retry_backoff").default("1 s").doc("Wait before the first retry; full jitter is applied."),
        Opt::duration("retry_backoff_max").default("10 min").doc("Longest wait between two tries."),
        Opt::integer("retry_multiplier").default("2").doc("Growth of the wait from one try to the next."),
        Opt::duration("timeout").doc("Longest time of one try of a run, from its first record to its last commit; none when unset."),
        Opt::duration("max_lag").doc("A pipeline whose oldest unread record is older than this is late in hub.pipeline_status."),
        Opt::integer("batch_files").default("1000").doc("Most files of one run."),
        Opt::size("batch_bytes").default("4 GB").doc("Most bytes of one run; a single larger file is still read."),
        Opt::bool("lineage_columns")
            .default("true")
            .doc("Give a table that this pipeline makes the columns _run_id, _ingested_at, _source, _source_position."),
        Opt::integer("suspend_after_failures").doc("Suspend the pipeline after this many failed runs in a row."),
        Opt::choice("overlap", &["queue", "skip"]).default("queue").doc("A trigger during a run: one follow-up run, or none."),
        Opt::duration("dead_letter_retention")
            .doc("How long settled dead letters (put back, discarded, void) are kept after their record was first refused; open ones are kept for ever."),
        Opt::bool("reset_offsets").default("false").doc("With OR REPLACE: forget the positions of inputs that are gone."),
    ],
};

/// The options as the runner uses them.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) retry_limit: u32,
    pub(super) backoff: Duration,
    pub(super) backoff_max: Duration,
    pub(super) multiplier: u32,
    pub(super) batch_files: usize,
    pub(super) batch_bytes: u64,
    pub(super) lineage_columns: bool,
    pub(super) suspend_after_failures: Option<i64>,
    pub(super) dead_letter_retention: Option<Duration>,
    pub(super) overlap: Overlap,
    pub(super) timeout: Option<Duration>,
}

/// What a trigger that comes during a run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    /// One more run, however many come.
    Queue,
    /// None.
    Skip,
}

impl Settings {
    pub(super) fn read(given: &weir_sql::Options) -> Result<Self> {
        let options: Options = SPEC.read(given)?;
        let number = |key: &str, least: i64| options.integer(key).unwrap_or(least).max(least);
        Ok(Self {
            retry_limit: u32::try_from(number("retry_limit", 0)).unwrap_or(u32::MAX),
            backoff: options.duration("retry_backoff").unwrap_or(Duration::from_secs(1)),
            backoff_max: options.duration("retry_backoff_max").unwrap_or(Duration::from_secs(600)),
            multiplier: u32::try_from(number("retry_multiplier", 1)).unwrap_or(2),
            batch_files: usize::try_from(number("batch_files", 1)).unwrap_or(usize::MAX),
            batch_bytes: options.size("batch_bytes").unwrap_or(u64::MAX).max(1),
            lineage_columns: options.flag("lineage_columns"),
            suspend_after_failures: options.integer("suspend_after_failures").filter(|n| *n > 0),
            dead_letter_retention: options.duration("dead_letter_retention"),
            timeout: options.duration("timeout").filter(|timeout| !timeout.is_zero()),
            overlap: if options.text("overlap") == Some("skip") { Overlap::Skip } else { Overlap::Queue },
        })
    }

    /// Wait before try number `attempt` (2 is the first retry): exponential, capped, full jitter.
    pub(super) fn wait(&self, attempt: i64) -> Duration {
        let steps = u32::try_from(attempt.saturating_sub(2).clamp(0, 30)).unwrap_or(30);
        let longest = self.backoff.saturating_mul(self.multiplier.saturating_pow(steps)).min(self.backoff_max);
        longest.mul_f64(rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_and_longer_up_to_their_limit() {
        let settings =
            Settings { backoff: Duration::from_secs(1), multiplier: 2, ..Settings::read(&weir_sql::Options::default()).unwrap() };
        assert_eq!((settings.retry_limit, settings.backoff_max), (5, Duration::from_secs(600)));
        for (attempt, longest) in [(2, 1), (3, 2), (4, 4), (8, 64), (12, 600), (i64::MAX, 600)] {
            let waits: Vec<Duration> = (0..200).map(|_| settings.wait(attempt)).collect();
            let longest = Duration::from_secs(longest);
            assert!(waits.iter().all(|wait| *wait <= longest), "attempt {attempt}");
            // Full jitter: over the whole range, not at its end.
            assert!(waits.iter().any(|wait| *wait > longest / 2) && waits.iter().any(|wait| *wait < longest / 2), "attempt {attempt}");
        }
    }
}
