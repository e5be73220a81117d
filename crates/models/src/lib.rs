//! The records of the pipelines: their fields, what makes them valid, their JSON and Arrow forms,
//! and seeded generators of test data.
//!
//! ```text
//! bytes of a record ──► parse (scan, or serde_json) ──► check ──┬─► PurchaseEvent
//!                                                               └─► PurchaseColumns
//! ```
//!
//! There is no I/O here, no clock, no async: bytes, numbers and a seed come in, values go out.

mod check;
mod columns;
mod generator;
mod invalid;
mod invoice;
mod json;
mod purchase;
mod scan;

pub use columns::{PurchaseColumns, purchase_schema};
pub use generator::{BadKind, Error, Generated, PurchaseGenerator, PurchaseOptions};
pub use invalid::Invalid;
pub use invoice::{
    INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions, PRICE_PRECISION, PRICE_SCALE,
    invoice_schema,
};
pub use purchase::{Furniture, PurchaseEvent, TimestampUnit};
