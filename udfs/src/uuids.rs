//! `gen_random_uuid() -> uuid`.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{ScalarUDF, Volatility};
use uuid::Uuid;

use crate::row::RowFunction;

pub fn gen_random_uuid() -> ScalarUDF {
    let none = RowFunction::exact("gen_random_uuid", Vec::new(), DataType::Utf8).volatility(Volatility::Volatile);
    none.alias("uuid_generate_v4").marked("uuid").body(|_| Ok(ScalarValue::Utf8(Some(Uuid::new_v4().hyphenated().to_string()))))
}
