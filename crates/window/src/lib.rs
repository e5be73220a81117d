//! Event time for streams of Arrow record batches: watermarks, windows, aggregation, late rows,
//! snapshots.
//!
//! Everything here is a plain value: rows and a watermark come in, rows come out. No clock, no I/O,
//! no threads.
//!
//! ```text
//! one per partition                            one per job
//! PartitionState::update(rows) -> late rows    Coordinator::advance(times) -> job watermark
//! PartitionState::close()         -> partials
//! PartitionState::open_partials() -> partials  Coordinator::epoch(closed, open) -> rows
//!          \______________ snapshot, restore ______________/
//! ```
//!
//! A *partial* is a record batch of unfinished aggregates: window, group columns and the
//! aggregates' intermediate state ([`WindowQuery::partial_schema`]). Every partition keeps its own
//! partials and the coordinator merges them in the order of the partitions' numbers, so that a
//! result depends on the log alone: not on threads, on how the log was cut into batches, or on
//! which partition was read first.

pub mod aggregate;
mod coordinator;
mod error;
pub mod groups;
mod late;
mod merge;
mod partition;
mod passed;
mod query;
mod session;
mod snapshot;
mod watermark;
mod window;

pub use aggregate::AggregateText;
pub use coordinator::{Coordinator, CoordinatorSnapshot, EpochRows, OutputMode, PartitionTime};
pub use error::Error;
pub use late::{LateRow, Updated};
pub use partition::PartitionState;
pub use query::{QueryOptions, WindowQuery};
pub use snapshot::{CutPartials, PartitionSnapshot};
pub use watermark::{JobWatermark, PartitionWatermark};
pub use window::{Span, Window};
