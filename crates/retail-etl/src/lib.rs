//! The batch job over the Online Retail CSV: from invoice lines to monthly customers, retention and
//! a report.
//!
//! ```text
//! files ─► extract: read once, decode ─► check: reject or warn ─► batches of invoice lines
//!                                                                       │
//!        report.html ◄─┐                                                ▼
//!   one CSV per table ◄┼─ load ◄── tables ◄── transform: plans that share the one read
//!  Parquet · database ◄┘
//! ```

pub mod quality;
pub mod tables;
