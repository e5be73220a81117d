//! Purchases as Arrow columns, filled record by record: a bad record leaves no trace, a good one
//! costs no allocation.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use uuid::fmt::Hyphenated;

use super::fields;
use crate::columns::{self, Numbers, Texts, Times};
use crate::{Invalid, TimestampUnit};

/// The columns of purchases: `order_id` Utf8, `customer_id` Int64, `furniture` Utf8, `color` Utf8,
/// `price` Int64 (rupiah), `ts` Timestamp(Millisecond, "UTC"). No column has nulls.
pub fn purchase_schema() -> SchemaRef {
    columns::schema(&[
        ("order_id", DataType::Utf8),
        ("customer_id", DataType::Int64),
        ("furniture", DataType::Utf8),
        ("color", DataType::Utf8),
        ("price", DataType::Int64),
        ("ts", columns::event_time()),
    ])
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
    customer_id: Option<Numbers>,
    furniture: Option<Texts>,
    color: Option<Texts>,
    price: Option<Numbers>,
    ts: Option<Times>,
}

impl PurchaseColumns {
    /// Keeps the columns named in `needed`, in the order of [`purchase_schema`]; the others are
    /// checked, not kept. A name that is no column adds nothing: [`Self::schema`] says what is
    /// kept.
    pub fn new(unit: TimestampUnit, needed: &[&str]) -> Self {
        let schema = columns::part(&purchase_schema(), needed);
        Self {
            unit,
            rows: 0,
            order_id: columns::keep(&schema, "order_id"),
            customer_id: columns::keep(&schema, "customer_id"),
            furniture: columns::keep(&schema, "furniture"),
            color: columns::keep(&schema, "color"),
            price: columns::keep(&schema, "price"),
            ts: columns::keep(&schema, "ts"),
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
        let fields = fields::read(json, self.unit)?;
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
        let columns = [
            self.order_id.as_mut().map(Texts::finish),
            self.customer_id.as_mut().map(Numbers::finish),
            self.furniture.as_mut().map(Texts::finish),
            self.color.as_mut().map(Texts::finish),
            self.price.as_mut().map(Numbers::finish),
            self.ts.as_mut().map(Times::finish),
        ];
        columns::batch(self.schema(), std::mem::take(&mut self.rows), columns)
    }
}
