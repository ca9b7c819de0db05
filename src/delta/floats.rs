//! Floats by their value: there is one NaN and one zero, whatever their bits are.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

/// The column with equal bits where values are equal; any other type as it is.
pub fn by_value(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => plain::<Float32Type>(column, |value| if value.is_nan() { f32::NAN } else { value + 0.0 }),
        DataType::Float64 => plain::<Float64Type>(column, |value| if value.is_nan() { f64::NAN } else { value + 0.0 }),
        _ => Arc::clone(column),
    }
}

fn plain<T: ArrowPrimitiveType>(column: &ArrayRef, value: impl Fn(T::Native) -> T::Native) -> ArrayRef {
    Arc::new(column.as_primitive::<T>().unary::<_, T>(value) as PrimitiveArray<T>)
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;

    use super::*;

    #[test]
    fn equal_values_have_equal_bits() {
        let bits =
            |column: &ArrayRef| -> Vec<u64> { column.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()).collect() };
        let column: ArrayRef = Arc::new(Float64Array::from(vec![-f64::NAN, f64::NAN, -0.0, 0.0, -1.5]));
        let expected: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::NAN, 0.0, 0.0, -1.5]));
        assert_eq!(bits(&by_value(&column)), bits(&expected));
    }
}
