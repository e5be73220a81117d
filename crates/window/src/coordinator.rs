//! What belongs to the whole job: its watermark, and the rows of an epoch from the partials of all
//! partitions.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;

use crate::merge::{
    compact_sessions, count_windows, finish, sort, take_ended_sessions, take_passed_windows,
};
use crate::{Error, JobWatermark, Window, WindowQuery};

/// Which rows an epoch gives, with Spark's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// A window once, when it closes.
    Append,
    /// The rows that changed since the last epoch.
    Update,
    /// All rows since the job began. Closed windows are final here too; their rows are kept, so
    /// memory grows with the number of windows.
    Complete,
}

/// A partition as the watermark of the job sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionTime {
    /// The partition's watermark; `None` before its first row.
    pub watermark_ms: Option<i64>,
    /// Whether it has nothing to deliver and so must not hold the others up.
    pub idle: bool,
}

/// The rows of one epoch.
#[derive(Clone, Debug)]
pub struct EpochRows {
    /// In the shape of [`WindowQuery::output_schema`], by window start, then by group.
    pub rows: RecordBatch,
    /// How many windows closed.
    pub closed_windows: usize,
    /// How many are open.
    pub open_windows: usize,
}

/// What a coordinator needs to go on after a restart.
#[derive(Clone, Debug)]
pub struct CoordinatorSnapshot {
    /// The job's watermark.
    pub watermark_ms: Option<i64>,
    /// Ended parts of sessions that another partition still holds a part of; in a shared job,
    /// partials of windows that not every partition has given its own of.
    pub waiting: RecordBatch,
    /// In [`OutputMode::Complete`]: the rows of the closed windows.
    pub closed: RecordBatch,
}

/// The one per job.
pub struct Coordinator {
    query: Arc<WindowQuery>,
    mode: OutputMode,
    watermark: JobWatermark,
    waiting: RecordBatch,
    closed: RecordBatch,
}

impl Coordinator {
    /// The start of a job.
    ///
    /// # Errors
    /// Sessions cannot be given by update: when two grow together, a row already given would have
    /// to be taken back.
    pub fn new(query: Arc<WindowQuery>, mode: OutputMode) -> Result<Self, Error> {
        if matches!((query.window(), mode), (Window::Session { .. }, OutputMode::Update)) {
            return Err(Error::Window(
                "session windows grow together, which update mode cannot take back: use append or \
                 complete"
                    .into(),
            ));
        }
        Ok(Self {
            waiting: RecordBatch::new_empty(Arc::clone(query.partial_schema())),
            closed: RecordBatch::new_empty(Arc::clone(query.output_schema())),
            watermark: JobWatermark::default(),
            query,
            mode,
        })
    }

    /// A job as a snapshot left it.
    ///
    /// # Errors
    /// When the snapshot is of another query.
    pub fn restore(
        query: Arc<WindowQuery>,
        mode: OutputMode,
        snapshot: CoordinatorSnapshot,
    ) -> Result<Self, Error> {
        let fits = snapshot.waiting.schema() == *query.partial_schema()
            && snapshot.closed.schema() == *query.output_schema();
        if !fits {
            return Err(Error::Snapshot("its columns are of another query".into()));
        }
        let mut coordinator = Self::new(query, mode)?;
        coordinator.watermark = JobWatermark::restore(snapshot.watermark_ms);
        coordinator.waiting = snapshot.waiting;
        coordinator.closed = snapshot.closed;
        Ok(coordinator)
    }

    /// Everything that a restart needs, beside the partitions' own snapshots.
    pub fn snapshot(&self) -> CoordinatorSnapshot {
        CoordinatorSnapshot {
            watermark_ms: self.watermark.current_ms(),
            waiting: self.waiting.clone(),
            closed: self.closed.clone(),
        }
    }

    /// The job's watermark.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.watermark.current_ms()
    }

    /// Moves the watermark on by what the partitions say: to the least of those that are not idle.
    /// Where all are idle nobody holds anybody up, and it goes to the largest of their watermarks,
    /// as in Flink.
    pub fn advance(&mut self, partitions: impl IntoIterator<Item = PartitionTime>) -> Option<i64> {
        let (idle, active): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| partition.idle);
        if active.is_empty()
            && let Some(largest_ms) =
                idle.iter().filter_map(|partition| partition.watermark_ms).max()
        {
            self.watermark.raise_to(largest_ms);
        }
        self.watermark.advance(active.into_iter().map(|partition| partition.watermark_ms))
    }

    /// Moves the watermark up to `watermark_ms`: all input has stopped, or is at its end.
    pub fn raise_to(&mut self, watermark_ms: i64) {
        self.watermark.raise_to(watermark_ms);
    }

    /// Makes the epoch's rows. `closed` and `open` are the partitions' partials, by partition
    /// number, taken at the watermark as it stands.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn epoch(
        &mut self,
        closed: &[RecordBatch],
        open: &[RecordBatch],
    ) -> Result<EpochRows, Error> {
        let ended = match self.query.window() {
            Window::Session { .. } => self.end_sessions(closed, open)?,
            _ => closed.to_vec(),
        };
        let closed_rows = finish(&self.query, &ended, false)?;
        let closed_windows = count_windows(&self.query, &closed_rows);
        let rows = match self.mode {
            OutputMode::Append => closed_rows,
            OutputMode::Update => {
                let mut parts = ended;
                parts.extend_from_slice(open);
                finish(&self.query, &parts, true)?
            }
            OutputMode::Complete => {
                let closed = [&self.closed, &closed_rows];
                self.closed = concat_batches(self.query.output_schema(), closed)?;
                let open_rows = self.open_rows(open)?;
                sort(
                    &self.query,
                    &concat_batches(self.query.output_schema(), [&self.closed, &open_rows])?,
                )?
            }
        };
        let open_windows = self.count_open(open)?;
        Ok(EpochRows { rows, closed_windows, open_windows })
    }

    /// Why the windows of this query cannot be made by several coordinators that follow each other
    /// (see [`Coordinator::release`]); `None` if they can.
    pub fn refuses_sharing(&self) -> Option<&'static str> {
        match (self.query.window(), self.mode) {
            (Window::Session { .. }, _) => Some(
                "session windows cannot be shared: a session that one process holds may go on in the \
                 partition of another",
            ),
            (_, OutputMode::Append) => None,
            _ => Some("only append mode can be shared: the others need all open windows at once"),
        }
    }

    /// Makes rows where partitions are not all cut at one moment: keeps the partials of those that
    /// closed windows now (`open` is what they hold still, for the count), and gives the rows of windows that end by `closed_ms`, up to which
    /// *every* partition has closed its own. `None` closes nothing.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn release(
        &mut self,
        closed: &[RecordBatch],
        open: &[RecordBatch],
        closed_ms: Option<i64>,
    ) -> Result<EpochRows, Error> {
        let parts = std::iter::once(&self.waiting).chain(closed);
        let mut waiting = concat_batches(self.query.partial_schema(), parts)?;
        let passed = take_passed_windows(&mut waiting, closed_ms.unwrap_or(i64::MIN))?;
        self.waiting = waiting;
        let rows = finish(&self.query, &[passed], false)?;
        let closed_windows = count_windows(&self.query, &rows);
        Ok(EpochRows { rows, closed_windows, open_windows: self.count_open(open)? })
    }

    /// The open windows as they stand, in the shape of the output.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn open_rows(&self, open: &[RecordBatch]) -> Result<RecordBatch, Error> {
        let mut parts = vec![self.waiting.clone()];
        parts.extend_from_slice(open);
        finish(&self.query, &parts, false)
    }

    fn count_open(&self, open: &[RecordBatch]) -> Result<usize, Error> {
        let mut parts = vec![self.waiting.clone()];
        parts.extend_from_slice(open);
        let all = match self.query.window() {
            Window::Session { .. } => compact_sessions(&self.query, &parts)?,
            _ => concat_batches(self.query.partial_schema(), &parts)?,
        };
        Ok(count_windows(&self.query, &all))
    }

    /// Ended parts wait until no partition holds another part of their session.
    fn end_sessions(
        &mut self,
        closed: &[RecordBatch],
        open: &[RecordBatch],
    ) -> Result<Vec<RecordBatch>, Error> {
        let mut parts = vec![self.waiting.clone()];
        parts.extend_from_slice(closed);
        let mut waiting = compact_sessions(&self.query, &parts)?;
        let closed_ms = self.watermark.current_ms().unwrap_or(i64::MIN);
        let ended = take_ended_sessions(&self.query, &mut waiting, open, closed_ms)?;
        self.waiting = waiting;
        Ok(vec![ended])
    }
}
