//! `round` of floats, half to even, and `trunc`, `ceil` and `floor` of exact numbers, which stay exact. Everything else is DataFusion's own.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub(super) fn rounding(inner: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::new_from_impl(Rounding { inner, signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounding {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl Rounding {
    fn is_own(&self, types: &[DataType]) -> bool {
        match (self.inner.name(), types) {
            ("round", [DataType::Float64]) => true,
            ("trunc" | "ceil" | "floor", [DataType::Decimal128(..)]) => true,
            ("trunc", [DataType::Decimal128(..), places]) => places.is_integer(),
            _ => false,
        }
    }
}

impl Rounding {
    /// The next whole number may have a digit more.
    fn whole(&self, precision: u8, scale: i8) -> DataType {
        let more = u8::from(self.inner.name() != "trunc" && scale > 0);
        DataType::Decimal128(precision.saturating_add(more).min(38), 0)
    }
}

/// Places that are kept, by the second argument.
fn places(value: Option<&ScalarValue>) -> i8 {
    match value.and_then(|value| value.cast_to(&DataType::Int64).ok()) {
        Some(ScalarValue::Int64(Some(places))) => i8::try_from(places.clamp(-38, 38)).unwrap_or(0),
        _ => 0,
    }
}

impl ScalarUDFImpl for Rounding {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Float32] if self.inner.name() == "round" => return Ok(vec![DataType::Float64]),
            types if self.is_own(types) => return Ok(types.to_vec()),
            _ => {}
        }
        let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Decimal128(precision, scale)] if self.is_own(types) => Ok(self.whole(*precision, *scale)),
            _ if self.is_own(types) => Ok(types.first().cloned().unwrap_or(DataType::Null)),
            _ => self.inner.return_type(types),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        if !self.is_own(&types) {
            return self.inner.return_field_from_args(args);
        }
        let data_type = match types.first() {
            Some(DataType::Decimal128(precision, scale)) if self.inner.name() != "trunc" => self.whole(*precision, *scale),
            Some(DataType::Decimal128(precision, scale)) => {
                let kept = places(args.scalar_arguments.get(1).copied().flatten());
                DataType::Decimal128(*precision, kept.clamp(0, *scale))
            }
            other => other.cloned().unwrap_or(DataType::Null),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let Some(value) = args.args.first().filter(|_| self.is_own(&types)) else { return self.inner.invoke_with_args(args) };
        let kept = match args.args.get(1) {
            Some(ColumnarValue::Scalar(kept)) => places(Some(kept)),
            Some(ColumnarValue::Array(_)) => {
                return Err(weir_udfs::failure::failed(
                    weir_udfs::failure::Kind::NotSupported,
                    "the number of digits that trunc keeps must be a constant",
                ));
            }
            None => 0,
        };
        let array = value.to_array(1)?;
        let cut: ArrayRef = match (array.data_type(), args.return_field.data_type()) {
            (DataType::Float64, _) => {
                Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even) as Float64Array)
            }
            (DataType::Decimal128(_, scale), DataType::Decimal128(precision, shown)) => {
                let power = |places: i8| u32::try_from(places).ok().and_then(|places| 10_i128.checked_pow(places)).unwrap_or(1);
                let (lost, moved) = (power(scale - kept.min(*scale)), power(scale - shown));
                let name = self.inner.name();
                let cut = |number: i128| {
                    let rest = number % lost;
                    let next = i128::from(name == "ceil" && rest > 0) - i128::from(name == "floor" && rest < 0);
                    (number - rest) / moved + next
                };
                let numbers: Decimal128Array = array.as_primitive::<Decimal128Type>().unary(cut);
                Arc::new(numbers.with_precision_and_scale(*precision, *shown)?)
            }
            _ => return self.inner.invoke_with_args(args),
        };
        match value {
            ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&cut, 0).map(ColumnarValue::Scalar),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(cut)),
        }
    }
}
