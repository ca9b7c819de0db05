//! `in_array(x, array)`: what `x = ANY (array)` is planned to. NULL where it cannot be known.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, UInt32Array};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub(super) fn in_array() -> ScalarUDF {
    ScalarUDF::new_from_impl(InArray { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InArray {
    signature: Signature,
}

impl ScalarUDFImpl for InArray {
    fn name(&self) -> &'static str {
        "in_array"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [wanted, lists] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("in_array takes two arguments".to_owned()));
        };
        let are_scalars = matches!((wanted, lists), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if are_scalars { 1 } else { args.number_rows };
        let (wanted, lists) = (wanted.to_array(rows)?, lists.to_array(rows)?);
        let to = match lists.data_type() {
            DataType::List(item) => item.data_type().clone(),
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type().clone(),
            DataType::Null => return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))),
            other => return Err(DataFusionError::Plan(format!("op ANY/ALL (array) requires array on right side, not {other}"))),
        };
        // Compared in the type of the two that has room for the other.
        let common = datafusion::logical_expr::type_coercion::binary::comparison_coercion(&to, wanted.data_type()).unwrap_or(to);
        let lists = cast(&lists, &DataType::List(Arc::new(Field::new_list_field(common.clone(), true))))?;
        let (wanted, lists) = (cast(&wanted, &common)?, lists.as_list::<i32>());
        let rows_of_items: UInt32Array = (0..lists.len())
            .flat_map(|row| {
                std::iter::repeat_n(u32::try_from(row).unwrap_or(u32::MAX), usize::try_from(lists.value_length(row)).unwrap_or(0))
            })
            .collect();
        let first = usize::try_from(lists.value_offsets().first().copied().unwrap_or(0)).unwrap_or(0);
        let items = lists.values().slice(first, rows_of_items.len());
        let beside = take(&wanted, &rows_of_items, None)?;
        let same = eq(&items, &beside)?;
        let mut at = 0;
        let found: BooleanArray = (0..lists.len())
            .map(|row| {
                let length = usize::try_from(lists.value_length(row)).unwrap_or(0);
                let own = same.slice(at, length);
                at += length;
                if lists.is_null(row) || (wanted.is_null(row) && length > 0) {
                    return None;
                }
                match own.true_count() {
                    0 if own.null_count() > 0 => None,
                    count => Some(count > 0),
                }
            })
            .collect();
        match are_scalars {
            true => ScalarValue::try_from_array(&found, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(Arc::new(found))),
        }
    }
}
