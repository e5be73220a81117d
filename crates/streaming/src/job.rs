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
use arus_runtime::shutdown::Shutdown;

use crate::Error;
use crate::aside::Aside;
use crate::checkpoint::CheckpointFolder;
use crate::decode::NewDecoder;
use crate::epoch::Run;
use crate::operator::Operator;
use crate::progress::{Progress, Watcher};
use crate::sink::Sink;
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
    /// Who looks on.
    pub watchers: Vec<Box<dyn Watcher>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Asked to end by this.
    pub shutdown: Shutdown,
}

/// How a stretch of work ended.
enum Outcome {
    Ended,
    /// The topic has partitions that were not read so far.
    LogGrew,
}

impl<O: Operator> Job<O> {
    /// Runs until the trigger's work is done or a shutdown is asked for, and gives the last
    /// progress.
    ///
    /// # Errors
    /// When the log, the checkpoint or a sink fails for good. What was committed before stays, and
    /// the next start goes on from there.
    pub fn run(mut self) -> Result<Progress, Error> {
        let folder = CheckpointFolder::open(&self.options.checkpoint)?;
        let mut run = Run::new(&self, folder);
        // Only once it is known that the job can be.
        if self.options.reset {
            run.reset(&mut self)?;
        }
        loop {
            match self.stretch(&mut run)? {
                Outcome::Ended => break,
                Outcome::LogGrew => {
                    tracing::info!("the topic has new partitions: reading them too")
                }
            }
        }
        let progress = run.progress(&self, false)?;
        for watcher in &mut self.watchers {
            watcher.finished(&progress);
        }
        Ok(progress)
    }

    /// From (re)opening the log to the end, or to a change of its partitions.
    fn stretch(&mut self, run: &mut Run<O>) -> Result<Outcome, Error> {
        let bell = Bell::default();
        let offsets = run.recover_lanes(self)?;
        let wake: Wake = {
            let bell = bell.clone();
            Arc::new(move || bell.ring())
        };
        let readers = self.log.open(&offsets, &wake)?;
        let stop = AtomicBool::new(false);
        let lanes = run.lanes();
        thread::scope(|scope| {
            let threads = self.options.threads.clamp(1, readers.len().max(1));
            let mut workers = Vec::new();
            for readers in deal(readers, threads) {
                let (lanes, bell, stop, shared) = (&lanes, bell.clone(), &stop, run.shared());
                workers.push(scope.spawn(move || work(readers, lanes, &shared, &bell, stop)));
            }
            let (log, watch, shared) = (Arc::clone(&self.log), run.watch(), run.shared());
            let watched = BTreeMap::clone(&offsets);
            let (watch_stop, watch_bell) = (&stop, bell.clone());
            scope.spawn(move || {
                let partitions: Vec<i32> = watched.into_keys().collect();
                let mut looks = 0_u32;
                while !watch_stop.load(Ordering::Acquire) {
                    watch.look(&*log, &partitions, || shared.monotonic_ms());
                    if looks % 30 == 29 {
                        watch.look_for_growth(&*log, &partitions);
                    }
                    looks += 1;
                    watch_bell.sleep(Duration::from_secs(1), watch_stop);
                }
            });
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
        let mut ending = bounded;
        loop {
            self.log.serve()?;
            if bell.has_ended() {
                return Ok(Outcome::Ended); // a worker failed; its error is reported by the caller
            }
            if self.shutdown.is_requested() && !run.stopping() {
                run.stop(self)?;
                ending = true;
            }
            if ending && run.is_done()? {
                run.epoch(self, true)?;
                return Ok(Outcome::Ended);
            }
            if run.watch().grew() && !run.stopping() {
                run.epoch(self, false)?;
                return Ok(Outcome::LogGrew);
            }
            run.check_broker(self)?;
            let now = self.clock.monotonic();
            if now >= next {
                run.epoch(self, false)?;
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

/// Deals readers to threads in turn.
fn deal(readers: Vec<Box<dyn Reader>>, threads: usize) -> Vec<Vec<Box<dyn Reader>>> {
    let mut hands: Vec<Vec<Box<dyn Reader>>> = (0..threads).map(|_| Vec::new()).collect();
    for (at, reader) in readers.into_iter().enumerate() {
        hands[at % threads].push(reader);
    }
    hands
}
