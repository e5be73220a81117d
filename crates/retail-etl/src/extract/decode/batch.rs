//! Builds batches of [`arus_models::invoice_schema`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanBuilder, Decimal128Array, Int32Array, Int64Array, Int64Builder,
    RecordBatch, StringBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::SchemaRef;
use arus_models::{PRICE_PRECISION, PRICE_SCALE};

use super::Line;

/// The columns of a batch while it is built.
pub(super) struct BatchBuilder {
    invoice_no: StringBuilder,
    stock_code: StringBuilder,
    description: StringBuilder,
    quantity: Vec<i64>,
    invoice_date: Vec<i64>,
    month: Vec<i32>,
    unit_price: Vec<i128>,
    customer_id: Int64Builder,
    country: StringBuilder,
    cancelled: BooleanBuilder,
}

/// Room for a batch: what the one before it took, so that columns need not grow while they are
/// built.
#[derive(Default)]
pub(super) struct Room {
    rows: usize,
    invoice_no: usize,
    stock_code: usize,
    description: usize,
    country: usize,
}

impl Room {
    /// For so many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// What `batch` takes.
    pub(super) fn of(batch: &RecordBatch) -> Self {
        let bytes = |column: usize| batch.column(column).as_string::<i32>().value_data().len();
        Self {
            rows: batch.num_rows(),
            invoice_no: bytes(0),
            stock_code: bytes(1),
            description: bytes(2),
            country: bytes(8),
        }
    }
}

impl BatchBuilder {
    /// No rows yet.
    pub(super) fn new(room: &Room) -> Self {
        let rows = room.rows;
        Self {
            invoice_no: StringBuilder::with_capacity(rows, room.invoice_no),
            stock_code: StringBuilder::with_capacity(rows, room.stock_code),
            description: StringBuilder::with_capacity(rows, room.description),
            quantity: Vec::with_capacity(rows),
            invoice_date: Vec::with_capacity(rows),
            month: Vec::with_capacity(rows),
            unit_price: Vec::with_capacity(rows),
            customer_id: Int64Builder::with_capacity(rows),
            country: StringBuilder::with_capacity(rows, room.country),
            cancelled: BooleanBuilder::with_capacity(rows),
        }
    }

    /// One row more.
    pub(super) fn append(&mut self, line: &Line<'_>) {
        self.invoice_no.append_value(&line.invoice_no);
        self.stock_code.append_value(&line.stock_code);
        match &*line.description {
            "" => self.description.append_null(),
            description => self.description.append_value(description),
        }
        self.quantity.push(line.quantity);
        self.invoice_date.push(line.date.ms);
        self.month.push(line.date.month);
        self.unit_price.push(i128::from(line.price));
        self.customer_id.append_option(line.customer);
        self.country.append_value(&line.country);
        self.cancelled.append_value(line.is_cancelled());
    }

    /// The rows, as a batch of this schema.
    pub(super) fn finish(mut self, schema: &SchemaRef) -> RecordBatch {
        let unit_price = Decimal128Array::from(self.unit_price)
            .with_precision_and_scale(PRICE_PRECISION, PRICE_SCALE)
            .expect("a scale that fits its precision");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.invoice_no.finish()),
            Arc::new(self.stock_code.finish()),
            Arc::new(self.description.finish()),
            Arc::new(Int64Array::from(self.quantity)),
            Arc::new(TimestampMillisecondArray::from(self.invoice_date)),
            Arc::new(Int32Array::from(self.month)),
            Arc::new(unit_price),
            Arc::new(self.customer_id.finish()),
            Arc::new(self.country.finish()),
            Arc::new(self.cancelled.finish()),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
            .expect("columns of one length, of the schema's types")
    }
}
