//! Rows as the job wrote them, from the database and from files, in one form.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arus_kafka::inspect::FullRecord;
use chrono::DateTime;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// One window and group with the default aggregates.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where the window begins, ms since the Unix epoch.
    pub window_start_ms: i64,
    /// Where it ends.
    pub window_end_ms: i64,
    /// The group columns' values.
    pub group: Vec<String>,
    /// How many purchases.
    pub purchases: i64,
    /// Rupiah in all.
    pub total_price: i64,
    /// Rupiah on average.
    pub avg_price: f64,
    /// The cheapest.
    pub min_price: i64,
    /// The dearest.
    pub max_price: i64,
}

/// The columns of the table, when grouped by these.
pub fn schema(group_by: &[&str]) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![
        Field::new("window_start", time.clone(), false),
        Field::new("window_end", time, false),
    ];
    fields.extend(group_by.iter().map(|name| Field::new(*name, DataType::Utf8, false)));
    for (name, data_type) in [
        ("purchases", DataType::Int64),
        ("total_price", DataType::Int64),
        ("avg_price", DataType::Float64),
        ("min_price", DataType::Int64),
        ("max_price", DataType::Int64),
    ] {
        fields.push(Field::new(name, data_type, true));
    }
    Arc::new(Schema::new(fields))
}

/// The rows of a batch in that schema.
///
/// # Panics
/// When it has other columns.
pub fn of_batch(batch: &RecordBatch, groups: usize) -> Vec<Row> {
    fn column<T: Array + 'static>(batch: &RecordBatch, at: usize) -> &T {
        let column = batch.column(at).as_any().downcast_ref();
        column.unwrap_or_else(|| panic!("column {at} is another in {:?}", batch.schema()))
    }
    let time = |at, row| column::<TimestampMillisecondArray>(batch, at).value(row);
    let number = |at, row| column::<Int64Array>(batch, at).value(row);
    let rows = 0..batch.num_rows();
    rows.map(|row| Row {
        window_start_ms: time(0, row),
        window_end_ms: time(1, row),
        group: (2..2 + groups)
            .map(|at| batch.column(at).as_string::<i32>().value(row).to_owned())
            .collect(),
        purchases: number(groups + 2, row),
        total_price: number(groups + 3, row),
        avg_price: column::<Float64Array>(batch, groups + 4).value(row),
        min_price: number(groups + 5, row),
        max_price: number(groups + 6, row),
    })
    .collect()
}

/// The rows of a CSV file, by window and group. No value of ours holds a comma or a quote.
///
/// # Panics
/// When the file is not one of ours.
pub fn of_csv(path: &Path, group_by: &[&str]) -> Vec<Row> {
    let text = fs::read_to_string(path).expect("the CSV file is there");
    let mut lines = text.lines();
    let names = schema(group_by);
    let names: Vec<&str> = names.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(lines.next(), Some(names.join(",").as_str()), "the header");
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        let time =
            |cell: &str| DateTime::parse_from_rfc3339(cell).expect("a time").timestamp_millis();
        let number = |at: usize| cells[at + group_by.len()].parse().expect("a number");
        Row {
            window_start_ms: time(cells[0]),
            window_end_ms: time(cells[1]),
            group: cells[2..2 + group_by.len()].iter().map(|&cell| cell.to_owned()).collect(),
            purchases: number(2),
            total_price: number(3),
            avg_price: cells[4 + group_by.len()].parse().expect("a number"),
            min_price: number(5),
            max_price: number(6),
        }
    });
    sorted(rows.collect())
}

/// The rows of a folder of Parquet files, by window and group.
///
/// # Panics
/// When a file cannot be read.
pub fn of_parquet(folder: &Path, groups: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of Parquet files is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What begins with a dot or an underscore is no data, for every reader of such folders.
        if !name.ends_with(".parquet") || name.starts_with(['.', '_']) {
            continue;
        }
        let file = File::open(&path).expect("it can be opened");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|it| it.build());
        for batch in reader.unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            rows.extend(of_batch(&batch.expect("its rows can be read"), groups));
        }
    }
    sorted(rows)
}

/// The rows of records with a JSON object each, by window and group.
///
/// # Panics
/// When a record is not one of ours.
pub fn of_records(records: &[FullRecord], group_by: &[&str]) -> Vec<Row> {
    let rows = records.iter().map(|record| {
        let payload = record.payload.as_deref().expect("a row is no tombstone");
        let object: Value = serde_json::from_slice(payload).expect("it is JSON");
        let number = |name| digits(payload, name).parse().expect("a whole number");
        let text = |name: &&str| object[*name].as_str().expect("a group is a text").to_owned();
        Row {
            window_start_ms: number("window_start"),
            window_end_ms: number("window_end"),
            group: group_by.iter().map(text).collect(),
            purchases: number("purchases"),
            total_price: number("total_price"),
            avg_price: digits(payload, "avg_price").parse().expect("a number"),
            min_price: number("min_price"),
            max_price: number("max_price"),
        }
    });
    sorted(rows.collect())
}

/// A number's text: `serde_json` reads some fractions wrongly in the last digit.
fn digits<'a>(object: &'a [u8], name: &str) -> &'a str {
    let object = std::str::from_utf8(object).expect("JSON is UTF-8");
    let value = object.split_once(&format!("\"{name}\":")).expect("the field is there").1;
    value.split([',', '}']).next().unwrap_or_default()
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| (a.window_start_ms, &a.group).cmp(&(b.window_start_ms, &b.group)));
    rows
}

/// The rows must be these, each once; else the first differences are told.
///
/// # Panics
/// When they are not.
#[track_caller]
pub fn assert_same(what: &str, found: &[Row], expected: &[Row]) {
    if found == expected {
        return;
    }
    let key = |row: &Row| (row.window_start_ms, row.group.clone());
    let told = |rows: &[Row], others: &[Row]| -> Vec<String> {
        let absent = rows.iter().filter(|row| !others.contains(row));
        absent.take(5).map(|row| format!("{row:?}")).collect()
    };
    let twice = found.windows(2).filter(|pair| key(&pair[0]) == key(&pair[1])).count();
    panic!(
        "{what}: {} rows, expected {}; {twice} twice\nonly found:\n  {}\nonly expected:\n  {}",
        found.len(),
        expected.len(),
        told(found, expected).join("\n  "),
        told(expected, found).join("\n  "),
    );
}
