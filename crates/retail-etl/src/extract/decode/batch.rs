//! Builds batches of [`arus_models::invoice_schema`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanBuilder, Decimal128Builder, Int32Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arus_models::{PRICE_PRECISION, PRICE_SCALE};

use super::Line;

/// The columns of a batch while it is built.
pub(super) struct BatchBuilder {
    invoice_no: StringBuilder,
    stock_code: StringBuilder,
    description: StringBuilder,
    quantity: Int64Builder,
    invoice_date: TimestampMillisecondBuilder,
    month: Int32Builder,
    unit_price: Decimal128Builder,
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
            quantity: Int64Builder::with_capacity(rows),
            invoice_date: TimestampMillisecondBuilder::with_capacity(rows),
            month: Int32Builder::with_capacity(rows),
            unit_price: Decimal128Builder::with_capacity(rows)
                .with_precision_and_scale(PRICE_PRECISION, PRICE_SCALE)
                .expect("a scale that fits its precision"),
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
        self.quantity.append_value(line.quantity);
        self.invoice_date.append_value(line.date.ms);
        self.month.append_value(line.date.month);
        self.unit_price.append_value(i128::from(line.price));
        self.customer_id.append_option(line.customer);
        self.country.append_value(&line.country);
        self.cancelled.append_value(line.is_cancelled());
    }

    /// The rows, as a batch of this schema.
    pub(super) fn finish(mut self, schema: &SchemaRef) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.invoice_no.finish()),
            Arc::new(self.stock_code.finish()),
            Arc::new(self.description.finish()),
            Arc::new(self.quantity.finish()),
            Arc::new(self.invoice_date.finish()),
            Arc::new(self.month.finish()),
            Arc::new(self.unit_price.finish()),
            Arc::new(self.customer_id.finish()),
            Arc::new(self.country.finish()),
            Arc::new(self.cancelled.finish()),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
            .expect("columns of one length, of the schema's types")
    }
}
