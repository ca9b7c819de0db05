//! Division of exact numbers with at least sixteen digits, rounded, as PostgreSQL's numeric does it.
//!
//! How many digits a quotient has depends on its size; they all fit a type of 20 (or, for very large numbers, 16) digits behind the point, and
//! `forms::put_decimal128` shows as many as there are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, i256};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use weir_udfs::failure::{Kind, failed};
use weir_udfs::forms::quotient_scale;

use crate::error::{Code, Error};

/// Digits behind the point of a quotient, where there is room before it.
const SCALE: i8 = 20;
const SCALE_OF_LARGE: i8 = 16;

/// Precision and scale of an exact number.
pub(super) fn digits_of(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => return None,
    })
}

/// The type of a quotient of two types of exact numbers.
pub(super) fn quotient_type(dividend: &DataType) -> DataType {
    let whole = digits_of(dividend).map_or(38, |(precision, scale)| i16::from(precision) - i16::from(scale));
    // The precision of a number that does not say how long it is says nothing.
    let is_large = whole > 28;
    DataType::Decimal128(38, if is_large { SCALE_OF_LARGE } else { SCALE })
}

/// `dividend / divisor`, both whole numbers of units, at scale `to`; `shift` is the divisor's scale less the dividend's.
pub(super) fn quotient(dividend: i128, divisor: i128, shift: i32, to: i8) -> Result<i128> {
    if divisor == 0 {
        return Err(DataFusionError::External(Box::new(Error::new(Code::DivisionByZero, "division by zero"))));
    }
    let too_large = || failed(Kind::NumericOutOfRange, "value out of range: numeric has 38 digits here");
    let up = i32::from(to) + shift;
    let power = |exponent: u32| 10_i128.checked_pow(exponent);
    let (numerator, denominator) = match up >= 0 {
        true => (power(up.unsigned_abs()).and_then(|power| dividend.checked_mul(power)), Some(divisor)),
        false => (Some(dividend), power(up.unsigned_abs()).and_then(|power| divisor.checked_mul(power))),
    };
    let (whole, rounds_up) = match (numerator, denominator) {
        (Some(numerator), Some(denominator)) => {
            let rest = (numerator % denominator).unsigned_abs();
            (numerator / denominator, rest >= denominator.unsigned_abs() - rest)
        }
        _ => {
            let wide = |value: i128, exponent: i32| {
                let power = i256::from_i128(10).checked_pow(u32::try_from(exponent.max(0)).unwrap_or(0));
                power.and_then(|power| i256::from_i128(value).checked_mul(power)).ok_or_else(too_large)
            };
            let (numerator, denominator) = (wide(dividend, up)?, wide(divisor, -up)?);
            let rest = (numerator % denominator).wrapping_abs();
            ((numerator / denominator).to_i128().ok_or_else(too_large)?, rest >= denominator.wrapping_abs() - rest)
        }
    };
    let sign = dividend.signum() * divisor.signum();
    let shown = quotient_scale(whole, to);
    let value = match u32::try_from(to - shown).ok().and_then(power).filter(|cut| *cut > 1) {
        Some(cut) => {
            let rest = whole % cut;
            let kept = whole - rest;
            if rest.unsigned_abs() >= (cut / 2).unsigned_abs() { kept.checked_add(sign * cut).ok_or_else(too_large)? } else { kept }
        }
        None if rounds_up => whole + sign,
        None => whole,
    };
    match Decimal128Type::is_valid_decimal_precision(value, 38) {
        true => Ok(value),
        false => Err(too_large()),
    }
}

/// `divide(a, b)`: what `/` is planned to where an exact number with a fraction takes part.
pub(in crate::engine) fn divide() -> ScalarUDF {
    ScalarUDF::new_from_impl(Divide { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Divide {
    signature: Signature,
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &'static str {
        "divide"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(Expr::to_string).collect();
        Ok(args.join(" / "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(quotient_type(args.first().unwrap_or(&DataType::Null)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [dividend, divisor] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("a division takes two numbers".to_owned()));
        };
        let are_scalars = matches!((dividend, divisor), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if are_scalars { 1 } else { args.number_rows };
        let values = divided(&dividend.to_array(rows)?, &divisor.to_array(rows)?, args.return_field.data_type())?;
        match are_scalars {
            true => ScalarValue::try_from_array(&values, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(values)),
        }
    }
}

fn divided(dividends: &ArrayRef, divisors: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else {
        return Err(DataFusionError::Internal(format!("a quotient is no {to}")));
    };
    let (dividends, own) = exact(dividends)?;
    let (divisors, other) = exact(divisors)?;
    let (dividends, divisors) = (dividends.as_primitive::<Decimal128Type>(), divisors.as_primitive::<Decimal128Type>());
    let shift = i32::from(other) - i32::from(own);
    let values: Decimal128Array = dividends
        .iter()
        .zip(divisors)
        .map(|pair| match pair {
            (Some(dividend), Some(divisor)) => quotient(dividend, divisor, shift, scale).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// The same numbers as decimals, and their scale.
pub(super) fn exact(array: &ArrayRef) -> Result<(ArrayRef, i8)> {
    match array.data_type() {
        DataType::Decimal128(_, scale) => Ok((Arc::clone(array), *scale)),
        DataType::Null => Ok((cast(array, &DataType::Decimal128(38, 0))?, 0)),
        whole if whole.is_integer() => Ok((cast(array, &DataType::Decimal128(38, 0))?, 0)),
        other => Err(DataFusionError::Internal(format!("{other} is no exact number"))),
    }
}
