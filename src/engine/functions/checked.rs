//! Whole-number and decimal arithmetic that fails where DataFusion's would wrap around, and arithmetic of floats that fails where it would answer
//! Infinity: a wrong number is worse than an error.
//!
//! The operators stay in the syntax tree until types are known and then become functions over the checked kernels. Everything else
//! (dates, intervals) is left to DataFusion.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum};
use arrow::compute::kernels::numeric::{add, div, mul, sub};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    cast,
};
use datafusion::physical_expr_common::datum::apply;

use super::super::errors;
use crate::error::{Code, Error};

/// Puts the functions in the place of the operators.
#[derive(Debug)]
pub(in crate::engine) struct CheckedArithmetic;

impl FunctionRewrite for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (left, op, right) = match &expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide) =>
            {
                (left.as_ref().clone(), *op, right.as_ref().clone())
            }
            Expr::Negative(inner) if !matches!(inner.as_ref(), Expr::Literal(..)) => match inner.get_type(schema) {
                Ok(data_type) if data_type.is_signed_integer() => {
                    (Expr::Literal(ScalarValue::new_zero(&data_type)?, None), Operator::Minus, inner.as_ref().clone())
                }
                // The sign of a NaN stays what it was.
                Ok(data_type) if data_type.is_floating() => {
                    let minus = ScalarValue::new_negative_one(&data_type)?;
                    (inner.as_ref().clone(), Operator::Multiply, Expr::Literal(minus, None))
                }
                _ => return Ok(Transformed::no(expr)),
            },
            _ => return Ok(Transformed::no(expr)),
        };
        // A type that is not known yet is left to the planner's own coercion.
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(Transformed::no(expr)) };
        let Ok((left_as, right_as)) = BinaryTypeCoercer::new(&left_type, &op, &right_type).get_input_types() else {
            return Ok(Transformed::no(expr));
        };
        let is_checked = match op {
            Operator::Divide => left_as.is_floating() && right_as.is_floating(),
            _ => (is_exact(&left_as) && is_exact(&right_as)) || (left_as.is_floating() && right_as.is_floating()),
        };
        if !is_checked {
            return Ok(Transformed::no(expr));
        }
        let taken_as = |expr: Expr, from: &DataType, to: DataType| if *from == to { expr } else { cast(expr, to) };
        let args = vec![taken_as(left, &left_type, left_as), taken_as(right, &right_type, right_as)];
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(ScalarUDF::from(Checked::new(op)).into(), args))))
    }
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// One operator as a function of two values of the same kind.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl Checked {
    fn new(op: Operator) -> Self {
        Self { op, signature: Signature::any(2, Volatility::Immutable) }
    }

    fn shown(&self, args: &[Expr], shown: &dyn Fn(&Expr) -> String) -> String {
        let args: Vec<String> = args.iter().map(shown).collect();
        args.join(&format!(" {} ", self.op))
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            Operator::Divide => "checked_divide",
            _ => "checked_multiply",
        }
    }

    /// As the operator looks.
    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.shown(args, &Expr::to_string))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.shown(args, &|arg| arg.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [left, right] => BinaryTypeCoercer::new(left, &self.op, right).get_result_type(),
            _ => Err(DataFusionError::Internal(format!("\"{}\" takes two values", self.op))),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(arrow::datatypes::Field::new(self.name(), self.return_type(&types)?, is_nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::Internal(format!("\"{}\" takes two values", self.op)));
        };
        let kernel = match self.op {
            Operator::Plus => add,
            Operator::Minus => sub,
            Operator::Divide => quotient_of_floats,
            _ => mul,
        };
        let result = apply(left, right, kernel).map_err(|error| out_of_range(error, args.return_field.data_type()))?;
        if !result.data_type().is_floating() || all_finite(&result)? {
            return Ok(result);
        }
        match overflows(left, right, &result)? {
            true => Err(errors::external(Error::new(Code::NumericOutOfRange, "value out of range: overflow"))),
            false => one_nan(result),
        }
    }
}

/// The usual case reads the result once.
fn all_finite(value: &ColumnarValue) -> Result<bool> {
    let array = value.to_array(1)?;
    Ok(match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().all(|value| value.is_finite()),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().all(|value| value.is_finite()),
        _ => true,
    })
}

/// The machine gives a NaN that it makes a sign, and comparisons tell the two apart: there is one only, greater than any number.
fn one_nan(value: ColumnarValue) -> Result<ColumnarValue> {
    let array = value.to_array(1)?;
    let array: ArrayRef = match array.data_type() {
        DataType::Float32 => {
            let plain = |value: f32| if value.is_nan() { f32::NAN } else { value };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(plain))
        }
        DataType::Float64 => {
            let plain = |value: f64| if value.is_nan() { f64::NAN } else { value };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(plain))
        }
        _ => return Ok(value),
    };
    match value {
        ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar),
        ColumnarValue::Array(_) => Ok(ColumnarValue::Array(array)),
    }
}

/// Whether an infinity was made of finite numbers.
fn overflows(left: &ColumnarValue, right: &ColumnarValue, result: &ColumnarValue) -> Result<bool> {
    let is_infinite = |value: &ColumnarValue, at: Option<usize>| -> Result<bool> {
        let array = value.to_array(1)?;
        let at = at.map(|at| if array.len() == 1 { 0 } else { at });
        Ok(match (array.data_type(), at) {
            (DataType::Float32, None) => array.as_primitive::<Float32Type>().values().iter().any(|value| value.is_infinite()),
            (DataType::Float32, Some(at)) => !array.as_primitive::<Float32Type>().value(at).is_finite(),
            (DataType::Float64, None) => array.as_primitive::<Float64Type>().values().iter().any(|value| value.is_infinite()),
            (DataType::Float64, Some(at)) => !array.as_primitive::<Float64Type>().value(at).is_finite(),
            _ => false,
        })
    };
    if !is_infinite(result, None)? {
        return Ok(false);
    }
    let rows = result.to_array(1)?;
    for at in 0..rows.len() {
        if rows.is_valid(at) && is_infinite(result, Some(at))? && !is_infinite(left, Some(at))? && !is_infinite(right, Some(at))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn quotient_of_floats(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    let quotient = div(left, right)?;
    // Nothing but a divisor of zero makes an infinity of finite numbers, but for an overflow.
    let by_zero = match quotient.data_type() {
        DataType::Float32 => {
            let divisors = right.get();
            let divisor = |at| if divisors.1 { 0 } else { at };
            let (divided, divisors) = (quotient.as_primitive::<Float32Type>(), divisors.0.as_primitive::<Float32Type>());
            divided
                .iter()
                .enumerate()
                .any(|(at, value)| value.is_some_and(|value| !value.is_finite()) && divisors.value(divisor(at)) == 0.0)
        }
        DataType::Float64 => {
            let divisors = right.get();
            let divisor = |at| if divisors.1 { 0 } else { at };
            let (divided, divisors) = (quotient.as_primitive::<Float64Type>(), divisors.0.as_primitive::<Float64Type>());
            divided
                .iter()
                .enumerate()
                .any(|(at, value)| value.is_some_and(|value| !value.is_finite()) && divisors.value(divisor(at)) == 0.0)
        }
        _ => false,
    };
    if by_zero { Err(ArrowError::DivideByZero) } else { Ok(quotient) }
}

/// In the words of PostgreSQL.
pub(super) fn out_of_range(error: DataFusionError, data_type: &DataType) -> DataFusionError {
    let kind = match data_type {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        _ => "value",
    };
    match error {
        DataFusionError::ArrowError(inner, _) if matches!(*inner, ArrowError::ArithmeticOverflow(_)) => {
            DataFusionError::External(Box::new(Error::new(Code::NumericOutOfRange, format!("{kind} out of range"))))
        }
        other => other,
    }
}
