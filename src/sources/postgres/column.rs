//! One column on its way from the server's binary values into an array.
//!
//! A value that cannot be kept leaves a NULL in its place, so that columns stay aligned; whoever fills the columns throws the whole row out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int16Builder, Int32Builder,
    Int64Builder, ListArray, NullBufferBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, TimeUnit};

use super::numeric::{self, Unfit};
use super::types::{Fitted, Wire};
use crate::error::{Code, Error, Result};
use crate::formats::{Logical, OnError, type_name};

/// Microseconds from 1970 to 2000, where the server's clock begins.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The same in days.
pub(super) const EPOCH_DAYS: i32 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;

/// Why a value cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Malformed,
    NotFinite,
    Range,
    Digits,
    Encoding,
    Dimensions,
    Syntax,
}

impl From<Unfit> for Wrong {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Malformed => Wrong::Malformed,
            Unfit::NotFinite => Wrong::NotFinite,
            Unfit::Range => Wrong::Range,
            Unfit::Digits => Wrong::Digits,
        }
    }
}

/// Why a row is turned away.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) rule: String,
    pub(super) error: String,
}

enum Values {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Micros(TimestampMicrosecondBuilder),
    Text(StringBuilder, Logical),
    Binary(BinaryBuilder),
    List(Box<List>),
}

struct List {
    item: Values,
    field: FieldRef,
    offsets: Vec<i32>,
    length: i32,
    nulls: NullBufferBuilder,
}

macro_rules! each_builder {
    ($values:expr, $inner:ident => $action:expr, $list:ident => $other:expr) => {
        match $values {
            Values::Boolean($inner) => $action,
            Values::Int16($inner) => $action,
            Values::Int32($inner) => $action,
            Values::Int64($inner) => $action,
            Values::Float32($inner) => $action,
            Values::Float64($inner) => $action,
            Values::Decimal($inner, _, _) => $action,
            Values::Date($inner) => $action,
            Values::Micros($inner) => $action,
            Values::Text($inner, _) => $action,
            Values::Binary($inner) => $action,
            Values::List($list) => $other,
        }
    };
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Wrong> {
    bytes.try_into().map_err(|_| Wrong::Malformed)
}

pub(super) fn integer(wire: &Wire, bytes: &[u8]) -> Result<i64, Wrong> {
    Ok(match wire {
        Wire::Int2 => i64::from(i16::from_be_bytes(fixed(bytes)?)),
        Wire::Int4 => i64::from(i32::from_be_bytes(fixed(bytes)?)),
        Wire::Int8 => i64::from_be_bytes(fixed(bytes)?),
        Wire::Numeric(_) => i64::try_from(numeric::decimal(bytes, 38, 0, true)?).map_err(|_| Wrong::Range)?,
        _ => return Err(Wrong::Malformed),
    })
}

/// Days since 1970.
pub(super) fn days(bytes: &[u8]) -> Result<i32, Wrong> {
    match i32::from_be_bytes(fixed(bytes)?) {
        i32::MAX | i32::MIN => Err(Wrong::NotFinite),
        days => days.checked_add(EPOCH_DAYS).ok_or(Wrong::Range),
    }
}

/// Microseconds since 1970.
pub(super) fn micros(bytes: &[u8]) -> Result<i64, Wrong> {
    match i64::from_be_bytes(fixed(bytes)?) {
        i64::MAX | i64::MIN => Err(Wrong::NotFinite),
        micros => micros.checked_add(EPOCH_MICROS).ok_or(Wrong::Range),
    }
}

/// The text of a `jsonb` stands behind the version of its representation.
pub(super) fn without_version<'a>(wire: &Wire, bytes: &'a [u8]) -> Result<&'a [u8], Wrong> {
    match (wire, bytes) {
        (Wire::Jsonb, [1, text @ ..]) => Ok(text),
        (Wire::Jsonb, _) => Err(Wrong::Malformed),
        _ => Ok(bytes),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

impl Values {
    fn new(data_type: &DataType, logical: Logical, rows: usize) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Values::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Int16 => Values::Int16(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Values::Int32(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Values::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float32 => Values::Float32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Values::Float64(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(precision, scale) => {
                Values::Decimal(Decimal128Builder::with_capacity(rows).with_data_type(data_type.clone()), *precision, *scale)
            }
            DataType::Date32 => Values::Date(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Micros(TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type.clone()))
            }
            DataType::Utf8 => Values::Text(StringBuilder::with_capacity(rows, rows * 8), logical),
            DataType::Binary => Values::Binary(BinaryBuilder::with_capacity(rows, rows * 8)),
            DataType::List(field) => Values::List(Box::new(List {
                item: Values::new(field.data_type(), Logical::Plain, rows)?,
                field: Arc::clone(field),
                offsets: vec![0],
                length: 0,
                nulls: NullBufferBuilder::new(rows),
            })),
            other => return Err(Error::internal(format!("columns of type {other} are not read from PostgreSQL"))),
        })
    }

    fn null(&mut self) {
        each_builder!(self, builder => builder.append_null(), list => {
            list.offsets.push(list.length);
            list.nulls.append_null();
        });
    }

    /// Appends a value; on an error nothing is appended.
    #[inline]
    fn append(&mut self, wire: &Wire, bytes: &[u8], is_exact: bool) -> Result<(), Wrong> {
        match self {
            Values::Boolean(builder) => builder.append_value(fixed::<1>(bytes)? != [0]),
            Values::Int16(builder) => builder.append_value(i16::try_from(integer(wire, bytes)?).map_err(|_| Wrong::Range)?),
            Values::Int32(builder) => builder.append_value(i32::try_from(integer(wire, bytes)?).map_err(|_| Wrong::Range)?),
            Values::Int64(builder) => builder.append_value(integer(wire, bytes)?),
            Values::Float32(builder) => builder.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Values::Float64(builder) => builder.append_value(match wire {
                Wire::Float4 => f64::from(f32::from_be_bytes(fixed(bytes)?)),
                _ => f64::from_be_bytes(fixed(bytes)?),
            }),
            Values::Decimal(builder, precision, scale) => builder.append_value(decimal(wire, bytes, *precision, *scale, is_exact)?),
            Values::Date(builder) => builder.append_value(days(bytes)?),
            Values::Micros(builder) => builder.append_value(match wire {
                Wire::Date => i64::from(days(bytes)?).checked_mul(DAY_MICROS).ok_or(Wrong::Range)?,
                _ => micros(bytes)?,
            }),
            Values::Text(builder, logical) => text(builder, *logical, wire, bytes)?,
            Values::Binary(builder) => builder.append_value(bytes),
            Values::List(list) => list.append(wire, bytes, is_exact)?,
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(each_builder!(self, builder => Arc::new(builder.finish()), list => return list.finish()))
    }
}

fn decimal(wire: &Wire, bytes: &[u8], precision: u8, scale: i8, is_exact: bool) -> Result<i128, Wrong> {
    if let Wire::Numeric(_) = wire {
        return Ok(numeric::decimal(bytes, precision, scale, is_exact)?);
    }
    let value = i128::from(integer(wire, bytes)?) * 10_i128.pow(u32::from(scale.unsigned_abs()));
    let limit = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    if value.unsigned_abs() < limit.unsigned_abs() { Ok(value) } else { Err(Wrong::Range) }
}

#[inline]
fn text(builder: &mut StringBuilder, logical: Logical, wire: &Wire, bytes: &[u8]) -> Result<(), Wrong> {
    if let Wire::Uuid = wire {
        let id = uuid::Uuid::from_bytes(fixed(bytes)?);
        let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
        builder.append_value(id.hyphenated().encode_lower(&mut buffer));
        return Ok(());
    }
    let text = std::str::from_utf8(without_version(wire, bytes)?).map_err(|_| Wrong::Encoding)?;
    match (wire, logical) {
        (Wire::Text, Logical::Jsonb) if !is_json(text) => return Err(Wrong::Syntax),
        (Wire::Text, Logical::Uuid) => {
            let id = uuid::Uuid::try_parse(text.trim_ascii()).map_err(|_| Wrong::Syntax)?;
            builder.append_value(id.hyphenated().to_string());
        }
        _ => builder.append_value(text),
    }
    Ok(())
}

/// The values of an array with at most one dimension; None stands for NULL.
pub(super) fn items(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>, Wrong> {
    let number = |at: usize| -> Result<i32, Wrong> { Ok(i32::from_be_bytes(fixed(bytes.get(at..at + 4).ok_or(Wrong::Malformed)?)?)) };
    match number(0)? {
        0 => return Ok(Vec::new()),
        1 => {}
        _ => return Err(Wrong::Dimensions),
    }
    let count = usize::try_from(number(12)?).map_err(|_| Wrong::Malformed)?;
    // A value takes four bytes at least: a count that lies does not make room for itself.
    let mut values = Vec::with_capacity(count.min(bytes.len() / 4));
    let mut at = 20;
    for _ in 0..count {
        let length = number(at)?;
        at += 4;
        if length < 0 {
            values.push(None);
            continue;
        }
        let end = at + usize::try_from(length).map_err(|_| Wrong::Malformed)?;
        values.push(Some(bytes.get(at..end).ok_or(Wrong::Malformed)?));
        at = end;
    }
    Ok(values)
}

impl List {
    fn append(&mut self, wire: &Wire, bytes: &[u8], is_exact: bool) -> Result<(), Wrong> {
        let Wire::List(of) = wire else { return Err(Wrong::Malformed) };
        let values = items(bytes)?;
        let mut failed = None;
        for value in &values {
            let appended = value.map(|bytes| self.item.append(of, bytes, is_exact));
            match appended {
                Some(Ok(())) => {}
                None => self.item.null(),
                Some(Err(wrong)) => {
                    self.item.null();
                    failed = failed.or(Some(wrong));
                }
            }
        }
        let total = i32::try_from(values.len()).ok().and_then(|count| self.length.checked_add(count));
        self.length = total.ok_or(Wrong::Range)?;
        if let Some(wrong) = failed {
            // The caller appends the NULL that takes this value's place; it swallows the items.
            return Err(wrong);
        }
        self.offsets.push(self.length);
        self.nulls.append_non_null();
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, vec![0]).into());
        self.length = 0;
        let values = self.item.finish()?;
        let list = ListArray::try_new(Arc::clone(&self.field), offsets, values, self.nulls.finish());
        Ok(Arc::new(list.map_err(|error| Error::internal("an array of PostgreSQL does not fit together").caused_by(error))?))
    }
}

/// A column being filled.
pub(super) struct Column {
    pub(super) fitted: Fitted,
    values: Values,
}

impl Column {
    pub(super) fn new(fitted: Fitted, rows: usize) -> Result<Self> {
        let values = Values::new(&fitted.spec.data_type, fitted.spec.logical, rows)?;
        Ok(Self { fitted, values })
    }

    pub(super) fn null(&mut self) -> Result<(), Failure> {
        self.values.null();
        if self.fitted.spec.not_null { Err(self.not_null()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.values.append(&self.fitted.wire, bytes, self.fitted.is_exact) {
            Ok(()) => Ok(()),
            Err(wrong) => self.wrong(wrong),
        }
    }

    #[cold]
    fn wrong(&mut self, wrong: Wrong) -> Result<(), Failure> {
        self.values.null();
        let spec = &self.fitted.spec;
        if spec.on_error == OnError::Null {
            return if spec.not_null { Err(self.not_null()) } else { Ok(()) };
        }
        let kind = type_name(&spec.data_type, spec.logical);
        let error = match wrong {
            Wrong::Malformed => format!("the server sent something that is not a value of type {kind}"),
            Wrong::NotFinite => format!("NaN and infinity are no values of type {kind}"),
            Wrong::Range => format!("value is out of range for type {kind}"),
            Wrong::Digits => {
                format!("value has more digits after the point than type {kind} keeps; declare the column as numeric(p,s) or text")
            }
            Wrong::Encoding => "text is not UTF-8".to_owned(),
            Wrong::Dimensions => "array has more than one dimension; declare the column as jsonb or text".to_owned(),
            Wrong::Syntax => format!("invalid value for type {kind}"),
        };
        Err(Failure { rule: format!("type:{}", spec.name), error })
    }

    fn not_null(&self) -> Failure {
        let name = &self.fitted.spec.name;
        Failure { rule: format!("not_null:{name}"), error: format!("column \"{name}\" is null") }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        self.values.finish()
    }
}

/// Whether a column of that kind can be read at all.
///
/// # Errors
/// `NotSupported` for what a declaration may ask for elsewhere but not here.
pub(super) fn check_declared(spec: &crate::formats::ColumnSpec) -> Result<()> {
    if spec.default.is_some() || matches!(spec.on_error, OnError::Default(_)) {
        return Err(Error::new(
            Code::NotSupported,
            format!("column \"{}\": a default has no meaning for columns of a database", spec.name),
        )
        .hint("Use coalesce() in the query.".to_owned()));
    }
    Ok(())
}
