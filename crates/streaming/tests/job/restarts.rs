//! Any number of threads, any batches, any restarts and kills, any jumps of the wall clock: the same
//! rows, each once, and the same rows set aside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{
    Fault, MemoryAside, MemoryLog, MemoryTable, SteppingClock, job, options, query,
};
use arus_kafka::source::{Bounds, Polled, Record};
use arus_models::{PurchaseGenerator, PurchaseOptions};
use arus_streaming::Error;
use arus_streaming::aside::Why;
use arus_streaming::job::Start;
use arus_streaming::sink::OutputMode;
use arus_streaming::source::{Log, Reader, Wake};
use arus_window::{LateRow, Window};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) counts: Vec<usize>,
    pub(crate) window: Window,
    pub(crate) mode: OutputMode,
    pub(crate) runs: Vec<Run>,
    /// After how many changes, and epochs, a checkpoint holds all open windows again.
    pub(crate) limits: (u64, u64),
}

/// One start of the job.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// How much of the log is there, in tenths.
    tenths: usize,
    threads: usize,
    chunk: usize,
    step_ms: u64,
    /// How wrong the wall clock is, ms. Never so far back that an event is ahead of it.
    wrong_by_ms: Vec<i64>,
    fault: Option<Fault>,
}

impl Run {
    /// One thread reads all that there is, and nothing goes wrong.
    fn whole() -> Self {
        Self { tenths: 10, threads: 1, chunk: 8192, step_ms: 0, wrong_by_ms: vec![0], fault: None }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let window = prop_oneof![
        Just(Window::Tumbling { size_ms: 10_000 }),
        Just(Window::Hopping { size_ms: 20_000, slide_ms: 5_000 }),
        Just(Window::Session { gap_ms: 300 }),
    ];
    let mode = prop_oneof![3 => Just(OutputMode::Append), 1 => Just(OutputMode::Complete)];
    let fault = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Fault::BeforeCommit)),
        1 => Just(Some(Fault::AfterCommit)),
    ];
    let jumps = proptest::collection::vec(-90_000_000_000..200_000_000_000_i64, 1..4);
    let run = (1..10_usize, 1..5_usize, 1..500_usize, 0..400_u64, jumps, fault).prop_map(
        |(tenths, threads, chunk, step_ms, wrong_by_ms, fault)| Run {
            tenths,
            threads,
            chunk,
            step_ms,
            wrong_by_ms,
            fault,
        },
    );
    let runs = proptest::collection::vec(run, 0..6);
    let counts = proptest::collection::vec(0..600_usize, 1..4);
    let limits = (0..30_u64, 0..6_u64);
    (any::<u64>(), counts, window, mode, runs, limits).prop_map(
        |(seed, counts, window, mode, runs, limits)| Plan {
            seed,
            counts,
            window,
            mode,
            runs,
            limits,
        },
    )
}

pub(crate) fn log(plan: &Plan) -> Vec<Vec<Option<Vec<u8>>>> {
    let generator_options = PurchaseOptions {
        late_fraction: 0.1,
        max_lateness_ms: 40_000,
        out_of_order_ms: 3_000,
        bad_fraction: 0.05,
        ..PurchaseOptions::default()
    };
    let make = |partition: usize| {
        let seed = plan.seed.wrapping_add(partition as u64);
        let mut generator = PurchaseGenerator::new(seed, generator_options.clone()).unwrap();
        let records = (0..plan.counts[partition]).map(|number| {
            let mut payload = Vec::new();
            generator.next(1_700_000_000_000 + number as i64 * 100, &mut payload);
            // Now and then a tombstone, which no purchase can be.
            (number % 97 != 96).then_some(payload)
        });
        records.collect()
    };
    (0..plan.counts.len()).map(make).collect()
}

pub(crate) struct Outcome {
    pub(crate) rows: Vec<String>,
    pub(crate) aside: Vec<((i32, i64), String)>,
    totals: arus_streaming::progress::Totals,
}

pub(crate) fn run(plan: &Plan, runs: &[Run]) -> Outcome {
    let partitions = log(plan);
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::new(Mutex::new(MemoryTable::default()));
    let aside = Arc::new(MemoryAside::default());
    let query = query(plan.window);
    let mut seen = vec![0; partitions.len()];
    let last = Run { tenths: 10, threads: 2, chunk: 8192, ..Run::whole() };
    let mut totals = None;
    for run in runs.iter().chain([&last]) {
        for (seen, records) in seen.iter_mut().zip(&partitions) {
            *seen = (records.len() * run.tenths / 10).max(*seen);
        }
        let log = MemoryLog {
            partitions: partitions.clone(),
            visible: seen.clone(),
            chunk: run.chunk,
            ..MemoryLog::default()
        };
        let mut options = options(folder.path());
        options.threads = run.threads;
        options.drain = run.tenths == 10;
        table.lock().unwrap().fault = run.fault;
        let clock = SteppingClock::jumping(run.step_ms, run.wrong_by_ms.clone());
        let mut job = job(Arc::clone(&query), plan.mode, options, log, &table, &aside, clock);
        job.operator = job.operator.with_chain_limits(plan.limits.0, plan.limits.1);
        let outcome = job.run();
        let killed = run.fault.is_some() && table.lock().unwrap().fault.is_none();
        match outcome {
            Ok(progress) => {
                assert!(!killed, "the job went on after a kill");
                totals = Some(progress.total);
            }
            Err(error) => assert!(killed, "{error}"),
        }
    }
    let mut rows = table.lock().unwrap().rows.clone();
    rows.sort();
    let totals = totals.expect("the last run has no fault");
    Outcome { rows, aside: texts_of(&aside), totals }
}

/// What was set aside, by place.
pub(crate) fn texts_of(aside: &MemoryAside) -> Vec<((i32, i64), String)> {
    let aside = aside.0.lock().unwrap();
    let aside = aside.iter().map(|(place, (record, why))| {
        let why = match why {
            // Its place in the batch is not a property of the row.
            Why::Late(late) => Why::Late(LateRow { row: 0, ..late.clone() }),
            rejected => rejected.clone(),
        };
        (*place, format!("{record:?} {why:?}"))
    });
    aside.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn restarts_kills_threads_and_clocks_change_nothing(plan in plan()) {
        let whole = run(&plan, &[]);
        let cut = run(&plan, &plan.runs);
        prop_assert_eq!(&cut.rows, &whole.rows);
        prop_assert_eq!(&cut.aside, &whole.aside);
        prop_assert_eq!(cut.totals, whole.totals);
        let totals = whole.totals;
        prop_assert_eq!(totals.read, totals.counted + totals.late + totals.rejected);
        prop_assert_eq!(totals.read as usize, plan.counts.iter().sum::<usize>());
    }
}

/// A first run that finds a partition empty must not pass it over: its row, read by the second run,
/// would be late for windows that one run over the whole log gives it to.
#[test]
fn a_partition_that_is_empty_at_the_first_run_loses_no_row() {
    let first = Run { tenths: 8, chunk: 1, ..Run::whole() };
    let plan = Plan {
        seed: 1_051_544_078_790_288,
        counts: vec![63, 1],
        window: Window::Session { gap_ms: 300 },
        mode: OutputMode::Append,
        runs: vec![first],
        limits: (0, 256),
    };
    let (whole, cut) = (run(&plan, &[]), run(&plan, &plan.runs));
    assert_eq!(cut.totals, whole.totals);
    assert_eq!(cut.rows, whole.rows);
}

/// What comes after the first start is read, be it only by the next one: `latest` is said once.
#[test]
fn the_latest_is_where_the_first_start_was() {
    let (folder, table) = (tempfile::tempdir().unwrap(), Arc::default());
    let partitions = log(&simple_plan());
    let run = |visible| {
        let log = MemoryLog {
            partitions: partitions.clone(),
            visible: vec![visible],
            chunk: 100,
            ..MemoryLog::default()
        };
        let mut options = options(folder.path());
        options.start = Start::Latest;
        let (query, clock) = (query(simple_plan().window), SteppingClock::new(0));
        job(query, OutputMode::Append, options, log, &table, &Arc::default(), clock).run().unwrap()
    };
    let first = run(200);
    assert_eq!((first.epoch, first.run.read), (1, 0));
    assert_eq!(run(200).epoch, 1, "nothing came, and nothing is to be settled");
    assert_eq!(run(500).run.read, 300);
}

pub(crate) fn simple_plan() -> Plan {
    Plan {
        seed: 7,
        counts: vec![500],
        window: Window::Tumbling { size_ms: 10_000 },
        mode: OutputMode::Append,
        runs: Vec::new(),
        limits: (0, 256),
    }
}

/// Starts a job on the folder with a change to its options; the log is whole.
#[test]
fn a_row_from_the_far_future_is_kept_and_moves_no_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let mut partitions = log(&Plan { counts: vec![50], ..simple_plan() });
    let future = br#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":1,"furniture":"Desk","color":"oak","price":1000,"ts":1900000000000}"#;
    partitions[0].insert(10, Some(future.to_vec()));
    let aside = Arc::new(MemoryAside::default());
    let visible = vec![partitions[0].len()];
    let log = MemoryLog { partitions, visible, chunk: 7, ..MemoryLog::default() };
    let query = query(Window::Tumbling { size_ms: 10_000 });
    let clock = SteppingClock::new(0);
    let options = options(folder.path());
    let job = job(query, OutputMode::Append, options, log, &Arc::default(), &aside, clock);
    let progress = job.run().unwrap();
    assert!(progress.watermark_ms.unwrap() < 1_700_000_010_000);
    let kept = aside.0.lock().unwrap();
    let (record, why) = &kept[&(0, 10)];
    assert_eq!(record.payload.as_deref(), Some(&future[..]));
    assert!(format!("{why:?}").contains("100000000 s ahead of the clock"), "{why:?}");
}

/// A partition whose last offset before the end is a transaction's marker, and that goes on being
/// written: the reader never meets the end, and never sees a record at the last offset.
struct BusyLog;

struct BusyReader {
    next: i64,
}

const BUSY_END: i64 = 50;

impl Log for BusyLog {
    fn partitions(&self) -> Result<Vec<i32>, Error> {
        Ok(vec![0])
    }

    fn bounds(&self, _: i32) -> Result<Bounds, Error> {
        Ok(Bounds { low: 0, high: BUSY_END })
    }

    fn has_records(&self, _: i32, from: i64, to: i64) -> Result<bool, Error> {
        Ok(from < to.min(BUSY_END - 1))
    }

    fn committed(&self, _: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(BTreeMap::new())
    }

    fn open(&self, _: &[BTreeMap<i32, i64>], _: &Wake) -> Result<Vec<Vec<Box<dyn Reader>>>, Error> {
        Ok(vec![vec![Box::new(BusyReader { next: 0 })]])
    }

    fn commit(&self, next_offsets: &BTreeMap<i32, i64>, _: bool) -> Result<(), Error> {
        assert_eq!(next_offsets[&0], BUSY_END);
        Ok(())
    }

    fn serve(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Reader for BusyReader {
    fn partition(&self) -> i32 {
        0
    }

    fn poll(&mut self, _: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        if self.next == BUSY_END - 1 {
            self.next += 1; // the marker
        }
        let offset = self.next;
        self.next += 1;
        each(Record { offset, key: None, payload: Some(b"no purchase"), timestamp_ms: None });
        Ok(Polled { records: 1, at_end: false })
    }
}

#[test]
fn a_run_over_what_is_there_ends_though_more_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let query = query(Window::Tumbling { size_ms: 10_000 });
    let clock = SteppingClock::new(0);
    let options = options(folder.path());
    let (table, aside) = Default::default();
    let nothing = MemoryLog::default();
    let mut job = job(query, OutputMode::Append, options, nothing, &table, &aside, clock);
    job.log = Arc::new(BusyLog);
    assert_eq!(job.run().unwrap().total.rejected, BUSY_END as u64 - 1);
}

#[test]
fn a_broker_that_does_not_answer_is_waited_for_and_then_given_up_on() {
    let start = |unanswered: u32, broker_timeout| {
        let folder = tempfile::tempdir().unwrap();
        let query = query(Window::Tumbling { size_ms: 10_000 });
        let (table, aside) = Default::default();
        let partitions = vec![vec![Some(b"no purchase".to_vec()); 3]; 2];
        let log = MemoryLog {
            partitions,
            visible: vec![3; 2],
            chunk: 1,
            unanswered: unanswered.into(),
            ..MemoryLog::default()
        };
        let mut options = options(folder.path());
        options.broker_timeout = broker_timeout;
        let clock = SteppingClock::new(100);
        job(query, OutputMode::Append, options, log, &table, &aside, clock).run()
    };
    // The first question is for the partitions, the next are for their ends.
    for unanswered in [0b1, 0b11, 0b10, 0b1010, 0b11111] {
        let progress = start(unanswered, Duration::from_secs(3_600)).unwrap();
        assert_eq!(progress.total.rejected, 6, "{unanswered:b}");
    }
    for unanswered in [u32::MAX, u32::MAX - 1] {
        let error = start(unanswered, Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, Error::BrokerAway { .. }), "{unanswered:b}: {error}");
    }
}
