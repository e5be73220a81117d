//! Every type, with nulls and extremes: what is written is what is read.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, TimeUnit};
use arus_store::{Error, TableSpec, TableWrite};

use crate::{batch, is_postgres, on_both, open_with, table_for};

on_both!(every_type, floats_that_are_no_numbers, values_that_cannot_be_kept, unsupported_types);

/// The first and the last microsecond that can be kept.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;

fn timestamps(values: Vec<Option<i64>>, unit: TimeUnit) -> ArrayRef {
    let kind = DataType::Timestamp(unit, Some("UTC".into()));
    arrow::compute::cast(&Int64Array::from(values), &kind).unwrap()
}

/// Four rows: smallest, largest, odd, null.
fn every_type_rows() -> RecordBatch {
    let text = [Some(""), Some("\u{10ffff}é'\"\\%_;--"), Some("a\tb\r\nc\\N"), None];
    let decimals = Decimal128Array::from(vec![
        Some(-99_999_999_999_999_999_999_999_999_999_999_999_999_i128),
        Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
        Some(-1),
        None,
    ]);
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), Some(0), None]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), Some(0), None]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), Some(0), None]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), Some(0), None]))),
        ("u8", Arc::new(UInt8Array::from(vec![Some(0), Some(u8::MAX), Some(7), None]))),
        ("u16", Arc::new(UInt16Array::from(vec![Some(0), Some(u16::MAX), Some(7), None]))),
        ("u32", Arc::new(UInt32Array::from(vec![Some(0), Some(u32::MAX), Some(7), None]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(0), Some(i64::MAX as u64), Some(7), None]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(f32::MIN), Some(0.1), Some(1e-40), None]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(f64::MIN), Some(0.1), Some(5e-324), None]))),
        ("utf8", Arc::new(StringArray::from(text.to_vec()))),
        ("large", Arc::new(LargeStringArray::from(text.to_vec()))),
        ("view", Arc::new(StringViewArray::from(text.to_vec()))),
        ("bool", Arc::new(BooleanArray::from(vec![Some(false), Some(true), Some(false), None]))),
        (
            "bytes",
            Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), Some(b""), Some(b"a"), None])),
        ),
        (
            "date",
            Arc::new(Date32Array::from(vec![Some(-719_162), Some(2_932_896), Some(-1), None])),
        ),
        (
            "ts_s",
            timestamps(
                vec![Some(FIRST / 1_000_000), Some(LAST / 1_000_000), Some(-1), None],
                TimeUnit::Second,
            ),
        ),
        (
            "ts_ms",
            timestamps(
                vec![Some(FIRST / 1_000), Some(LAST / 1_000), Some(-1), None],
                TimeUnit::Millisecond,
            ),
        ),
        ("ts_us", timestamps(vec![Some(FIRST), Some(LAST), Some(-1), None], TimeUnit::Microsecond)),
        (
            "ts_ns",
            timestamps(
                vec![
                    Some(-9_223_372_036_854_775_000),
                    Some(9_223_372_036_854_775_000),
                    Some(-1_000),
                    None,
                ],
                TimeUnit::Nanosecond,
            ),
        ),
        ("dec", Arc::new(decimals.with_precision_and_scale(38, 9).unwrap())),
        (
            "dec0",
            Arc::new(
                Decimal128Array::from(vec![Some(-9), Some(9), Some(0), None])
                    .with_precision_and_scale(5, 0)
                    .unwrap(),
            ),
        ),
    ])
}

/// By the small batch's way, and by the big one's: each of the four rows many times under keys of
/// their own.
async fn every_type(url: &str) {
    let rows = every_type_rows();
    let table = table_for("every_type", &rows, &["id"]);
    let store = open_with(url, &[&table]).await;
    store.write(&[TableWrite::Upsert { table: &table, rows: &rows }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), rows);

    let count = 6_000_u64;
    let picks = UInt64Array::from_iter_values((0..count).map(|row| row % 4));
    let mut columns = arrow::compute::take_arrays(rows.columns(), &picks, None).unwrap();
    columns[0] = Arc::new(Int64Array::from_iter_values(0..count as i64));
    let many = RecordBatch::try_new(rows.schema(), columns).unwrap();
    store.write(&[TableWrite::Replace { table: &table, rows: &many }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), many);
    store.close().await;
}

async fn floats_that_are_no_numbers(url: &str) {
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("x", Arc::new(Float64Array::from(values.to_vec()))),
    ]);
    let table = table_for("no_numbers", &rows, &["id"]);
    let store = open_with(url, &[&table]).await;
    store.write(&[TableWrite::Upsert { table: &table, rows: &rows }]).await.unwrap();
    let read = store.read_table(&table).await.unwrap();
    let x = read.column(1).as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!((x.value(1), x.value(2), x.value(3)), (values[1], values[2], 0.0));
    if is_postgres(url) {
        assert!(x.is_valid(0) && x.value(0).is_nan());
    } else {
        assert!(x.is_null(0));
    }
    store.close().await;
}

async fn values_that_cannot_be_kept(url: &str) {
    let good: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let cases: Vec<(&str, ArrayRef, ArrayRef, usize, &str)> = vec![
        ("null key", keys, good.clone(), 1, "is null and belongs to the key"),
        (
            "nul character",
            good.clone(),
            Arc::new(StringArray::from(vec!["fine", "a\0b"])),
            1,
            "NUL character",
        ),
        (
            "large integer",
            good.clone(),
            Arc::new(UInt64Array::from(vec![1 << 63, 1])),
            0,
            "9223372036854775808",
        ),
        (
            "early date",
            good.clone(),
            Arc::new(Date32Array::from(vec![0, -719_163])),
            1,
            "years 1 to 9999",
        ),
        (
            "late instant",
            good.clone(),
            timestamps(vec![Some(0), Some(LAST + 1)], TimeUnit::Microsecond),
            1,
            "years 1 to 9999",
        ),
        (
            "instant beyond microseconds",
            good.clone(),
            timestamps(vec![Some(i64::MAX), None], TimeUnit::Second),
            0,
            "years 1 to 9999",
        ),
        (
            "nanoseconds",
            good,
            timestamps(vec![Some(1_000), Some(1_001)], TimeUnit::Nanosecond),
            1,
            "whole microsecond",
        ),
    ];
    for (case, id, value, bad_row, part) in cases {
        let rows = batch(vec![("id", id), ("value", value)]);
        let name = format!("refused_{}", case.replace(' ', "_"));
        let table = table_for(&name, &rows, &["id"]);
        let store = open_with(url, &[&table]).await;
        let error =
            store.write(&[TableWrite::Upsert { table: &table, rows: &rows }]).await.unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, Error::InvalidValue { row, .. } if row == bad_row),
            "{case}: {text}"
        );
        assert!(text.contains(part) && text.contains(&name), "{case}: {text}");
        assert_eq!(store.read_table(&table).await.unwrap().num_rows(), 0, "{case}");
        store.close().await;
    }
}

async fn unsupported_types(url: &str) {
    let store = crate::open(url).await;
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let values: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![1])),
        Arc::new(Time32SecondArray::from(vec![1])),
        Arc::new(NullArray::new(1)),
    ];
    for value in values {
        let rows = batch(vec![("id", id.clone()), ("the_value", value)]);
        let table: TableSpec = table_for("unsupported", &rows, &["id"]);
        let error = store.ensure_table(&table).await.unwrap_err();
        assert!(matches!(&error, Error::UnsupportedType { column, .. } if column == "the_value"));
        assert!(error.to_string().contains("unsupported"), "{error}");
    }
    store.close().await;
}
