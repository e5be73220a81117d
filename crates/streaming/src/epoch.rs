//! What a running job keeps from one epoch to the next, and how an epoch is made.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arus_window::PartitionTime;

use crate::Error;
use crate::checkpoint::{
    Checkpoint, CheckpointFolder, Identity, PartitionCheckpoint, Position, Restored,
};
use crate::job::{Job, Start, Trigger};
use crate::lane::{Lane, LaneShared};
use crate::operator::{self, Extent, Operator, Partition};
use crate::options::millis;
use crate::progress::{PartitionProgress, Progress, Totals};
use crate::recovery::{note_delivered, recover, reset};
use crate::sink::{EpochOutput, Guarantee};
use crate::watch::{Silence, Watch};
use crate::worker::Lanes;

/// How long a draining job waits for the next record that the broker has but does not deliver.
const DRAIN_TIMEOUT_MS: i64 = 30_000;

/// A job at work.
pub(crate) struct Run<O: Operator> {
    folder: CheckpointFolder,
    identity: Identity,
    lanes: Arc<Lanes<O::Partition>>,
    shared: Arc<LaneShared>,
    watch: Arc<Watch>,
    /// The last committed epoch, and the one that its checkpoint's chain begins with.
    epoch: u64,
    base: u64,
    /// Totals when this process started, and when the lanes did.
    process_base: Option<Totals>,
    tallies_base: Option<Tallies>,
    lanes_base: Totals,
    /// Rows read at the last committed epoch.
    read_at_epoch: u64,
    /// When a shutdown was asked for, monotonic ms.
    stopping_since_ms: Option<i64>,
    /// How much had been read when the drain last came on, and when that was.
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

/// What an operator counts, by name.
type Tallies = BTreeMap<&'static str, u64>;

/// What the lanes hold at a cut.
struct Cut<T> {
    taken: T,
    extent: Extent,
    partitions: Vec<PartitionCheckpoint>,
    newest_events_ms: Vec<i64>,
    read: u64,
    totals: Totals,
}

impl<O: Operator> Run<O> {
    pub(crate) fn new(job: &Job<O>, folder: CheckpointFolder) -> Self {
        let mut lines = job.options.identity.clone();
        lines.extend(job.operator.description());
        let shared = Arc::new(LaneShared::new(
            Arc::clone(&job.aside),
            Arc::clone(&job.clock),
            millis(job.options.max_skew),
        ));
        let started_ms = shared.monotonic_ms();
        Self {
            folder,
            identity: Identity { lines },
            lanes: Arc::default(),
            shared,
            watch: Arc::default(),
            epoch: 0,
            base: 0,
            process_base: None,
            tallies_base: None,
            lanes_base: Totals::default(),
            read_at_epoch: 0,
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

    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    /// Makes the lanes from the last checkpoint, or for a new start, and says where each begins to
    /// read.
    pub(crate) fn recover_lanes(&mut self, job: &mut Job<O>) -> Result<BTreeMap<i32, i64>, Error> {
        let restored = recover(&self.folder, &self.identity, &mut job.sinks)?;
        let partitions = job.log.partitions()?;
        let checkpoint = restored.as_ref().map(|restored| &restored.checkpoint);
        let mut offsets = self.start_offsets(job, &partitions, checkpoint)?;
        let now_ms = self.shared.monotonic_ms();
        let wall_ms = job.clock.wall_ms();
        let mut lanes = Lanes::new();
        let (mut saved, mut chains) = (BTreeMap::new(), BTreeMap::new());
        if let Some(Restored { checkpoint, chains: found }) = restored {
            self.epoch = checkpoint.epoch;
            self.base = checkpoint.base;
            self.lanes_base = checkpoint.totals;
            job.operator.restore(checkpoint.watermark_ms, checkpoint.job)?;
            let positions = checkpoint.partitions.into_iter().map(|part| part.position);
            saved = positions.map(|position| (position.partition, position)).collect();
            chains = found;
        }
        self.process_base.get_or_insert(self.lanes_base);
        self.reported.1 = self.lanes_base.read;
        self.read_at_epoch = self.lanes_base.read;
        self.shared.close_up_to(job.operator.watermark_ms());
        for partition in partitions {
            let (state, last_record_ms) = match saved.remove(&partition) {
                None => (job.operator.partition()?, now_ms),
                Some(position) => {
                    offsets.insert(partition, position.next_offset);
                    let chain = chains.remove(&partition).unwrap_or_default();
                    let silent_ms = (wall_ms - position.last_record_wall_ms).max(0);
                    let state = job.operator.restore_partition(position.largest_ms, chain)?;
                    (state, now_ms - silent_ms)
                }
            };
            let decoder = (job.new_decoder)(&job.operator.columns_read());
            let lane = Lane::new(partition, offsets[&partition], state, decoder, last_record_ms);
            lanes.insert(partition, Mutex::new(lane));
        }
        if let Some(partition) = saved.keys().next() {
            return Err(Error::Checkpoint(format!(
                "the checkpoint in {} knows partition {partition}, which the topic does not have: the topic is another one \
                 now; --reset to start anew",
                self.folder.path().display()
            )));
        }
        self.tallies_base.get_or_insert_with(|| tallies(lanes.values().map(|l| l.lock().unwrap())));
        if !matches!(job.options.trigger, Trigger::Every(_)) {
            for (&partition, lane) in &lanes {
                lane.lock().unwrap().stop_at = Some(job.log.bounds(partition)?.high);
            }
        }
        self.lanes = Arc::new(lanes);
        self.watch = Arc::default();
        self.opened_ms = now_ms;
        Ok(offsets)
    }

    /// Where partitions begin that no checkpoint knows: as the start option says; but one that came
    /// after the checkpoint is new, and all of it is read.
    fn start_offsets(
        &self,
        job: &Job<O>,
        partitions: &[i32],
        checkpoint: Option<&Checkpoint>,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let start = if checkpoint.is_some() { Start::Earliest } else { job.options.start };
        let committed = match start {
            Start::Committed => job.log.committed(partitions)?,
            _ => BTreeMap::new(),
        };
        let known = |partition: &i32| {
            checkpoint
                .is_some_and(|c| c.partitions.iter().any(|p| p.position.partition == *partition))
        };
        let mut offsets = BTreeMap::new();
        for partition in partitions.iter().filter(|partition| !known(partition)) {
            let bounds = job.log.bounds(*partition)?;
            let offset = match start {
                Start::Latest => bounds.high,
                _ => committed.get(partition).copied().unwrap_or(bounds.low),
            };
            offsets.insert(*partition, offset);
        }
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
            // The client met the end of the partition some time ago; was it this end? The client will
            // not say so again, if what lies between holds no record.
            if lane.at_end_ms.is_some() && job.log.has_records(partition, lane.next_offset, end)? {
                lane.at_end_ms = None;
            }
        }
        Ok(())
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping_since_ms.is_some()
    }

    /// Whether everything that this run is for has been read.
    ///
    /// # Errors
    /// When a draining job gets nothing more although the broker has more: its windows must not be
    /// closed then.
    pub(crate) fn is_done(&mut self) -> Result<bool, Error> {
        let (mut read, mut done) = (0, true);
        for lane in self.lanes.values() {
            let lane = lane.lock().unwrap();
            read += lane.totals.read;
            done &= lane.is_done();
        }
        if done || self.stopping_since_ms.is_none() {
            return Ok(done);
        }
        let now_ms = self.shared.monotonic_ms();
        if read > self.drained.0 {
            self.drained = (read, now_ms);
        }
        match now_ms - self.drained.1 > DRAIN_TIMEOUT_MS {
            true => Err(Error::DrainStalled { waited_s: DRAIN_TIMEOUT_MS as u64 / 1000 }),
            false => Ok(false),
        }
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

    /// Forgets checkpoints and output.
    pub(crate) fn reset(&mut self, job: &mut Job<O>) -> Result<(), Error> {
        reset(&self.folder, &mut job.sinks)
    }

    /// Cuts an epoch and makes it durable, if anything happened since the last one. The last epoch
    /// of a run closes all windows if the job drains, and waits for the broker to take its offsets.
    pub(crate) fn epoch(&mut self, job: &mut Job<O>, last: bool) -> Result<(), Error> {
        let started = job.clock.monotonic();
        if last && !matches!(job.options.trigger, Trigger::Every(_)) {
            // The run was too short for the watch to have looked.
            let partitions: Vec<i32> = self.lanes.keys().copied().collect();
            self.watch.look(&*job.log, &partitions, || self.shared.monotonic_ms());
        }
        if let Some(cut) = self.cut(job, last)? {
            self.commit(job, cut, last)?;
            self.epoch_duration = job.clock.monotonic().saturating_sub(started);
            metrics::histogram!("arus_epoch_duration_seconds")
                .record(self.epoch_duration.as_secs_f64());
        }
        let wanted = job.watchers.iter().any(|watcher| watcher.wants_open_rows());
        let progress = self.progress(job, wanted)?;
        for watcher in &mut job.watchers {
            watcher.progress(&progress);
        }
        Ok(())
    }

    /// Takes an epoch out of the lanes; `None` if nothing happened.
    fn cut(&mut self, job: &mut Job<O>, last: bool) -> Result<Option<Cut<O::Taken>>, Error> {
        let lanes = self.lanes();
        let mut lanes: Vec<MutexGuard<'_, Lane<O::Partition>>> =
            lanes.values().map(|lane| lane.lock().unwrap()).collect();
        self.advance_watermark(job, &lanes, last);
        self.shared.close_up_to(job.operator.watermark_ms());
        let totals = lanes.iter().fold(self.lanes_base, |sum, lane| sum + lane.totals);
        let needed = totals.read != self.read_at_epoch || self.watch.grew();
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
        let read = totals.read;
        Ok(Some(Cut { taken, extent, partitions, newest_events_ms, read, totals }))
    }

    fn advance_watermark(
        &self,
        job: &mut Job<O>,
        lanes: &[MutexGuard<'_, Lane<O::Partition>>],
        last: bool,
    ) {
        let times: Vec<PartitionTime> = lanes
            .iter()
            .map(|lane| PartitionTime {
                watermark_ms: lane.state.watermark_ms(),
                idle: self.is_idle(job, lane),
            })
            .collect();
        if last && !job.options.drain {
            tell_who_holds(lanes, &times);
        }
        job.operator.advance(&times);
        // Never beyond the last open window: then a clock that jumps, or input that is older than
        // now, costs no row of a later window.
        let Some(end_ms) = lanes.iter().filter_map(|lane| lane.state.latest_end_ms()).max() else {
            return;
        };
        if job.options.close_idle_windows && times.iter().all(|time| time.idle) {
            let clock_ms = job.clock.wall_ms().saturating_sub(job.operator.delay_ms());
            job.operator.raise_to(clock_ms.min(end_ms));
        }
        if last && job.options.drain {
            job.operator.raise_to(end_ms);
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

    /// Makes a cut durable: set-aside records, checkpoint, sinks, offsets, in this order.
    fn commit(&mut self, job: &mut Job<O>, cut: Cut<O::Taken>, last: bool) -> Result<(), Error> {
        let made = job.operator.finish(&cut.taken)?;
        let epoch = self.epoch + 1;
        let base = match cut.extent {
            Extent::Whole => epoch,
            Extent::Changes => self.base,
        };
        job.aside.flush()?;
        let checkpoint = Checkpoint {
            epoch,
            base,
            identity: self.identity.clone(),
            totals: cut.totals,
            watermark_ms: job.operator.watermark_ms(),
            partitions: cut.partitions,
            job: made.saved,
            output: made.tables,
        };
        self.folder.write(&checkpoint)?;
        // Sinks that can tell come last: once they have the epoch, so have the others.
        job.sinks.sort_by_key(|sink| sink.guarantee() == Guarantee::ExactlyOnce);
        let next_offsets = checkpoint.next_offsets();
        let output = EpochOutput { epoch, tables: &checkpoint.output, next_offsets: &next_offsets };
        for sink in &mut job.sinks {
            sink.commit(output)?;
        }
        note_delivered(&self.folder, epoch)?;
        // The epoch before stays for the case that this one's file is damaged.
        let needed = if self.epoch == 0 { base } else { self.base.min(base) };
        (self.epoch, self.base) = (epoch, base);
        self.read_at_epoch = cut.read;
        self.closed_windows += made.closed_windows as u64;
        self.open_windows = made.open_windows;
        self.taken = job.watchers.iter().any(|w| w.wants_open_rows()).then_some(cut.taken);
        if !job.sinks.iter().any(|sink| sink.commits_offsets()) {
            self.tell_group(job, next_offsets.into_iter().collect(), last);
        }
        let wall_ms = job.clock.wall_ms();
        let latency = metrics::histogram!("arus_end_to_end_latency_seconds");
        for newest_ms in cut.newest_events_ms {
            latency.record(wall_ms.saturating_sub(newest_ms).max(0) as f64 / 1000.0);
        }
        self.folder.prune(needed)
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
        let mut tallies = tallies(lanes.iter().map(|lane| &**lane));
        for (name, before) in self.tallies_base.iter().flatten() {
            tallies.entry(*name).and_modify(|now| *now = now.saturating_sub(*before));
        }
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
            run: total - self.process_base.unwrap_or_default(),
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

/// What all lanes' operators count, added up.
fn tallies<P: Partition>(lanes: impl Iterator<Item = impl Deref<Target = Lane<P>>>) -> Tallies {
    let mut sums = Tallies::new();
    for lane in lanes {
        for (name, count) in lane.state.tallies() {
            *sums.entry(name).or_default() += count;
        }
    }
    sums
}

/// A run may be over before a partition without a record has been silent for long enough. It holds
/// all windows open then, as it must: were it passed over, the same log read in one run or in two
/// would give different rows. Whoever waits for those rows is told.
fn tell_who_holds<P>(lanes: &[MutexGuard<'_, Lane<P>>], times: &[PartitionTime]) {
    let holds = |time: &PartitionTime| !time.idle && time.watermark_ms.is_none();
    let silent: Vec<i32> = lanes
        .iter()
        .zip(times)
        .filter_map(|(lane, time)| holds(time).then_some(lane.partition))
        .collect();
    if !silent.is_empty() && silent.len() < lanes.len() {
        tracing::warn!(
            partitions = ?silent,
            "partitions without records hold the windows open: --drain closes them, or a later run, \
             once they have been silent for --idle-timeout"
        );
    }
}
