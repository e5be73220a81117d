//! The streaming job: from the partitions of a log to rows in sinks, exactly once.
//!
//! A program brings a [`decode::Decoder`] for its records and says what is to be computed (an
//! [`operator::Operator`], such as [`windows::Windows`]); this crate brings the rest. Read [`job`]
//! first, then [`checkpoint`].

pub mod aside;
mod chain;
pub mod checkpoint;
mod cut;
pub mod decode;
mod error;
pub mod job;
mod lane;
mod ledger;
pub mod metrics;
pub mod operator;
pub mod options;
pub mod origin;
pub mod program;
pub mod progress;
mod recovery;
mod run;
mod shared;
pub mod sink;
pub mod source;
pub mod table_program;
pub mod tables;
mod watch;
pub mod window_program;
pub mod windows;
mod worker;

pub use error::Error;
