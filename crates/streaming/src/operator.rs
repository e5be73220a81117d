//! What a job computes, as the loop sees it: windows are one operator, a table of the latest rows
//! is another.
//!
//! The loop ([`crate::job`]) brings records, threads, checkpoints and sinks, and knows nothing of
//! what the rows mean; an operator knows only that, and is a plain value: rows in, rows out.
//!
//! ```text
//! per partition of the log                        per job
//! Partition::update(rows) -> fates                Operator::advance(times) -> watermark
//!        \_________________ Operator::cut, all partitions locked ________/
//!                                    │
//!                     Cut: state to save; Operator::finish -> rows for the sinks
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;
use arus_window::{PartitionTime, PartitionWatermark, Updated, WindowQuery};
use serde::{Deserialize, Serialize};

use crate::Error;

/// State on its way to a checkpoint or back.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// In a form that only the operator knows; always as many of them, of the same schemas.
    pub batches: Vec<RecordBatch>,
}

/// How much of the state a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What changed since the epoch before.
    Changes,
}

/// One output table's rows of an epoch.
#[derive(Clone, Debug)]
pub struct TableRows {
    /// Rows that are new or changed (or all, in complete mode).
    pub rows: RecordBatch,
    /// Keys of rows that are gone, in the shape of the table's key columns; never one of `rows`.
    pub deleted: RecordBatch,
}

impl TableRows {
    /// Rows of a table that loses none.
    pub fn new(rows: RecordBatch) -> Self {
        let none = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
        Self { rows, deleted: none }
    }
}

/// What is taken out of the partitions while they stand still.
#[derive(Debug)]
pub struct Cut<T> {
    /// Whether the saved state is all of it. Of the first cut of a job it must be.
    pub extent: Extent,
    /// The state of each partition, in their order.
    pub saved: Vec<Saved>,
    /// What [`Operator::finish`] makes rows of.
    pub taken: T,
}

/// An epoch's output.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// One per output table, in their order.
    pub tables: Vec<TableRows>,
    /// The job's own state, beside the partitions'; whole, always.
    pub saved: Saved,
    /// How many windows closed.
    pub closed_windows: usize,
    /// How many are open.
    pub open_windows: usize,
}

/// What a process that holds only some of the partitions is told of the rest (see
/// [`Operator::share`]).
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    /// Every partition has given what it had of windows that end by this time, ms.
    pub closed_ms: Option<i64>,
    /// The first output table as it stood before this epoch, with the rows of all partitions; only
    /// if the operator [reads it back](Operator::reads_back).
    pub rows: Option<RecordBatch>,
}

/// Tells ahead of [`Partition::update`] which rows it will call late, for a reader that keeps only
/// the raw form of such rows.
#[derive(Debug)]
pub struct Foresight(Option<Windows>);

#[derive(Debug)]
struct Windows {
    query: Arc<WindowQuery>,
    watermark: PartitionWatermark,
    closed_ms: Option<i64>,
}

impl Foresight {
    /// No row will be late.
    pub fn none() -> Self {
        Self(None)
    }

    /// Rows are late by the rule of windows.
    pub fn windows(
        query: Arc<WindowQuery>,
        watermark: PartitionWatermark,
        closed_ms: Option<i64>,
    ) -> Self {
        Self(Some(Windows { query, watermark, closed_ms }))
    }

    /// Takes the next row's event time, ms, and says whether some window is closed to it.
    pub(crate) fn is_late(&mut self, event_ms: i64) -> bool {
        let Some(Windows { query, watermark, closed_ms }) = &mut self.0 else { return false };
        let late = query.misses_a_window(event_ms, *watermark, *closed_ms);
        watermark.observe(event_ms);
        late
    }
}

/// What an operator keeps of one partition of the log.
pub trait Partition: Send {
    /// Adds rows in the order of the log. `closed_ms` is the job's watermark at the last epoch.
    ///
    /// # Errors
    /// When a row cannot be computed with.
    fn update(&mut self, rows: &RecordBatch, closed_ms: Option<i64>) -> Result<Updated, Error>;

    /// Which of the coming rows will be late.
    fn foresight(&self, closed_ms: Option<i64>) -> Foresight;

    /// The largest event time so far, ms; `None` before the first row.
    fn largest_ms(&self) -> Option<i64>;

    /// Its watermark, ms; `None` before the first row, or if the operator has none.
    fn watermark_ms(&self) -> Option<i64>;

    /// The end of the last open window, ms; `None` if nothing is open.
    fn latest_end_ms(&self) -> Option<i64>;

    /// How many rows it keeps.
    fn rows(&self) -> usize;

    /// Memory of these, bytes.
    fn size(&self) -> usize;

    /// What else there is to count, beside the fates of rows: names and figures since the job's
    /// first start.
    fn tallies(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// What a job computes.
pub trait Operator: Send {
    /// What it keeps of one partition of the log.
    type Partition: Partition;
    /// What it takes out of all partitions at a cut, to make rows of when they go on.
    type Taken;

    /// Names and values, for people, of all that the saved state depends on.
    fn description(&self) -> Vec<(String, String)>;

    /// Whether a key's rows must all be in one partition: then a topic that gets new partitions,
    /// which moves keys, cannot be followed.
    fn needs_keys_in_place(&self) -> bool;

    /// The columns that it reads, in the schema's order.
    fn columns_read(&self) -> Vec<String>;

    /// A partition of which nothing was read yet.
    ///
    /// # Errors
    /// When an aggregate cannot be made.
    fn partition(&self) -> Result<Self::Partition, Error>;

    /// A partition as it was saved: whole, then the changes of each epoch after, in order.
    ///
    /// # Errors
    /// When the state is of another query.
    fn restore_partition(
        &self,
        largest_ms: Option<i64>,
        saved: Vec<Saved>,
    ) -> Result<Self::Partition, Error>;

    /// Goes on from the job's own state.
    ///
    /// # Errors
    /// When the state is of another query.
    fn restore(&mut self, watermark_ms: Option<i64>, saved: Saved) -> Result<(), Error>;

    /// Its own state as it stands, for [`Operator::restore`].
    ///
    /// # Errors
    /// When a kernel refuses.
    fn save(&self) -> Result<Saved, Error>;

    /// From now on this process holds only some of the partitions, or `all` of them until another
    /// process takes some; what it does not hold it is told at [`Operator::finish`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the job cannot be shared: why, and what to do.
    fn share(&mut self, all: bool) -> Result<(), Error>;

    /// Whether it must see the rows of the partitions that it does not hold to make the rows of this
    /// cut.
    fn reads_back(&self, taken: &Self::Taken) -> bool;

    /// How far its watermark follows behind event time, ms.
    fn delay_ms(&self) -> i64;

    /// The job's watermark, ms.
    fn watermark_ms(&self) -> Option<i64>;

    /// Moves the watermark on by what the partitions say.
    fn advance(&mut self, partitions: &[PartitionTime]);

    /// Moves the watermark up to `watermark_ms`: all input has stopped, or is at its end.
    fn raise_to(&mut self, watermark_ms: i64);

    /// Takes an epoch out of the partitions, which stand still meanwhile. `None` if there is
    /// nothing to tell and not `needed` either (rows were read, and their offsets are to be kept).
    ///
    /// # Errors
    /// When a kernel refuses.
    fn cut(
        &mut self,
        partitions: &mut [&mut Self::Partition],
        needed: bool,
    ) -> Result<Option<Cut<Self::Taken>>, Error>;

    /// Makes the epoch's rows, while the partitions go on. `beyond` comes with a shared job only.
    ///
    /// # Errors
    /// When a kernel refuses.
    fn finish(&mut self, taken: &Self::Taken, beyond: Option<Beyond>) -> Result<Epoch, Error>;

    /// The rows of what is open still, as they stand at the cut; `None` if the operator has no such
    /// rows.
    ///
    /// # Errors
    /// When a kernel refuses.
    fn open_rows(&self, taken: &Self::Taken) -> Result<Option<RecordBatch>, Error>;
}
