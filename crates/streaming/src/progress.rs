//! What a running job tells those who watch it, once per trigger.

use std::collections::BTreeMap;
use std::ops::{Add, Sub};
use std::time::Duration;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

/// Rows by their fate. Always `read = counted + late + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows read from the topic.
    pub read: u64,
    /// Rows that went into at least one window.
    pub counted: u64,
    /// Rows that were late for every window of theirs.
    pub late: u64,
    /// Rows that could not be read, or came from the far future.
    pub rejected: u64,
}

impl Add for Totals {
    type Output = Totals;

    fn add(self, other: Totals) -> Totals {
        Totals {
            read: self.read + other.read,
            counted: self.counted + other.counted,
            late: self.late + other.late,
            rejected: self.rejected + other.rejected,
        }
    }
}

impl Sub for Totals {
    type Output = Totals;

    /// What came since `earlier`.
    fn sub(self, earlier: Totals) -> Totals {
        Totals {
            read: self.read - earlier.read,
            counted: self.counted - earlier.counted,
            late: self.late - earlier.late,
            rejected: self.rejected - earlier.rejected,
        }
    }
}

/// One partition as the job sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The partition's number.
    pub partition: i32,
    /// The offset that is read next.
    pub next_offset: i64,
    /// The offset after the last record in the broker, when known; behind it there may be offsets that
    /// hold no record.
    pub end_offset: Option<i64>,
    /// The partition's watermark, ms since the epoch; `None` before its first row.
    pub watermark_ms: Option<i64>,
    /// Whether it delivered nothing for the idle timeout and so does not hold the job's watermark.
    pub idle: bool,
}

impl PartitionProgress {
    /// Records in the broker that are not read yet (consumer lag).
    pub fn lag(&self) -> Option<i64> {
        self.end_offset.map(|end| (end - self.next_offset).max(0))
    }
}

/// The state of the job after an epoch.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The last committed epoch; 0 before the first.
    pub epoch: u64,
    /// Wall clock, ms since the Unix epoch.
    pub wall_ms: i64,
    /// Time since the job started.
    pub uptime: Duration,
    /// Since this process started.
    pub run: Totals,
    /// Since the job's first start (kept in the checkpoint).
    pub total: Totals,
    /// What else the operator counts, by name, since this process started.
    pub tallies: BTreeMap<&'static str, u64>,
    /// Rows read per second since the last report.
    pub rows_per_second: f64,
    /// The job's watermark, ms since the epoch; `None` before every partition has one.
    pub watermark_ms: Option<i64>,
    /// Every partition, by number.
    pub partitions: Vec<PartitionProgress>,
    /// Windows that are open.
    pub open_windows: usize,
    /// Rows (window and group) in open windows.
    pub open_rows: usize,
    /// Windows closed since this process started.
    pub closed_windows: u64,
    /// Memory of the open windows, bytes.
    pub state_bytes: usize,
    /// What the last epoch took from the cut to the sinks' commit.
    pub epoch_duration: Duration,
    /// The rows of the open windows as they stand, in the shape of the output; only for watchers
    /// that ask.
    pub open: Option<RecordBatch>,
}

/// Somebody who watches the job: the live terminal view, the metrics.
pub trait Watcher: Send {
    /// Whether [`Progress::open`] is wanted: it costs an evaluation of all open windows.
    fn wants_open_rows(&self) -> bool {
        false
    }

    /// Called after every trigger, whether or not there were rows.
    fn progress(&mut self, progress: &Progress);

    /// Called once, when the job has ended.
    fn finished(&mut self, _progress: &Progress) {}
}
