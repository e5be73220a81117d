//! How far event time has come: per partition, and for the whole job.
//!
//! The watermark of a partition is the largest event time read there so far, less the allowed
//! delay. The watermark of the job is the least of its partitions', idle ones left out. Neither
//! ever goes back. Spark takes the largest event time over *all* partitions instead, so that its
//! late rows depend on which partition was read first; the rule here is Flink's (per-split
//! watermarks, FLIP-27), so that lateness is a property of the log.

/// The watermark of one partition.
///
/// ```
/// use arus_window::PartitionWatermark;
///
/// let mut watermark = PartitionWatermark::new(10_000); // rows may come 10 s out of order
/// assert_eq!(watermark.current_ms(), None);            // before the first row there is none
/// watermark.observe(65_000);
/// assert_eq!(watermark.current_ms(), Some(55_000));
/// watermark.observe(40_000);                           // an older row does not move it back
/// assert_eq!(watermark.current_ms(), Some(55_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionWatermark {
    delay_ms: i64,
    /// `i64::MIN` before the first row, so that the hot path compares plain numbers.
    largest_ms: i64,
}

impl PartitionWatermark {
    /// A watermark that follows `delay_ms` behind the largest event time.
    pub fn new(delay_ms: i64) -> Self {
        Self { delay_ms, largest_ms: i64::MIN }
    }

    /// The same after a restart, from [`PartitionWatermark::largest_ms`].
    pub fn restore(delay_ms: i64, largest_ms: Option<i64>) -> Self {
        Self { delay_ms, largest_ms: largest_ms.unwrap_or(i64::MIN) }
    }

    /// Takes a row's event time into account.
    pub fn observe(&mut self, event_ms: i64) {
        self.largest_ms = self.largest_ms.max(event_ms);
    }

    /// The largest event time so far.
    pub fn largest_ms(&self) -> Option<i64> {
        (self.largest_ms != i64::MIN).then_some(self.largest_ms)
    }

    /// The watermark; `None` before the first row.
    pub fn current_ms(&self) -> Option<i64> {
        self.largest_ms().map(|largest| largest.saturating_sub(self.delay_ms))
    }

    /// The watermark as a number that every event time is at or after when there is none yet.
    pub(crate) fn floor_ms(&self) -> i64 {
        self.largest_ms.saturating_sub(self.delay_ms)
    }
}

/// The watermark of a job: what its windows are closed by.
///
/// ```
/// use arus_window::JobWatermark;
///
/// let mut watermark = JobWatermark::default();
/// // Two partitions: the slower one holds the job …
/// assert_eq!(watermark.advance([Some(90_000), Some(60_000)]), Some(60_000));
/// // … and nothing moves it back, such as a partition that was idle and comes again.
/// assert_eq!(watermark.advance([Some(90_000), Some(10_000)]), Some(60_000));
/// // A partition that has no watermark yet holds the job where it is.
/// assert_eq!(watermark.advance([Some(90_000), None]), Some(60_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobWatermark {
    current_ms: Option<i64>,
}

impl JobWatermark {
    /// The same after a restart.
    pub fn restore(current_ms: Option<i64>) -> Self {
        Self { current_ms }
    }

    /// Moves up to the least of the watermarks of the partitions that are not idle, and says where
    /// it stands. With no partition (all are idle) it stays.
    pub fn advance(&mut self, active: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
        let mut least = None;
        for watermark in active {
            let Some(watermark) = watermark else { return self.current_ms };
            least = Some(least.map_or(watermark, |least: i64| least.min(watermark)));
        }
        if let Some(least) = least {
            self.raise_to(least);
        }
        self.current_ms
    }

    /// Moves up to `watermark_ms` whatever the partitions say: when all input has stopped, or at
    /// its end.
    pub fn raise_to(&mut self, watermark_ms: i64) {
        self.current_ms = Some(self.current_ms.map_or(watermark_ms, |now| now.max(watermark_ms)));
    }

    /// Where it stands; `None` before every partition has a watermark.
    pub fn current_ms(&self) -> Option<i64> {
        self.current_ms
    }
}
