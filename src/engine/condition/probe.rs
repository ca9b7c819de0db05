//! One sub-query of a condition as a function of the row: what it stands for, looked up in what was found before the first row.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_empty_array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::physical_expr::PhysicalExpr;

use super::super::errors;
use super::held::{Held, LookUp, index};
use crate::error::{Code, Error};

/// Pairs of a row and a found row that are judged at once: what bounds the memory of a look-up without keys.
const PAIRS: usize = 1 << 14;

/// What is asked of a sub-query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Whether it has a row.
    Exists,
    /// Whether a value is among its rows: NULL where that hangs on a NULL.
    Among,
    /// Its one value; NULL without a row, an error of more than one.
    Value,
}

/// What must be looked at for each pair of a row and a found row, where equal keys do not decide alone.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Columns of a pair: arguments besides the keys, then found columns besides the keys.
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
    /// Equality of the asked value and a found one.
    pub(super) compare: Option<Arc<dyn PhysicalExpr>>,
}

/// The function. Its arguments are the keys, in the types of the found ones, then what pairs need of the row.
#[derive(Debug)]
pub(super) struct Probe {
    asks: Asks,
    data_type: DataType,
    keys: usize,
    pairs: Option<Pairs>,
    /// The value where nothing is found.
    when_none: ScalarValue,
    signature: Signature,
    found: OnceLock<Found>,
}

#[derive(Debug)]
struct Found {
    held: Held,
    /// For [`Asks::Value`]: the values, and behind the last that of nothing.
    values: ArrayRef,
}

impl Probe {
    pub(super) fn new(asks: Asks, data_type: DataType, keys: usize, pairs: Option<Pairs>, when_none: ScalarValue) -> Self {
        let signature = Signature::user_defined(Volatility::Volatile);
        Self { asks, data_type, keys, pairs, when_none, signature, found: OnceLock::new() }
    }

    /// Takes what the sub-query found, once.
    pub(super) fn answer(&self, schema: &SchemaRef, batches: &[RecordBatch], memory: MemoryReservation) -> Result<()> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (at, field) in schema.fields().iter().enumerate() {
            let parts: Vec<&dyn Array> = batches.iter().filter_map(|batch| batch.columns().get(at)).map(AsRef::as_ref).collect();
            columns.push(if parts.is_empty() { new_empty_array(field.data_type()) } else { concat(&parts)? });
        }
        let value = columns.get(self.keys).filter(|_| self.asks == Asks::Value);
        let values = match value {
            Some(value) => {
                let value = if *value.data_type() == self.data_type { Arc::clone(value) } else { cast(value, &self.data_type)? };
                concat(&[value.as_ref(), self.when_none.to_array()?.as_ref()])?
            }
            None => new_empty_array(&self.data_type),
        };
        let held = Held::new(columns, rows, self.keys, memory)?;
        if self.is_constant() && self.asks == Asks::Value && rows > 1 {
            return Err(too_many());
        }
        match self.found.set(Found { held, values }) {
            Ok(()) => Ok(()),
            Err(_) => exec_err!("a sub-query was asked twice"),
        }
    }

    /// Whether the row has no say.
    fn is_constant(&self) -> bool {
        self.keys == 0 && self.pairs.is_none()
    }

    fn constant(&self, found: &Found) -> Result<ScalarValue> {
        match self.asks {
            Asks::Exists => Ok(ScalarValue::Boolean(Some(found.held.rows() > 0))),
            Asks::Among => exec_err!("IN without a value"),
            Asks::Value => ScalarValue::try_from_array(&found.values, 0),
        }
    }

    fn by_keys(&self, found: &Found, keys: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let held = &found.held;
        let look_up = held.look_up(keys, rows)?;
        let mut outcome = Outcome::new(self.asks, rows);
        for row in 0..rows {
            let mut matches = look_up.matches(row);
            match self.asks {
                Asks::Exists => outcome.found(row, matches.next())?,
                Asks::Among => match matches.next() {
                    None if held.rows() > 0 && (held.nulls() || look_up.is_null(row)) => outcome.unknown(row),
                    first => outcome.found(row, first)?,
                },
                Asks::Value => {
                    outcome.found(row, matches.next())?;
                    outcome.found(row, matches.next())?;
                }
            }
        }
        outcome.finish(found)
    }

    fn by_pairs(&self, pairs: &Pairs, found: &Found, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let (keys, given) = arguments.split_at_checked(self.keys).unwrap_or_default();
        let look_up: LookUp<'_> = found.held.look_up(keys, rows)?;
        let mut outcome = Outcome::new(self.asks, rows);
        let (mut here, mut there) = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
        for (row, number) in (0..rows).zip(0_u32..) {
            for at in look_up.matches(row) {
                here.push(number);
                there.push(at);
                if here.len() >= PAIRS {
                    pairs.judge(given, &found.held, std::mem::take(&mut here), std::mem::take(&mut there), &mut outcome)?;
                }
            }
        }
        pairs.judge(given, &found.held, here, there, &mut outcome)?;
        outcome.finish(found)
    }
}

impl Pairs {
    fn judge(&self, given: &[ArrayRef], held: &Held, here: Vec<u32>, there: Vec<u32>, outcome: &mut Outcome) -> Result<()> {
        if here.is_empty() {
            return Ok(());
        }
        let (here, there) = (UInt32Array::from(here), UInt32Array::from(there));
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (side, picked) in [(given, &here), (held.besides(), &there)] {
            for column in side {
                columns.push(take(column, picked, None)?);
            }
        }
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = cast(column, field.data_type())?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(here.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let truth = |expr: &Option<Arc<dyn PhysicalExpr>>| -> Result<Option<ArrayRef>> {
            let value = expr.as_ref().map(|expr| expr.evaluate(&batch)?.into_array(batch.num_rows())).transpose()?;
            value.map(|value| Ok(cast(&value, &DataType::Boolean)?)).transpose()
        };
        let (holds, equal) = (truth(&self.filter)?, truth(&self.compare)?);
        let at = |array: &ArrayRef, pair: usize| array.is_valid(pair).then(|| array.as_boolean().value(pair));
        for (pair, (row, held)) in here.values().iter().zip(there.values()).enumerate() {
            if holds.as_ref().is_some_and(|holds| at(holds, pair) != Some(true)) {
                continue;
            }
            match equal.as_ref().map_or(Some(true), |equal| at(equal, pair)) {
                Some(true) => outcome.found(index(*row), Some(*held))?,
                Some(false) => {}
                None => outcome.unknown(index(*row)),
            }
        }
        Ok(())
    }
}

/// What a batch's rows found.
struct Outcome {
    asks: Asks,
    found: Vec<Option<u32>>,
    unknown: Vec<bool>,
}

impl Outcome {
    fn new(asks: Asks, rows: usize) -> Self {
        Self { asks, found: vec![None; rows], unknown: if asks == Asks::Among { vec![false; rows] } else { Vec::new() } }
    }

    fn found(&mut self, row: usize, held: Option<u32>) -> Result<()> {
        let (Some(known), Some(_)) = (self.found.get_mut(row), held) else { return Ok(()) };
        if self.asks == Asks::Value && known.is_some() {
            return Err(too_many());
        }
        *known = held;
        Ok(())
    }

    fn unknown(&mut self, row: usize) {
        if let Some(unknown) = self.unknown.get_mut(row) {
            *unknown = true;
        }
    }

    fn finish(self, found: &Found) -> Result<ArrayRef> {
        if self.asks == Asks::Value {
            let none = u32::try_from(found.held.rows()).unwrap_or(u32::MAX);
            let picked: UInt32Array = self.found.into_iter().map(|at| Some(at.unwrap_or(none))).collect();
            return Ok(take(&found.values, &picked, None)?);
        }
        let known: Vec<bool> = self.found.iter().map(Option::is_some).collect();
        let doubtful = self.unknown.iter().zip(&known).any(|(unknown, found)| *unknown && !found);
        let nulls = doubtful.then(|| self.unknown.iter().zip(&known).map(|(unknown, found)| *found || !unknown).collect::<NullBuffer>());
        Ok(Arc::new(BooleanArray::new(known.into(), nulls)))
    }
}

fn too_many() -> datafusion::common::DataFusionError {
    errors::external(Error::new(Code::Cardinality, "more than one row returned by a subquery used as an expression"))
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Probe {}

impl Hash for Probe {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self).hash(state);
    }
}

impl ScalarUDFImpl for Probe {
    fn name(&self) -> &'static str {
        match self.asks {
            Asks::Exists => "exists",
            Asks::Among => "among",
            Asks::Value => "value",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(found) = self.found.get() else { return exec_err!("a sub-query was not asked yet") };
        if self.is_constant() {
            return self.constant(found).map(ColumnarValue::Scalar);
        }
        let rows = args.number_rows;
        let arguments = args.args.into_iter().map(|argument| argument.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let value = match &self.pairs {
            Some(pairs) => self.by_pairs(pairs, found, &arguments, rows),
            None => self.by_keys(found, &arguments, rows),
        };
        value.map(ColumnarValue::Array)
    }
}
