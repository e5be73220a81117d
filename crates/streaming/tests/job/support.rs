//! A log, a sink and a place for late records in memory, with faults on request.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use arus_kafka::source::{Bounds, Polled, Record};
use arus_models::{PurchaseColumns, TimestampUnit, purchase_schema};
use arus_runtime::clock::Clock;
use arus_runtime::shutdown::Shutdown;
use arus_streaming::Error;
use arus_streaming::aside::{Aside, KeptRecord, Why};
use arus_streaming::decode::{Decoder, NO_VALUE};
use arus_streaming::job::{Job, JobOptions, Start, Trigger};
use arus_streaming::origin::Origin;
use arus_streaming::sink::{EpochOutput, Guarantee, OutputMode, Sink};
use arus_streaming::source::{Log, Reader, Wake};
use arus_streaming::windows::Windows;
use arus_window::{QueryOptions, Window, WindowQuery};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Payloads by partition; only the first `visible` of each are there yet.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) partitions: Vec<Vec<Option<Vec<u8>>>>,
    pub(crate) visible: Vec<usize>,
    pub(crate) chunk: usize,
    pub(crate) committed: Arc<Mutex<BTreeMap<i32, i64>>>,
    /// What a group dealt to the job, if there is one.
    pub(crate) dealt: Option<Vec<i32>>,
    /// Which of the next questions get no answer, as from a broker that is away: one bit each.
    pub(crate) unanswered: AtomicU32,
    /// The first record's timestamp, ms; each later one is a millisecond younger. `None`: they have none.
    pub(crate) first_ms: Option<i64>,
}

impl MemoryLog {
    fn answers(&self) -> Result<(), Error> {
        let asked = self
            .unanswered
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| Some(bits >> 1));
        match asked.unwrap() & 1 {
            0 => Ok(()),
            _ => Err(no_answer()),
        }
    }
}

/// What librdkafka says when a broker does not answer.
pub(crate) fn no_answer() -> Error {
    let source = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
    let topic = "purchases".into();
    arus_kafka::Error::Client { action: "ask for the offsets of", topic, source }.into()
}

struct MemoryReader {
    partition: i32,
    next: usize,
    records: Vec<Option<Vec<u8>>>,
    chunk: usize,
    first_ms: Option<i64>,
}

impl Log for MemoryLog {
    fn partitions(&self) -> Result<Vec<i32>, Error> {
        self.answers()?;
        Ok((0..self.partitions.len() as i32).collect())
    }

    fn dealt(&self) -> Result<Option<Vec<i32>>, Error> {
        match &self.dealt {
            Some(dealt) => Ok(Some(dealt.clone())),
            None => self.partitions().map(Some),
        }
    }

    fn bounds(&self, partition: i32) -> Result<Bounds, Error> {
        self.answers()?;
        Ok(Bounds { low: 0, high: self.visible[partition as usize] as i64 })
    }

    fn has_records(&self, _: i32, from: i64, to: i64) -> Result<bool, Error> {
        Ok(from < to)
    }

    fn committed(&self, _: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(self.committed.lock().unwrap().clone())
    }

    fn open(
        &self,
        hands: &[BTreeMap<i32, i64>],
        _: &Wake,
    ) -> Result<Vec<Vec<Box<dyn Reader>>>, Error> {
        let reader = |(&partition, &next): (&i32, &i64)| {
            let visible = self.visible[partition as usize];
            let records = self.partitions[partition as usize][..visible].to_vec();
            let (next, chunk, first_ms) = (next as usize, self.chunk, self.first_ms);
            let reader = MemoryReader { partition, next, records, chunk, first_ms };
            Box::new(reader) as Box<dyn Reader>
        };
        Ok(hands.iter().map(|hand| hand.iter().map(reader).collect()).collect())
    }

    fn commit(&self, next_offsets: &BTreeMap<i32, i64>, _: bool) -> Result<(), Error> {
        *self.committed.lock().unwrap() = next_offsets.clone();
        Ok(())
    }

    fn serve(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Reader for MemoryReader {
    fn partition(&self) -> i32 {
        self.partition
    }

    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        let from = self.next;
        let to = self.records.len().min(from + max.min(self.chunk));
        for (offset, payload) in self.records[from..to].iter().enumerate() {
            let offset = (from + offset) as i64;
            let payload = payload.as_deref();
            let timestamp_ms = self.first_ms.map(|first_ms| first_ms + offset);
            each(Record { offset, key: Some(b"key"), payload, timestamp_ms });
        }
        self.next = to;
        Ok(Polled { records: to - from, at_end: to == self.records.len() })
    }
}

/// Where an injected fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the sink's transaction is committed.
    BeforeCommit,
    /// … after it was committed, before the process heard of it.
    AfterCommit,
}

/// A table that takes rows and epoch together.
#[derive(Default)]
pub(crate) struct MemoryTable {
    pub(crate) epoch: Option<u64>,
    pub(crate) writer: Origin,
    pub(crate) rows: Vec<String>,
    pub(crate) fault: Option<Fault>,
}

pub(crate) struct MemorySink {
    pub(crate) table: Arc<Mutex<MemoryTable>>,
    pub(crate) mode: OutputMode,
    pub(crate) origin: Origin,
}

impl Sink for MemorySink {
    fn name(&self) -> String {
        "table in memory".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn take_over(&mut self, origin: &Origin, _: u64) -> Result<(), Error> {
        self.origin = origin.clone();
        Ok(())
    }

    fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        let table = self.table.lock().unwrap();
        Ok(table.epoch.map(|_| table.writer.clone()))
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(self.table.lock().unwrap().epoch)
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let mut table = self.table.lock().unwrap();
        let fault = table.fault.take();
        if fault == Some(Fault::BeforeCommit) {
            return Err(Error::Unsupported("killed before the commit".into()));
        }
        assert_eq!(table.epoch.unwrap_or(0) + 1, output.epoch, "epochs come one after the other");
        table.epoch = Some(output.epoch);
        table.writer = self.origin.clone();
        if self.mode == OutputMode::Complete {
            table.rows.clear();
        }
        table.rows.extend(texts(output.rows()));
        match fault {
            Some(_) => Err(Error::Unsupported("killed after the commit".into())),
            None => Ok(()),
        }
    }

    fn reset(&mut self) -> Result<(), Error> {
        *self.table.lock().unwrap() = MemoryTable::default();
        Ok(())
    }
}

/// Keeps what is set aside, by partition and offset: a record that comes twice is there once.
#[derive(Default)]
pub(crate) struct MemoryAside(pub(crate) Mutex<BTreeMap<(i32, i64), (KeptRecord, Why)>>);

impl Aside for MemoryAside {
    fn put(&self, partition: i32, record: KeptRecord, why: Why) -> Result<(), Error> {
        self.0.lock().unwrap().insert((partition, record.offset), (record, why));
        Ok(())
    }

    fn turn(&self) {}

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What the wall clock shows when nobody has set it wrong: years after every event.
pub(crate) const WALL_MS: i64 = 1_800_000_000_000;

/// A clock that goes on by a step each time it is asked, so that epochs come without waiting. Its
/// wall clock may jump.
pub(crate) struct SteppingClock {
    now_ms: AtomicU64,
    step_ms: u64,
    /// How wrong the wall clock is, ms: one after the other, and again from the beginning.
    wrong_by_ms: Vec<i64>,
    asked: AtomicU64,
}

impl SteppingClock {
    pub(crate) fn new(step_ms: u64) -> Self {
        Self::jumping(step_ms, vec![0])
    }

    pub(crate) fn jumping(step_ms: u64, wrong_by_ms: Vec<i64>) -> Self {
        Self { now_ms: AtomicU64::new(0), step_ms, wrong_by_ms, asked: AtomicU64::new(0) }
    }

    /// Changes whenever somebody asks what time it is (if it goes on by a step).
    pub(crate) fn asked(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

impl Clock for SteppingClock {
    fn wall_ms(&self) -> i64 {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) as usize;
        WALL_MS + self.wrong_by_ms[asked % self.wrong_by_ms.len()]
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now_ms.fetch_add(self.step_ms, Ordering::Relaxed))
    }
}

struct PurchaseDecoder(PurchaseColumns);

impl Decoder for PurchaseDecoder {
    fn push(&mut self, record: &Record<'_>) -> Result<i64, String> {
        let payload = record.payload.ok_or(NO_VALUE)?;
        self.0.push_json(payload).map_err(|invalid| invalid.to_string())
    }

    fn finish(&mut self) -> RecordBatch {
        self.0.finish()
    }
}

/// Options that read what is there, with nothing depending on the clock.
pub(crate) fn options(checkpoint: &Path) -> JobOptions {
    JobOptions {
        name: "job".into(),
        identity: vec![("topic".into(), "purchases".into())],
        start: Start::Earliest,
        trigger: Trigger::AvailableNow,
        threads: 1,
        idle_timeout: Duration::from_secs(1_000_000_000),
        max_skew: Duration::from_secs(300),
        close_idle_windows: false,
        drain: false,
        checkpoint: checkpoint.to_owned(),
        reset: false,
        broker_timeout: Duration::from_secs(1_000_000_000),
    }
}

pub(crate) fn query(window: Window) -> Arc<WindowQuery> {
    let options = QueryOptions {
        time_column: "ts".into(),
        window,
        delay_ms: 5_000,
        group_by: vec!["furniture".into()],
        aggregates: vec!["count(*)".into(), "sum(price)".into(), "avg(price)".into()],
    };
    Arc::new(WindowQuery::plan(&purchase_schema(), options).unwrap())
}

pub(crate) fn job(
    query: Arc<WindowQuery>,
    mode: OutputMode,
    options: JobOptions,
    log: MemoryLog,
    table: &Arc<Mutex<MemoryTable>>,
    aside: &Arc<MemoryAside>,
    clock: SteppingClock,
) -> Job<Windows> {
    Job {
        operator: Windows::new(query, mode).unwrap(),
        options,
        log: Arc::new(log),
        brokers: "memory".into(),
        new_decoder: Arc::new(|columns| {
            let all: Vec<String> =
                purchase_schema().fields().iter().map(|field| field.name().clone()).collect();
            assert!(columns.iter().all(|column| all.contains(column)));
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            Box::new(PurchaseDecoder(PurchaseColumns::new(TimestampUnit::Milliseconds, &all)))
        }),
        aside: Arc::clone(aside) as Arc<dyn Aside>,
        sinks: vec![Box::new(MemorySink {
            table: Arc::clone(table),
            mode,
            origin: Origin::default(),
        })],
        shared: None,
        watchers: Vec::new(),
        clock: Arc::new(clock),
        shutdown: Shutdown::new(),
    }
}

pub(crate) fn texts(rows: &RecordBatch) -> Vec<String> {
    (0..rows.num_rows())
        .map(|row| {
            let values = rows.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
}
