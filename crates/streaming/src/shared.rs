//! A job that several processes share: each holds the partitions that the consumer group deals to
//! it, and the database holds everything that outlives a process.
//!
//! ```text
//! arus_partitions   a row per partition: its epoch, how far it is, up to when it closed windows
//! arus_states       each partition's state, and the job's own (watermark, what waits for others)
//! the job's tables  the rows
//! ```
//!
//! A commit changes them in one transaction, which holds only if nobody else went on meanwhile. Two
//! kinds of epochs see to that ([`arus_store::EpochStep`]):
//!
//! - a *partition's* is moved by whoever holds it. If it stands elsewhere, another process took the
//!   partition over: the commit is void, and this process asks the group what is left to it. So a
//!   process that was thought dead and goes on changes nothing (*fencing*).
//! - the *job's* is moved by every commit. If it stands elsewhere, another process committed first:
//!   its result is read, and the commit made anew on top.
//!
//! Windows are merged in the job's own state. A partition gives its partial aggregates of the windows
//! that the job's watermark has passed; when every partition has given its own, whoever commits then
//! gives the rows, once. The watermark is the least over the partitions, as in a job that is alone,
//! so that the same log gives the same rows. Tables hold each key in one partition, and their
//! aggregates are computed from the rows of all partitions, read back in the same step.

mod database;
pub(crate) mod records;

use std::collections::BTreeMap;

use arus_window::PartitionTime;

use crate::Error;
use crate::checkpoint::{Checkpoint, Identity, decode, encode};
use crate::cut::{Cut, Times};
use crate::ledger::{Hands, Ledger, Made, Recovered};
use crate::operator::{Beyond, Extent, Operator, Saved};
use crate::origin::Origin;
use crate::progress::Totals;
use crate::sink::database::OutputTables;
use crate::sink::{EpochOutput, Sink};
use crate::source::Log;
use database::{Commit, Database};
use records::{PartitionRow, StateRow};

/// Looks at a database that others change, before giving up.
const LOOKS: usize = 100;
/// A window closes one epoch after the watermark has passed it, and its rows come with the next.
const LAST_EPOCHS: usize = 3;

/// What a held partition was last committed as.
#[derive(Clone, Debug, Default)]
struct Held {
    /// 0 before the first.
    epoch: u64,
    /// The epoch that the chain of its states begins with.
    base: u64,
    row: Option<PartitionRow>,
}

/// The database of a shared job, as one of its processes sees it.
pub(crate) struct Shared {
    database: Database,
    identity: Identity,
    /// The operator's own state at the start of all.
    initial: Saved,
    /// All partitions of the topic.
    topic: Vec<i32>,
    held: BTreeMap<i32, Held>,
    /// The job's epoch that the operator stands at; `None` if that is not known.
    stands_at: Option<Option<u64>>,
}

/// The job as all processes have left it.
struct View {
    epoch: Option<u64>,
    partitions: BTreeMap<i32, PartitionRow>,
}

impl Shared {
    /// # Errors
    /// When the operator cannot be shared.
    pub(crate) fn new<O: Operator>(
        tables: OutputTables,
        identity: Identity,
        origin: Origin,
        operator: &mut O,
    ) -> Result<Self, Error> {
        operator.share(false)?;
        Ok(Self {
            database: Database::new(tables, origin),
            identity,
            initial: operator.save()?,
            topic: Vec::new(),
            held: BTreeMap::new(),
            stands_at: None,
        })
    }

    fn holds_all(&self) -> bool {
        self.topic.iter().all(|partition| self.held.contains_key(partition))
    }

    /// Whether another process went on with one of the held partitions.
    fn is_overtaken(&self, view: &View) -> bool {
        self.held.iter().any(|(partition, held)| {
            held.epoch != view.partitions.get(partition).map_or(0, |row| row.epoch)
        })
    }

    fn decoded(&self, state: &StateRow) -> Result<Checkpoint, Error> {
        let checkpoint = decode(&state.bytes).map_err(|reason| {
            Error::Checkpoint(format!(
                "the state of {} in {} is damaged: {reason}; --reset to compute all anew",
                state.shard,
                self.database.describe()
            ))
        })?;
        self.identity.check(&checkpoint.identity, &self.place_text())?;
        Ok(checkpoint)
    }

    fn place_text(&self) -> String {
        format!("the state in {}", self.database.describe())
    }

    /// The job as all processes have left it, the operator too.
    fn view<O: Operator>(&mut self, operator: &mut O) -> Result<View, Error> {
        let epoch = self.catch_up(operator)?;
        // Left behind by a reset that was cut off, if there is no epoch.
        let partitions = match epoch {
            None => BTreeMap::new(),
            Some(_) => self.database.partitions()?,
        };
        Ok(View { epoch, partitions })
    }

    /// Brings the operator to where all processes have left it, and gives the job's epoch.
    ///
    /// # Errors
    /// When the state is of another query, or others change it all the time.
    fn catch_up<O: Operator>(&mut self, operator: &mut O) -> Result<Option<u64>, Error> {
        let job = [self.database.job().to_owned()];
        for _ in 0..LOOKS {
            let epoch = self.database.job_epoch()?;
            if self.stands_at != Some(epoch) {
                self.stands_at = None;
                match (epoch, self.database.states(&job)?.first()) {
                    (None, _) => operator.restore(None, self.initial.clone())?,
                    (Some(epoch), None) => return Err(self.stateless(epoch)?),
                    (Some(epoch), Some(state)) => {
                        let checkpoint = self.decoded(state)?;
                        if checkpoint.epoch != epoch {
                            continue; // another commit came between the two looks
                        }
                        operator.restore(checkpoint.watermark_ms, checkpoint.job)?;
                    }
                }
                self.stands_at = Some(epoch);
            }
            return Ok(epoch);
        }
        Err(self.restless())
    }

    /// Why there is an epoch and no state of it.
    fn stateless(&self, epoch: u64) -> Result<Error, Error> {
        let name = self.database.name();
        let reason = if self.database.partitions()?.is_empty() {
            format!(
                "{name} holds epoch {epoch} of a job that is not shared: its state is in a checkpoint \
                 folder; leave out --shared, give another --job and table, or --reset to compute all anew"
            )
        } else {
            format!("a --reset of {name} was cut off: start once more with --reset")
        };
        Ok(Error::Checkpoint(reason))
    }

    fn restless(&self) -> Error {
        Error::Checkpoint(format!(
            "{} is changed by others so often that nothing can be added: let fewer processes share \
             the job, or give them a longer --trigger",
            self.database.name()
        ))
    }

    /// The states of these partitions, with all changes; `None` if one was committed meanwhile.
    fn states(&mut self, view: &View, partitions: &[i32]) -> Result<Option<Recovered>, Error> {
        let known: Vec<&PartitionRow> =
            partitions.iter().filter_map(|partition| view.partitions.get(partition)).collect();
        let shards: Vec<String> =
            known.iter().map(|row| self.database.shard(row.partition)).collect();
        let states = self.database.states(&shards)?;
        let mut recovered = Recovered { epoch: view.epoch.unwrap_or(0), ..Recovered::default() };
        for (row, shard) in known.into_iter().zip(shards) {
            let mut chain = Vec::new();
            for epoch in row.base..=row.epoch {
                let state = states.iter().find(|it| it.shard == shard && it.epoch == epoch);
                let Some(state) = state else { return Ok(None) };
                let mut checkpoint = self.decoded(state)?;
                let part = checkpoint.partitions.pop().ok_or_else(|| {
                    Error::Checkpoint(format!("the state of {shard} holds no partition"))
                })?;
                chain.push(part.saved);
                recovered.positions.insert(row.partition, part.position);
                recovered.lane_totals.insert(row.partition, checkpoint.totals);
            }
            recovered.chains.insert(row.partition, chain);
        }
        Ok(Some(recovered))
    }

    /// How far all partitions of the topic are, given this process's at the cut.
    fn times(
        &self,
        view: &View,
        own: &BTreeMap<i32, PartitionRow>,
        cut: &Times,
        log: &dyn Log,
    ) -> Times {
        let mut times = Times { drain: cut.drain && self.holds_all(), ..cut.clone() };
        times.partitions.clear();
        let mut answers = true;
        for partition in &self.topic {
            let time = match (own.get(partition), view.partitions.get(partition)) {
                (Some(own), _) => own.time(),
                (None, None) => PartitionTime { watermark_ms: None, idle: false },
                (None, Some(row)) => {
                    times.open_until_ms = times.open_until_ms.max(row.open_until_ms);
                    // Nobody may have looked at it since: it is idle if it still ends there, and not for
                    // want of an answer.
                    let idle = answers && row.idle && {
                        let bounds = log.bounds(*partition);
                        answers = bounds.is_ok();
                        bounds.is_ok_and(|bounds| row.end_offset == Some(bounds.high))
                    };
                    PartitionTime { idle, ..row.time() }
                }
            };
            times.partitions.push(time);
        }
        times
    }

    /// Up to when every partition has given its windows, ms.
    fn closed_ms(&self, view: &View, own: &BTreeMap<i32, PartitionRow>) -> Option<i64> {
        let row = |partition| own.get(partition).or_else(|| view.partitions.get(partition));
        self.topic.iter().map(|partition| row(partition)?.closed_ms).min().flatten()
    }

    /// The next rows of the held partitions, and their states.
    fn next<T>(
        &self,
        cut: &mut Cut<T>,
        closed_ms: Option<i64>,
    ) -> Result<(BTreeMap<i32, PartitionRow>, Vec<StateRow>), Error> {
        let (mut rows, mut states) = (BTreeMap::new(), Vec::new());
        let parts = std::mem::take(&mut cut.partitions);
        for (at, part) in parts.into_iter().enumerate() {
            let partition = part.position.partition;
            let held = self.held.get(&partition).cloned().unwrap_or_default();
            let epoch = held.epoch + 1;
            let base = match cut.extent {
                Extent::Whole => epoch,
                Extent::Changes => held.base,
            };
            let time = cut.times.partitions[at];
            rows.insert(
                partition,
                PartitionRow {
                    partition,
                    epoch,
                    base,
                    next_offset: part.position.next_offset,
                    watermark_ms: time.watermark_ms,
                    closed_ms,
                    open_until_ms: cut.times.open_until_ms,
                    idle: time.idle,
                    end_offset: cut.end_offsets[at],
                },
            );
            let state = Checkpoint {
                epoch,
                base,
                origin: Origin::default(),
                identity: self.identity.clone(),
                totals: cut.lane_totals[at],
                watermark_ms: closed_ms,
                partitions: vec![part],
                job: Saved::default(),
                output: Vec::new(),
            };
            let bytes = encode(&state)?.concat();
            states.push(StateRow { shard: self.database.shard(partition), epoch, bytes });
        }
        Ok((rows, states))
    }

    /// The states that the new ones make needless.
    fn outdated(&self, rows: &BTreeMap<i32, PartitionRow>) -> Vec<(String, u64)> {
        let mut outdated = Vec::new();
        for (partition, row) in rows {
            let Some(held) = self.held.get(partition) else { continue };
            if held.epoch > 0 && row.base != held.base {
                let shard = self.database.shard(*partition);
                outdated.extend((held.base..=held.epoch).map(|epoch| (shard.clone(), epoch)));
            }
        }
        outdated
    }
}

impl<O: Operator> Ledger<O> for Shared {
    fn place(&self) -> String {
        self.place_text()
    }

    fn reset(&mut self, _: &mut [Box<dyn Sink>]) -> Result<(), Error> {
        self.stands_at = None;
        self.database.reset()
    }

    fn recover(&mut self, hands: Hands<'_, O>, partitions: &[i32]) -> Result<Recovered, Error> {
        self.database.prepare()?;
        self.topic = hands.log.partitions()?;
        self.stands_at = None;
        for _ in 0..LOOKS {
            let view = self.view(hands.operator)?;
            let Some(recovered) = self.states(&view, partitions)? else { continue };
            let held = |partition: &i32| {
                let row = view.partitions.get(partition).cloned();
                let (epoch, base) = row.as_ref().map_or((0, 0), |row| (row.epoch, row.base));
                (*partition, Held { epoch, base, row })
            };
            self.held = partitions.iter().map(held).collect();
            hands.operator.share(self.holds_all())?;
            return Ok(recovered);
        }
        Err(self.restless())
    }

    /// A watermark that others brought on without this process must not close windows here: rows
    /// would be kept as late that are counted elsewhere. While the partitions are this process's, it
    /// is bounded by what they were committed with.
    fn look(&mut self, operator: &mut O) -> Result<bool, Error> {
        let view = self.view(operator)?;
        Ok(!self.is_overtaken(&view))
    }

    fn advance(&mut self, operator: &mut O, partitions: &[i32], times: &Times) -> bool {
        let watermark_ms = operator.watermark_ms();
        let news = partitions.iter().zip(&times.partitions).any(|(partition, time)| {
            let row = self.held.get(partition).and_then(|held| held.row.as_ref());
            row.is_none_or(|row| row.idle != time.idle || row.closed_ms != watermark_ms)
        });
        let is_open = times.open_until_ms.is_some_and(|end_ms| Some(end_ms) > watermark_ms);
        let follows_clock =
            times.all_idle() && times.clock_ms.is_some_and(|ms| Some(ms) > watermark_ms);
        news || (is_open && (follows_clock || (times.drain && self.holds_all())))
    }

    fn commit(
        &mut self,
        hands: Hands<'_, O>,
        cut: &mut Cut<O::Taken>,
    ) -> Result<Option<Made>, Error> {
        let cut_at = self.stands_at;
        let closed_ms = hands.operator.watermark_ms();
        let (rows, mut states) = self.next(cut, closed_ms)?;
        for _ in 0..LOOKS {
            let view = self.view(hands.operator)?;
            // With all partitions here nobody else has anything to commit, and the cut may rest on
            // what the operator knew then.
            let outrun = self.holds_all() && cut_at != Some(view.epoch);
            if outrun || self.is_overtaken(&view) {
                self.stands_at = None;
                return Ok(None);
            }
            self.times(&view, &rows, &cut.times, hands.log).advance(hands.operator);
            let rows_beyond = match hands.operator.reads_back(&cut.taken) {
                true => Some(self.database.first_table()?),
                false => None,
            };
            let beyond = Beyond { closed_ms: self.closed_ms(&view, &rows), rows: rows_beyond };
            let made = hands.operator.finish(&cut.taken, Some(beyond))?;
            let epoch = view.epoch.unwrap_or(0) + 1;
            let job = Checkpoint {
                epoch,
                base: epoch,
                origin: Origin::default(),
                identity: self.identity.clone(),
                totals: Totals::default(),
                watermark_ms: hands.operator.watermark_ms(),
                partitions: Vec::new(),
                job: made.saved,
                output: Vec::new(),
            };
            let shard = self.database.job().to_owned();
            states.push(StateRow { shard, epoch: 0, bytes: encode(&job)?.concat() });
            self.stands_at = None;
            let committed = self.database.commit(&Commit {
                previous: view.epoch,
                epoch,
                rows: &rows,
                states: &states,
                outdated: &self.outdated(&rows),
                tables: &made.tables,
            })?;
            if !committed {
                states.pop();
                continue;
            }
            self.stands_at = Some(Some(epoch));
            for (partition, row) in rows {
                let held = Held { epoch: row.epoch, base: row.base, row: Some(row) };
                self.held.insert(partition, held);
            }
            for sink in hands.sinks {
                sink.commit(EpochOutput::new(epoch, &made.tables))?;
            }
            let (closed_windows, open_windows) = (made.closed_windows, made.open_windows);
            return Ok(Some(Made { epoch, closed_windows, open_windows }));
        }
        Err(self.restless())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn last_epochs(&self) -> usize {
        LAST_EPOCHS
    }
}
