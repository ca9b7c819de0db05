//! Every type, in text and in binary, there and back.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano, Schema, i256};
use arrow::record_batch::RecordBatch;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use datafusion::common::ScalarValue;
use proptest::prelude::*;
use tokio_postgres::types::{FromSql, Type};

use super::super::encode::{Rows, Zone};
use super::super::frontend::Bind;
use super::super::params;
use super::super::portal::Prepared;
use super::super::types::{Column, Format, PgType};
use super::TestServer;
use crate::error::{Code, Result};
use crate::session::Description;

/// The cells of a batch of one column, as they stand on the wire.
fn encode(field: &Field, array: ArrayRef, format: Format, zone: &Zone) -> Result<Vec<Option<Vec<u8>>>> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
    let rows = Rows::new(&batch, &[Column { pg_type: PgType::of_field(field), format }], zone)?;
    (0..rows.len())
        .map(|row| {
            let mut out = BytesMut::new();
            rows.put(row, &mut out)?;
            let length = i32::from_be_bytes(out[7..11].try_into().unwrap());
            assert_eq!(i32::from_be_bytes(out[1..5].try_into().unwrap()) as usize + 1, out.len());
            Ok((length >= 0).then(|| out[11..].to_vec()))
        })
        .collect()
}

fn text_of(field: &Field, array: ArrayRef) -> Vec<Option<String>> {
    let cells = encode(field, array, Format::Text, &Zone::UTC).unwrap();
    cells.into_iter().map(|cell| cell.map(|bytes| String::from_utf8(bytes).unwrap())).collect()
}

fn texts(array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let field = Field::new("c", array.data_type().clone(), true);
    text_of(&field, array).into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect()
}

fn type_name(array: &dyn Array) -> String {
    let field = Field::new("c", array.data_type().clone(), true);
    Type::from_oid(PgType::of_field(&field).oid()).unwrap().name().to_owned()
}

fn binary<T: for<'a> FromSql<'a>>(array: impl Array + 'static) -> Vec<Option<T>> {
    let array: ArrayRef = Arc::new(array);
    let field = Field::new("c", array.data_type().clone(), true);
    let ty = Type::from_oid(PgType::of_field(&field).oid()).unwrap();
    assert!(T::accepts(&ty), "{ty}");
    let cells = encode(&field, array, Format::Binary, &Zone::UTC).unwrap();
    cells.into_iter().map(|cell| cell.map(|bytes| T::from_sql(&ty, &bytes).unwrap())).collect()
}

fn tagged(name: &str) -> Field {
    Field::new("c", DataType::Utf8, true).with_metadata([("weir.type".to_owned(), name.to_owned())].into())
}

#[test]
fn numbers_widen_to_what_postgres_has() {
    let all: [(ArrayRef, &str, &str); 11] = [
        (Arc::new(Int8Array::from(vec![-128])), "int2", "-128"),
        (Arc::new(UInt8Array::from(vec![255])), "int2", "255"),
        (Arc::new(Int16Array::from(vec![i16::MIN])), "int2", "-32768"),
        (Arc::new(UInt16Array::from(vec![u16::MAX])), "int4", "65535"),
        (Arc::new(Int32Array::from(vec![0])), "int4", "0"),
        (Arc::new(UInt32Array::from(vec![u32::MAX])), "int8", "4294967295"),
        (Arc::new(Int64Array::from(vec![i64::MIN])), "int8", "-9223372036854775808"),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), "numeric", "18446744073709551615"),
        (Arc::new(BooleanArray::from(vec![true])), "bool", "t"),
        (Arc::new(NullArray::new(1)), "text", "NULL"),
        (Arc::new(Float16Array::from(vec![half()])), "float4", "1.5"),
    ];
    for (array, name, text) in all {
        assert_eq!(type_name(&array), name);
        assert_eq!(texts(make_array(array.to_data())), [text]);
    }
    assert_eq!(binary::<i64>(Int64Array::from(vec![Some(i64::MAX), None])), [Some(i64::MAX), None]);
    assert_eq!(binary::<i16>(UInt8Array::from(vec![200])), [Some(200)]);
}

fn half() -> <arrow::datatypes::Float16Type as ArrowPrimitiveType>::Native {
    arrow::compute::cast(&Float32Array::from(vec![1.5]), &DataType::Float16)
        .unwrap()
        .as_primitive::<arrow::datatypes::Float16Type>()
        .value(0)
}

#[test]
fn floats_print_as_postgres_prints_them() {
    let doubles = vec![
        0.0,
        -0.0,
        1.0,
        1.5,
        1e14,
        123_456_789_012_345.6,
        1e15,
        1.234_567_890_123_456_8e17,
        0.1,
        0.0001,
        0.000_01,
        1e-300,
        5e-324,
        f64::MAX,
    ];
    let expected = [
        "0",
        "-0",
        "1",
        "1.5",
        "100000000000000",
        "123456789012345.6",
        "1e+15",
        "1.2345678901234568e+17",
        "0.1",
        "0.0001",
        "1e-05",
        "1e-300",
        "5e-324",
        "1.7976931348623157e+308",
    ];
    assert_eq!(texts(Float64Array::from(doubles)), expected);
    assert_eq!(texts(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY])), ["NaN", "Infinity", "-Infinity"]);
    assert_eq!(texts(Float32Array::from(vec![100_000.0, 1e6, 3.4e38, 0.1])), ["100000", "1e+06", "3.4e+38", "0.1"]);
    assert_eq!(binary::<f64>(Float64Array::from(vec![0.1])), [Some(0.1)]);
}

#[test]
fn decimals_keep_every_digit() {
    let d128 = |values: Vec<i128>, p, s| Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap();
    assert_eq!(texts(d128(vec![12345, -5, 0, 100], 10, 2)), ["123.45", "-0.05", "0.00", "1.00"]);
    assert_eq!(texts(d128(vec![12, 0], 10, -3)), ["12000", "0"]);
    assert_eq!(texts(d128(vec![10_i128.pow(37)], 38, 0)), ["10000000000000000000000000000000000000"]);
    assert_eq!(texts(d128(vec![1], 38, 38)), [format!("0.{:0>38}", 1)]);
    let d256 = Decimal256Array::from(vec![i256::from_i128(-1), i256::from_i128(i128::MAX)]).with_precision_and_scale(76, 40).unwrap();
    assert_eq!(texts(d256), [format!("-0.{:0>40}", 1), "0.0170141183460469231731687303715884105727".to_owned()]);
    assert_eq!(texts(Decimal64Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap()), ["1.50"]);
    // Binary forms, as `numeric_send` gives them: groups, weight, sign, shown digits.
    let words = |words: &[i16]| Some(words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
    let sent = |value: i128, scale: i8| {
        let array = d128(vec![value], 38, scale);
        encode(&Field::new("c", array.data_type().clone(), true), Arc::new(array), Format::Binary, &Zone::UTC).unwrap().remove(0)
    };
    assert_eq!(sent(0, 2), words(&[0, 0, 0, 2]));
    assert_eq!(sent(123_456_789, 2), words(&[3, 1, 0, 2, 123, 4567, 8900]));
    assert_eq!(sent(-1, 4), words(&[1, -1, 0x4000, 4, 1]));
    assert_eq!(sent(10_000, 0), words(&[1, 1, 0, 0, 1]));
    assert_eq!(sent(5, -6), words(&[1, 1, 0, 0, 500]));
    assert_eq!(sent(15, 1), words(&[2, 0, 0, 1, 1, 5000]));
}

#[test]
fn dates_and_times_print_as_iso() {
    let day =
        |y, m, d| i32::try_from(NaiveDate::from_ymd_opt(y, m, d).unwrap().signed_duration_since(NaiveDate::default()).num_days()).unwrap();
    let days = vec![0, day(2024, 2, 29), day(1, 1, 1), day(0, 12, 31), day(-43, 3, 15), day(10_000, 1, 1)];
    assert_eq!(texts(Date32Array::from(days)), ["1970-01-01", "2024-02-29", "0001-01-01", "0001-12-31 BC", "0044-03-15 BC", "10000-01-01"]);
    assert_eq!(texts(Date64Array::from(vec![86_400_000])), ["1970-01-02"]);
    assert_eq!(texts(Time64MicrosecondArray::from(vec![0, 3_661_000_000, 86_399_999_999])), ["00:00:00", "01:01:01", "23:59:59.999999"]);
    assert_eq!(texts(Time32SecondArray::from(vec![61])), ["00:01:01"]);
    let moments = vec![0, -1, 1_500_000, 253_402_300_800_000_000];
    let expected = ["1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:01.5", "10000-01-01 00:00:00"];
    assert_eq!(texts(TimestampMicrosecondArray::from(moments)), expected);
    assert_eq!(texts(TimestampNanosecondArray::from(vec![1_999])), ["1970-01-01 00:00:00.000001"]);
    assert_eq!(texts(TimestampSecondArray::from(vec![1]).with_timezone("UTC")), ["1970-01-01 00:00:01+00"]);

    let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_782_864_000_000_000]).with_timezone("+02:00"));
    let field = Field::new("c", array.data_type().clone(), true);
    for (zone, text) in
        [("UTC", "2026-07-01 00:00:00+00"), ("America/New_York", "2026-06-30 20:00:00-04"), ("Asia/Kathmandu", "2026-07-01 05:45:00+05:45")]
    {
        let cells = encode(&field, Arc::clone(&array), Format::Text, &Zone::parse(zone)).unwrap();
        assert_eq!(cells, [Some(text.as_bytes().to_vec())]);
    }
    let moment: DateTime<Utc> = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let array = TimestampMicrosecondArray::from(vec![moment.timestamp_micros()]).with_timezone("UTC");
    assert_eq!(binary::<DateTime<Utc>>(array), [Some(moment)]);
    assert_eq!(binary::<NaiveDate>(Date32Array::from(vec![20_000])), [NaiveDate::default().checked_add_days(chrono::Days::new(20_000))]);
    assert_eq!(binary::<NaiveTime>(Time64MicrosecondArray::from(vec![1_000_000])), [NaiveTime::from_hms_opt(0, 0, 1)]);
    assert_eq!(binary::<NaiveDateTime>(TimestampMicrosecondArray::from(vec![0])), [Some(NaiveDateTime::default())]);
}

#[test]
fn intervals_print_as_postgres_prints_them() {
    let interval = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
    let values = vec![
        interval(14, 3, 4_005_006_000_000),
        interval(0, 0, 0),
        interval(-1, 1, 0),
        interval(0, -1, 1_000_000_000),
        interval(0, 0, -61_000_000_000),
        interval(12, 0, 0),
        interval(0, 0, 360_000_000_000_000),
    ];
    let expected =
        ["1 year 2 mons 3 days 01:06:45.006", "00:00:00", "-1 mons +1 day", "-1 days +00:00:01", "-00:01:01", "1 year", "100:00:00"];
    assert_eq!(texts(IntervalMonthDayNanoArray::from(values)), expected);
    assert_eq!(texts(IntervalYearMonthArray::from(vec![13])), ["1 year 1 mon"]);
    assert_eq!(texts(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 2_000)])), ["1 day 00:00:02"]);
    assert_eq!(texts(DurationSecondArray::from(vec![90])), ["00:01:30"]);
    let cells = encode(
        &Field::new("c", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), true),
        Arc::new(IntervalMonthDayNanoArray::from(vec![interval(1, 2, 3_000)])),
        Format::Binary,
        &Zone::UTC,
    );
    assert_eq!(cells.unwrap(), [Some([&3_i64.to_be_bytes()[..], &2_i32.to_be_bytes(), &1_i32.to_be_bytes()].concat())]);
}

#[test]
fn texts_and_bytes_of_every_layout() {
    for array in [
        Arc::new(StringArray::from(vec![Some("ä\""), None])) as ArrayRef,
        Arc::new(LargeStringArray::from(vec![Some("ä\""), None])),
        Arc::new(StringViewArray::from(vec![Some("ä\""), None])),
        Arc::new(vec![Some("ä\""), None].into_iter().collect::<DictionaryArray<Int8Type>>()),
    ] {
        assert_eq!((type_name(&array).as_str(), texts(make_array(array.to_data()))), ("text", vec!["ä\"".to_owned(), "NULL".to_owned()]));
    }
    for array in [
        Arc::new(BinaryArray::from(vec![&b"\x00\xffa"[..]])) as ArrayRef,
        Arc::new(LargeBinaryArray::from(vec![&b"\x00\xffa"[..]])),
        Arc::new(BinaryViewArray::from(vec![&b"\x00\xffa"[..]])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([b"\x00\xffa"].into_iter()).unwrap()),
    ] {
        assert_eq!((type_name(&array).as_str(), texts(make_array(array.to_data()))), ("bytea", vec!["\\x00ff61".to_owned()]));
        assert_eq!(binary::<Vec<u8>>(make_array(array.to_data())), [Some(b"\x00\xffa".to_vec())]);
    }
    let ends = Int32Array::from(vec![2, 3]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["a", "b"])).unwrap();
    assert_eq!(texts(runs), ["a", "a", "b"]);
}

#[test]
fn text_with_a_meaning_of_its_own() {
    let id = "0191d3a0-0000-7000-8000-000000000001";
    let uuid = tagged("uuid");
    assert_eq!(PgType::of_field(&uuid).oid(), Type::UUID.oid());
    let cells = encode(&uuid, Arc::new(StringArray::from(vec![id])), Format::Binary, &Zone::UTC).unwrap();
    assert_eq!(cells, [Some(uuid::Uuid::parse_str(id).unwrap().as_bytes().to_vec())]);
    let wrong = encode(&uuid, Arc::new(StringArray::from(vec!["x"])), Format::Binary, &Zone::UTC);
    assert_eq!(wrong.unwrap_err().code(), Code::InvalidText);
    let jsonb = tagged("jsonb");
    assert_eq!(PgType::of_field(&jsonb).oid(), Type::JSONB.oid());
    let cells = encode(&jsonb, Arc::new(StringArray::from(vec!["[1]"])), Format::Binary, &Zone::UTC).unwrap();
    assert_eq!(cells, [Some(b"\x01[1]".to_vec())]);
    assert_eq!(text_of(&jsonb, Arc::new(StringArray::from(vec!["[1]"]))), [Some("[1]".to_owned())]);
}

#[test]
fn lists_are_arrays() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!((type_name(&list).as_str(), texts(list.clone())), ("_int4", ["{1,NULL}", "NULL", "{}"].map(str::to_owned).to_vec()));
    assert_eq!(binary::<Vec<Option<i32>>>(list.slice(0, 3)), [Some(vec![Some(1), None]), None, Some(vec![])]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)])], 2);
    assert_eq!(texts(fixed), ["{1,2}"]);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), Some(vec![Some(2), Some(3)])]);
    assert_eq!(texts(large.slice(1, 1)), ["{2,3}"]);

    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value([Some("a"), Some("b c"), Some(""), Some("NULL"), None, Some("q\"\\"), Some("{,}")]);
    let words = words.finish();
    assert_eq!(texts(words.clone()), [r#"{a,"b c","","NULL",NULL,"q\"\\","{,}"}"#]);
    assert_eq!(binary::<Vec<Option<String>>>(words).remove(0).unwrap()[6].as_deref(), Some("{,}"));
}

#[test]
fn values_with_parts_are_json() {
    let a = (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef);
    let b = (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x\"", "y"])) as ArrayRef);
    let parts = StructArray::from(vec![a, b]);
    assert_eq!(type_name(&parts), "jsonb");
    assert_eq!(texts(parts.clone()), [r#"{"a":1,"b":"x\""}"#, r#"{"a":null,"b":"y"}"#]);
    assert_eq!(binary::<serde_json::Value>(parts)[0], Some(serde_json::json!({"a": 1, "b": "x\""})));

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let map = map.finish();
    assert_eq!((type_name(&map).as_str(), texts(map)), ("jsonb", vec![r#"{"k":7}"#.to_owned(), "NULL".to_owned()]));
    let mut map = MapBuilder::new(None, Int32Builder::new(), BooleanBuilder::new());
    map.keys().append_value(5);
    map.values().append_value(true);
    map.append(true).unwrap();
    assert_eq!(texts(map.finish()), [r#"{"5":true}"#]);

    let inner = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![])]);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let nested = ListArray::new(field, OffsetBuffer::from_lengths([2]), Arc::new(inner), None);
    assert_eq!((type_name(&nested).as_str(), texts(nested)), ("text", vec!["{{1,2},{}}".to_owned()]));

    let fields =
        [(0, Arc::new(Field::new("n", DataType::Int32, true))), (1, Arc::new(Field::new("t", DataType::Utf8, true)))].into_iter().collect();
    let children = vec![Arc::new(Int32Array::from(vec![5])) as ArrayRef, Arc::new(StringArray::from(vec!["w"]))];
    let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8, 1]), Some(ScalarBuffer::from(vec![0, 0])), children);
    if let Ok(union) = union {
        assert_eq!(type_name(&union), "jsonb");
        assert!(!texts(union).is_empty());
    }
}

fn decoded(ty: &Type, format: i16, bytes: &[u8], zone: &Zone) -> Result<ScalarValue> {
    let parameters = params::types(&Description::default(), &[ty.oid()])?;
    let prepared = Prepared { statement: None, parameters, announced: Vec::new(), description: Description::default() };
    let parameters = vec![Some(Bytes::copy_from_slice(bytes))];
    let bind =
        Bind { portal: String::new(), statement: String::new(), parameter_formats: vec![format], parameters, result_formats: Vec::new() };
    Ok(params::decode(&prepared, &bind, zone)?.remove(0))
}

/// What is sent in text or binary is decoded to the same value, for every type.
#[test]
fn values_survive_the_way_there_and_back() {
    let berlin = Zone::parse("Europe/Berlin");
    let arrays: Vec<(Type, ArrayRef)> = vec![
        (Type::BOOL, Arc::new(BooleanArray::from(vec![true]))),
        (Type::INT2, Arc::new(Int16Array::from(vec![-7]))),
        (Type::INT4, Arc::new(Int32Array::from(vec![i32::MIN]))),
        (Type::INT8, Arc::new(Int64Array::from(vec![i64::MAX]))),
        (Type::FLOAT4, Arc::new(Float32Array::from(vec![1.1e-20]))),
        (Type::FLOAT8, Arc::new(Float64Array::from(vec![-1.1e200]))),
        (Type::NUMERIC, Arc::new(Decimal128Array::from(vec![-1_234_500]).with_precision_and_scale(7, 4).unwrap())),
        (Type::TEXT, Arc::new(StringArray::from(vec!["\\ ä "]))),
        (Type::BYTEA, Arc::new(BinaryArray::from(vec![&b"\x00\\"[..]]))),
        (Type::DATE, Arc::new(Date32Array::from(vec![20_454]))),
        (Type::TIME, Arc::new(Time64MicrosecondArray::from(vec![3_600_000_001]))),
        (Type::TIMESTAMP, Arc::new(TimestampMicrosecondArray::from(vec![1_782_864_000_123_456]))),
        (Type::TIMESTAMPTZ, Arc::new(TimestampMicrosecondArray::from(vec![1_782_864_000_123_456]).with_timezone("UTC"))),
        (Type::INTERVAL, Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(14, 3, 0)]))),
        (Type::INT4_ARRAY, Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])]))),
    ];
    for (ty, array) in arrays {
        let field = Field::new("c", array.data_type().clone(), true);
        assert_eq!(PgType::of_field(&field).oid(), ty.oid());
        let expected = ScalarValue::try_from_array(&array, 0).unwrap();
        for (format, code) in [(Format::Text, 0), (Format::Binary, 1)] {
            let bytes = encode(&field, Arc::clone(&array), format, &berlin).unwrap().remove(0).unwrap();
            assert_eq!(decoded(&ty, code, &bytes, &berlin).unwrap(), expected, "{ty} {format:?}");
        }
    }
}

#[test]
fn texts_of_parameters_are_read_as_postgres_reads_them() {
    let utc = Zone::UTC;
    let text = |ty: &Type, text: &str| decoded(ty, 0, text.as_bytes(), &utc);
    for (word, value) in [("t", true), ("YES", true), ("off", false), ("0", false), (" true ", true)] {
        assert_eq!(text(&Type::BOOL, word).unwrap(), ScalarValue::Boolean(Some(value)));
    }
    assert_eq!(text(&Type::NUMERIC, "-1.50e2").unwrap(), ScalarValue::Decimal128(Some(-150), 3, 0));
    assert_eq!(text(&Type::BYTEA, "a\\\\\\001").unwrap(), ScalarValue::Binary(Some(b"a\\\x01".to_vec())));
    assert_eq!(
        text(&Type::UUID, "{0191D3A0-0000-7000-8000-000000000001}").unwrap(),
        ScalarValue::from("0191d3a0-0000-7000-8000-000000000001")
    );
    let noon = |zone: &str, text: &str| decoded(&Type::TIMESTAMPTZ, 0, text.as_bytes(), &Zone::parse(zone)).unwrap();
    assert_eq!(noon("Europe/Berlin", "2026-07-01 12:00:00"), noon("UTC", "2026-07-01 10:00:00"));
    assert_eq!(noon("Europe/Berlin", "2026-07-01 12:00:00+00"), noon("UTC", "2026-07-01 12:00:00"));
    for (ty, wrong, code) in [
        (Type::INT4, "x", Code::InvalidText),
        (Type::INT4, "3000000000", Code::NumericOutOfRange),
        (Type::BOOL, "maybe", Code::InvalidText),
        (Type::UUID, "1", Code::InvalidText),
        (Type::JSONB, "{", Code::InvalidText),
        (Type::DATE, "2026-13-01", Code::InvalidText),
        (Type::INT4_ARRAY, "1,2", Code::InvalidText),
        (Type::INT4_ARRAY, "{1,,2}", Code::InvalidText),
        (Type::BYTEA, "\\xabc", Code::InvalidText),
        (Type::NUMERIC, "1e999", Code::NumericOutOfRange),
        (Type::NUMERIC, ".", Code::InvalidText),
    ] {
        assert_eq!(text(&ty, wrong).unwrap_err().code(), code, "{ty} {wrong}");
    }
    assert_eq!(text(&Type::TEXT_ARRAY, r#"{a, "b,\"c", NULL,"null"}"#).unwrap().to_string(), r#"[a, b,"c, , null]"#);
    assert!(params::types(&Description::default(), &[Type::POINT.oid()]).is_err());
}

proptest! {
    /// Numbers of any length and scale come back as they were; a numeric without a precision does not show zeros at its end.
    #[test]
    fn any_numeric_survives(unscaled in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_i8..=38) {
        let array: ArrayRef = Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, scale).unwrap());
        let field = Field::new("c", array.data_type().clone(), true);
        for (format, code) in [(Format::Text, 0), (Format::Binary, 1)] {
            let bytes = encode(&field, Arc::clone(&array), format, &Zone::UTC).unwrap().remove(0).unwrap();
            let back = decoded(&Type::NUMERIC, code, &bytes, &Zone::UTC).unwrap();
            let is_same = match back {
                ScalarValue::Decimal128(Some(value), _, shown) if shown <= scale => {
                    value.checked_mul(10_i128.pow(u32::from((scale - shown).unsigned_abs()))) == Some(unscaled)
                }
                _ => false,
            };
            prop_assert!(is_same, "{back:?}");
        }
    }

    #[test]
    fn any_moment_prints_as_chrono_prints_it(micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
        let expected = DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let expected = expected.trim_end_matches('0').trim_end_matches('.').to_owned();
        let printed = texts(TimestampMicrosecondArray::from(vec![micros])).remove(0);
        prop_assert_eq!(printed.trim_end_matches(":00"), expected.trim_end_matches(":00"));
    }

    #[test]
    fn any_float_reads_back(value in any::<f64>().prop_filter("a number", |value| !value.is_nan())) {
        prop_assert_eq!(texts(Float64Array::from(vec![value])).remove(0).parse::<f64>().unwrap(), value);
    }
}

/// The same through a real driver, which sends and reads binary.
#[tokio::test]
async fn a_driver_binds_and_reads_binary() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let (day, bytes) = (NaiveDate::from_ymd_opt(2026, 1, 2).unwrap(), b"\x00\x01".to_vec());
    let text = "SELECT $1::bigint, $2::double, $3::text, $4::boolean, $5::date, $6::bytea";
    let types = [Type::INT8, Type::FLOAT8, Type::TEXT, Type::BOOL, Type::DATE, Type::BYTEA];
    let statement = client.prepare_typed(text, &types).await.unwrap();
    let row = client.query_one(&statement, &[&7_i64, &0.5_f64, &"text", &true, &day, &bytes]).await.unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, f64>(1), row.get::<_, String>(2), row.get::<_, bool>(3)),
        (7, 0.5, "text".to_owned(), true)
    );
    assert_eq!(row.get::<_, NaiveDate>(4), day);
    assert_eq!(row.get::<_, Vec<u8>>(5), b"\x00\x01");
    let statement = client.prepare_typed("SELECT $1::bigint IS NULL", &[Type::INT8]).await.unwrap();
    let row = client.query_one(&statement, &[&None::<i64>]).await.unwrap();
    assert!(row.get::<_, bool>(0));
    server.stop().await;
}
