//! What a running job keeps from one epoch to the next, and how an epoch is made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arus_window::PartitionTime;

use crate::Error;
use crate::checkpoint::{PartitionCheckpoint, Position};
use crate::cut::{Cut, Tallies, Times, tallied, tallies, tell_who_holds};
use crate::job::{Job, Start, Trigger};
use crate::lane::{Lane, LaneShared};
use crate::ledger::{Hands, Ledger, Recovered};
use crate::operator::{self, Operator, Partition};
use crate::options::millis;
use crate::progress::{PartitionProgress, Progress, Totals};
use crate::watch::{Silence, Watch};
use crate::worker::Lanes;

/// How long a job that reads up to an end waits for the next record that the broker has but does not
/// deliver.
const DRAIN_TIMEOUT_MS: i64 = 30_000;

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

    /// Makes the lanes of these partitions from what was committed, or for a new start, and says
    /// where each begins to read.
    pub(crate) fn recover_lanes(
        &mut self,
        job: &mut Job<O>,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let log = &*job.log;
        let hands = Hands { operator: &mut job.operator, sinks: &mut job.sinks, log };
        let mut recovered = self.ledger.recover(hands, partitions)?;
        if job.operator.needs_keys_in_place() {
            check_that_keys_stay(&recovered, partitions, &self.ledger.place())?;
        }
        let mut offsets = start_offsets(job, partitions, &recovered)?;
        let now_ms = self.shared.monotonic_ms();
        let wall_ms = job.clock.wall_ms();
        let of_lanes = recovered.lane_totals.values().fold(Totals::default(), |sum, &of| sum + of);
        self.run_before = self.run_before + (self.committed - self.lanes_began);
        self.epoch = recovered.epoch;
        self.lanes_base = recovered.totals;
        self.lanes_began = recovered.totals + of_lanes;
        self.committed = self.lanes_began;
        self.reported.1 = self.lanes_began.read;
        self.shared.close_up_to(job.operator.watermark_ms());
        let mut lanes = Lanes::new();
        for &partition in partitions {
            let (state, last_record_ms) = match recovered.positions.remove(&partition) {
                None => (job.operator.partition()?, now_ms),
                Some(position) => {
                    offsets.insert(partition, position.next_offset);
                    let chain = recovered.chains.remove(&partition).unwrap_or_default();
                    let silent_ms = (wall_ms - position.last_record_wall_ms).max(0);
                    let state = job.operator.restore_partition(position.largest_ms, chain)?;
                    (state, now_ms - silent_ms)
                }
            };
            let decoder = (job.new_decoder)(&job.operator.columns_read());
            let next_offset = offsets[&partition];
            let mut lane = Lane::new(partition, next_offset, state, decoder, last_record_ms);
            lane.totals = recovered.lane_totals.remove(&partition).unwrap_or_default();
            lanes.insert(partition, Mutex::new(lane));
        }
        if let Some(partition) = recovered.positions.keys().next() {
            return Err(Error::Checkpoint(format!(
                "{} knows partition {partition}, which the topic does not have: the topic is another \
                 one now; --reset to start anew",
                self.ledger.place()
            )));
        }
        let (began, committed) = (&self.tallies_began, &self.tallies_committed);
        self.tallies_before = tallied(&self.tallies_before, began, committed);
        self.tallies_began = tallies(lanes.values().map(|lane| lane.lock().unwrap()));
        self.tallies_committed = self.tallies_began.clone();
        if !matches!(job.options.trigger, Trigger::Every(_)) {
            for (&partition, lane) in &lanes {
                lane.lock().unwrap().stop_at = Some(job.log.bounds(partition)?.high);
            }
        }
        self.lanes = Arc::new(lanes);
        self.watch = Arc::default();
        self.opened_ms = self.shared.monotonic_ms();
        self.drained = (0, self.opened_ms);
        Ok(offsets)
    }

    /// A shutdown was asked for: from now on only what is there already is read (with drain), or
    /// nothing more.
    pub(crate) fn stop(&mut self, job: &Job<O>) -> Result<(), Error> {
        let now_ms = self.shared.monotonic_ms();
        self.stopping_since_ms = Some(now_ms);
        self.drained = (0, now_ms);
        for (&partition, lane) in self.lanes.iter() {
            let end = if job.options.drain { job.log.bounds(partition)?.high } else { i64::MIN };
            let mut lane = lane.lock().unwrap();
            lane.stop_at = Some(end.min(lane.stop_at.unwrap_or(i64::MAX)).max(lane.next_offset));
        }
        Ok(())
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping_since_ms.is_some()
    }

    /// Whether everything that this run is for has been read.
    ///
    /// # Errors
    /// When nothing more comes although the broker has more: its windows must not be closed then.
    pub(crate) fn is_done(&mut self, job: &Job<O>) -> Result<bool, Error> {
        let (mut read, mut done) = (0, true);
        for lane in self.lanes.values() {
            let lane = lane.lock().unwrap();
            read += lane.totals.read;
            done &= lane.is_done();
        }
        if done && (self.stopping_since_ms.is_none() || self.met_these_ends(job)?) {
            return Ok(true);
        }
        let now_ms = self.shared.monotonic_ms();
        if read > self.drained.0 {
            self.drained = (read, now_ms);
        }
        let patience_ms = match self.stopping() {
            true => DRAIN_TIMEOUT_MS,
            false => DRAIN_TIMEOUT_MS.max(millis(job.options.broker_timeout)),
        };
        match now_ms - self.drained.1 > patience_ms {
            true => Err(Error::DrainStalled { waited_s: patience_ms as u64 / 1000 }),
            false => Ok(false),
        }
    }

    /// The client met the ends of the partitions; were they those that a shutdown asked for? It may
    /// have met one before that, or tell late of one that it met before. It does not tell again, if
    /// what lies between holds no record: so the broker is asked.
    fn met_these_ends(&self, job: &Job<O>) -> Result<bool, Error> {
        for (&partition, lane) in self.lanes.iter() {
            let (from, to) = {
                let lane = lane.lock().unwrap();
                (lane.next_offset, lane.stop_at.unwrap_or(lane.next_offset))
            };
            if from >= to {
                continue;
            }
            let more = match job.log.has_records(partition, from, to) {
                Err(error) if error.may_pass() => return Ok(false),
                more => more?,
            };
            let mut lane = lane.lock().unwrap();
            // It may have come on meanwhile.
            if more && lane.next_offset < to {
                lane.at_end_ms = None;
                return Ok(false);
            }
            lane.next_offset = lane.next_offset.max(to);
        }
        Ok(true)
    }

    /// Gives up when the broker has been away for too long.
    pub(crate) fn check_broker(&self, job: &Job<O>) -> Result<(), Error> {
        let answered_ms = self.watch.answered_ms().unwrap_or(self.opened_ms);
        let away_ms = self.shared.monotonic_ms() - answered_ms;
        if away_ms <= millis(job.options.broker_timeout) {
            return Ok(());
        }
        Err(Error::BrokerAway { brokers: job.brokers.clone(), waited_s: (away_ms / 1000) as u64 })
    }

    /// Forgets state and output.
    pub(crate) fn reset(&mut self, job: &mut Job<O>) -> Result<(), Error> {
        self.ledger.reset(&mut job.sinks)
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

    /// Takes an epoch out of the lanes; `None` if nothing happened.
    fn cut(&mut self, job: &mut Job<O>, last: bool) -> Result<Option<Cut<O::Taken>>, Error> {
        let lanes = self.lanes();
        if lanes.is_empty() {
            return Ok(None);
        }
        let numbers: Vec<i32> = lanes.keys().copied().collect();
        let mut lanes: Vec<MutexGuard<'_, Lane<O::Partition>>> =
            lanes.values().map(|lane| lane.lock().unwrap()).collect();
        let times = self.times(job, &lanes, last);
        let moved = self.ledger.advance(&mut job.operator, &numbers, &times);
        self.shared.close_up_to(job.operator.watermark_ms());
        let totals = lanes.iter().fold(self.lanes_base, |sum, lane| sum + lane.totals);
        let needed = totals.read != self.committed.read || self.watch.grew() || moved;
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

    fn is_idle(&self, job: &Job<O>, lane: &Lane<O::Partition>) -> bool {
        let silence = Silence {
            next_offset: lane.next_offset,
            at_end_ms: lane.at_end_ms,
            last_record_ms: lane.last_record_ms,
        };
        let timeout_ms = millis(job.options.idle_timeout);
        silence.is_idle(self.watch.of(lane.partition), timeout_ms, self.shared.monotonic_ms())
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
        let Some(made) = self.ledger.commit(hands, &mut cut)? else { return Ok(false) };
        self.epoch = made.epoch;
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

    /// How things stand now.
    pub(crate) fn progress(
        &mut self,
        job: &Job<O>,
        with_open_rows: bool,
    ) -> Result<Progress, Error> {
        let lanes = self.lanes();
        let lanes: Vec<MutexGuard<'_, Lane<O::Partition>>> =
            lanes.values().map(|lane| lane.lock().unwrap()).collect();
        let total = lanes.iter().fold(self.lanes_base, |sum, lane| sum + lane.totals);
        let partitions = lanes
            .iter()
            .map(|lane| PartitionProgress {
                partition: lane.partition,
                next_offset: lane.next_offset,
                end_offset: self.watch.of(lane.partition).map(|sighting| {
                    match sighting.nothing_left(lane.at_end_ms) {
                        true => sighting.end_offset.min(lane.next_offset),
                        false => sighting.end_offset,
                    }
                }),
                watermark_ms: lane.state.watermark_ms(),
                idle: self.is_idle(job, lane),
            })
            .collect();
        let open_rows = lanes.iter().map(|lane| lane.state.rows()).sum();
        let state_bytes = lanes.iter().map(|lane| lane.state.size()).sum();
        let now = tallies(lanes.iter().map(|lane| &**lane));
        let tallies = tallied(&self.tallies_before, &self.tallies_began, &now);
        drop(lanes);
        let now_ms = self.shared.monotonic_ms();
        let elapsed_ms = now_ms - self.reported.0;
        if elapsed_ms >= 200 {
            self.rate =
                total.read.saturating_sub(self.reported.1) as f64 * 1000.0 / elapsed_ms as f64;
            self.reported = (now_ms, total.read);
        }
        let open = match &self.taken {
            Some(taken) if with_open_rows => job.operator.open_rows(taken)?,
            _ => None,
        };
        Ok(Progress {
            epoch: self.epoch,
            wall_ms: job.clock.wall_ms(),
            uptime: Duration::from_millis((now_ms - self.started_ms).max(0) as u64),
            run: self.run_before + (total - self.lanes_began),
            total,
            tallies,
            rows_per_second: self.rate,
            watermark_ms: job.operator.watermark_ms(),
            partitions,
            open_windows: self.open_windows,
            open_rows,
            closed_windows: self.closed_windows,
            state_bytes,
            epoch_duration: self.epoch_duration,
            open,
        })
    }
}

/// A key's later rows may be in a new partition, and those before in another, which no partition's
/// state can tell. Better no table than a wrong one.
fn check_that_keys_stay(
    recovered: &Recovered,
    partitions: &[i32],
    place: &str,
) -> Result<(), Error> {
    let is_new = |partition: &&i32| !recovered.positions.contains_key(partition);
    let new: Vec<i32> = partitions.iter().filter(is_new).copied().collect();
    if !recovered.knows_all || new.is_empty() {
        return Ok(());
    }
    Err(Error::Checkpoint(format!(
        "the topic has new partitions ({new:?}), which {place} does not know: changes of a key may now \
         come to another partition than those before, and the table would be wrong; copy the topic to \
         one with as many partitions and read that, or take it as it is with --from-beginning"
    )))
}

/// Where partitions begin that nothing was committed of: as the start option says; but one that came
/// later is new, and all of it is read.
fn start_offsets<O: Operator>(
    job: &Job<O>,
    partitions: &[i32],
    recovered: &Recovered,
) -> Result<BTreeMap<i32, i64>, Error> {
    let start = if recovered.knows_all { Start::Earliest } else { job.options.start };
    let committed = match start {
        Start::Committed => job.log.committed(partitions)?,
        _ => BTreeMap::new(),
    };
    let mut offsets = BTreeMap::new();
    for partition in partitions {
        if recovered.positions.contains_key(partition) {
            continue;
        }
        let bounds = job.log.bounds(*partition)?;
        let offset = match start {
            Start::Latest => bounds.high,
            _ => committed.get(partition).copied().unwrap_or(bounds.low),
        };
        offsets.insert(*partition, offset);
    }
    Ok(offsets)
}
