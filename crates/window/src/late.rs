//! Rows that came after their window was closed to them.
//!
//! A row is late for a window when the watermark of its own partition had passed the window's end
//! *before* the row. Its own time does not count against it, nor do rows of other partitions: so
//! lateness is a property of the log. The one exception is a partition that was idle: while it
//! slept the job's watermark went on and closed windows, and rows for those are late too.

use crate::Span;

/// One row that at least one of its windows was closed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateRow {
    /// The row's place in the batch.
    pub row: usize,
    /// The row's event time.
    pub event_ms: i64,
    /// The watermark that had passed the window: its partition's, or the job's after idleness.
    pub watermark_ms: i64,
    /// The windows it missed. Of a session: the span that the row alone would have made.
    pub missed: Vec<Span>,
    /// Whether other windows (of a hopping grid) did take it. Such a row counts as *counted*, not
    /// as late.
    pub counted: bool,
}

impl LateRow {
    /// How far the row's time lies behind the watermark.
    pub fn lateness_ms(&self) -> i64 {
        self.watermark_ms.saturating_sub(self.event_ms)
    }
}

/// What became of a batch: `counted + late` is the number of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Rows that went into at least one window.
    pub counted: usize,
    /// Rows that were late for every window of theirs.
    pub late: usize,
    /// The late rows, and the counted ones that missed some window, in the order of the batch.
    pub late_rows: Vec<LateRow>,
}
