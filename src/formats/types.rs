//! The types of the language as Arrow types.
//!
//! `jsonb` and `uuid` are text to Arrow: field metadata `weir.type` tells them apart. `numeric` without a precision is `numeric(38,10)`, as it is
//! for DataFusion's casts, so a value keeps ten digits after the point wherever it goes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use sqlparser::ast::{self, ArrayElemTypeDef, ExactNumberInfo, TimezoneInfo};

use crate::error::{Code, Error, Result};

/// Key of the field metadata that names a logical type.
pub const TYPE_KEY: &str = "weir.type";

const MAX_PRECISION: u8 = 38;
/// Digits after the point of a `numeric` that names none.
const FREE_SCALE: i8 = 10;

/// What the Arrow type alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logical {
    #[default]
    Plain,
    Jsonb,
    Uuid,
}

impl Logical {
    fn word(self) -> Option<&'static str> {
        match self {
            Logical::Plain => None,
            Logical::Jsonb => Some("jsonb"),
            Logical::Uuid => Some("uuid"),
        }
    }

    /// The logical type that a field's metadata names.
    pub fn of(field: &Field) -> Self {
        match field.metadata().get(TYPE_KEY).map(String::as_str) {
            Some("jsonb") => Logical::Jsonb,
            Some("uuid") => Logical::Uuid,
            _ => Logical::Plain,
        }
    }

    /// The field with this logical type written into its metadata.
    pub fn mark(self, field: Field) -> Field {
        match self.word() {
            Some(word) => {
                let mut metadata: HashMap<String, String> = field.metadata().clone();
                metadata.insert(TYPE_KEY.to_owned(), word.to_owned());
                field.with_metadata(metadata)
            }
            None => field,
        }
    }
}

pub(super) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// The Arrow type that keeps values of a declared type.
///
/// # Errors
/// `NotSupported` for types that have no column of their own, `InvalidParameter` for a precision or scale that is out of range.
pub fn arrow_type(declared: &ast::DataType) -> Result<DataType> {
    use ast::DataType as T;
    Ok(match declared {
        T::SmallInt(None) | T::Int2(None) | T::TinyInt(None) => DataType::Int16,
        T::Int(None) | T::Integer(None) | T::Int4(None) | T::Int32 => DataType::Int32,
        T::BigInt(None) | T::Int8(None) | T::Int64 => DataType::Int64,
        T::Real | T::Float4 | T::Float32 => DataType::Float32,
        T::Double(ExactNumberInfo::None) | T::DoublePrecision | T::Float8 | T::Float64 => DataType::Float64,
        // PostgreSQL: float(1..24) is real, float(25..53) is double precision.
        T::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => DataType::Float32,
        T::Float(_) => DataType::Float64,
        T::Numeric(info) | T::Decimal(info) | T::Dec(info) => numeric(info)?,
        T::Bool | T::Boolean => DataType::Boolean,
        T::Date | T::Date32 => DataType::Date32,
        T::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | T::Datetime(_) | T::TimestampNtz(_) => timestamp(),
        T::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => timestamptz(),
        T::Text | T::String(None) | T::Varchar(_) | T::CharacterVarying(_) | T::CharVarying(_) => DataType::Utf8,
        T::Char(_) | T::Character(_) | T::Clob(_) | T::JSON | T::JSONB | T::Uuid => DataType::Utf8,
        T::Bytea | T::Bytes(_) | T::Blob(_) | T::Binary(_) | T::Varbinary(_) => DataType::Binary,
        T::Array(ArrayElemTypeDef::SquareBracket(element, None) | ArrayElemTypeDef::Parenthesis(element)) if is_plain(element) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true)))
        }
        T::Custom(name, arguments) if arguments.is_empty() => return custom(&name.to_string(), declared),
        _ => return Err(unsupported(declared)),
    })
}

/// Arrays have one dimension, and elements that Arrow alone describes.
fn is_plain(element: &ast::DataType) -> bool {
    logical_type(element) == Logical::Plain && !matches!(element, ast::DataType::Array(_))
}

/// The logical type of a declared type.
pub fn logical_type(declared: &ast::DataType) -> Logical {
    match declared {
        ast::DataType::JSON | ast::DataType::JSONB => Logical::Jsonb,
        ast::DataType::Uuid => Logical::Uuid,
        _ => Logical::Plain,
    }
}

/// A column of a declared type as it stands in a schema.
///
/// # Errors
/// As `arrow_type`.
pub fn arrow_field(name: &str, declared: &ast::DataType, not_null: bool) -> Result<Field> {
    let field = logical_type(declared).mark(Field::new(name, arrow_type(declared)?, !not_null));
    Ok(match declared_length(declared) {
        Some(length) => field.with_metadata([(LENGTH_KEY.to_owned(), length.to_string())].into()),
        None => field,
    })
}

/// Key of the field metadata that says how many characters a text has at most.
const LENGTH_KEY: &str = "weir.length";

/// The most characters that a value of the column has.
pub fn length_of(field: &Field) -> Option<u64> {
    field.metadata().get(LENGTH_KEY)?.parse().ok()
}

fn declared_length(declared: &ast::DataType) -> Option<u64> {
    use ast::DataType as T;
    match declared {
        T::Varchar(Some(length))
        | T::CharacterVarying(Some(length))
        | T::CharVarying(Some(length))
        | T::Char(Some(length))
        | T::Character(Some(length)) => match length {
            ast::CharacterLength::IntegerLength { length, .. } => Some(*length),
            ast::CharacterLength::Max => None,
        },
        T::Char(None) | T::Character(None) => Some(1),
        _ => None,
    }
}

fn custom(name: &str, declared: &ast::DataType) -> Result<DataType> {
    match name.to_ascii_lowercase().as_str() {
        "name" | "citext" => Ok(DataType::Utf8),
        _ => Err(unsupported(declared)),
    }
}

fn unsupported(declared: &ast::DataType) -> Error {
    Error::new(Code::NotSupported, format!("columns of type {} are not supported", declared.to_string().to_lowercase())).hint(
        "Types: smallint, int, bigint, real, float8, numeric(p,s), boolean, text, date, timestamp, timestamptz, uuid, jsonb, bytea."
            .to_owned(),
    )
}

fn numeric(info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (u64::from(MAX_PRECISION), i64::from(FREE_SCALE)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let checked = u8::try_from(precision).ok().filter(|p| (1..=MAX_PRECISION).contains(p)).and_then(|p| {
        let scale = u8::try_from(scale).ok().filter(|s| *s <= p)?;
        Some(DataType::Decimal128(p, i8::try_from(scale).ok()?))
    });
    checked.ok_or_else(|| {
        Error::new(Code::InvalidParameter, format!("numeric({precision},{scale}) is out of range"))
            .hint(format!("The precision lies between 1 and {MAX_PRECISION}, the scale between 0 and the precision."))
    })
}

/// The name of a column's type as users write it.
pub fn type_name(data_type: &DataType, logical: Logical) -> String {
    if let Some(word) = logical.word() {
        return word.to_owned();
    }
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 => "text".to_owned(),
        DataType::Binary => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        other => other.to_string(),
    }
}
