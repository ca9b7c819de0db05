//! The server's types: how their values travel, what Arrow type keeps them, and which declared types they fit.
//!
//! Whatever has no representation of its own here travels as the text that the server itself would show.

use arrow::datatypes::{DataType, Field, TimeUnit};
use tokio_postgres::types::{Kind, Type};

use crate::error::{Code, Error, Result};
use crate::formats::{ColumnSpec, Logical, type_name};

/// The server's binary representation of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Digits after the point that every value has at most; None when the column does not limit them.
    Numeric(Option<i8>),
    Text,
    Json,
    Jsonb,
    Bytea,
    Date,
    Timestamp,
    Timestamptz,
    Uuid,
    List(Box<Wire>),
}

/// What the SELECT makes of a column before it travels. None of these can fail for a value that a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Select {
    Plain,
    Text,
    TextArray,
    Int8,
    Int8Array,
    Jsonb,
    /// Not a column: all of the row that no column takes.
    Rest,
    /// The server no longer has the column, and nobody minds.
    Nothing,
}

impl Select {
    pub(super) fn around(self, column: &str) -> String {
        match self {
            Select::Plain => column.to_owned(),
            Select::Text => format!("{column}::text"),
            Select::TextArray => format!("{column}::text[]"),
            Select::Int8 => format!("{column}::int8"),
            Select::Int8Array => format!("{column}::int8[]"),
            Select::Jsonb => format!("to_jsonb({column})"),
            // The statement knows what is taken; see `Copy::new`.
            Select::Rest => "NULL::jsonb".to_owned(),
            Select::Nothing => "NULL::bytea".to_owned(),
        }
    }
}

/// A column as the server has it, and as it is found when nothing is declared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RemoteColumn {
    pub(super) name: String,
    /// The server's name of its type, for messages.
    pub(super) type_name: String,
    pub(super) wire: Wire,
    pub(super) select: Select,
    pub(super) data_type: DataType,
    pub(super) logical: Logical,
    pub(super) not_null: bool,
}

/// A column of ours and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted {
    pub(super) spec: ColumnSpec,
    pub(super) remote: String,
    pub(super) wire: Wire,
    pub(super) select: Select,
    /// A decimal with more digits after the point than the column keeps is refused rather than rounded.
    pub(super) is_exact: bool,
}

const MAX_PRECISION: u8 = 38;
/// Digits after the point of a `numeric` that names none, as everywhere in the hub.
const FREE_SCALE: i8 = 10;

fn timestamp(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

impl RemoteColumn {
    /// A domain never gets here at the top: the server describes its base type.
    pub(super) fn new(name: &str, of: &Type, modifier: i32, not_null: bool) -> Self {
        let (wire, select, data_type, logical) = travels(of, modifier);
        Self { name: name.to_owned(), type_name: of.name().to_owned(), wire, select, data_type, logical, not_null }
    }

    /// The column when nothing is declared.
    pub(super) fn found(&self) -> ColumnSpec {
        ColumnSpec { not_null: self.not_null, ..ColumnSpec::new(&self.name, self.data_type.clone(), self.logical) }
    }
}

type Travels = (Wire, Select, DataType, Logical);

fn travels(of: &Type, modifier: i32) -> Travels {
    let plain = |wire, data_type| (wire, Select::Plain, data_type, Logical::Plain);
    match of.kind() {
        Kind::Domain(base) => return travels(base, modifier),
        Kind::Array(item) if *of != Type::INT2_VECTOR && *of != Type::OID_VECTOR => return list(item, modifier),
        Kind::Enum(_) => return plain(Wire::Text, DataType::Utf8),
        _ => {}
    }
    match *of {
        Type::BOOL => plain(Wire::Bool, DataType::Boolean),
        Type::INT2 => plain(Wire::Int2, DataType::Int16),
        Type::INT4 => plain(Wire::Int4, DataType::Int32),
        Type::INT8 => plain(Wire::Int8, DataType::Int64),
        Type::OID => (Wire::Int8, Select::Int8, DataType::Int64, Logical::Plain),
        Type::FLOAT4 => plain(Wire::Float4, DataType::Float32),
        Type::FLOAT8 => plain(Wire::Float8, DataType::Float64),
        Type::NUMERIC => numeric(modifier),
        Type::TEXT | Type::VARCHAR | Type::NAME => plain(Wire::Text, DataType::Utf8),
        Type::JSON => (Wire::Json, Select::Plain, DataType::Utf8, Logical::Jsonb),
        Type::JSONB => (Wire::Jsonb, Select::Plain, DataType::Utf8, Logical::Jsonb),
        Type::BYTEA => plain(Wire::Bytea, DataType::Binary),
        Type::DATE => plain(Wire::Date, DataType::Date32),
        Type::TIMESTAMP => plain(Wire::Timestamp, timestamp(None)),
        Type::TIMESTAMPTZ => plain(Wire::Timestamptz, timestamp(Some("UTC"))),
        Type::UUID => (Wire::Uuid, Select::Plain, DataType::Utf8, Logical::Uuid),
        _ if of.name() == "citext" => plain(Wire::Text, DataType::Utf8),
        _ => (Wire::Text, Select::Text, DataType::Utf8, Logical::Plain),
    }
}

fn list(item: &Type, modifier: i32) -> Travels {
    let (wire, select, data_type, _) = travels(item, modifier);
    let select = match select {
        Select::Plain => Select::Plain,
        Select::Int8 => Select::Int8Array,
        _ => Select::TextArray,
    };
    let of = DataType::List(Field::new("item", data_type, true).into());
    (Wire::List(Box::new(wire)), select, of, Logical::Plain)
}

fn numeric(modifier: i32) -> Travels {
    let decimal = |wire, precision, scale| (wire, Select::Plain, DataType::Decimal128(precision, scale), Logical::Plain);
    let free = || decimal(Wire::Numeric(None), MAX_PRECISION, FREE_SCALE);
    if modifier < 4 {
        return free();
    }
    let packed = modifier - 4;
    let precision = (packed >> 16) & 0xffff;
    // Eleven bits with a sign: since PostgreSQL 15 a scale may be negative, or larger than the precision.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    let digits = if scale < 0 { precision - scale } else { precision.max(scale) };
    let (Ok(digits), Ok(scale)) = (u8::try_from(digits.min(i32::from(MAX_PRECISION))), i8::try_from(scale.max(0))) else { return free() };
    if scale > 38 { free() } else { decimal(Wire::Numeric(Some(scale)), digits, scale) }
}

/// Brings a declared column and the server's together.
///
/// # Errors
/// `WrongType` when values of the server's type can never be values of the declared one.
pub(super) fn fit(spec: ColumnSpec, remote: &RemoteColumn) -> Result<Fitted> {
    let wire = remote.wire.clone();
    let made = |wire, select| Fitted {
        is_exact: matches!(remote.wire, Wire::Numeric(None)) && spec.data_type == DataType::Decimal128(MAX_PRECISION, FREE_SCALE),
        spec: spec.clone(),
        remote: remote.name.clone(),
        wire,
        select,
    };
    if remote.data_type == spec.data_type && remote.logical == spec.logical {
        return Ok(made(wire, remote.select));
    }
    use DataType as T;
    let fits = match (&wire, &spec.data_type, spec.logical) {
        (Wire::Int2 | Wire::Int4 | Wire::Int8 | Wire::Numeric(_), T::Int16 | T::Int32 | T::Int64 | T::Decimal128(..), _)
        | (Wire::Float4, T::Float64, _)
        | (Wire::Date, T::Timestamp(TimeUnit::Microsecond, _), _)
        | (Wire::Timestamp | Wire::Timestamptz, T::Timestamp(TimeUnit::Microsecond, _), _)
        | (Wire::Json | Wire::Jsonb, T::Utf8, Logical::Jsonb | Logical::Plain)
        | (Wire::Uuid, T::Utf8, Logical::Plain | Logical::Uuid)
        | (Wire::Text, T::Utf8, _) => Some(made(wire, remote.select)),
        (Wire::List(_), T::Utf8, Logical::Jsonb) => Some(made(Wire::Jsonb, Select::Jsonb)),
        (_, T::Utf8, Logical::Plain) => Some(made(Wire::Text, Select::Text)),
        _ => None,
    };
    fits.ok_or_else(|| {
        let declared = type_name(&spec.data_type, spec.logical);
        Error::new(Code::WrongType, format!("column \"{}\" is declared as {declared} but is {} on the server", spec.name, remote.type_name))
            .hint(format!("Declare it as {} or text, and convert it in the query.", type_name(&remote.data_type, remote.logical)))
    })
}

impl Fitted {
    /// The column that takes what no other takes.
    pub(super) fn rest(spec: ColumnSpec) -> Self {
        Self { spec, remote: String::new(), wire: Wire::Jsonb, select: Select::Rest, is_exact: false }
    }

    /// The column that the server no longer has.
    pub(super) fn nothing(spec: ColumnSpec) -> Self {
        Self { spec, remote: String::new(), wire: Wire::Bytea, select: Select::Nothing, is_exact: false }
    }

    /// Whether every value of the server becomes a value here.
    pub(super) fn never_fails(&self) -> bool {
        let same = match (&self.wire, &self.spec.data_type) {
            (Wire::Bool | Wire::Float4 | Wire::Float8 | Wire::Bytea | Wire::Uuid | Wire::Jsonb, _)
            | (Wire::Int2, DataType::Int16 | DataType::Int32 | DataType::Int64)
            | (Wire::Int4, DataType::Int32 | DataType::Int64)
            | (Wire::Int8, DataType::Int64) => true,
            (Wire::Text, _) => self.spec.logical == Logical::Plain,
            _ => false,
        };
        same && !self.spec.not_null
    }
}
