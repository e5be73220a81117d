//! How a job learns its rows: a decoder turns one record's bytes into one row of columns.

use arrow::array::RecordBatch;
pub use arus_kafka::source::Record;

/// Decodes records straight into columns, one call per record, and gives them as a batch. One bad
/// record never costs the batch. Programs bring their own; the job makes one per partition.
pub trait Decoder: Send {
    /// Appends one row and says its event time (ms since the Unix epoch), or appends nothing and
    /// says why not, in words for a person.
    ///
    /// # Errors
    /// The reason that is written beside the rejected record; [`NO_VALUE`] for a tombstone, if it
    /// means nothing to the program.
    fn push(&mut self, record: &Record<'_>) -> Result<i64, String>;

    /// The rows since the last call.
    fn finish(&mut self) -> RecordBatch;
}

/// Why a tombstone is rejected where it means nothing.
pub const NO_VALUE: &str = "the value is null";

/// Makes a decoder that keeps the named columns (in the schema's order); the others are checked,
/// not stored.
pub type NewDecoder = dyn Fn(&[String]) -> Box<dyn Decoder> + Send + Sync;
