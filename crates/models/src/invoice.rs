//! Lines of the Online Retail invoices: a generator of test data.

mod calendar;
mod catalogue;
mod generator;

pub use generator::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions};

/// Digits after the point of a price: the real data has at most three.
pub const PRICE_SCALE: i8 = 4;
