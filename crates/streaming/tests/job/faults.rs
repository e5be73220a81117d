//! What goes wrong while a job is at work: no epoch is made of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::restarts::{Plan, log, simple_plan};
use crate::support::{MemoryLog, MemoryTable, SteppingClock, job, options, query};
use arus_runtime::clock::{Clock, SystemClock};
use arus_streaming::Error;
use arus_streaming::aside::{Aside, KeptRecord, Why};
use arus_streaming::job::Trigger;
use arus_streaming::progress::Progress;
use arus_streaming::sink::OutputMode;
use arus_window::Window;

const WINDOW: Window = Window::Tumbling { size_ms: 10_000 };

/// Takes no record, but says so only when the job's main thread waits for the lane whose record it is:
/// then it has stopped asking the clock.
struct NoWayOut(Arc<SteppingClock>);

impl Aside for NoWayOut {
    fn put(&self, _: i32, _: KeptRecord, _: Why) -> Result<(), Error> {
        let (clock, limit) = (SystemClock::new(), Duration::from_secs(60));
        let mut before = None;
        while before != Some(self.0.asked()) {
            assert!(clock.monotonic() < limit, "nobody waits for the lane");
            before = Some(self.0.asked());
            std::thread::sleep(Duration::from_millis(300));
        }
        Err(Error::Unsupported("no way out".into()))
    }

    fn turn(&self) {}

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_batch_whose_rejected_records_are_not_kept_is_in_no_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let partitions = log(&simple_plan());
    let visible = partitions.iter().map(Vec::len).collect();
    let log = MemoryLog { partitions, visible, chunk: 500, ..MemoryLog::default() };
    let mut options = options(folder.path());
    options.trigger = Trigger::Every(Duration::from_millis(1));
    let table: Arc<Mutex<MemoryTable>> = Arc::default();
    let clock = Arc::new(SteppingClock::new(1));
    let mut job = job(
        query(WINDOW),
        OutputMode::Append,
        options,
        log,
        &table,
        &Arc::default(),
        SteppingClock::new(1),
    );
    job.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    job.aside = Arc::new(NoWayOut(clock));
    assert_eq!(job.run().unwrap_err().to_string(), "no way out");
    assert_eq!(table.lock().unwrap().epoch, None);
    let checkpoints = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = checkpoints.map(|file| file.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("epoch")), "{names:?}");
}

/// A topic that is filled every night with as many records as the night before.
#[test]
fn a_topic_made_anew_with_as_many_records_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let table: Arc<Mutex<MemoryTable>> = Arc::default();
    let run = |counts: [usize; 2], first_ms: i64, trigger: Trigger| -> Result<Progress, Error> {
        let partitions = log(&Plan { counts: counts.to_vec(), ..simple_plan() });
        let visible = counts.to_vec();
        let first_ms = Some(first_ms);
        let log = MemoryLog { partitions, visible, chunk: 7, first_ms, ..MemoryLog::default() };
        let mut options = options(folder.path());
        options.trigger = trigger;
        let clock = SteppingClock::new(10);
        job(query(WINDOW), OutputMode::Append, options, log, &table, &Arc::default(), clock).run()
    };
    let first = run([500, 0], 1_000, Trigger::AvailableNow).unwrap();
    assert_eq!(first.total.read, 500);
    // The same again: nothing new, and nothing is read twice.
    let again = run([500, 0], 1_000, Trigger::AvailableNow).unwrap();
    assert_eq!((again.total.read, again.run.read), (500, 0));
    let before = (again.epoch, table.lock().unwrap().rows.clone());
    for (counts, trigger) in [
        ([500, 0], Trigger::AvailableNow),
        ([500, 0], Trigger::Once),
        // What is in a partition that held nothing does not get into the table either.
        ([500, 300], Trigger::AvailableNow),
        ([500, 300], Trigger::Every(Duration::from_millis(1))),
    ] {
        let error = run(counts, 2_000, trigger).unwrap_err().to_string();
        assert!(error.contains("made anew"), "{counts:?} {trigger:?}: {error}");
        let table = table.lock().unwrap();
        assert_eq!((table.epoch, &table.rows), (Some(before.0), &before.1), "{trigger:?}");
    }
}
