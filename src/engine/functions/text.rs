//! `text(x)`: what a cast to text is rewritten to; `shown(x)`: what stands for a value in a longer text. Both in the forms of PostgreSQL.
//!
//! A cast would keep the mark of a document or a uuid on what is plain text from then on, and has Arrow's forms of times, floats and arrays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    cast as cast_of,
};
use weir_udfs::forms;
use weir_udfs::timestamps::east_of;

/// Where the text is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// A value of its own: `true`.
    Alone,
    /// Part of something: `t`.
    Within,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    place: Place,
    signature: Signature,
}

pub(in crate::engine) fn text() -> ScalarUDF {
    ScalarUDF::new_from_impl(Text { place: Place::Alone, signature: Signature::any(1, Volatility::Stable) })
}

pub(in crate::engine) fn shown() -> ScalarUDF {
    ScalarUDF::new_from_impl(Text { place: Place::Within, signature: Signature::any(1, Volatility::Stable) })
}

impl ScalarUDFImpl for Text {
    fn name(&self) -> &'static str {
        match self.place {
            Place::Alone => "text",
            Place::Within => "shown",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, args.arg_fields.iter().any(|field| field.is_nullable()))))
    }

    /// A plain cast wherever it does the same, since filters on casts are understood further down.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [value] = args.as_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let (_, field) = value.to_field(info.schema())?;
        if !field.metadata().is_empty() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        Ok(match field.data_type() {
            DataType::Utf8 => ExprSimplifyResult::Simplified(value.clone()),
            DataType::Boolean if self.place == Place::Within => ExprSimplifyResult::Original(args),
            plain if plain.is_integer() => ExprSimplifyResult::Simplified(cast_of(value.clone(), DataType::Utf8)),
            DataType::Boolean | DataType::Date32 | DataType::Decimal128(..38, 0..) | DataType::Utf8View | DataType::LargeUtf8 => {
                ExprSimplifyResult::Simplified(cast_of(value.clone(), DataType::Utf8))
            }
            _ => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => texts(array, self.place, &zone).map(ColumnarValue::Array),
            Some(ColumnarValue::Scalar(value)) => {
                ScalarValue::try_from_array(&texts(&value.to_array()?, self.place, &zone)?, 0).map(ColumnarValue::Scalar)
            }
            None => Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))),
        }
    }
}

/// The texts of values that have no form of their own on the wire.
pub fn texts_of(array: &ArrayRef) -> crate::error::Result<ArrayRef> {
    texts(array, Place::Alone, "UTC").map_err(super::super::errors::error)
}

fn texts(array: &ArrayRef, place: Place, zone: &str) -> Result<ArrayRef> {
    let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null);
    if is_text || array.data_type().is_integer() {
        return Ok(cast(array, &DataType::Utf8)?);
    }
    let put = puts(array, place, zone)?;
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 12);
    let mut written = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        written.clear();
        put(row, &mut written)?;
        texts.append_value(std::str::from_utf8(&written).map_err(|e| DataFusionError::External(Box::new(e)))?);
    }
    Ok(Arc::new(texts.finish()))
}

type Put = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()>>;

/// What appends the value of one row.
fn puts(array: &ArrayRef, place: Place, zone: &str) -> Result<Put> {
    let lowered = |to: DataType| cast(array, &to);
    Ok(match array.data_type() {
        DataType::Boolean => {
            let flags = array.as_boolean().clone();
            let words = if place == Place::Alone { ["false", "true"] } else { ["f", "t"] };
            Box::new(move |row, out| {
                out.extend_from_slice(if flags.value(row) { words[1] } else { words[0] }.as_bytes());
                Ok(())
            })
        }
        whole if whole.is_integer() && *whole != DataType::UInt64 => {
            let numbers = lowered(DataType::Int64)?.as_primitive::<Int64Type>().clone();
            plain(move |row, out| forms::put_int(numbers.value(row), out))
        }
        DataType::Float16 | DataType::Float32 => {
            let numbers = lowered(DataType::Float32)?.as_primitive::<Float32Type>().clone();
            plain(move |row, out| forms::put_float4(numbers.value(row), out))
        }
        DataType::Float64 => {
            let numbers = array.as_primitive::<Float64Type>().clone();
            plain(move |row, out| forms::put_float8(numbers.value(row), out))
        }
        DataType::Decimal128(precision, scale) => {
            let (numbers, precision, scale) = (array.as_primitive::<Decimal128Type>().clone(), *precision, *scale);
            plain(move |row, out| forms::put_decimal128(numbers.value(row), precision, scale, out))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = lowered(DataType::Binary)?.as_binary::<i32>().clone();
            plain(move |row, out| forms::put_bytea(bytes.value(row), out))
        }
        DataType::Date32 | DataType::Date64 => {
            let days = lowered(DataType::Date32)?.as_primitive::<Date32Type>().clone();
            plain(move |row, out| forms::put_date(days.value(row), out))
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let micros = lowered(DataType::Time64(TimeUnit::Microsecond))?.as_primitive::<Time64MicrosecondType>().clone();
            plain(move |row, out| forms::put_time(micros.value(row), out))
        }
        DataType::Timestamp(_, label) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, label.clone());
            let micros = lowered(to)?.as_primitive::<TimestampMicrosecondType>().clone();
            let zone = label.is_some().then(|| zone.to_owned());
            plain(move |row, out| {
                let at = micros.value(row);
                forms::put_timestamp(at, zone.as_deref().map(|zone| east_of(at, zone).unwrap_or(0)), out);
            })
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let spans = lowered(DataType::Interval(IntervalUnit::MonthDayNano))?.as_primitive::<IntervalMonthDayNanoType>().clone();
            plain(move |row, out| forms::put_interval(spans.value(row), out))
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => list(array, zone)?,
        DataType::Struct(_) => record(array, zone)?,
        DataType::Dictionary(_, value) => puts(&cast(array, value)?, place, zone)?,
        _ => {
            let texts = lowered(DataType::Utf8)?.as_string::<i32>().clone();
            plain(move |row, out| out.extend_from_slice(texts.value(row).as_bytes()))
        }
    })
}

fn plain(put: impl Fn(usize, &mut Vec<u8>) + 'static) -> Put {
    Box::new(move |row, out| {
        put(row, out);
        Ok(())
    })
}

/// `{1,NULL,"a b"}`; a list in a list has no quotes.
fn list(array: &ArrayRef, zone: &str) -> Result<Put> {
    let item = match array.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Arc::clone(item),
        other => return Err(DataFusionError::Internal(format!("{other} is no list"))),
    };
    let is_nested = item.data_type().is_nested() && !matches!(item.data_type(), DataType::Struct(_));
    let lists = cast(array, &DataType::List(item))?.as_list::<i32>().clone();
    let items = Arc::clone(lists.values());
    let put = puts(&items, Place::Within, zone)?;
    Ok(Box::new(move |row, out| {
        let start = lists.value_offsets().get(row).copied().unwrap_or(0);
        let rows = usize::try_from(start).unwrap_or(0)..usize::try_from(start + lists.value_length(row)).unwrap_or(0);
        let mut written = Vec::new();
        out.push(b'{');
        for (index, at) in rows.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if items.is_null(at) {
                out.extend_from_slice(b"NULL");
                continue;
            }
            if is_nested {
                put(at, out)?;
                continue;
            }
            written.clear();
            put(at, &mut written)?;
            forms::put_item(&written, out);
        }
        out.push(b'}');
        Ok(())
    }))
}

/// `(1,"a b",)`.
fn record(array: &ArrayRef, zone: &str) -> Result<Put> {
    let columns = array.as_struct().columns().to_vec();
    let puts = columns.iter().map(|column| puts(column, Place::Within, zone)).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |row, out| {
        let mut written = Vec::new();
        out.push(b'(');
        for (index, (column, put)) in columns.iter().zip(&puts).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if column.is_null(row) {
                continue;
            }
            written.clear();
            put(row, &mut written)?;
            forms::put_member(&written, out);
        }
        out.push(b')');
        Ok(())
    }))
}
