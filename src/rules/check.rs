//! A set of rules over one schema, evaluated batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::record_batch::RecordBatch;
use datafusion::error::Result as DfResult;
use datafusion::physical_expr::PhysicalExpr;
use weir_sql::Action;

use super::isolate::evaluate_rows;
use super::seen::{KeyHasher, Seen};
use super::verdict::{Failure, Verdict};
use crate::error::Code;

/// How one rule is decided.
pub enum Check {
    /// Passes where the value IS TRUE.
    Expect(Arc<dyn PhysicalExpr>),
    /// Passes where the value is not FALSE.
    Holds(Arc<dyn PhysicalExpr>),
    /// Passes where none of these columns is NULL.
    NotNull(Vec<usize>),
    /// Passes the first time a key comes in this run; NULLs are all different. `taken` is a column that is TRUE where the table has it.
    Unique { hasher: KeyHasher, seen: Seen, taken: Option<usize> },
    /// Passes where `found` is TRUE or one of `columns` is NULL.
    Reference { columns: Vec<usize>, found: usize },
}

pub struct CompiledRule {
    pub name: String,
    pub action: Action,
    /// Said to people of a row that breaks it.
    pub reason: String,
    /// What the rule demands, in words, for errors.
    pub demand: String,
    pub code: Code,
    pub check: Check,
}

/// Rules in their order, with what they counted.
#[derive(Default)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
    checked: i64,
    failed: Vec<i64>,
}

impl RuleSet {
    pub fn new(rules: Vec<CompiledRule>) -> Self {
        let failed = vec![0; rules.len()];
        Self { rules, checked: 0, failed }
    }

    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }

    pub fn get(&self, rule: usize) -> Option<&CompiledRule> {
        self.rules.get(rule)
    }

    /// Rows that went through.
    pub fn checked(&self) -> i64 {
        self.checked
    }

    /// Rows that broke each rule, in order.
    pub fn failed(&self) -> &[i64] {
        &self.failed
    }

    /// Evaluates every rule over a batch.
    ///
    /// # Errors
    /// Only what is not about the rows themselves.
    pub fn evaluate(&mut self, batch: &RecordBatch) -> DfResult<Verdict> {
        self.checked += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let mut verdict = Verdict::default();
        for (at, rule) in self.rules.iter_mut().enumerate() {
            let Some((broken, errors)) = rule.check.broken(batch)? else { continue };
            if let Some(count) = self.failed.get_mut(at) {
                *count += i64::try_from(broken.count_set_bits()).unwrap_or(i64::MAX);
            }
            verdict.add(Failure { rule: at, rows: broken, errors }, rule.action);
        }
        Ok(verdict)
    }
}

type Broken = Option<(BooleanBuffer, BTreeMap<usize, String>)>;

impl Check {
    /// The rows that break the rule; None when no row does, which is decided without looking at single rows.
    fn broken(&mut self, batch: &RecordBatch) -> DfResult<Broken> {
        match self {
            Check::Expect(expr) => predicate(expr, batch, true),
            Check::Holds(expr) => predicate(expr, batch, false),
            Check::NotNull(columns) => Ok(any(not_null(batch, columns))),
            Check::Reference { columns, found } => {
                let Some(found) = batch.columns().get(*found) else { return Ok(None) };
                let found = found.as_boolean();
                if found.null_count() == 0 && found.true_count() == found.len() {
                    return Ok(None);
                }
                let is_null = |row: usize| columns.iter().any(|&at| batch.columns().get(at).is_some_and(|column| column.is_null(row)));
                let broken = (0..batch.num_rows()).map(|row| (found.is_null(row) || !found.value(row)) && !is_null(row));
                Ok(any(Some(broken.collect())))
            }
            Check::Unique { hasher, seen, taken } => {
                let taken = taken.and_then(|at| batch.columns().get(at)).map(|column| column.as_boolean());
                let keys = hasher.hash(batch.columns())?;
                let broken = keys.iter().enumerate().map(|(row, key)| {
                    let Some(key) = key else { return false };
                    let first = seen.insert(*key);
                    !first || taken.is_some_and(|taken| taken.is_valid(row) && taken.value(row))
                });
                Ok(any(Some(broken.collect())))
            }
        }
    }
}

fn any(broken: Option<BooleanBuffer>) -> Broken {
    broken.filter(|rows| rows.count_set_bits() > 0).map(|rows| (rows, BTreeMap::new()))
}

fn not_null(batch: &RecordBatch, columns: &[usize]) -> Option<BooleanBuffer> {
    let mut broken: Option<BooleanBuffer> = None;
    for column in columns.iter().filter_map(|&at| batch.columns().get(at)) {
        if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            let here = !nulls.inner();
            broken = Some(match broken {
                Some(other) => &other | &here,
                None => here,
            });
        }
    }
    broken
}

fn predicate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch, null_breaks: bool) -> DfResult<Broken> {
    let (values, failed) = evaluate_rows(expr, batch)?;
    let values: &BooleanArray = values.as_boolean();
    if failed.is_empty() && values.null_count() == 0 && values.true_count() == values.len() {
        return Ok(None);
    }
    let errors: BTreeMap<usize, String> = failed.into_iter().collect();
    let mut broken = match (values.nulls(), null_breaks) {
        (None, _) => !values.values(),
        (Some(nulls), true) => !&(values.values() & nulls.inner()),
        (Some(nulls), false) => &!values.values() & nulls.inner(),
    };
    if !errors.is_empty() {
        broken = (0..broken.len()).map(|row| broken.value(row) || errors.contains_key(&row)).collect();
    }
    Ok((broken.count_set_bits() > 0).then_some((broken, errors)))
}
