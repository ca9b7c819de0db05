//! Values with parts (structs, maps, lists of lists) as JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Field};
use arrow::json::writer::{EncoderOptions, make_encoder};
use bytes::{BufMut, BytesMut};

use super::{Cells, Format, Kind, lower};
use crate::error::{Code, Error, Result};

/// Whether a value of that type is written as JSON by this file.
pub(super) fn has_parts(data_type: &DataType) -> bool {
    data_type.is_nested() && !matches!(data_type, DataType::RunEndEncoded(_, _))
}

pub(super) fn cells(array: &ArrayRef, kind: Kind, format: Format) -> Result<Box<dyn Cells>> {
    let array = widen(array)?;
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let is_jsonb_binary = kind == Kind::Jsonb && format == Format::Binary;
    // An encoder borrows the array, so one is checked here and made again for a row.
    encode(&array, &field, None)?;
    Ok(Box::new(JsonCells { array, field, is_jsonb_binary }))
}

struct JsonCells {
    array: ArrayRef,
    field: Arc<Field>,
    is_jsonb_binary: bool,
}

impl Cells for JsonCells {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.is_jsonb_binary {
            out.put_u8(1);
        }
        out.put_slice(&encode(&self.array.slice(row, 1), &self.field, Some(0))?);
        Ok(())
    }
}

fn encode(array: &ArrayRef, field: &Arc<Field>, row: Option<usize>) -> Result<Vec<u8>> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, array.as_ref(), &options)
        .map_err(|error| Error::new(Code::NotSupported, format!("{} cannot be sent as JSON", array.data_type())).caused_by(error))?;
    let mut out = Vec::new();
    if let Some(row) = row {
        encoder.encode(row, &mut out);
    }
    Ok(out)
}

/// Makes the keys of maps text, as JSON wants them; a union becomes the text of its value.
fn widen(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Struct(fields) => {
            let Some(parts) = array.as_struct_opt() else { return Ok(Arc::clone(array)) };
            let columns = parts.columns().iter().map(widen).collect::<Result<Vec<_>>>()?;
            let fields = fields.iter().zip(&columns).map(|(f, c)| Field::new(f.name(), c.data_type().clone(), true));
            let fields = fields.collect::<Vec<_>>().into();
            let parts = StructArray::try_new_with_length(fields, columns, parts.nulls().cloned(), parts.len());
            Ok(Arc::new(parts.map_err(|error| Error::internal("a struct could not be widened").caused_by(error))?))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(parts) = entries.data_type() else { return Ok(Arc::clone(array)) };
            let [key, value] = parts.as_ref() else { return Ok(Arc::clone(array)) };
            let key = Field::new(key.name(), DataType::Utf8, false);
            let parts = DataType::Struct(vec![Arc::new(key), Arc::clone(value)].into());
            lower(array, &DataType::Map(Arc::new(Field::new(entries.name(), parts, false)), *sorted))
        }
        DataType::Union(_, _) => lower(array, &DataType::Utf8),
        _ => Ok(Arc::clone(array)),
    }
}
