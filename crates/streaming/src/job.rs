//! The job: it reads the log with some threads, cuts epochs, and makes each durable before the
//! next.
//!
//! ```text
//! threads:  log -> decode -> operator   one lane per partition, locked for one batch at a time
//! epoch:    lock all lanes; move the watermark; cut the operator's state; unlock; make rows
//!           -> late and rejected records acknowledged -> checkpoint written
//!           -> sinks commit -> offsets committed
//! ```
//!
//! Locking all lanes makes the cut: every partition's offset and state belong together, whatever
//! the threads do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arus_runtime::clock::Clock;
use arus_runtime::shutdown::{Shutdown, give_up};

use crate::Error;
use crate::aside::Aside;
use crate::checkpoint::Identity;
use crate::decode::NewDecoder;
use crate::ledger::{Alone, Ledger};
use crate::operator::Operator;
use crate::origin::Origin;
use crate::progress::{Progress, Watcher};
use crate::run::Run;
use crate::shared::Shared;
use crate::sink::Sink;
use crate::sink::database::OutputTables;
use crate::source::{Log, Reader, Wake};
use crate::worker::{Bell, work};

/// When epochs are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every so often, for ever.
    Every(Duration),
    /// All that is there now as one epoch, then end.
    Once,
    /// All that is there now in epochs of a second, then end.
    AvailableNow,
}

/// Where a job without a checkpoint begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record the broker has.
    Earliest,
    /// At the records that come from now on.
    Latest,
    /// Where the consumer group stood, else at the first.
    Committed,
}

/// How a job is to run.
#[derive(Clone, Debug)]
pub struct JobOptions {
    /// The job's name.
    pub name: String,
    /// What the state is of, beside the query: names and values for people (the topic, …).
    pub identity: Vec<(String, String)>,
    /// Where to begin without a checkpoint.
    pub start: Start,
    /// When to cut epochs.
    pub trigger: Trigger,
    /// Threads that read and aggregate.
    pub threads: usize,
    /// A partition that delivers nothing for so long does not hold the watermark.
    pub idle_timeout: Duration,
    /// How far ahead of the wall clock an event may be.
    pub max_skew: Duration,
    /// Whether the watermark follows the wall clock while all partitions are idle.
    pub close_idle_windows: bool,
    /// Whether all windows are closed at the end, after everything that was there has been read.
    pub drain: bool,
    /// The folder of checkpoints.
    pub checkpoint: PathBuf,
    /// Whether to forget checkpoint and output first.
    pub reset: bool,
    /// How long the broker may be away before the job gives up.
    pub broker_timeout: Duration,
}

/// A job with all that it works on.
pub struct Job<O: Operator> {
    /// What is computed.
    pub operator: O,
    /// The options.
    pub options: JobOptions,
    /// Where records come from.
    pub log: Arc<dyn Log>,
    /// The brokers' addresses, for messages.
    pub brokers: String,
    /// Makes a decoder of the columns that the query reads.
    pub new_decoder: Arc<NewDecoder>,
    /// Where late and rejected records go.
    pub aside: Arc<dyn Aside>,
    /// Where rows go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Set if other processes share the job, each with some of the partitions: the tables that all
    /// of them write to, in whose database the state is then (the checkpoint's folder is not used).
    /// Sinks show what this process writes, and cannot be exactly-once.
    pub shared: Option<OutputTables>,
    /// Who looks on.
    pub watchers: Vec<Box<dyn Watcher>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Asked to end by this.
    pub shutdown: Shutdown,
}

/// How long a stop waits for a broker that is away to take rows: longer than the watch takes to look at a
/// partition that has no leader …
const STOP_PATIENCE_MS: i64 = 8_000;
/// … and one that drains, which takes longer in any case.
const DRAIN_PATIENCE_MS: i64 = 30_000;

/// The partitions that one thread reads.
type Hand = Vec<Box<dyn Reader>>;

/// How a stretch of work ended.
enum Outcome {
    Ended,
    /// The topic has partitions that were not read so far.
    LogGrew,
    /// Other partitions are this process's from now on.
    Dealt,
}

impl<O: Operator> Job<O> {
    /// Runs until the trigger's work is done or a shutdown is asked for, and gives the last
    /// progress.
    ///
    /// # Errors
    /// When the log, the checkpoint or a sink fails for good. What was committed before stays, and
    /// the next start goes on from there.
    pub fn run(mut self) -> Result<Progress, Error> {
        let mut lines = self.options.identity.clone();
        lines.extend(self.operator.description());
        let identity = Identity { lines };
        let ledger: Box<dyn Ledger<O>> = match self.shared.take() {
            None => {
                let origin = Origin::new(&self.options.name, self.clock.wall_ms());
                Box::new(Alone::open(&self.options.checkpoint, identity, origin)?)
            }
            Some(tables) => {
                let origin = Origin::shared(&self.options.name);
                Box::new(Shared::new(tables, identity, origin, &mut self.operator)?)
            }
        };
        let mut run = Run::new(&self, ledger);
        // Only once it is known that the job can be.
        if self.options.reset {
            run.reset(&mut self)?;
        }
        while let Some(partitions) = self.wait_for_partitions()? {
            match self.stretch(&mut run, &partitions)? {
                Outcome::Ended => break,
                Outcome::LogGrew => {
                    tracing::info!("the topic has new partitions: reading them too")
                }
                Outcome::Dealt => self.log.give_back()?,
            }
        }
        let progress = run.progress(&self, false)?;
        for watcher in &mut self.watchers {
            watcher.finished(&progress);
        }
        drop(run);
        let Self { log, aside, .. } = self;
        // Kafka's clients take a while to close: all at once.
        thread::scope(|scope| {
            scope.spawn(|| drop(log));
            drop(aside);
        });
        Ok(progress)
    }

    /// The partitions that are this process's to read; `None` if a shutdown is asked for before the
    /// group has dealt them.
    fn wait_for_partitions(&self) -> Result<Option<Vec<i32>>, Error> {
        let began = self.clock.monotonic();
        loop {
            self.log.serve()?;
            match self.log.dealt() {
                Ok(Some(partitions)) => return Ok(Some(partitions)),
                Ok(None) => {}
                Err(error) if error.may_pass() => tracing::debug!(%error, "no answer yet"),
                Err(error) => return Err(error),
            }
            if self.shutdown.is_requested() {
                return Ok(None);
            }
            match self.pause_since(began) {
                Some(waited_s) if self.log.partitions().is_ok() => {
                    return Err(Error::NothingDealt { waited_s });
                }
                Some(waited_s) => return Err(self.broker_away(waited_s)),
                None => {}
            }
        }
    }

    /// Recovers the lanes and opens the log where they stand; `None` if a shutdown is asked for, or the
    /// group wants the partitions back, before the broker has told what is needed for that.
    fn open(
        &mut self,
        run: &mut Run<O>,
        partitions: &[i32],
        wake: &Wake,
    ) -> Result<Option<Vec<Hand>>, Error> {
        let began = self.clock.monotonic();
        loop {
            let opened = run
                .recover_lanes(self, partitions)
                .and_then(|offsets| self.log.open(&deal(&offsets, self.options.threads), wake));
            match opened {
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, "the broker does not answer; waiting for it");
                }
                opened => return opened.map(Some),
            }
            self.log.serve()?;
            if self.shutdown.is_requested() || self.log.is_recalled() {
                return Ok(None);
            }
            if let Some(waited_s) = self.pause_since(began) {
                return Err(self.silent(None, waited_s));
            }
        }
    }

    /// Waits a moment for the broker; gives the seconds waited if that has been too long.
    fn pause_since(&self, began: Duration) -> Option<u64> {
        let waited = self.clock.monotonic().saturating_sub(began);
        if waited > self.options.broker_timeout {
            return Some(waited.as_secs());
        }
        self.shutdown_or_pause(Duration::from_millis(20));
        None
    }

    /// Who it is that has not answered for so long: the leader of a partition, or all of the broker.
    pub(crate) fn silent(&self, partition: Option<i32>, waited_s: u64) -> Error {
        match self.log.partitions() {
            Ok(_) => Error::NoLeader { partition, waited_s },
            Err(_) => self.broker_away(waited_s),
        }
    }

    fn broker_away(&self, waited_s: u64) -> Error {
        Error::BrokerAway { brokers: self.brokers.clone(), waited_s }
    }

    /// From (re)opening the log to the end, or to a change of the partitions.
    fn stretch(&mut self, run: &mut Run<O>, partitions: &[i32]) -> Result<Outcome, Error> {
        let bell = Bell::default();
        let wake: Wake = {
            let bell = bell.clone();
            Arc::new(move || bell.ring())
        };
        let Some(hands) = self.open(run, partitions, &wake)? else {
            let recalled = self.log.is_recalled();
            return Ok(if recalled { Outcome::Dealt } else { Outcome::Ended });
        };
        let stop = AtomicBool::new(false);
        let lanes = run.lanes();
        thread::scope(|scope| {
            let mut workers = Vec::new();
            for readers in hands {
                let (lanes, bell, stop, shared) = (&lanes, bell.clone(), &stop, run.shared());
                workers.push(scope.spawn(move || work(readers, lanes, &shared, &bell, stop)));
            }
            let (log, watch, shared) = (Arc::clone(&self.log), run.watch(), run.shared());
            let (watch_stop, watch_bell) = (&stop, bell.clone());
            // A group deals new partitions out by itself.
            let grows = !run.is_shared();
            scope.spawn(move || {
                while !watch_stop.load(Ordering::Acquire) {
                    watch.look(&*log, partitions, || shared.monotonic_ms());
                    // At once: what is in a new partition grows late while nobody reads it.
                    if grows {
                        watch.look_for_growth(&*log, partitions, || shared.monotonic_ms());
                    }
                    watch_bell.sleep(Duration::from_secs(1), watch_stop);
                }
            });
            if self.sinks.iter().any(|sink| sink.waits_for_broker()) {
                let patience_ms =
                    if self.options.drain { DRAIN_PATIENCE_MS } else { STOP_PATIENCE_MS };
                let (shutdown, brokers) = (self.shutdown.clone(), self.brokers.clone());
                let (watch, shared, stop, bell) = (run.watch(), run.shared(), &stop, bell.clone());
                scope.spawn(move || {
                    while !stop.load(Ordering::Acquire) {
                        if shutdown.is_requested()
                            && watch.stop_hangs(shared.monotonic_ms(), patience_ms)
                        {
                            give_up(&format!(
                                "no Kafka broker answers at {brokers}, and rows wait for it: stopped \
                                 without them; the next start writes them"
                            ));
                        }
                        bell.sleep(Duration::from_millis(100), stop);
                    }
                });
            }
            let outcome = {
                let _end = StopAtEnd { stop: &stop, bell: &bell };
                self.cut_epochs(run, &bell)
            };
            for worker in workers {
                // A worker's failure comes first: it is why the epochs ended.
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            outcome
        })
    }

    fn cut_epochs(&mut self, run: &mut Run<O>, bell: &Bell) -> Result<Outcome, Error> {
        // The log is open and the state recovered.
        arus_runtime::metrics::at_work();
        let every = match self.options.trigger {
            Trigger::Every(every) => every,
            Trigger::AvailableNow => Duration::from_secs(1),
            Trigger::Once => Duration::MAX,
        };
        let bounded = !matches!(self.options.trigger, Trigger::Every(_));
        let mut next = self.clock.monotonic().saturating_add(every);
        let (mut ending, mut told) = (bounded, false);
        loop {
            self.log.serve()?;
            if bell.has_ended() {
                return Ok(Outcome::Ended); // a worker failed; its error is reported by the caller
            }
            // At first it may not be known yet whether the log is the same.
            if !run.settle(self)? {
                return Ok(Outcome::Dealt);
            }
            // Once for these lanes: the group may have dealt them after the shutdown was asked for.
            if self.shutdown.is_requested() && !told && run.stop(self)? {
                (ending, told) = (true, true);
            }
            if ending && run.is_done(self)? {
                run.last_epoch(self)?;
                return Ok(Outcome::Ended);
            }
            if run.watch().grew() && !run.stopping() {
                run.epoch(self)?;
                return Ok(Outcome::LogGrew);
            }
            if self.log.is_recalled() {
                run.epoch(self)?;
                return Ok(Outcome::Dealt);
            }
            run.check_broker(self)?;
            let now = self.clock.monotonic();
            if now >= next {
                if !run.epoch(self)? {
                    tracing::warn!("another process went on with a partition of this one");
                    return Ok(Outcome::Dealt);
                }
                let after = self.clock.monotonic();
                next = next.saturating_add(every).max(after);
                continue;
            }
            // Short enough that a shutdown and the end of the input are seen at once.
            let pause = (next - now).min(Duration::from_millis(if ending { 5 } else { 50 }));
            self.shutdown_or_pause(pause);
        }
    }

    fn shutdown_or_pause(&self, pause: Duration) {
        if self.shutdown.is_requested() {
            thread::sleep(pause);
        } else {
            self.shutdown.wait_timeout(pause);
        }
    }
}

/// Stops the threads when the epochs have ended, be it by a panic: it would wait for them for ever.
struct StopAtEnd<'a> {
    stop: &'a AtomicBool,
    bell: &'a Bell,
}

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// Deals partitions to threads in turn; to fewer threads if there are fewer partitions.
fn deal(next_offsets: &BTreeMap<i32, i64>, threads: usize) -> Vec<BTreeMap<i32, i64>> {
    let mut hands = vec![BTreeMap::new(); threads.max(1).min(next_offsets.len())];
    for (at, (&partition, &offset)) in next_offsets.iter().enumerate() {
        let hand = at % hands.len();
        hands[hand].insert(partition, offset);
    }
    hands
}
