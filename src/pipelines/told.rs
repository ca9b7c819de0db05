//! What the catalog is told of a run's outputs, and how far a run that failed has read nevertheless.

use std::collections::{BTreeMap, HashSet};

use weir_catalog::{Counts, Lineage, ObjectId, RuleResult, Run, RunOutput, TableCommit};

use super::bind::Bound;
use super::drift::Misfits;
use super::execute::Landed;
use crate::sources::{FileKey, Position, UPLOAD_NUMBER};

/// What the catalog is told of the outputs of a run.
#[derive(Default)]
pub(super) struct Told {
    /// The sums over the outputs: a record counts once in each that was given it.
    pub(super) counts: Counts,
    pub(super) outputs: Vec<RunOutput>,
    pub(super) rules: Vec<RuleResult>,
    /// Records per file. Outputs that share a stream have all read the same.
    pub(super) file_rows: BTreeMap<FileKey, i64>,
    pub(super) commits: Vec<TableCommit>,
    pub(super) lineage: Vec<Lineage>,
    /// Records that were refused, some of each rule. Outputs that share a stream were refused the same.
    pub(super) misfits: Misfits,
    /// Of streams that move although the run failed.
    pub(super) offsets: Vec<(ObjectId, Position)>,
}

impl Told {
    pub(super) fn of(run: &Run, landed: Vec<Landed>) -> Self {
        let mut told = Self::default();
        for landed in landed {
            told.add(run, landed);
        }
        told
    }

    /// Takes out the records of a file that a client sent: the ledger has no such file. However many outputs read it, each counts once.
    pub(super) fn take_sent(&mut self) -> i64 {
        let (sent, kept) = std::mem::take(&mut self.file_rows).into_iter().partition(|((_, number), _)| *number == UPLOAD_NUMBER);
        self.file_rows = kept;
        BTreeMap::into_values(sent).max().unwrap_or(0)
    }

    fn add(&mut self, run: &Run, landed: Landed) {
        // No `..`: whatever an output comes to know must be told here.
        let Landed { target, step, output, lineage, mode, counts, rules, before, version, commits, file_rows, misfits } = landed;
        self.counts.read += counts.read;
        self.counts.written += counts.written;
        self.counts.quarantined += counts.quarantined;
        self.counts.dropped += counts.dropped;
        self.counts.duplicates += counts.duplicates;
        self.counts.filtered += counts.filtered;
        self.rules.extend(rules.into_iter().map(|rule| RuleResult {
            run_id: run.run_id,
            output: output.clone(),
            rule: rule.rule,
            action: rule.action,
            checked: rule.checked,
            failed: rule.failed,
        }));
        self.outputs.push(RunOutput {
            run_id: run.run_id,
            step: step.unwrap_or_default(),
            output,
            target_id: target.id,
            target: target.full_name(),
            mode: mode.to_owned(),
            rows: counts.written,
            table_version_before: before,
            table_version: Some(version),
        });
        for (source, number, records) in file_rows {
            let known = self.file_rows.entry((source, number)).or_insert(records);
            *known = (*known).max(records);
        }
        self.commits.extend(commits);
        self.lineage.extend(lineage);
        for (rule, records) in misfits {
            self.misfits.entry(rule).or_insert(records);
        }
    }
}

/// Which output reads which streams: what a run that fails must know to tell which of them have been read to the end.
#[derive(Default)]
pub(super) struct Reads(Vec<ReadBy>);

struct ReadBy {
    step: usize,
    label: String,
    streams: Vec<ObjectId>,
    /// An earlier run had landed it.
    before: bool,
}

impl Reads {
    pub(super) fn add(&mut self, output: &Bound, before: bool) {
        let streams = output.streams.iter().map(|stream| stream.object.id).collect();
        self.0.push(ReadBy { step: output.step, label: output.label.clone(), streams, before });
    }

    /// Streams of which every step that reads them has landed, these outputs among them.
    pub(super) fn to_the_end(&self, landed: &[RunOutput]) -> HashSet<ObjectId> {
        let has_landed = |output: &ReadBy| output.before || landed.iter().any(|landed| landed.output == output.label);
        let open_steps: HashSet<usize> = self.0.iter().filter(|output| !has_landed(output)).map(|output| output.step).collect();
        let (open, done): (Vec<&ReadBy>, Vec<&ReadBy>) = self.0.iter().partition(|output| open_steps.contains(&output.step));
        let open: HashSet<ObjectId> = open.into_iter().flat_map(|output| output.streams.iter().copied()).collect();
        done.into_iter().flat_map(|output| output.streams.iter().copied()).filter(|stream| !open.contains(stream)).collect()
    }
}
