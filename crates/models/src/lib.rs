//! The records of the pipelines: their fields, what makes them valid, their JSON and Arrow forms,
//! and seeded generators of test data.
//!
//! ```text
//! bytes of a record ──► parse (scan, or serde_json) ──► check ──┬─► PurchaseEvent, BankCustomer
//!                                                               └─► PurchaseColumns, BankColumns
//! ```
//!
//! - `purchase`, `bank`, `invoice`: one kind of record each;
//! - `json`, `scan`, `check`, `timestamp`, `columns`: what all kinds share on the way in;
//! - `options`, `random`, `bad`: what the generators share.
//!
//! There is no I/O here, no clock, no async: bytes, numbers and a seed come in, values go out.

mod bad;
mod bank;
mod check;
mod columns;
mod invalid;
mod invoice;
mod json;
mod options;
mod purchase;
mod random;
mod scan;
mod timestamp;

pub use bad::BadKind;
pub use bank::{
    AccountType, BankColumns, BankCustomer, BankGenerated, BankGenerator, BankOptions, BankRecord,
    bank_customer_schema, customer_of_key,
};
pub use invalid::Invalid;
pub use invoice::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions, PRICE_SCALE};
pub use options::Error;
pub use purchase::{
    Furniture, Generated, PurchaseColumns, PurchaseEvent, PurchaseGenerator, PurchaseOptions,
    purchase_schema,
};
pub use timestamp::TimestampUnit;
