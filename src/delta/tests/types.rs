//! Every Arrow type is brought to one that Delta keeps, and its values come back.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::setting::*;
use crate::delta::{normalise, normalise_batch};

fn samples() -> Vec<(&'static str, ArrayRef, &'static str)> {
    let utc = |array: TimestampMicrosecondArray, zone: &str| -> ArrayRef { Arc::new(array.with_timezone(zone)) };
    let dictionary: DictionaryArray<Int32Type> = ["red", "blue", "red"].into_iter().collect();
    let list = ListArray::from_iter_primitive::<UInt32Type, _, _>([Some(vec![Some(4_000_000_000), None])]);
    let inner: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let structure = StructArray::from(vec![(Arc::new(Field::new("n", DataType::UInt64, true)), inner)]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).unwrap();
    vec![
        ("bool", Arc::new(BooleanArray::from(vec![true])), "true"),
        ("i8", Arc::new(Int8Array::from(vec![-128])), "-128"),
        ("i16", Arc::new(Int16Array::from(vec![-32768])), "-32768"),
        ("i32", Arc::new(Int32Array::from(vec![i32::MIN])), "-2147483648"),
        ("i64", Arc::new(Int64Array::from(vec![i64::MAX])), "9223372036854775807"),
        ("u8", Arc::new(UInt8Array::from(vec![255])), "255"),
        ("u16", Arc::new(UInt16Array::from(vec![65535])), "65535"),
        ("u32", Arc::new(UInt32Array::from(vec![4_000_000_000])), "4000000000"),
        ("u64", Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
        ("f16", arrow::compute::cast(&Float32Array::from(vec![1.5]), &DataType::Float16).unwrap(), "1.5"),
        ("f32", Arc::new(Float32Array::from(vec![f32::NAN])), "NaN"),
        ("f64", Arc::new(Float64Array::from(vec![-0.25])), "-0.25"),
        ("d128", Arc::new(Decimal128Array::from(vec![-12345]).with_precision_and_scale(10, 2).unwrap()), "-123.45"),
        ("d256", Arc::new(Decimal256Array::from(vec![i256::from_i128(12345)]).with_precision_and_scale(50, 3).unwrap()), "12.345"),
        ("dneg", Arc::new(Decimal128Array::from(vec![12]).with_precision_and_scale(5, -2).unwrap()), "1200"),
        ("date32", Arc::new(Date32Array::from(vec![-1])), "1969-12-31"),
        ("date64", Arc::new(Date64Array::from(vec![86_400_000])), "1970-01-02"),
        ("ts_s", Arc::new(TimestampSecondArray::from(vec![1])), "1970-01-01T00:00:01"),
        ("ts_ns", Arc::new(TimestampNanosecondArray::from(vec![1_999])), "1970-01-01T00:00:00.000001"),
        ("ts_zone", utc(TimestampMicrosecondArray::from(vec![1]), "+02:00"), "1970-01-01T00:00:00.000001Z"),
        ("ts_utc", utc(TimestampMicrosecondArray::from(vec![-1]), "UTC"), "1969-12-31T23:59:59.999999Z"),
        ("time32", Arc::new(Time32SecondArray::from(vec![3_661])), "01:01:01"),
        ("time64", Arc::new(Time64MicrosecondArray::from(vec![1])), "00:00:00.000001"),
        ("interval", Arc::new(IntervalYearMonthArray::from(vec![14])), "1 years 2 mons"),
        ("duration", Arc::new(DurationSecondArray::from(vec![90])), "PT90S"),
        ("large", Arc::new(LargeStringArray::from(vec!["é"])), "é"),
        ("view", Arc::new(StringViewArray::from(vec!["a string longer than twelve bytes"])), "a string longer than twelve bytes"),
        ("dict", Arc::new(dictionary.slice(0, 1)), "red"),
        ("bin", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])), "00ff"),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab"].into_iter()).unwrap()), "6162"),
        ("binview", Arc::new(BinaryViewArray::from(vec![&b"ab"[..]])), "6162"),
        ("null", Arc::new(NullArray::new(1)), "-"),
        ("list", Arc::new(list), "[4000000000, -]"),
        ("struct", Arc::new(structure), "{n: 18446744073709551615}"),
        ("map", Arc::new(map.finish()), "{k: 7}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_kept() {
    for (name, array, text) in samples() {
        let setting = setting();
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter_with_nullable([("id", id, true), (name, array, true)]).unwrap();
        let table = setting.lake.create("shop/orders", batch.schema_ref(), &[], &facts()).await.unwrap();
        let written = write(&table, batch.clone()).await;
        table.append(vec![written], None, &facts()).await.unwrap();
        assert_eq!(newest(&table).await, [format!("1 {text}")], "{name}");
        // Normalised once, a schema and its rows stay as they are.
        let normal = normalise_batch(&batch).unwrap();
        assert_eq!(normal.schema(), normalise(batch.schema_ref()), "{name}");
        assert_eq!(normalise(normal.schema_ref()), normal.schema(), "{name}");
        assert_eq!(normal.column(1).data_type(), table.schema().field(1).data_type(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_exact_and_honest() {
    let setting = setting();
    let columns = [
        ("n", DataType::Int32),
        ("t", DataType::Utf8),
        ("f", DataType::Float64),
        ("g", DataType::Float64),
        ("d", DataType::Decimal128(20, 3)),
        ("day", DataType::Date32),
        ("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
    ];
    let table = setting.table(&columns, &[]).await;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(3), None, Some(-4)])),
        Arc::new(StringArray::from(vec![Some("b\"q"), Some("ä"), None])),
        Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0])),
        Arc::new(Float64Array::from(vec![1.0, -0.5, 2.25])),
        Arc::new(Decimal128Array::from(vec![-5, 12_345_678_901_234_567, 7]).with_precision_and_scale(20, 3).unwrap()),
        Arc::new(Date32Array::from(vec![-719_162, 0, 1])),
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2_000_000, -1]).with_timezone("UTC")),
    ];
    let written = write(&table, RecordBatch::try_new(schema(&columns), arrays).unwrap()).await;
    let stats: serde_json::Value = serde_json::from_str(written.files[0].stats.as_deref().unwrap()).unwrap();
    assert!(written.files[0].stats.as_deref().unwrap().contains("\"d\":12345678901234.567"));
    assert_eq!(stats["numRecords"], 3);
    assert_eq!(
        stats["minValues"],
        serde_json::json!({"n": -4, "t": "b\"q", "g": -0.5, "d": -0.005, "day": "0001-01-01", "at": "1969-12-31T23:59:59.999999Z"})
    );
    assert_eq!(stats["maxValues"]["t"], "ä");
    assert_eq!(stats["nullCount"], serde_json::json!({"n": 1, "t": 1, "f": 0, "g": 0, "d": 0, "day": 0, "at": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_column_says_of_itself_is_kept() {
    let setting = setting();
    let said = |word: &str| std::collections::HashMap::from([("weir.type".to_owned(), word.to_owned())]);
    let columns = Schema::new(vec![Field::new("id", DataType::LargeUtf8, true).with_metadata(said("uuid"))]);
    let table = setting.lake.create("shop/orders", &Arc::new(columns), &[], &facts()).await.unwrap();
    let add = [Field::new("body", DataType::Utf8, true).with_metadata(said("jsonb"))];
    table.evolve(&add, &facts()).await.unwrap();
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let rows = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    table.append(vec![write(&table, rows).await], None, &facts()).await.unwrap();
    let table = setting.elsewhere().table("shop/orders").await.unwrap();
    for schema in [table.schema(), table.scan(None).await.unwrap().schema()] {
        let words: Vec<_> = schema.fields().iter().map(|field| field.metadata()["weir.type"].as_str()).collect();
        assert_eq!(words, ["uuid", "jsonb"]);
    }
    assert_eq!(newest(&table).await, ["a -"]);
}
