//! Rows for the tests of the sinks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::{OutputMode, OutputTable};

/// Rows of 30-second windows: start (ms), furniture, purchases, total price.
pub(crate) fn purchases(rows: &[(i64, &str, i64, i64)]) -> RecordBatch {
    let time = |add: i64| -> ArrayRef {
        let values = rows.iter().map(|row| row.0 + add);
        Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        time(0),
        time(30_000),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    RecordBatch::try_new(table(OutputMode::Append).schema, columns).unwrap()
}

/// The table of those rows.
pub(crate) fn table(mode: OutputMode) -> OutputTable {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    OutputTable {
        name: "purchase_windows".to_owned(),
        schema: Arc::new(Schema::new(vec![
            Field::new("window_start", time.clone(), false),
            Field::new("window_end", time, false),
            Field::new("furniture", DataType::Utf8, false),
            Field::new("purchases", DataType::Int64, false),
            Field::new("total_price", DataType::Int64, false),
        ])),
        key: vec!["window_start".to_owned(), "furniture".to_owned()],
        mode,
    }
}

/// Epoch `epoch` of a made-up job: now and then without rows.
pub(crate) fn epoch_rows(epoch: u64) -> RecordBatch {
    let start = epoch.cast_signed() * 30_000;
    let count = epoch.cast_signed() * 3;
    match epoch % 4 {
        0 => purchases(&[]),
        1 => purchases(&[(start, "Bed", count, count * 100)]),
        _ => purchases(&[(start, "Bed", count, 7), (start, "Sofa, \"big\"", count + 1, -9)]),
    }
}
