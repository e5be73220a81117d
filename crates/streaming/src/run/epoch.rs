//! How an epoch is made: what the lanes hold is cut and made durable.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use arus_window::PartitionTime;

use super::Run;
use crate::Error;
use crate::checkpoint::{PartitionCheckpoint, Position};
use crate::cut::{Cut, Times, tallies, tell_who_holds};
use crate::job::{Job, Trigger};
use crate::lane::Lane;
use crate::ledger::Hands;
use crate::operator::{self, Operator, Partition};

impl<O: Operator> Run<O> {
    /// Makes durable at once where the partitions began, if that hung on the moment (`--start latest`,
    /// `committed`): a start after a kill must not begin anew at what is the latest then. Says whether
    /// the partitions are still this process's.
    pub(crate) fn settle(&mut self, job: &mut Job<O>) -> Result<bool, Error> {
        if self.unsettled { self.epoch(job) } else { Ok(true) }
    }

    /// Cuts an epoch and makes it durable, if anything happened since the last one; says whether the
    /// partitions are still this process's.
    pub(crate) fn epoch(&mut self, job: &mut Job<O>) -> Result<bool, Error> {
        self.cut_and_commit(job, false)
    }

    /// The last epoch of a run: it closes all windows if the job drains, and waits for the broker to
    /// take its offsets.
    pub(crate) fn last_epoch(&mut self, job: &mut Job<O>) -> Result<(), Error> {
        if !matches!(job.options.trigger, Trigger::Every(_)) {
            // The run was too short for the watch to have looked.
            let partitions: Vec<i32> = self.lanes.keys().copied().collect();
            self.watch.look(&*job.log, &partitions, || self.shared.monotonic_ms());
        }
        for _ in 0..self.ledger.last_epochs() {
            if !self.cut_and_commit(job, true)? {
                tracing::info!("another process goes on with the partitions of this one");
                break;
            }
        }
        Ok(())
    }

    fn cut_and_commit(&mut self, job: &mut Job<O>, last: bool) -> Result<bool, Error> {
        let started = job.clock.monotonic();
        let mut ours = self.ledger.look(&mut job.operator)?;
        if !ours {
            return Ok(false);
        }
        if let Some(cut) = self.cut(job, last)? {
            ours = self.commit(job, cut, last)?;
            self.epoch_duration = job.clock.monotonic().saturating_sub(started);
            metrics::histogram!("arus_epoch_duration_seconds")
                .record(self.epoch_duration.as_secs_f64());
        }
        let wanted = job.watchers.iter().any(|watcher| watcher.wants_open_rows());
        let progress = self.progress(job, wanted)?;
        for watcher in &mut job.watchers {
            watcher.progress(&progress);
        }
        Ok(ours)
    }

    /// Takes an epoch out of the lanes; `None` if nothing happened, or it is not known yet whether the
    /// log is still the same.
    ///
    /// # Errors
    /// When a worker has failed in the middle of a batch.
    fn cut(&mut self, job: &mut Job<O>, last: bool) -> Result<Option<Cut<O::Taken>>, Error> {
        let lanes = self.lanes();
        if lanes.is_empty() {
            return Ok(None);
        }
        let numbers: Vec<i32> = lanes.keys().copied().collect();
        let mut lanes: Vec<MutexGuard<'_, Lane<O::Partition>>> =
            lanes.values().map(|lane| lane.lock().unwrap()).collect();
        if let Some(lane) = lanes.iter().find(|lane| lane.torn) {
            return Err(Error::Torn { partition: lane.partition });
        }
        if lanes.iter().any(|lane| lane.unverified) {
            return Ok(None);
        }
        let times = self.times(job, &lanes, last);
        let moved = self.ledger.advance(&mut job.operator, &numbers, &times);
        self.shared.close_up_to(job.operator.watermark_ms());
        let totals = lanes.iter().fold(self.lanes_base, |sum, lane| sum + lane.totals);
        let needed =
            totals.read != self.committed.read || self.watch.grew() || moved || self.unsettled;
        let mut states: Vec<&mut O::Partition> =
            lanes.iter_mut().map(|lane| &mut lane.state).collect();
        let Some(operator::Cut { extent, saved, taken }) = job.operator.cut(&mut states, needed)?
        else {
            return Ok(None);
        };
        let wall_ms = job.clock.wall_ms();
        let now_ms = self.shared.monotonic_ms();
        let mut partitions = Vec::with_capacity(lanes.len());
        let mut newest_events_ms = Vec::new();
        for (lane, saved) in lanes.iter_mut().zip(saved) {
            let position = Position {
                partition: lane.partition,
                next_offset: lane.next_offset,
                largest_ms: lane.state.largest_ms(),
                last_record_wall_ms: wall_ms - (now_ms - lane.last_record_ms),
                last_read: lane.last_read,
            };
            partitions.push(PartitionCheckpoint { position, saved });
            newest_events_ms.append(&mut lane.newest_events_ms);
        }
        job.aside.turn();
        let end = |partition| self.watch.of(partition).map(|sighting| sighting.end_offset);
        Ok(Some(Cut {
            taken,
            extent,
            partitions,
            times,
            end_offsets: numbers.into_iter().map(end).collect(),
            lane_totals: lanes.iter().map(|lane| lane.totals).collect(),
            totals,
            tallies: tallies(lanes.iter().map(|lane| &**lane)),
            newest_events_ms,
        }))
    }

    /// How far the partitions are.
    fn times(
        &self,
        job: &Job<O>,
        lanes: &[MutexGuard<'_, Lane<O::Partition>>],
        last: bool,
    ) -> Times {
        let partitions: Vec<PartitionTime> = lanes
            .iter()
            .map(|lane| PartitionTime {
                watermark_ms: lane.state.watermark_ms(),
                idle: self.is_idle(job, lane),
            })
            .collect();
        // Without an end of any window there is nothing to hold open.
        let has_windows = lanes.iter().any(|lane| lane.state.latest_end_ms().is_some());
        if last && !job.options.drain && has_windows {
            tell_who_holds(lanes, &partitions);
        }
        let clock_ms = || job.clock.wall_ms().saturating_sub(job.operator.delay_ms());
        Times {
            partitions,
            open_until_ms: lanes.iter().filter_map(|lane| lane.state.latest_end_ms()).max(),
            clock_ms: job.options.close_idle_windows.then(clock_ms),
            drain: last && job.options.drain,
        }
    }

    /// Makes a cut durable: set-aside records, then state and rows, then offsets. Says whether the
    /// partitions were this process's to commit.
    fn commit(
        &mut self,
        job: &mut Job<O>,
        mut cut: Cut<O::Taken>,
        last: bool,
    ) -> Result<bool, Error> {
        job.aside.flush()?;
        let next_offsets =
            cut.partitions.iter().map(|p| (p.position.partition, p.position.next_offset)).collect();
        let log = &*job.log;
        let hands = Hands { operator: &mut job.operator, sinks: &mut job.sinks, log };
        let waits_for_broker = hands.sinks.iter().any(|sink| sink.waits_for_broker());
        self.watch.commits_to_broker(waits_for_broker);
        let made = self.ledger.commit(hands, &mut cut);
        self.watch.commits_to_broker(false);
        let Some(made) = made? else { return Ok(false) };
        self.epoch = made.epoch;
        self.unsettled = false;
        self.committed = cut.totals;
        self.tallies_committed = std::mem::take(&mut cut.tallies);
        self.closed_windows += made.closed_windows as u64;
        self.open_windows = made.open_windows;
        self.taken = job.watchers.iter().any(|w| w.wants_open_rows()).then_some(cut.taken);
        if !job.sinks.iter().any(|sink| sink.commits_offsets()) {
            self.tell_group(job, next_offsets, last);
        }
        let wall_ms = job.clock.wall_ms();
        let latency = metrics::histogram!("arus_end_to_end_latency_seconds");
        for newest_ms in cut.newest_events_ms {
            latency.record(wall_ms.saturating_sub(newest_ms).max(0) as f64 / 1000.0);
        }
        Ok(true)
    }

    /// For lag tools only; a restart goes by the checkpoint.
    fn tell_group(&self, job: &Job<O>, next_offsets: BTreeMap<i32, i64>, last: bool) {
        let answers = self.watch.answered_ms();
        let wait = last && answers.is_some_and(|ms| self.shared.monotonic_ms() - ms < 3_000);
        if let Err(error) = job.log.commit(&next_offsets, wait) {
            tracing::warn!(%error, "offsets not committed to the consumer group");
        }
    }
}
