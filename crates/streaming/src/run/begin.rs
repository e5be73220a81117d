//! How a run begins, and goes on with other partitions: with what was committed, and from where.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::Run;
use arus_kafka::source::Bounds;

use crate::Error;
use crate::checkpoint::Position;
use crate::cut::{tallied, tallies};
use crate::job::{Job, Start, Trigger};
use crate::lane::Lane;
use crate::ledger::{Hands, Recovered};
use crate::operator::Operator;
use crate::progress::Totals;
use crate::worker::Lanes;

impl<O: Operator> Run<O> {
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
        self.unsettled = !offsets.is_empty() && job.options.start != Start::Earliest;
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
            let known = recovered.positions.remove(&partition);
            let (state, last_record_ms) = match known {
                None => (job.operator.partition()?, now_ms),
                Some(position) => {
                    offsets.insert(partition, reads_from(job, position)?);
                    let chain = recovered.chains.remove(&partition).unwrap_or_default();
                    let silent_ms = (wall_ms - position.last_record_wall_ms).max(0);
                    let state = job.operator.restore_partition(position.largest_ms, chain)?;
                    (state, now_ms - silent_ms)
                }
            };
            let decoder = (job.new_decoder)(&job.operator.columns_read());
            let next_offset =
                known.map_or_else(|| offsets[&partition], |position| position.next_offset);
            let mut lane = Lane::new(partition, next_offset, state, decoder, last_record_ms);
            lane.last_read = known.and_then(|position| position.last_read);
            lane.unverified = offsets[&partition] < next_offset;
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
}

/// Where a partition is read from again: at the last record that was read, if it is still there, so
/// that it shows whether this is the same log.
fn reads_from<O: Operator>(job: &Job<O>, position: Position) -> Result<i64, Error> {
    let Some(last) = position.last_read else { return Ok(position.next_offset) };
    let Bounds { low, high } = job.log.bounds(position.partition)?;
    let is_there = low <= last.offset && position.next_offset <= high;
    Ok(if is_there { last.offset } else { position.next_offset })
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
