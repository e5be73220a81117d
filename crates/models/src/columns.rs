//! Arrow columns while they are filled value by value, and how a batch is made of them: a value
//! costs no allocation, and Arrow keeps what was filled without a copy.

use std::mem;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// The time zone of event time.
const UTC: &str = "UTC";

/// The type of a column of event times.
pub(crate) fn event_time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
}

/// A schema of columns without nulls.
pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), false);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The part of the schema that is needed, in the schema's order.
pub(crate) fn part(whole: &Schema, needed: &[&str]) -> SchemaRef {
    let kept = whole.fields().iter().filter(|field| needed.contains(&field.name().as_str()));
    Arc::new(Schema::new(kept.cloned().collect::<Vec<_>>()))
}

/// An empty column, if the schema has one of that name.
pub(crate) fn keep<C: Default>(schema: &Schema, name: &str) -> Option<C> {
    schema.column_with_name(name).map(|_| C::default())
}

/// The kept columns, in the schema's order, as one batch.
pub(crate) fn batch<const N: usize>(
    schema: SchemaRef,
    rows: usize,
    columns: [Option<ArrayRef>; N],
) -> RecordBatch {
    let columns = columns.into_iter().flatten().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .expect("the columns are those of the schema and equally long")
}

/// The values, whose place an empty vector of the same size takes.
fn take<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let room = values.len();
    ScalarBuffer::from(mem::replace(values, Vec::with_capacity(room)))
}

/// A column of whole numbers.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<i64>);

impl Numbers {
    pub(crate) fn push(&mut self, number: i64) {
        self.0.push(number);
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        Arc::new(Int64Array::new(take(&mut self.0), None))
    }
}

/// A column of event times.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<i64>);

impl Times {
    pub(crate) fn push(&mut self, ms: i64) {
        self.0.push(ms);
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        let times = TimestampMillisecondArray::new(take(&mut self.0), None);
        Arc::new(times.with_timezone(UTC))
    }
}

/// A column of dates.
#[derive(Debug, Default)]
pub(crate) struct Dates(Vec<i32>);

impl Dates {
    pub(crate) fn push(&mut self, days: i32) {
        self.0.push(days);
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        Arc::new(Date32Array::new(take(&mut self.0), None))
    }
}

/// A column of text: all of it end to end, and where each value ends.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        if self.ends.is_empty() {
            // Arrow's offsets begin with a zero.
            self.ends.push(0);
        }
        self.bytes.extend_from_slice(text.as_bytes());
        let end = i32::try_from(self.bytes.len()).expect("a batch has less than 2 GiB of text");
        self.ends.push(end);
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        if self.ends.is_empty() {
            self.ends.push(0);
        }
        let room = self.bytes.len();
        let bytes = mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let offsets = OffsetBuffer::new(take(&mut self.ends));
        let texts = StringArray::try_new(offsets, Buffer::from_vec(bytes), None);
        Arc::new(texts.expect("each value was a string, and the offsets only grow"))
    }
}
