//! Powers, exponentials and logarithms that fail where the inner function would answer infinity or no number: PostgreSQL has no such results of
//! finite arguments, and a sum over them would be lost silently.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::super::errors;
use crate::error::{Code, Error};

/// Functions that are watched.
pub(super) const WATCHED: &[&str] =
    &["exp", "power", "ln", "log", "log2", "log10", "cosh", "sinh", "acos", "asin", "acosh", "atanh", "sin", "cos", "tan", "cot"];

pub(super) fn finite(inner: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::new_from_impl(Finite { inner, signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Finite {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Finite {
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
        let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.clone();
        let rows = args.number_rows;
        let result = self.inner.invoke_with_args(args)?;
        if result.data_type().is_floating() && !all_finite(&result)? {
            self.explain(&given, &result, rows)?;
        }
        Ok(result)
    }
}

impl Finite {
    /// The error of the first row whose arguments are finite and whose result is not.
    fn explain(&self, given: &[ColumnarValue], result: &ColumnarValue, rows: usize) -> Result<()> {
        let doubles = |value: &ColumnarValue| cast(&value.to_array(rows)?, &DataType::Float64).map_err(Into::into);
        let given = given.iter().map(doubles).collect::<Result<Vec<_>>>()?;
        let result = doubles(result)?;
        for (row, value) in result.as_primitive::<Float64Type>().iter().enumerate() {
            if value.is_none_or(f64::is_finite) {
                continue;
            }
            let arguments: Vec<f64> = given.iter().map(|array| array.as_primitive::<Float64Type>().value(row)).collect();
            let turns = matches!(self.name(), "sin" | "cos" | "tan" | "cot");
            let is_wrong = match arguments.as_slice() {
                [angle] if turns => !angle.is_nan(),
                [base, exponent] if self.name() == "power" && base.is_infinite() => {
                    *base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0
                }
                finite => finite.iter().all(|argument| argument.is_finite()),
            };
            if is_wrong {
                return Err(errors::external(self.failure(&arguments)));
            }
        }
        Ok(())
    }

    fn failure(&self, arguments: &[f64]) -> Error {
        match (self.name(), arguments) {
            ("ln" | "log" | "log2" | "log10", arguments) if arguments.contains(&0.0) => {
                Error::new(Code::InvalidLogarithm, "cannot take logarithm of zero")
            }
            ("ln" | "log" | "log2" | "log10", arguments) if arguments.iter().any(|argument| *argument < 0.0) => {
                Error::new(Code::InvalidLogarithm, "cannot take logarithm of a negative number")
            }
            ("log", _) => Error::new(Code::DivisionByZero, "division by zero"),
            ("power", [base, exponent]) if *base == 0.0 && *exponent < 0.0 => {
                Error::new(Code::InvalidPower, "zero raised to a negative power is undefined")
            }
            ("power", [base, _]) if *base < 0.0 => {
                Error::new(Code::InvalidPower, "a negative number raised to a non-integer power yields a complex result")
            }
            ("acos" | "asin" | "acosh" | "atanh" | "sin" | "cos" | "tan", _) => {
                Error::new(Code::NumericOutOfRange, "input is out of range")
            }
            _ => Error::new(Code::NumericOutOfRange, "value out of range: overflow"),
        }
    }
}

fn all_finite(value: &ColumnarValue) -> Result<bool> {
    let array = cast(&value.to_array(1)?, &DataType::Float64)?;
    let doubles = array.as_primitive::<Float64Type>();
    // What lies below a NULL counts too, and is looked at again.
    Ok(doubles.len() == doubles.null_count() || doubles.values().iter().all(|value| value.is_finite()))
}
