//! Where a job's epochs become durable, and what it goes on from after a restart.
//!
//! There are two: a process that runs the job [alone](Alone) has a folder of checkpoints, and sinks
//! that are told of each epoch; processes that [share](crate::shared) a job have a database, which
//! holds states and rows together.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;
use crate::checkpoint::{Checkpoint, CheckpointFolder, Identity, Position, Restored};
use crate::cut::{Cut, Times};
use crate::operator::{Extent, Operator, Saved};
use crate::origin::Origin;
use crate::progress::Totals;
use crate::recovery::{note_delivered, recover, reset};
use crate::sink::{EpochOutput, Guarantee, Sink};
use crate::source::Log;

/// What a stretch of work begins with.
#[derive(Default)]
pub(crate) struct Recovered {
    /// The last committed epoch; 0 before the first.
    pub(crate) epoch: u64,
    /// Where the partitions stand that were read before.
    pub(crate) positions: BTreeMap<i32, Position>,
    /// Their states, whole and then the changes of each epoch after.
    pub(crate) chains: BTreeMap<i32, Vec<Saved>>,
    /// Rows by their fate since the job's first start: of the whole job, or of each partition.
    pub(crate) totals: Totals,
    pub(crate) lane_totals: BTreeMap<i32, Totals>,
    /// A partition that is not among the positions is new, and all of it is read.
    pub(crate) knows_all: bool,
}

/// A committed epoch.
pub(crate) struct Made {
    pub(crate) epoch: u64,
    pub(crate) closed_windows: usize,
    pub(crate) open_windows: usize,
}

/// What an epoch is committed with.
pub(crate) struct Hands<'a, O: Operator> {
    pub(crate) operator: &'a mut O,
    pub(crate) sinks: &'a mut Vec<Box<dyn Sink>>,
    pub(crate) log: &'a dyn Log,
}

/// Where epochs become durable.
pub(crate) trait Ledger<O: Operator> {
    /// What to call it in messages.
    fn place(&self) -> String;

    /// Forgets state and output.
    fn reset(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<(), Error>;

    /// What these partitions go on from. The operator is brought to where it stood.
    fn recover(&mut self, hands: Hands<'_, O>, partitions: &[i32]) -> Result<Recovered, Error>;

    /// Before a cut, while the lanes go on: looks at what other processes did meanwhile. Says whether
    /// the partitions are still this process's.
    fn look(&mut self, _: &mut O) -> Result<bool, Error> {
        Ok(true)
    }

    /// At the cut: moves the watermark, if that is for this process to do. Says whether there is
    /// something to commit even if nothing was read.
    fn advance(&mut self, operator: &mut O, partitions: &[i32], times: &Times) -> bool;

    /// Makes the cut durable; its states are taken out. `None` if it is not this process's any more:
    /// another one went on with one of its partitions. Nothing was written then.
    fn commit(
        &mut self,
        hands: Hands<'_, O>,
        cut: &mut Cut<O::Taken>,
    ) -> Result<Option<Made>, Error>;

    /// Whether other processes have partitions of the job.
    fn is_shared(&self) -> bool {
        false
    }

    /// After so many epochs without a new row, all that can close has closed.
    fn last_epochs(&self) -> usize {
        1
    }
}

/// One process, with a folder of checkpoints and sinks.
pub(crate) struct Alone {
    folder: CheckpointFolder,
    identity: Identity,
    /// The job's, once it is known whether this is its first start.
    origin: Origin,
    /// The last committed epoch, and the one that its checkpoint's chain begins with.
    epoch: u64,
    base: u64,
}

impl Alone {
    /// Takes the folder. `origin` is the job's if there is no checkpoint.
    pub(crate) fn open(folder: &Path, identity: Identity, origin: Origin) -> Result<Self, Error> {
        let folder = CheckpointFolder::open(folder)?;
        Ok(Self { folder, identity, origin, epoch: 0, base: 0 })
    }
}

impl<O: Operator> Ledger<O> for Alone {
    fn place(&self) -> String {
        format!("the checkpoint in {}", self.folder.path().display())
    }

    fn reset(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<(), Error> {
        reset(&self.folder, &self.origin, sinks)
    }

    fn recover(&mut self, hands: Hands<'_, O>, _: &[i32]) -> Result<Recovered, Error> {
        let restored = recover(&self.folder, &self.identity, &self.origin, hands.sinks)?;
        let Some(Restored { checkpoint, chains }) = restored else {
            return Ok(Recovered::default());
        };
        self.origin = checkpoint.origin;
        (self.epoch, self.base) = (checkpoint.epoch, checkpoint.base);
        hands.operator.restore(checkpoint.watermark_ms, checkpoint.job)?;
        let positions = checkpoint.partitions.into_iter().map(|part| part.position);
        Ok(Recovered {
            epoch: checkpoint.epoch,
            positions: positions.map(|position| (position.partition, position)).collect(),
            chains,
            totals: checkpoint.totals,
            lane_totals: BTreeMap::new(),
            knows_all: true,
        })
    }

    fn advance(&mut self, operator: &mut O, _: &[i32], times: &Times) -> bool {
        times.advance(operator);
        false
    }

    fn commit(
        &mut self,
        hands: Hands<'_, O>,
        cut: &mut Cut<O::Taken>,
    ) -> Result<Option<Made>, Error> {
        let made = hands.operator.finish(&cut.taken, None)?;
        let epoch = self.epoch + 1;
        let base = match cut.extent {
            Extent::Whole => epoch,
            Extent::Changes => self.base,
        };
        let checkpoint = Checkpoint {
            epoch,
            base,
            origin: self.origin.clone(),
            identity: self.identity.clone(),
            totals: cut.totals,
            watermark_ms: hands.operator.watermark_ms(),
            partitions: std::mem::take(&mut cut.partitions),
            job: made.saved,
            output: made.tables,
        };
        self.folder.write(&checkpoint)?;
        // Sinks that can tell come last: once they have the epoch, so have the others.
        hands.sinks.sort_by_key(|sink| sink.guarantee() == Guarantee::ExactlyOnce);
        let next_offsets = checkpoint.next_offsets();
        let output = EpochOutput { epoch, tables: &checkpoint.output, next_offsets: &next_offsets };
        for sink in hands.sinks {
            sink.commit(output)?;
        }
        note_delivered(&self.folder, epoch)?;
        // The epoch before stays for the case that this one's file is damaged.
        let needed = if self.epoch == 0 { base } else { self.base.min(base) };
        (self.epoch, self.base) = (epoch, base);
        self.folder.prune(needed)?;
        let (closed_windows, open_windows) = (made.closed_windows, made.open_windows);
        Ok(Some(Made { epoch, closed_windows, open_windows }))
    }
}
