//! Lines of the Online Retail invoices: their columns, and a generator of test data.

mod calendar;
mod catalogue;
mod generator;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use generator::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions};

/// Digits after the point of a price: the real data has at most three.
pub const PRICE_SCALE: i8 = 4;
/// All digits of a price.
pub const PRICE_PRECISION: u8 = 18;

/// An invoice line as the batch job works with it, after it was checked.
///
/// | column | type | meaning |
/// |---|---|---|
/// | `invoice_no` | Utf8 | number of the invoice; begins with `C` if it is a cancellation |
/// | `stock_code` | Utf8 | the product |
/// | `description` | Utf8, null | the product's name, where one was given |
/// | `quantity` | Int64 | pieces; negative: sent back |
/// | `invoice_date` | Timestamp(ms) | local time of the shop, no zone |
/// | `month` | Int32 | the month of `invoice_date`: year · 12 + month − 1 |
/// | `unit_price` | Decimal128 | price of a piece, pounds |
/// | `customer_id` | Int64, null | who bought, where it is known |
/// | `country` | Utf8 | where the customer lives |
/// | `cancelled` | Boolean | whether `invoice_no` begins with `C` |
pub fn invoice_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("invoice_no", DataType::Utf8, false),
        Field::new("stock_code", DataType::Utf8, false),
        Field::new("description", DataType::Utf8, true),
        Field::new("quantity", DataType::Int64, false),
        Field::new("invoice_date", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("month", DataType::Int32, false),
        Field::new("unit_price", DataType::Decimal128(PRICE_PRECISION, PRICE_SCALE), false),
        Field::new("customer_id", DataType::Int64, true),
        Field::new("country", DataType::Utf8, false),
        Field::new("cancelled", DataType::Boolean, false),
    ]))
}
