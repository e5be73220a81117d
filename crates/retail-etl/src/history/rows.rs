//! Runs and steps as rows of their tables.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use arus_store::{Error, TableSpec};
use chrono::{DateTime, Utc};

use super::{Rows, RunRecord, StepRecord};

const RUNS: &str = "etl_runs";
const STEPS: &str = "etl_steps";

/// Name, type, and whether there is always a value.
type Columns<'a> = &'a [(&'static str, Type, bool)];

#[derive(Clone, Copy)]
enum Type {
    Text,
    Integer,
    Instant,
}

const RUN_COLUMNS: Columns<'_> = &[
    ("run_id", Type::Text, true),
    ("job", Type::Text, true),
    ("kind", Type::Text, true),
    ("scheduled_for", Type::Instant, false),
    ("started", Type::Instant, true),
    ("ended", Type::Instant, false),
    ("state", Type::Text, true),
    ("attempt", Type::Integer, true),
    ("rows_in", Type::Integer, false),
    ("rows_out", Type::Integer, false),
    ("rows_rejected", Type::Integer, false),
    ("input", Type::Text, true),
    ("input_fingerprint", Type::Text, false),
    ("error", Type::Text, false),
    ("log_file", Type::Text, true),
    ("process", Type::Text, true),
];

const STEP_COLUMNS: Columns<'_> = &[
    ("run_id", Type::Text, true),
    ("attempt", Type::Integer, true),
    ("step", Type::Text, true),
    ("started", Type::Instant, true),
    ("ended", Type::Instant, false),
    ("state", Type::Text, true),
    ("rows_in", Type::Integer, false),
    ("rows_out", Type::Integer, false),
    ("rows_rejected", Type::Integer, false),
    ("job", Type::Text, true),
];

pub(super) fn runs_table(prefix: &str) -> TableSpec {
    table(prefix, RUNS, RUN_COLUMNS, &["job", "run_id"])
}

pub(super) fn steps_table(prefix: &str) -> TableSpec {
    table(prefix, STEPS, STEP_COLUMNS, &["job", "run_id", "attempt", "step"])
}

fn table(prefix: &str, name: &str, columns: Columns<'_>, key: &[&str]) -> TableSpec {
    TableSpec {
        name: format!("{prefix}{name}"),
        schema: schema(columns),
        key: key.iter().map(ToString::to_string).collect(),
    }
}

fn schema(columns: Columns<'_>) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind, always)| {
            let data_type = match kind {
                Type::Text => DataType::Utf8,
                Type::Integer => DataType::Int64,
                Type::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            };
            Field::new(*name, data_type, !always)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

pub(super) fn runs_batch(runs: &[RunRecord]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        texts(runs, |run| Some(run.run_id.as_str())),
        texts(runs, |run| Some(run.job.as_str())),
        texts(runs, |run| Some(run.kind.as_str())),
        instants(runs, |run| run.scheduled_for),
        instants(runs, |run| Some(run.started)),
        instants(runs, |run| run.ended),
        texts(runs, |run| Some(run.state.as_str())),
        numbers(runs, |run| Some(run.attempt.into())),
        numbers(runs, |run| run.rows.map(|rows| rows.read)),
        numbers(runs, |run| run.rows.map(|rows| rows.out)),
        numbers(runs, |run| run.rows.map(|rows| rows.rejected)),
        texts(runs, |run| Some(run.input.as_str())),
        texts(runs, |run| run.input_fingerprint.as_deref()),
        texts(runs, |run| run.error.as_deref()),
        texts(runs, |run| Some(run.log_file.as_str())),
        texts(runs, |run| Some(run.process.as_str())),
    ];
    RecordBatch::try_new(schema(RUN_COLUMNS), columns).expect("one array a column, of its type")
}

pub(super) fn steps_batch(steps: &[StepRecord]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        texts(steps, |step| Some(step.run_id.as_str())),
        numbers(steps, |step| Some(step.attempt.into())),
        texts(steps, |step| Some(step.step.as_str())),
        instants(steps, |step| Some(step.started)),
        instants(steps, |step| step.ended),
        texts(steps, |step| Some(step.state.as_str())),
        numbers(steps, |step| step.rows.map(|rows| rows.read)),
        numbers(steps, |step| step.rows.map(|rows| rows.out)),
        numbers(steps, |step| step.rows.map(|rows| rows.rejected)),
        texts(steps, |step| Some(step.job.as_str())),
    ];
    RecordBatch::try_new(schema(STEP_COLUMNS), columns).expect("one array a column, of its type")
}

fn texts<T>(records: &[T], text: impl Fn(&T) -> Option<&str>) -> ArrayRef {
    // A NUL, perhaps in a file's name, is nothing that PostgreSQL can hold.
    let texts =
        records.iter().map(|record| text(record).map(|text| text.replace('\0', "\u{fffd}")));
    Arc::new(texts.collect::<StringArray>())
}

fn numbers<T>(records: &[T], number: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    let number = |record| number(record).map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    Arc::new(records.iter().map(number).collect::<Int64Array>())
}

fn instants<T>(records: &[T], instant: impl Fn(&T) -> Option<DateTime<Utc>>) -> ArrayRef {
    let millis = records.iter().map(|record| instant(record).map(|it| it.timestamp_millis()));
    Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

pub(super) fn read_runs(batch: &RecordBatch) -> Result<Vec<RunRecord>, Error> {
    let run = |row: usize| {
        let row = Row { batch, row, table: RUNS };
        Ok(RunRecord {
            run_id: row.always_text("run_id")?,
            job: row.always_text("job")?,
            kind: row.parsed("kind")?,
            scheduled_for: row.instant("scheduled_for")?,
            started: row.instant("started")?.ok_or_else(|| row.empty("started"))?,
            ended: row.instant("ended")?,
            state: row.parsed("state")?,
            attempt: row.attempt()?,
            rows: row.rows()?,
            input: row.always_text("input")?,
            input_fingerprint: row.text("input_fingerprint")?,
            error: row.text("error")?,
            log_file: row.always_text("log_file")?,
            process: row.always_text("process")?,
        })
    };
    (0..batch.num_rows()).map(run).collect()
}

pub(super) fn read_steps(batch: &RecordBatch) -> Result<Vec<StepRecord>, Error> {
    let step = |row: usize| {
        let row = Row { batch, row, table: STEPS };
        Ok(StepRecord {
            run_id: row.always_text("run_id")?,
            job: row.always_text("job")?,
            attempt: row.attempt()?,
            step: row.always_text("step")?,
            started: row.instant("started")?.ok_or_else(|| row.empty("started"))?,
            ended: row.instant("ended")?,
            state: row.parsed("state")?,
            rows: row.rows()?,
        })
    };
    (0..batch.num_rows()).map(step).collect()
}

/// A row as it came from the database, where others may have written too.
struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
    table: &'static str,
}

impl<'a> Row<'a> {
    fn column(&self, name: &str) -> Result<&'a ArrayRef, Error> {
        self.batch.column_by_name(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let texts = self.column(name)?.as_string::<i32>();
        Ok(texts.is_valid(self.row).then(|| texts.value(self.row).to_owned()))
    }

    fn always_text(&self, name: &str) -> Result<String, Error> {
        self.text(name)?.ok_or_else(|| self.empty(name))
    }

    fn parsed<T: std::str::FromStr<Err = String>>(&self, name: &str) -> Result<T, Error> {
        self.always_text(name)?.parse().map_err(|error: String| self.wrong(name, &error))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let numbers = self.column(name)?.as_primitive::<Int64Type>();
        Ok(numbers.is_valid(self.row).then(|| numbers.value(self.row).unsigned_abs()))
    }

    fn attempt(&self) -> Result<u32, Error> {
        let attempt = self.number("attempt")?.ok_or_else(|| self.empty("attempt"))?;
        Ok(u32::try_from(attempt).unwrap_or(u32::MAX))
    }

    fn rows(&self) -> Result<Option<Rows>, Error> {
        let numbers =
            (self.number("rows_in")?, self.number("rows_out")?, self.number("rows_rejected")?);
        Ok(match numbers {
            (Some(read), Some(out), Some(rejected)) => Some(Rows { read, out, rejected }),
            _ => None,
        })
    }

    fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let instants = self.column(name)?.as_primitive::<TimestampMillisecondType>();
        let millis = instants.is_valid(self.row).then(|| instants.value(self.row));
        Ok(millis.and_then(DateTime::from_timestamp_millis))
    }

    fn empty(&self, name: &str) -> Error {
        self.wrong(name, "is empty")
    }

    fn wrong(&self, column: &str, reason: &str) -> Error {
        Error::Database {
            database: "the database".to_owned(),
            action: format!("give row {} of table {:?}", self.row, self.table),
            reason: format!("column {column:?} {reason}"),
        }
    }
}
