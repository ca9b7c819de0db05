//! Which Postgres type an Arrow field leaves as, and which Arrow type a parameter arrives as.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Field, IntervalUnit, TimeUnit};
use pgwire::api::Type;
use pgwire::messages::data::{FieldDescription, RowDescription};

use crate::engine::ORIGIN_KEY;
use crate::error::{Code, Error, Result};

/// Says what a text field really holds: `jsonb` or `uuid`.
pub(super) const TYPE_KEY: &str = "weir.type";
/// How the catalog tables mark object ids (`oid`, `regclass`, ..) and the one-byte `"char"`.
const OID_ALIAS_KEY: &str = "pg.oid_alias";
const CHAR_KEY: &str = "pg.char";

/// The types spoken on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Precision and scale, where they are known.
    Numeric(Option<(u8, i8)>),
    Text,
    Json,
    Jsonb,
    Uuid,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    /// The one-byte type `"char"`.
    Char,
    /// An object id or one of its aliases, by the oid of the type.
    Oid(u32),
    /// `int2vector`, or `oidvector`: numbers with blanks between.
    Vector {
        of_oids: bool,
    },
}

/// A column's or parameter's type: a value, or a one-dimensional array of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PgType {
    pub(super) kind: Kind,
    pub(super) is_array: bool,
}

/// (type, its array type, size in bytes or -1)
fn row_of(kind: Kind) -> (Type, Type, i16) {
    match kind {
        Kind::Bool => (Type::BOOL, Type::BOOL_ARRAY, 1),
        Kind::Int2 => (Type::INT2, Type::INT2_ARRAY, 2),
        Kind::Int4 => (Type::INT4, Type::INT4_ARRAY, 4),
        Kind::Int8 => (Type::INT8, Type::INT8_ARRAY, 8),
        Kind::Float4 => (Type::FLOAT4, Type::FLOAT4_ARRAY, 4),
        Kind::Float8 => (Type::FLOAT8, Type::FLOAT8_ARRAY, 8),
        Kind::Numeric(_) => (Type::NUMERIC, Type::NUMERIC_ARRAY, -1),
        Kind::Text => (Type::TEXT, Type::TEXT_ARRAY, -1),
        Kind::Json => (Type::JSON, Type::JSON_ARRAY, -1),
        Kind::Jsonb => (Type::JSONB, Type::JSONB_ARRAY, -1),
        Kind::Uuid => (Type::UUID, Type::UUID_ARRAY, 16),
        Kind::Bytea => (Type::BYTEA, Type::BYTEA_ARRAY, -1),
        Kind::Date => (Type::DATE, Type::DATE_ARRAY, 4),
        Kind::Time => (Type::TIME, Type::TIME_ARRAY, 8),
        Kind::Timestamp => (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY, 8),
        Kind::TimestampTz => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY, 8),
        Kind::Interval => (Type::INTERVAL, Type::INTERVAL_ARRAY, 16),
        Kind::Char => (Type::CHAR, Type::CHAR_ARRAY, 1),
        Kind::Oid(oid) => (Type::from_oid(oid).unwrap_or(Type::OID), Type::OID_ARRAY, 4),
        Kind::Vector { of_oids: false } => (Type::INT2_VECTOR, Type::INT2_VECTOR_ARRAY, -1),
        Kind::Vector { of_oids: true } => (Type::OID_VECTOR, Type::OID_VECTOR_ARRAY, -1),
    }
}

impl Kind {
    pub(super) fn oid(self) -> u32 {
        row_of(self).0.oid()
    }

    /// PostgreSQL's name of the type, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(_) => "numeric",
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Uuid => "uuid",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Char => "\"char\"",
            Self::Oid(_) => "oid",
            Self::Vector { of_oids: false } => "int2vector",
            Self::Vector { of_oids: true } => "oidvector",
        }
    }

    /// The Arrow type that values of this type have before they are encoded, and parameters after they are decoded.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 | Self::Oid(_) => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Numeric(None) => DataType::Decimal128(38, 10),
            Self::Numeric(Some((precision, scale))) if precision > 38 => DataType::Decimal256(precision, scale),
            Self::Numeric(Some((precision, scale))) => DataType::Decimal128(precision, scale),
            Self::Text | Self::Json | Self::Jsonb | Self::Uuid | Self::Char | Self::Vector { .. } => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        }
    }

    /// The type of a plain Arrow type; whatever has parts is jsonb.
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::Int2,
            DataType::UInt16 | DataType::Int32 => Self::Int4,
            DataType::UInt32 | DataType::Int64 => Self::Int8,
            DataType::UInt64 => Self::Numeric(Some((20, 0))),
            DataType::Float16 | DataType::Float32 => Self::Float4,
            DataType::Float64 => Self::Float8,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::Numeric(Some((*precision, *scale))),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Self::Bytea,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Dictionary(_, value) => Self::of(value),
            DataType::RunEndEncoded(_, value) => Self::of(value.data_type()),
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Struct(_)
            | DataType::Map(_, _)
            | DataType::Union(_, _) => Self::Jsonb,
        }
    }

    fn of_field(field: &Field) -> Self {
        let metadata = field.metadata();
        match metadata.get(TYPE_KEY).map(String::as_str) {
            Some("jsonb") => return Self::Jsonb,
            Some("json") => return Self::Json,
            Some("uuid") => return Self::Uuid,
            Some("vector") => {
                let of_oids = !matches!(field.data_type(), DataType::List(item) if item.data_type() == &DataType::Int16);
                return Self::Vector { of_oids };
            }
            _ => {}
        }
        if metadata.contains_key(CHAR_KEY) {
            return Self::Char;
        }
        if field.data_type().is_integer()
            && let Some(oid) = metadata.get(OID_ALIAS_KEY).and_then(|alias| alias_oid(alias))
        {
            return Self::Oid(oid);
        }
        Self::of(field.data_type())
    }
}

fn alias_oid(alias: &str) -> Option<u32> {
    let alias = match alias {
        "oid" => Type::OID,
        "regproc" => Type::REGPROC,
        "regprocedure" => Type::REGPROCEDURE,
        "regoper" => Type::REGOPER,
        "regoperator" => Type::REGOPERATOR,
        "regclass" => Type::REGCLASS,
        "regtype" => Type::REGTYPE,
        "regnamespace" => Type::REGNAMESPACE,
        "regrole" => Type::REGROLE,
        _ => return None,
    };
    Some(alias.oid())
}

impl PgType {
    pub(super) fn of_field(field: &Field) -> Self {
        match field.data_type() {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
                if item.data_type().is_nested() && matches!(item.data_type(), DataType::List(_) | DataType::LargeList(_)) =>
            {
                // Arrays of arrays have the text of PostgreSQL's, without a type of their own.
                Self { kind: Kind::Text, is_array: false }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
                if Kind::of_field(field) != Kind::Json && !field.metadata().contains_key(TYPE_KEY) =>
            {
                Self { kind: Kind::of_field(item), is_array: true }
            }
            _ => Self { kind: Kind::of_field(field), is_array: false },
        }
    }

    /// The type that a client names, when it is one of ours.
    pub(super) fn of_oid(oid: u32) -> Option<Self> {
        let value = |kind| Some(Self { kind, is_array: false });
        let array = |kind| Some(Self { kind, is_array: true });
        match Type::from_oid(oid)? {
            Type::VARCHAR | Type::BPCHAR | Type::NAME => value(Kind::Text),
            Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => array(Kind::Text),
            Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC | Type::REGNAMESPACE | Type::REGROLE => value(Kind::Oid(oid)),
            Type::OID_ARRAY => array(Kind::Oid(Type::OID.oid())),
            known => PLAIN.iter().find_map(|kind| {
                let (one, many, _) = row_of(*kind);
                if known == one {
                    value(*kind)
                } else if known == many {
                    array(*kind)
                } else {
                    None
                }
            }),
        }
    }

    pub(super) fn oid(self) -> u32 {
        let (one, many, _) = row_of(self.kind);
        if self.is_array { many.oid() } else { one.oid() }
    }

    fn size(self) -> i16 {
        if self.is_array { -1 } else { row_of(self.kind).2 }
    }

    /// Precision and scale as PostgreSQL packs them; -1 when there is nothing to say.
    fn modifier(self) -> i32 {
        match self.kind {
            // As long as numbers can be here is as long as they come.
            Kind::Numeric(Some((38, 10..))) => -1,
            Kind::Numeric(Some((precision, scale))) if precision < DECIMAL256_MAX_PRECISION && scale >= 0 => {
                ((i32::from(precision) << 16) | i32::from(scale)) + 4
            }
            _ => -1,
        }
    }

    /// The Arrow type of values before encoding and of parameters after decoding.
    pub(super) fn arrow(self) -> DataType {
        let value = self.kind.arrow();
        if self.is_array { DataType::List(Arc::new(Field::new_list_field(value, true))) } else { value }
    }
}

/// Every kind that has no parts of its own.
const PLAIN: &[Kind] = &[
    Kind::Bool,
    Kind::Int2,
    Kind::Int4,
    Kind::Int8,
    Kind::Float4,
    Kind::Float8,
    Kind::Numeric(None),
    Kind::Text,
    Kind::Json,
    Kind::Jsonb,
    Kind::Uuid,
    Kind::Bytea,
    Kind::Date,
    Kind::Time,
    Kind::Timestamp,
    Kind::TimestampTz,
    Kind::Interval,
    Kind::Char,
];

/// Text or binary, for each column or parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

impl Format {
    /// The format of item `index`: no codes mean text, one code is for all.
    pub(super) fn of(codes: &[i16], index: usize) -> Result<Self> {
        let code = match codes {
            [] => 0,
            [all] => *all,
            each => each.get(index).copied().unwrap_or(0),
        };
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            other => Err(Error::new(Code::InvalidParameter, format!("unsupported format code: {other}"))),
        }
    }

    fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// One column of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) pg_type: PgType,
    pub(super) format: Format,
}

/// The columns of an answer in the formats the client asked for.
pub(super) fn columns(fields: &arrow::datatypes::Fields, codes: &[i16]) -> Result<Vec<Column>> {
    if codes.len() > 1 && codes.len() != fields.len() {
        return Err(Error::new(
            Code::Protocol,
            format!("bind message has {} result formats but query has {} columns", codes.len(), fields.len()),
        ));
    }
    let column = |(index, field): (usize, &Arc<Field>)| Ok(Column { pg_type: PgType::of_field(field), format: Format::of(codes, index)? });
    fields.iter().enumerate().map(column).collect()
}

/// The relation and the place in it that a column is passed on from.
fn origin(field: &Field) -> Option<(i32, i16)> {
    let (relation, place) = field.metadata().get(ORIGIN_KEY)?.split_once(' ')?;
    Some((relation.parse().ok()?, place.parse().ok()?))
}

pub(super) fn row_description(fields: &arrow::datatypes::Fields, columns: &[Column]) -> RowDescription {
    let describe = |(field, column): (&Arc<Field>, &Column)| {
        let name = field.name().replace('\0', "\u{fffd}");
        let pg_type = column.pg_type;
        let (relation, place) = origin(field).unwrap_or_default();
        FieldDescription::new(name, relation, place, pg_type.oid(), pg_type.size(), pg_type.modifier(), column.format.code())
    };
    RowDescription::new(fields.iter().zip(columns).map(describe).collect())
}
