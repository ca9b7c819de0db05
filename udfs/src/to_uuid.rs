//! `to_uuid(text) -> uuid`: what a cast to uuid does. All of PostgreSQL's spellings become the one in lower case with hyphens.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::ScalarUDF;
use uuid::Uuid;

use crate::row::{RowFunction, text};

pub fn to_uuid() -> ScalarUDF {
    RowFunction::exact("to_uuid", vec![DataType::Utf8], DataType::Utf8).marked("uuid").body(|args| {
        let Some(argument) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let typed = text(argument)?;
        match Uuid::parse_str(typed.trim()) {
            Ok(id) => Ok(ScalarValue::Utf8(Some(id.hyphenated().to_string()))),
            Err(_) => {
                let message = format!("Cannot cast string '{typed}' to value of Uuid type");
                Err(DataFusionError::ArrowError(Box::new(ArrowError::CastError(message)), None))
            }
        }
    })
}
