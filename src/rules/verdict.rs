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
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Only rules that some row broke.
    pub failures: Vec<Failure>,
    /// None: every row is kept.
    pub fates: Option<Vec<Fate>>,
}

impl Verdict {
    /// Which rows are kept; None when all are.
    pub fn keep(&self) -> Option<BooleanArray> {
        let fates = self.fates.as_ref()?;
        fates.iter().any(|fate| *fate != Fate::Keep).then(|| fates.iter().map(|fate| Some(*fate == Fate::Keep)).collect())
    }

    /// The rules that one row broke, in the order of the set, with the error where there was one.
    pub fn broken_by(&self, row: usize) -> impl Iterator<Item = (usize, Option<&str>)> {
        self.failures
            .iter()
            .filter(move |failure| failure.rows.value(row))
            .map(move |failure| (failure.rule, failure.errors.get(&row).map(String::as_str)))
    }
}
