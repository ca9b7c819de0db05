//! `sum` over whole numbers as in PostgreSQL: of smallint and integer a bigint, of bigint a numeric. None wraps around.
//!
//! The sum is kept as a decimal of 38 digits, which no table is long enough to overflow.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    Volatility,
};

use super::sliding::{Total, sliding};
use crate::error::{Code, Error};

const PRECISION: u8 = 38;
const WIDE: DataType = DataType::Decimal128(PRECISION, 0);

/// DataFusion's own `sum`, with whole numbers summed wide.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { inner: sum_udaf(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn is_whole(field: &FieldRef) -> bool {
    *field.data_type() == DataType::Int64
}

/// Whether whole numbers are summed, whatever the sum is.
fn sums_whole(args: &AccumulatorArgs<'_>) -> bool {
    args.expr_fields.first().is_some_and(|field| field.data_type().is_integer())
}

fn widened(args: AccumulatorArgs<'_>) -> AccumulatorArgs<'_> {
    let return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(WIDE));
    AccumulatorArgs { return_field, ..args }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16] => Ok(vec![DataType::Int32]),
            [DataType::Int64] => Ok(types.to_vec()),
            [DataType::UInt32 | DataType::Null] => Ok(vec![DataType::Int64]),
            _ => {
                let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
                let fields = fields_with_udf(&fields, self.inner.as_ref())?;
                Ok(fields.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Int32] => Ok(DataType::Int64),
            [DataType::Int64] => Ok(WIDE),
            _ => self.inner.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match is_whole(&args.return_field) {
            true => self.inner.state_fields(StateFieldsArgs { return_field: Arc::new(Field::new(args.name, WIDE, true)), ..args }),
            false => self.inner.state_fields(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match sums_whole(&args) {
            true => Ok(Box::new(Wide { narrow: is_whole(&args.return_field), inner: self.inner.accumulator(widened(args))? })),
            false => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match sums_whole(&args) {
            // DataFusion knows DISTINCT over a sliding frame only for whole numbers.
            true if !args.is_distinct => {
                Ok(Box::new(Wide { narrow: is_whole(&args.return_field), inner: self.inner.create_sliding_accumulator(widened(args))? }))
            }
            false if !args.is_distinct && args.expr_fields.first().is_some_and(|field| field.data_type().is_floating()) => {
                Ok(sliding(Total::Sum, args.return_field.data_type().clone()))
            }
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match sums_whole(&args) {
            true => Ok(Box::new(WideGroups {
                narrow: is_whole(&args.return_field),
                inner: self.inner.create_groups_accumulator(widened(args))?,
            })),
            false => self.inner.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

fn wide(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let widen = |array: &ArrayRef| {
        let array = arrow::compute::cast(array, &DataType::Int64)?;
        let Some(numbers) = array.as_primitive_opt::<Int64Type>() else {
            return Err(DataFusionError::Internal(format!("sum was given {} for whole numbers", array.data_type())));
        };
        let wide: Decimal128Array = numbers.unary(i128::from);
        Ok(Arc::new(wide.with_data_type(WIDE)) as ArrayRef)
    };
    values.iter().map(widen).collect()
}

fn out_of_range() -> DataFusionError {
    let error = Error::new(Code::NumericOutOfRange, "bigint out of range").hint("Sum a numeric: sum(x::numeric).".to_owned());
    DataFusionError::External(Box::new(error))
}

struct Wide {
    /// Whether the sum must fit a bigint.
    narrow: bool,
    inner: Box<dyn Accumulator>,
}

impl std::fmt::Debug for Wide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wide")
    }
}

impl Accumulator for Wide {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&wide(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.inner.evaluate()? {
            sum if !self.narrow => Ok(sum),
            ScalarValue::Decimal128(sum, _, _) => Ok(ScalarValue::Int64(sum.map(i64::try_from).transpose().map_err(|_| out_of_range())?)),
            other => Err(DataFusionError::Internal(format!("a sum became {}", other.data_type()))),
        }
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&wide(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

struct WideGroups {
    narrow: bool,
    inner: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for WideGroups {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> Result<()> {
        self.inner.update_batch(&wide(values)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        if !self.narrow {
            return Ok(sums);
        }
        let Some(sums) = sums.as_primitive_opt::<Decimal128Type>() else {
            return Err(DataFusionError::Internal("a sum lost its type".to_owned()));
        };
        let narrow: PrimitiveArray<Int64Type> = sums.try_unary(|sum| i64::try_from(sum).map_err(|_| out_of_range()))?;
        Ok(Arc::new(narrow))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&wide(values)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
