//! A log whose last offset is a transaction's marker: the end is met once, and not by counting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{MemoryLog, SteppingClock, job, options, query};
use arus_kafka::source::{Bounds, Polled, Record};
use arus_runtime::shutdown::Shutdown;
use arus_streaming::Error;
use arus_streaming::job::Trigger;
use arus_streaming::sink::OutputMode;
use arus_streaming::source::{Log, Reader, Wake};
use arus_window::Window;

const RECORDS: i64 = 30;

#[derive(Clone, Default)]
struct MarkedLog {
    /// The end was met; only now it is known to the log, so that no look from aside has seen it.
    met: Arc<AtomicBool>,
    shutdown: Shutdown,
}

struct MarkedReader {
    log: MarkedLog,
    next: i64,
}

impl Log for MarkedLog {
    fn partitions(&self) -> Result<Vec<i32>, Error> {
        Ok(vec![0])
    }

    fn bounds(&self, _: i32) -> Result<Bounds, Error> {
        let marker = i64::from(self.met.load(Ordering::Acquire));
        Ok(Bounds { low: 0, high: RECORDS + marker })
    }

    fn has_records(&self, _: i32, from: i64, to: i64) -> Result<bool, Error> {
        Ok(from < to.min(RECORDS))
    }

    fn committed(&self, _: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(BTreeMap::new())
    }

    fn open(&self, _: &[BTreeMap<i32, i64>], _: &Wake) -> Result<Vec<Vec<Box<dyn Reader>>>, Error> {
        Ok(vec![vec![Box::new(MarkedReader { log: self.clone(), next: 0 })]])
    }

    fn commit(&self, _: &BTreeMap<i32, i64>, _: bool) -> Result<(), Error> {
        Ok(())
    }

    fn serve(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Reader for MarkedReader {
    fn partition(&self) -> i32 {
        0
    }

    fn poll(&mut self, _: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        let offset = self.next;
        if offset < RECORDS {
            self.next += 1;
            each(Record { offset, key: None, payload: Some(b"no purchase"), timestamp_ms: None });
            return Ok(Polled { records: 1, at_end: false });
        }
        let first = !self.log.met.swap(true, Ordering::AcqRel);
        self.log.shutdown.request();
        Ok(Polled { records: 0, at_end: first })
    }
}

/// A log that grows just before a shutdown, whose client tells only after it of the end that it met
/// before.
#[derive(Clone, Default)]
struct LateTellingLog {
    grown: Arc<AtomicBool>,
    /// The end was asked for when it had grown.
    asked: Arc<AtomicBool>,
    /// Whether there is more was asked for, or nobody will.
    asked_for_more: Arc<AtomicBool>,
    shutdown: Shutdown,
}

struct LateTellingReader {
    log: LateTellingLog,
    next: i64,
    told: bool,
}

impl LateTellingLog {
    const BEFORE: i64 = 20;
}

impl Log for LateTellingLog {
    fn partitions(&self) -> Result<Vec<i32>, Error> {
        Ok(vec![0])
    }

    fn bounds(&self, _: i32) -> Result<Bounds, Error> {
        let grown = self.grown.load(Ordering::Acquire);
        if self.shutdown.is_requested() {
            self.asked.store(true, Ordering::Release);
        }
        Ok(Bounds { low: 0, high: if grown { RECORDS } else { Self::BEFORE } })
    }

    fn has_records(&self, _: i32, from: i64, to: i64) -> Result<bool, Error> {
        self.asked_for_more.store(true, Ordering::Release);
        Ok(from < to)
    }

    fn committed(&self, _: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(BTreeMap::new())
    }

    fn open(&self, _: &[BTreeMap<i32, i64>], _: &Wake) -> Result<Vec<Vec<Box<dyn Reader>>>, Error> {
        Ok(vec![vec![Box::new(LateTellingReader { log: self.clone(), next: 0, told: false })]])
    }

    fn commit(&self, _: &BTreeMap<i32, i64>, _: bool) -> Result<(), Error> {
        Ok(())
    }

    fn serve(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Reader for LateTellingReader {
    fn partition(&self) -> i32 {
        0
    }

    fn poll(&mut self, _: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        let (log, nothing) = (&self.log, Polled::default());
        if self.next == LateTellingLog::BEFORE {
            if !log.grown.swap(true, Ordering::AcqRel) {
                log.shutdown.request();
            }
            if !log.asked.load(Ordering::Acquire) {
                return Ok(nothing);
            }
            if !std::mem::replace(&mut self.told, true) {
                return Ok(Polled { records: 0, at_end: true });
            }
            if !log.asked_for_more.load(Ordering::Acquire) {
                return Ok(nothing);
            }
        }
        if self.next == RECORDS {
            return Ok(nothing);
        }
        let offset = self.next;
        self.next += 1;
        each(Record { offset, key: None, payload: Some(b"no purchase"), timestamp_ms: None });
        Ok(Polled { records: 1, at_end: false })
    }
}

/// Drains the log, and gives how many records were read; none of them is a purchase.
fn drained(log: impl Log + 'static, shutdown: Shutdown) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let query = query(Window::Tumbling { size_ms: 10_000 });
    let nothing = MemoryLog::default();
    let mut options = options(folder.path());
    options.trigger = Trigger::Every(Duration::from_secs(3_600));
    options.drain = true;
    let (table, aside) = Default::default();
    let clock = SteppingClock::new(1);
    let mut job = job(query, OutputMode::Append, options, nothing, &table, &aside, clock);
    job.shutdown = shutdown;
    job.log = Arc::new(log);
    job.run().unwrap().total.rejected
}

#[test]
fn a_draining_job_knows_that_it_has_all() {
    let log = MarkedLog::default();
    assert_eq!(drained(log.clone(), log.shutdown), RECORDS as u64);
}

#[test]
fn a_draining_job_is_not_deceived_by_an_earlier_end() {
    let log = LateTellingLog::default();
    assert_eq!(drained(log.clone(), log.shutdown), RECORDS as u64);
}
