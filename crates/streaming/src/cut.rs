//! What is taken out of a job's lanes at a cut, and how it moves the watermark.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::MutexGuard;

use arus_window::PartitionTime;

use crate::checkpoint::PartitionCheckpoint;
use crate::lane::Lane;
use crate::operator::{Extent, Operator, Partition};
use crate::progress::Totals;

/// What the lanes hold at a cut.
pub(crate) struct Cut<T> {
    /// What the operator makes rows of.
    pub(crate) taken: T,
    pub(crate) extent: Extent,
    /// The state of each lane, by partition number.
    pub(crate) partitions: Vec<PartitionCheckpoint>,
    /// What moves the watermark; its partitions are those of the lanes, in the same order.
    pub(crate) times: Times,
    /// Where each partition ended when last seen.
    pub(crate) end_offsets: Vec<Option<i64>>,
    /// Of each lane.
    pub(crate) lane_totals: Vec<Totals>,
    /// Of the job, or of this process's part of it.
    pub(crate) totals: Totals,
    /// What the operators of the lanes had counted.
    pub(crate) tallies: Tallies,
    pub(crate) newest_events_ms: Vec<i64>,
}

/// What moves the watermark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) partitions: Vec<PartitionTime>,
    /// The end of the last open window.
    pub(crate) open_until_ms: Option<i64>,
    /// The wall clock less the delay, if the watermark is to follow it while all are idle.
    pub(crate) clock_ms: Option<i64>,
    /// All input is at its end: everything closes.
    pub(crate) drain: bool,
}

impl Times {
    pub(crate) fn all_idle(&self) -> bool {
        self.partitions.iter().all(|time| time.idle)
    }

    /// Moves the job's watermark on.
    pub(crate) fn advance<O: Operator>(&self, operator: &mut O) {
        operator.advance(&self.partitions);
        // Never beyond the last open window: then a clock that jumps, or input that is older than
        // now, costs no row of a later window.
        let Some(end_ms) = self.open_until_ms else { return };
        if let Some(clock_ms) = self.clock_ms
            && self.all_idle()
        {
            operator.raise_to(clock_ms.min(end_ms));
        }
        if self.drain {
            operator.raise_to(end_ms);
        }
    }
}

/// What operators count, by name.
pub(crate) type Tallies = BTreeMap<&'static str, u64>;

/// What all lanes' operators count, added up.
pub(crate) fn tallies<P: Partition>(
    lanes: impl Iterator<Item = impl Deref<Target = Lane<P>>>,
) -> Tallies {
    let mut sums = Tallies::new();
    for lane in lanes {
        for (name, count) in lane.state.tallies() {
            *sums.entry(name).or_default() += count;
        }
    }
    sums
}

/// `before`, and what came from `began` to `now`.
pub(crate) fn tallied(before: &Tallies, began: &Tallies, now: &Tallies) -> Tallies {
    let of = |tallies: &Tallies, name| tallies.get(name).copied().unwrap_or(0);
    let sum = |name| of(before, name) + of(now, name).saturating_sub(of(began, name));
    now.keys().chain(before.keys()).map(|name| (*name, sum(name))).collect()
}

/// A run may be over before a partition without a record has been silent for long enough. It holds
/// all windows open then, as it must: were it passed over, the same log read in one run or in two
/// would give different rows. Whoever waits for those rows is told.
pub(crate) fn tell_who_holds<P>(lanes: &[MutexGuard<'_, Lane<P>>], times: &[PartitionTime]) {
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
