//! `varchar(text, n)`: what a cast to a text of limited length does. What is longer is cut.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::row::{RowFunction, text};

pub fn varchar() -> ScalarUDF {
    RowFunction::new("varchar", Signature::any(2, Volatility::Immutable), DataType::Utf8).body(|args| {
        let [value, length] = args else { return Ok(ScalarValue::Utf8(None)) };
        let ScalarValue::Int64(Some(length)) = length.cast_to(&DataType::Int64)? else { return Ok(ScalarValue::Utf8(None)) };
        let most = usize::try_from(length).unwrap_or(0);
        Ok(ScalarValue::Utf8(Some(text(&value.cast_to(&DataType::Utf8)?)?.chars().take(most).collect())))
    })
}
