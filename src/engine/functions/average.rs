//! `avg` of exact numbers, which is numeric in PostgreSQL. Averages of floats are DataFusion's own.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};
use weir_udfs::failure::{Kind, failed};

use super::division::{digits_of, exact, quotient, quotient_type};
use super::sliding::{Total, sliding};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    inner: Arc<AggregateUDF>,
    signature: Signature,
    aliases: Vec<String>,
}

impl Average {
    pub(super) fn new() -> Self {
        Self { inner: avg_udaf(), signature: Signature::user_defined(Volatility::Immutable), aliases: vec!["mean".to_owned()] }
    }
}

fn is_exact(types: &[DataType]) -> bool {
    types.first().is_some_and(|data_type| digits_of(data_type).is_some())
}

fn input(args: &AccumulatorArgs<'_>) -> Vec<DataType> {
    args.expr_fields.iter().map(|field| field.data_type().clone()).collect()
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [data_type] if digits_of(data_type).is_some() => Ok(types.to_vec()),
            [DataType::Null] => Ok(vec![DataType::Int64]),
            [data_type] if data_type.is_floating() => Ok(vec![DataType::Float64]),
            [DataType::Interval(_) | DataType::Duration(_)] => Ok(types.to_vec()),
            [other @ DataType::Decimal256(..)] => Ok(vec![other.clone()]),
            _ => Err(DataFusionError::Plan(format!(
                "No function matches the given name and argument types: avg({})",
                types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match is_exact(types) {
            true => Ok(quotient_type(types.first().unwrap_or(&DataType::Null))),
            false => self.inner.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let types: Vec<DataType> = args.input_fields.iter().map(|field| field.data_type().clone()).collect();
        if !is_exact(&types) {
            return self.inner.state_fields(args);
        }
        let scale = types.first().and_then(digits_of).map_or(0, |(_, scale)| scale);
        if args.is_distinct {
            let item = Arc::new(Field::new_list_field(DataType::Decimal128(38, scale), true));
            return Ok(vec![Arc::new(Field::new("values", DataType::List(item), true))]);
        }
        Ok(vec![Arc::new(Field::new("sum", DataType::Decimal128(38, scale), true)), Arc::new(Field::new("count", DataType::Int64, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let types = input(&args);
        let Some((_, scale)) = types.first().and_then(digits_of) else { return self.inner.accumulator(args) };
        let to = args.return_field.data_type().clone();
        match args.is_distinct {
            true => Ok(Box::new(Distinct { values: HashSet::new(), scale, to })),
            false => Ok(Box::new(Running { sum: 0, count: 0, scale, to })),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match input(&args).first() {
            Some(data_type) if data_type.is_floating() && !args.is_distinct => {
                Ok(sliding(Total::Average, args.return_field.data_type().clone()))
            }
            _ => self.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match is_exact(&input(&args)) {
            true => !args.is_distinct,
            false => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let types = input(&args);
        let Some((_, scale)) = types.first().and_then(digits_of) else { return self.inner.create_groups_accumulator(args) };
        let to = args.return_field.data_type().clone();
        Ok(Box::new(Groups { sums: Vec::new(), counts: Vec::new(), scale, to }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

fn added(sum: i128, value: i128) -> Result<i128> {
    sum.checked_add(value).ok_or_else(|| failed(Kind::NumericOutOfRange, "value out of range: numeric has 38 digits here"))
}

fn scale_of(to: &DataType) -> i8 {
    match to {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

fn average(sum: i128, count: i64, scale: i8, to: &DataType) -> Result<Option<i128>> {
    match count {
        0 => Ok(None),
        _ => quotient(sum, count.into(), -i32::from(scale), scale_of(to)).map(Some),
    }
}

fn scalar(value: Option<i128>, to: &DataType) -> ScalarValue {
    ScalarValue::Decimal128(value, 38, scale_of(to))
}

fn numbers(values: &[ArrayRef]) -> Result<ArrayRef> {
    let Some(values) = values.first() else { return Err(DataFusionError::Internal("avg was given nothing".to_owned())) };
    Ok(exact(values)?.0)
}

#[derive(Debug)]
struct Running {
    sum: i128,
    count: i64,
    scale: i8,
    to: DataType,
}

impl Running {
    fn take(&mut self, values: &[ArrayRef], sign: i8) -> Result<()> {
        for value in numbers(values)?.as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = added(self.sum, value * i128::from(sign))?;
            self.count += i64::from(sign);
        }
        Ok(())
    }
}

impl Accumulator for Running {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(average(self.sum, self.count, self.scale, &self.to)?, &self.to))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(Some(self.sum), 38, self.scale), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else { return Err(DataFusionError::Internal("avg has another state".to_owned())) };
        for (sum, count) in sums.as_primitive::<Decimal128Type>().iter().zip(counts.as_primitive::<Int64Type>()) {
            self.sum = added(self.sum, sum.unwrap_or(0))?;
            self.count += count.unwrap_or(0);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Distinct {
    values: HashSet<i128>,
    scale: i8,
    to: DataType,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(numbers(values)?.as_primitive::<Decimal128Type>().iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.values.iter().try_fold(0, |sum, value| added(sum, *value))?;
        let count = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        Ok(scalar(average(sum, count, self.scale, &self.to)?, &self.to))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<i128>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.values.iter().map(|value| ScalarValue::Decimal128(Some(*value), 38, self.scale)).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Decimal128(38, self.scale)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states.first().map(|lists| lists.as_list::<i32>().iter()).into_iter().flatten().flatten() {
            self.values.extend(list.as_primitive::<Decimal128Type>().iter().flatten());
        }
        Ok(())
    }
}

struct Groups {
    sums: Vec<i128>,
    counts: Vec<i64>,
    scale: i8,
    to: DataType,
}

impl Groups {
    fn add(&mut self, group: usize, sum: i128, count: i64) -> Result<()> {
        if let (Some(own), Some(rows)) = (self.sums.get_mut(group), self.counts.get_mut(group)) {
            *own = added(*own, sum)?;
            *rows += count;
        }
        Ok(())
    }

    fn grow(&mut self, total: usize) {
        self.sums.resize(total, 0);
        self.counts.resize(total, 0);
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> Result<()> {
        self.grow(total);
        let values = numbers(values)?;
        for (row, (value, group)) in values.as_primitive::<Decimal128Type>().iter().zip(groups).enumerate() {
            let is_meant = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if let (Some(value), true) = (value, is_meant) {
                self.add(*group, value, 1)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.counts));
        let averages: Decimal128Array =
            sums.into_iter().zip(counts).map(|(sum, count)| average(sum, count, self.scale, &self.to)).collect::<Result<_>>()?;
        Ok(Arc::new(averages.with_precision_and_scale(38, scale_of(&self.to))?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.counts));
        Ok(vec![Arc::new(Decimal128Array::from(sums).with_precision_and_scale(38, self.scale)?), Arc::new(Int64Array::from(counts))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let [sums, counts] = states else { return Err(DataFusionError::Internal("avg has another state".to_owned())) };
        let pairs = sums.as_primitive::<Decimal128Type>().iter().zip(counts.as_primitive::<Int64Type>());
        for ((sum, count), group) in pairs.zip(groups) {
            self.add(*group, sum.unwrap_or(0), count.unwrap_or(0))?;
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = numbers(values)?;
        let values = values.as_primitive::<Decimal128Type>();
        let counted = |row: usize| values.is_valid(row) && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let sums: Vec<i128> = (0..values.len()).map(|row| if counted(row) { values.value(row) } else { 0 }).collect();
        let counts: Int64Array = (0..values.len()).map(|row| i64::from(counted(row))).collect::<Vec<_>>().into();
        Ok(vec![Arc::new(Decimal128Array::from(sums).with_precision_and_scale(38, self.scale)?), Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}
