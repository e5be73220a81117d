use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int32Array, Int64Array};

use super::*;
use crate::load::Place;
use crate::quality::{Compression, Encoding, Warnings};
use crate::tables::{MONEY_PRECISION, SHAPES};

/// Tables whose `count` months have the same large numbers in all columns.
fn tables(count: i32) -> Tables {
    let batches = SHAPES.each_ref().map(|shape| {
        let schema = shape.schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "InvoiceYear" => {
                    Arc::new(Int32Array::from_iter_values((0..count).map(|i| 2010 + i / 12)))
                }
                "InvoiceMonth" => {
                    Arc::new(Int32Array::from_iter_values((0..count).map(|i| i % 12 + 1)))
                }
                "revenue" => {
                    let money = vec![-12_345_678_905_050_i128; count as usize];
                    let money = Decimal128Array::from(money);
                    Arc::new(money.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap())
                }
                _ => arrow::compute::cast(
                    &Int64Array::from(vec![1_234_567; count as usize]),
                    field.data_type(),
                )
                .unwrap(),
            }
        });
        RecordBatch::try_new(shape.schema(), columns.collect()).unwrap()
    });
    Tables::from_batches(batches)
}

fn result(months: i32) -> RunResult {
    let file = FileRead {
        path: PathBuf::from("a.csv"),
        bytes: 45_600_000,
        modified_ns: 0,
        xxh3: 0,
        compression: Compression::None,
        encoding: Encoding::Latin1,
        rows: 1_000,
    };
    let mut quality = Quality {
        files: vec![file; 7],
        rows: 1_000,
        loaded: 990,
        rejected: 10,
        warnings: Warnings { missing_customer: 7, cancelled: 1_234, zero_price: 0, duplicates: 1 },
        ..Quality::default()
    };
    quality.rejected_by_rule.insert("date", 10);
    RunResult {
        quality,
        period: None,
        tables: tables(months),
        places: vec![Place { what: "CSV", place: "out/*.csv".to_owned() }],
        fingerprint: String::new(),
        took: Duration::from_millis(1_234),
    }
}

#[test]
fn what_is_told() {
    let text = summary(&result(2));
    let expected = "  \
  month    customers       new  returning    orders           revenue
  2010-01  1,234,567 1,234,567  1,234,567 1,234,567 -1,234,567,890.51
  2010-02  1,234,567 1,234,567  1,234,567 1,234,567 -1,234,567,890.51

  input     a.csv (ISO-8859-1, 45.6 MB)
  input     a.csv (ISO-8859-1, 45.6 MB)
  input     a.csv (ISO-8859-1, 45.6 MB)
  input     a.csv (ISO-8859-1, 45.6 MB)
  input     a.csv (ISO-8859-1, 45.6 MB)
            and 2 more files
  rows      1,000 = 990 loaded + 10 rejected
            10 rejected: date
  of these  7 without a customer, 1,234 cancelled, 1 exact copies

  CSV       out/*.csv
  took      1.23 s
";
    assert_eq!(text, expected);
}

#[test]
fn many_months_are_cut_and_no_line_is_wide() {
    let text = summary(&result(30));
    assert!(text.contains("… 6 earlier months"), "{text}");
    assert!(!text.contains("2010-06") && text.contains("2010-07") && text.contains("2012-06"));
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(summary(&result(0)).contains("no rows"));
}
