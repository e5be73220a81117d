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

#[test]
fn a_draining_job_knows_that_it_has_all() {
    let folder = tempfile::tempdir().unwrap();
    let query = query(Window::Tumbling { size_ms: 10_000 });
    let nothing = MemoryLog {
        partitions: Vec::new(),
        visible: Vec::new(),
        chunk: 1,
        committed: Arc::default(),
        dealt: None,
    };
    let mut options = options(folder.path());
    options.trigger = Trigger::Every(Duration::from_secs(3_600));
    options.drain = true;
    let (table, aside) = Default::default();
    let clock = SteppingClock::new(1);
    let mut job = job(query, OutputMode::Append, options, nothing, &table, &aside, clock);
    let log = MarkedLog::default();
    job.shutdown = log.shutdown.clone();
    job.log = Arc::new(log);
    assert_eq!(job.run().unwrap().total.rejected, RECORDS as u64);
}
