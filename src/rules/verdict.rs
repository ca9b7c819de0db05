//! Where each row of a batch goes, and why.

use std::collections::BTreeMap;

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use weir_sql::Action;

/// The rows that broke one rule.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Index into the rule set.
    pub rule: usize,
    /// Set for each row that failed.
    pub rows: BooleanBuffer,
    /// Error text of rows for which the rule could not be computed.
    pub errors: BTreeMap<usize, String>,
}

/// What becomes of one row. Ordered: the strongest wins, evidence is never lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Keep,
    Drop,
    Quarantine,
    Fail,
}

impl Fate {
    pub fn of(action: Action) -> Fate {
        match action {
            Action::Warn => Fate::Keep,
            Action::Drop => Fate::Drop,
            Action::Quarantine => Fate::Quarantine,
            Action::Fail => Fate::Fail,
        }
    }
}

/// The outcome of a batch.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Only rules that some row broke.
    pub failures: Vec<Failure>,
    /// Rows that broke a rule of that action; a row may be in several. None: no row did.
    fails: Option<BooleanBuffer>,
    quarantined: Option<BooleanBuffer>,
    dropped: Option<BooleanBuffer>,
}

impl Verdict {
    pub(super) fn add(&mut self, failure: Failure, action: Action) {
        let rows = match action {
            Action::Warn => None,
            Action::Drop => Some(&mut self.dropped),
            Action::Quarantine => Some(&mut self.quarantined),
            Action::Fail => Some(&mut self.fails),
        };
        if let Some(rows) = rows {
            *rows = either(rows.as_ref(), Some(&failure.rows));
        }
        self.failures.push(failure);
    }

    pub fn fate(&self, row: usize) -> Fate {
        let is_in = |rows: &Option<BooleanBuffer>| rows.as_ref().is_some_and(|rows| rows.value(row));
        match () {
            () if is_in(&self.fails) => Fate::Fail,
            () if is_in(&self.quarantined) => Fate::Quarantine,
            () if is_in(&self.dropped) => Fate::Drop,
            () => Fate::Keep,
        }
    }

    /// Which rows are kept; None when all are.
    pub fn keep(&self) -> Option<BooleanArray> {
        either(self.evidence().as_ref(), self.dropped.as_ref()).map(|gone| BooleanArray::new(!&gone, None))
    }

    /// Rows that are put away with their reason, in order.
    pub fn letters(&self) -> Vec<usize> {
        self.evidence().map_or_else(Vec::new, |rows| rows.set_indices().collect())
    }

    /// How many rows are left out without a trace.
    pub fn dropped(&self) -> usize {
        match (&self.dropped, self.evidence()) {
            (None, _) => 0,
            (Some(dropped), None) => dropped.count_set_bits(),
            (Some(dropped), Some(kept)) => (dropped & &!&kept).count_set_bits(),
        }
    }

    fn evidence(&self) -> Option<BooleanBuffer> {
        either(self.fails.as_ref(), self.quarantined.as_ref())
    }

    /// The rules that one row broke, in the order of the set, with the error where there was one.
    pub fn broken_by(&self, row: usize) -> impl Iterator<Item = (usize, Option<&str>)> {
        self.failures
            .iter()
            .filter(move |failure| failure.rows.value(row))
            .map(move |failure| (failure.rule, failure.errors.get(&row).map(String::as_str)))
    }
}

fn either(one: Option<&BooleanBuffer>, other: Option<&BooleanBuffer>) -> Option<BooleanBuffer> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one | other),
        (one, other) => one.or(other).cloned(),
    }
}
