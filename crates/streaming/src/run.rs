//! A job at work: what it keeps from one epoch to the next. How it begins, how an epoch is made, how
//! it ends and what it tells are in the modules below.

mod begin;
mod end;
mod epoch;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::cut::Tallies;
use crate::job::Job;
use crate::lane::{Lane, LaneShared};
use crate::ledger::Ledger;
use crate::operator::Operator;
use crate::options::millis;
use crate::progress::Totals;
use crate::watch::{Silence, Watch};
use crate::worker::Lanes;

/// A job at work.
pub(crate) struct Run<O: Operator> {
    ledger: Box<dyn Ledger<O>>,
    lanes: Arc<Lanes<O::Partition>>,
    shared: Arc<LaneShared>,
    watch: Arc<Watch>,
    /// The last committed epoch.
    epoch: u64,
    /// What this process had committed when the lanes were made.
    run_before: Totals,
    /// Totals of the job when the lanes were made, what of them the lanes do not count by themselves,
    /// and at the last committed epoch.
    lanes_began: Totals,
    lanes_base: Totals,
    committed: Totals,
    /// The same of what operators count.
    tallies_before: Tallies,
    tallies_began: Tallies,
    tallies_committed: Tallies,
    /// Whether a partition began where the moment of the start decided, and no epoch tells that yet.
    unsettled: bool,
    /// When a shutdown was asked for, monotonic ms.
    stopping_since_ms: Option<i64>,
    /// How much had been read when a run with an end last came on, and when that was.
    drained: (u64, i64),
    started_ms: i64,
    /// When the log was last opened, monotonic ms.
    opened_ms: i64,
    reported: (i64, u64),
    rate: f64,
    /// What the last cut took, if a watcher wants to see what is open.
    taken: Option<O::Taken>,
    open_windows: usize,
    closed_windows: u64,
    epoch_duration: Duration,
}

impl<O: Operator> Run<O> {
    pub(crate) fn new(job: &Job<O>, ledger: Box<dyn Ledger<O>>) -> Self {
        let shared = Arc::new(LaneShared::new(
            Arc::clone(&job.aside),
            Arc::clone(&job.clock),
            millis(job.options.max_skew),
        ));
        let started_ms = shared.monotonic_ms();
        Self {
            ledger,
            lanes: Arc::default(),
            shared,
            watch: Arc::default(),
            epoch: 0,
            run_before: Totals::default(),
            lanes_began: Totals::default(),
            lanes_base: Totals::default(),
            committed: Totals::default(),
            tallies_before: Tallies::new(),
            tallies_began: Tallies::new(),
            tallies_committed: Tallies::new(),
            unsettled: false,
            stopping_since_ms: None,
            drained: (0, 0),
            started_ms,
            opened_ms: started_ms,
            reported: (started_ms, 0),
            rate: 0.0,
            taken: None,
            open_windows: 0,
            closed_windows: 0,
            epoch_duration: Duration::ZERO,
        }
    }

    pub(crate) fn lanes(&self) -> Arc<Lanes<O::Partition>> {
        Arc::clone(&self.lanes)
    }

    pub(crate) fn shared(&self) -> Arc<LaneShared> {
        Arc::clone(&self.shared)
    }

    /// Whether other processes have partitions of the job.
    pub(crate) fn is_shared(&self) -> bool {
        self.ledger.is_shared()
    }

    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    /// Forgets state and output.
    pub(crate) fn reset(&mut self, job: &mut Job<O>) -> Result<(), Error> {
        self.ledger.reset(&mut job.sinks)
    }

    fn is_idle(&self, job: &Job<O>, lane: &Lane<O::Partition>) -> bool {
        let silence = Silence {
            next_offset: lane.next_offset,
            at_end_ms: lane.at_end_ms,
            last_record_ms: lane.last_record_ms,
        };
        let timeout_ms = millis(job.options.idle_timeout);
        silence.is_idle(self.watch.of(lane.partition), timeout_ms, self.shared.monotonic_ms())
    }
}
