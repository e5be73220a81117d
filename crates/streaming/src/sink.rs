//! Where the rows of an epoch go.
//!
//! A sink is told about one epoch at a time. A *transactional* sink makes the epoch's rows and the
//! epoch's number durable in one step, so that after a crash it can say which epoch it has; the job
//! then hands it the epoch it lacks from the checkpoint, or goes on. A sink that cannot do this may
//! see an epoch twice: it is *at-least-once*.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::Error;
use crate::operator::TableRows;
use crate::origin::Origin;

pub use arus_window::OutputMode;

/// How the rows of every epoch look.
#[derive(Clone, Debug)]
pub struct OutputTable {
    /// The table's, topic's or file's name.
    pub name: String,
    /// `window_start`, `window_end` (Timestamp ms UTC), the group columns, then the aggregates.
    pub schema: SchemaRef,
    /// The columns that identify a row: `window_start` and the group columns.
    pub key: Vec<String>,
    /// Which rows an epoch gives.
    pub mode: OutputMode,
}

/// One epoch's rows, as a sink gets them.
#[derive(Clone, Copy, Debug)]
pub struct EpochOutput<'a> {
    /// This epoch's number, counted from 1 without gaps.
    pub epoch: u64,
    /// The rows of each output table; there may be none (the epoch's number is still to be kept).
    pub tables: &'a [TableRows],
    /// The partitions' numbers, and the offsets that are read next there.
    pub next_offsets: &'a [(i32, i64)],
}

impl<'a> EpochOutput<'a> {
    /// For a sink that has no use for offsets.
    pub fn new(epoch: u64, tables: &'a [TableRows]) -> Self {
        Self { epoch, tables, next_offsets: &[] }
    }

    /// The rows of the first table, for a sink that has one.
    pub fn rows(&self) -> &'a RecordBatch {
        &self.tables[0].rows
    }
}

/// What a sink promises when the job is killed and started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Rows and epoch number become durable together: no row is lost or doubled.
    ExactlyOnce,
    /// An epoch that was being written at the kill is written again.
    AtLeastOnce,
}

/// One place that rows go to. Calls block; an error ends the job after the sink's own bounded
/// retries.
pub trait Sink: Send {
    /// What to call it in messages: `database`, `csv file purchase_windows.csv`, …
    fn name(&self) -> String;

    /// What it promises. May turn out to be less at [`Sink::take_over`].
    fn guarantee(&self) -> Guarantee;

    /// Whether [`Sink::commit`] also tells the consumer group how far the job is.
    fn commits_offsets(&self) -> bool {
        false
    }

    /// Whether the rows go to the broker that the job reads from, and wait for it.
    fn waits_for_broker(&self) -> bool {
        false
    }

    /// From now on this process writes here, and no other that did before. Called at the start, and
    /// when the job begins anew to read; `checkpoint` is the epoch that the job stands at, and `origin`
    /// is to be kept beside all epochs from now on. A sink that sees by them that the job does not belong
    /// to what is here leaves the others alone: the job will be refused. Most sinks find out at each
    /// commit whether another process writes here.
    ///
    /// # Errors
    /// When the place cannot be had.
    fn take_over(&mut self, origin: &Origin, checkpoint: u64) -> Result<(), Error> {
        let (_, _) = (origin, checkpoint);
        Ok(())
    }

    /// Whose epochs are here, as far as the sink can tell, be its rows of what shape they may; `None`
    /// before the first epoch.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        Ok(None)
    }

    /// The last epoch whose rows are durable here; `None` before the first. Asked after
    /// [`Sink::take_over`], of [`Guarantee::ExactlyOnce`] sinks. Whatever a killed process left half-done is
    /// undone or ignored by this call.
    ///
    /// # Errors
    /// When the place cannot be read, or holds rows of another shape.
    fn last_epoch(&mut self) -> Result<Option<u64>, Error>;

    /// Makes the rows durable, together with the epoch's number where the guarantee says so.
    /// Refuses an epoch that does not follow the last one: then another process works on the same
    /// output.
    ///
    /// # Errors
    /// When the rows could not be made durable.
    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error>;

    /// Forgets every row and the epoch (`--reset`).
    ///
    /// # Errors
    /// When the place cannot be written.
    fn reset(&mut self) -> Result<(), Error>;
}

pub mod board;
mod cells;
pub mod console;
pub mod csv;
pub mod dashboard;
pub mod database;
mod files;
pub mod kafka;
mod live;
pub mod parquet;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod fixture;
