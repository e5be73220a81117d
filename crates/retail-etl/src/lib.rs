//! The batch job over the Online Retail CSV: from invoice lines to monthly customers, retention and
//! a report.
//!
//! ```text
//! files ─► extract: read once, decode ─► check: reject or warn ─► invoice lines
//!                                                                       │
//!        report.html ◄─┐                                                ▼
//!   one CSV per table ◄┼─ load ◄── tables ◄── transform: plans that share the one read
//!  Parquet · database ◄┘
//! ```
//!
//! [`run::run`] is the whole of it as one function; [`commands`] are what a user types.

pub mod args;
pub mod check;
pub mod commands;
pub mod error;
pub mod execution;
pub mod extract;
pub mod generate;
pub mod history;
pub mod invoice_lines;
pub mod load;
pub mod placeholders;
pub mod quality;
pub mod report;
pub mod run;
pub mod summary;
pub mod tables;
mod texts;
pub mod transform;
mod words;

pub use error::Error;
