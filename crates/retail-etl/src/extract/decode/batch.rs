//! Builds batches of [`invoice_schema`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Int32Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arus_models::{PRICE_PRECISION, PRICE_SCALE, invoice_schema};

use super::Line;

/// The columns of a batch while it is built. The same builders make one batch after the other.
pub(super) struct BatchBuilder {
    schema: SchemaRef,
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

impl Default for BatchBuilder {
    fn default() -> Self {
        Self {
            schema: invoice_schema(),
            invoice_no: StringBuilder::new(),
            stock_code: StringBuilder::new(),
            description: StringBuilder::new(),
            quantity: Int64Builder::new(),
            invoice_date: TimestampMillisecondBuilder::new(),
            month: Int32Builder::new(),
            unit_price: Decimal128Builder::new()
                .with_precision_and_scale(PRICE_PRECISION, PRICE_SCALE)
                .expect("a scale that fits its precision"),
            customer_id: Int64Builder::new(),
            country: StringBuilder::new(),
            cancelled: BooleanBuilder::new(),
        }
    }
}

impl BatchBuilder {
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

    /// The rows so far, and an empty builder.
    pub(super) fn finish(&mut self) -> RecordBatch {
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
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .expect("columns of one length, of the schema's types")
    }
}
