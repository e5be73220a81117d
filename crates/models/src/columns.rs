//! Purchases as Arrow columns, filled record by record: a bad record leaves no trace, a good one
//! costs no allocation.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use uuid::fmt::Hyphenated;

use crate::{Invalid, TimestampUnit, check};

/// The time zone of event time.
const UTC: &str = "UTC";

/// The columns of purchases: `order_id` Utf8, `customer_id` Int64, `furniture` Utf8, `color` Utf8,
/// `price` Int64 (rupiah), `ts` Timestamp(Millisecond, "UTC"). No column has nulls.
pub fn purchase_schema() -> SchemaRef {
    let fields = [
        ("order_id", DataType::Utf8),
        ("customer_id", DataType::Int64),
        ("furniture", DataType::Utf8),
        ("color", DataType::Utf8),
        ("price", DataType::Int64),
        ("ts", DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))),
    ];
    let fields = fields.map(|(name, data_type)| Field::new(name, data_type, false));
    Arc::new(Schema::new(fields.to_vec()))
}

/// Decodes JSON records straight into Arrow columns.
///
/// ```
/// use arus_models::{PurchaseColumns, TimestampUnit};
///
/// let needed = ["furniture", "price", "ts"];
/// let mut columns = PurchaseColumns::new(TimestampUnit::Milliseconds, &needed);
/// let good = br#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":42,
///                 "furniture":"Desk","color":"oak","price":1250000,"ts":1700000000000}"#;
/// columns.push_json(good)?;
/// assert_eq!(columns.push_json(b"").unwrap_err().to_string(), "the record is empty");
///
/// let batch = columns.finish();
/// assert_eq!((batch.num_rows(), batch.num_columns()), (1, 3));
/// assert!(columns.is_empty());
/// # Ok::<(), arus_models::Invalid>(())
/// ```
#[derive(Debug)]
pub struct PurchaseColumns {
    unit: TimestampUnit,
    schema: SchemaRef,
    rows: usize,
    order_id: Option<Texts>,
    customer_id: Option<Vec<i64>>,
    furniture: Option<Texts>,
    color: Option<Texts>,
    price: Option<Vec<i64>>,
    ts: Option<Vec<i64>>,
}

impl PurchaseColumns {
    /// Keeps the columns named in `needed`, in the order of [`purchase_schema`]; the others are
    /// checked, not kept. A name that is no column adds nothing: [`Self::schema`] says what is
    /// kept.
    pub fn new(unit: TimestampUnit, needed: &[&str]) -> Self {
        let whole = purchase_schema();
        let kept = whole.fields().iter();
        let kept = kept.filter(|field| needed.contains(&field.name().as_str()));
        let schema = Arc::new(Schema::new(kept.cloned().collect::<Vec<_>>()));
        let keeps = |name: &str| schema.column_with_name(name).is_some();
        let texts = |name: &str| keeps(name).then(Texts::default);
        let numbers = |name: &str| keeps(name).then(Vec::new);
        Self {
            unit,
            rows: 0,
            order_id: texts("order_id"),
            customer_id: numbers("customer_id"),
            furniture: texts("furniture"),
            color: texts("color"),
            price: numbers("price"),
            ts: numbers("ts"),
            schema,
        }
    }

    /// The schema of the batches: the part of [`purchase_schema`] that is kept.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row since the last batch.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends the record as one row and gives its event time (ms since the epoch), or appends
    /// nothing.
    ///
    /// # Errors
    /// The reason, when the record is not a valid purchase.
    ///
    /// # Panics
    /// When a batch grows over 2 GiB in one text column: [`Self::finish`] must be called before 33
    /// million rows.
    pub fn push_json(&mut self, json: &[u8]) -> Result<i64, Invalid> {
        let fields = check::read(json, self.unit)?;
        if let Some(column) = &mut self.order_id {
            let mut text = [0; Hyphenated::LENGTH];
            column.push(fields.order_id.hyphenated().encode_lower(&mut text));
        }
        if let Some(column) = &mut self.customer_id {
            column.push(fields.customer_id);
        }
        if let Some(column) = &mut self.furniture {
            column.push(fields.furniture.name());
        }
        if let Some(column) = &mut self.color {
            column.push(&fields.color);
        }
        if let Some(column) = &mut self.price {
            column.push(fields.price);
        }
        if let Some(column) = &mut self.ts {
            column.push(fields.ts);
        }
        self.rows += 1;
        Ok(fields.ts)
    }

    /// The rows since the last call as one batch; the next one begins empty, with room for as many.
    pub fn finish(&mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        // In the order of the schema.
        columns.extend(self.order_id.as_mut().map(Texts::finish));
        columns.extend(self.customer_id.as_mut().map(finish_numbers));
        columns.extend(self.furniture.as_mut().map(Texts::finish));
        columns.extend(self.color.as_mut().map(Texts::finish));
        columns.extend(self.price.as_mut().map(finish_numbers));
        columns.extend(self.ts.as_mut().map(finish_times));
        let rows = std::mem::take(&mut self.rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .expect("the columns are those of the schema and equally long")
    }
}

/// The values, whose place an empty vector of the same size takes. Arrow keeps the old one without
/// a copy.
fn take(values: &mut Vec<i64>) -> Vec<i64> {
    let room = values.len();
    std::mem::replace(values, Vec::with_capacity(room))
}

fn finish_numbers(values: &mut Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(take(values)), None))
}

fn finish_times(values: &mut Vec<i64>) -> ArrayRef {
    let times = TimestampMillisecondArray::new(ScalarBuffer::from(take(values)), None);
    Arc::new(times.with_timezone(UTC))
}

/// A column of text: all of it end to end, and where each value ends.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        if self.ends.is_empty() {
            // Arrow's offsets begin with a zero.
            self.ends.push(0);
        }
        self.bytes.extend_from_slice(text.as_bytes());
        let end = i32::try_from(self.bytes.len()).expect("a batch has less than 2 GiB of text");
        self.ends.push(end);
    }

    fn finish(&mut self) -> ArrayRef {
        if self.ends.is_empty() {
            self.ends.push(0);
        }
        let room = (self.bytes.len(), self.ends.len());
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room.0));
        let ends = std::mem::replace(&mut self.ends, Vec::with_capacity(room.1));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let texts = StringArray::try_new(offsets, Buffer::from_vec(bytes), None);
        Arc::new(texts.expect("each value was a string, and the offsets only grow"))
    }
}
