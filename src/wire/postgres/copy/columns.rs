//! Fields of a row to the columns of a batch, in exactly the types of the table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use datafusion::common::ScalarValue;

use super::super::encode::Zone;
use super::super::params;
use super::super::types::{Kind, PgType};
use crate::error::{Code, Error, Result};

/// One column of a batch that is being read.
pub(super) struct Column {
    pub(super) name: String,
    pg_type: PgType,
    data_type: DataType,
    values: Values,
}

/// The commonest types are built without a value in between.
enum Values {
    Text(StringBuilder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Float8(Float64Builder),
    Any(Vec<ScalarValue>),
}

impl Column {
    pub(super) fn new(field: &Field) -> Self {
        let pg_type = PgType::of_field(field);
        let data_type = field.data_type().clone();
        let values = match (pg_type, &data_type) {
            (PgType { kind: Kind::Text, is_array: false }, DataType::Utf8) => Values::Text(StringBuilder::new()),
            (PgType { kind: Kind::Int4, is_array: false }, DataType::Int32) => Values::Int4(Int32Builder::new()),
            (PgType { kind: Kind::Int8, is_array: false }, DataType::Int64) => Values::Int8(Int64Builder::new()),
            (PgType { kind: Kind::Float8, is_array: false }, DataType::Float64) => Values::Float8(Float64Builder::new()),
            _ => Values::Any(Vec::new()),
        };
        Self { name: field.name().clone(), pg_type, data_type, values }
    }

    pub(super) fn put_text(&mut self, text: Option<&str>, zone: &Zone) -> Result<()> {
        match (&mut self.values, text) {
            (Values::Text(list), Some(text)) if !text.contains('\0') => list.append_value(text),
            (Values::Int4(list), Some(text)) if let Ok(value) = text.trim().parse() => list.append_value(value),
            (Values::Int8(list), Some(text)) if let Ok(value) = text.trim().parse() => list.append_value(value),
            (Values::Float8(list), Some(text)) if let Ok(value) = text.trim().parse() => list.append_value(value),
            (_, Some(text)) => {
                let value = params::from_text(self.pg_type, text, zone)?;
                return self.put(value);
            }
            (_, None) => return self.put_null(),
        }
        Ok(())
    }

    pub(super) fn put_binary(&mut self, bytes: Option<Bytes>) -> Result<()> {
        match bytes {
            Some(bytes) => {
                let value = params::from_bytes(self.pg_type, bytes).map_err(|error| match error.code() {
                    Code::Protocol => Error::new(Code::BadCopyFormat, "incorrect binary data format"),
                    _ => error,
                })?;
                self.put(value)
            }
            None => self.put_null(),
        }
    }

    fn put_null(&mut self) -> Result<()> {
        match &mut self.values {
            Values::Text(list) => list.append_null(),
            Values::Int4(list) => list.append_null(),
            Values::Int8(list) => list.append_null(),
            Values::Float8(list) => list.append_null(),
            Values::Any(list) => {
                let null = ScalarValue::try_new_null(&self.data_type);
                list.push(null.map_err(|error| Error::internal("a type has no NULL").caused_by(error))?);
            }
        }
        Ok(())
    }

    fn put(&mut self, value: ScalarValue) -> Result<()> {
        let value = self.fit(value)?;
        match (&mut self.values, value) {
            (Values::Any(list), value) => list.push(value),
            (Values::Text(list), ScalarValue::Utf8(value)) => list.append_option(value),
            (Values::Int4(list), ScalarValue::Int32(value)) => list.append_option(value),
            (Values::Int8(list), ScalarValue::Int64(value)) => list.append_option(value),
            (Values::Float8(list), ScalarValue::Float64(value)) => list.append_option(value),
            _ => return Err(Error::internal("a value has another type than its column")),
        }
        Ok(())
    }

    fn fit(&self, value: ScalarValue) -> Result<ScalarValue> {
        if value.data_type() == self.data_type {
            return Ok(value);
        }
        value.cast_to(&self.data_type).map_err(|error| {
            let told = match self.pg_type.kind {
                Kind::Numeric(_) => Error::new(Code::NumericOutOfRange, "numeric field overflow"),
                kind => Error::new(Code::WrongType, format!("a value of type {} does not fit the column", kind.name())),
            };
            told.caused_by(error)
        })
    }

    /// The values so far; the column is empty afterwards.
    pub(super) fn take(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Text(list) => Arc::new(list.finish()),
            Values::Int4(list) => Arc::new(list.finish()),
            Values::Int8(list) => Arc::new(list.finish()),
            Values::Float8(list) => Arc::new(list.finish()),
            Values::Any(list) => ScalarValue::iter_to_array(std::mem::take(list))
                .map_err(|error| Error::internal("values of one column have different types").caused_by(error))?,
        })
    }
}
