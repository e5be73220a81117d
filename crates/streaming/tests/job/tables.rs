//! A table job over a log in memory: any threads, batches, restarts and kills leave the tables that
//! plain Rust makes of the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::{Fault, MemoryAside, MemoryLog, SteppingClock, options, texts};
use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arus_streaming::Error;
use arus_streaming::decode::{Decoder, Record};
use arus_streaming::job::Job;
use arus_streaming::sink::{EpochOutput, Guarantee, Sink};
use arus_streaming::tables::Tables;
use arus_table::{Grouping, TableOptions, TableQuery};
use proptest::prelude::*;

/// One record: a row of a key, or its deletion.
#[derive(Clone, Debug)]
struct Event {
    key: i64,
    /// City, balance, version; `None` deletes.
    row: Option<(u8, i64, i64)>,
}

impl Event {
    /// `key,city,balance,version` or `key`.
    fn payload(&self) -> Vec<u8> {
        let text = match self.row {
            Some((city, balance, version)) => {
                format!("{},city {city},{balance},{version}", self.key)
            }
            None => self.key.to_string(),
        };
        text.into_bytes()
    }
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("city", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
        Field::new("version", time, true),
        Field::new("deleted", DataType::Boolean, false),
    ]))
}

/// City, balance, version.
type Row = (String, i64, i64);

#[derive(Default)]
struct TextDecoder {
    rows: Vec<(i64, Option<Row>)>,
}

impl Decoder for TextDecoder {
    fn push(&mut self, record: &Record<'_>) -> Result<i64, String> {
        let text = std::str::from_utf8(record.payload.unwrap()).unwrap();
        let parts: Vec<&str> = text.split(',').collect();
        let number = |at: usize| parts[at].parse::<i64>().map_err(|error| error.to_string());
        let row = match parts.len() {
            1 => None,
            _ => Some((parts[1].to_owned(), number(2)?, number(3)?)),
        };
        let event_ms = row.as_ref().map_or(0, |row| row.2);
        self.rows.push((number(0)?, row));
        Ok(event_ms)
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        let part = |pick: fn(&Row) -> i64| {
            rows.iter().map(|(_, row)| row.as_ref().map(pick)).collect::<Vec<_>>()
        };
        let cities = rows.iter().map(|(_, row)| row.as_ref().map(|row| row.0.clone()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|(key, _)| *key))),
            Arc::new(StringArray::from_iter(cities)),
            Arc::new(Int64Array::from(part(|row| row.1))),
            Arc::new(TimestampMillisecondArray::from(part(|row| row.2)).with_timezone("UTC")),
            Arc::new(BooleanArray::from_iter(rows.iter().map(|(_, row)| Some(row.is_none())))),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }
}

fn query() -> Arc<TableQuery> {
    let grouping = |name: &str, columns: &[&str]| Grouping {
        name: name.to_owned(),
        group_by: columns.iter().map(ToString::to_string).collect(),
    };
    let options = TableOptions {
        key: "key".into(),
        version: "version".into(),
        deleted: "deleted".into(),
        groupings: vec![grouping("all", &[]), grouping("by_city", &["city"])],
        aggregates: vec!["count(*) as keys".into(), "sum(balance) as total".into()],
    };
    Arc::new(TableQuery::plan(&schema(), options).unwrap())
}

/// Rows by key, of three tables; taken together with the epoch's number.
#[derive(Default)]
struct MemoryTables {
    epoch: Option<u64>,
    tables: [BTreeMap<String, String>; 3],
    fault: Option<Fault>,
}

struct MemorySink(Arc<Mutex<MemoryTables>>);

impl Sink for MemorySink {
    fn name(&self) -> String {
        "tables in memory".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(self.0.lock().unwrap().epoch)
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let mut found = self.0.lock().unwrap();
        let fault = found.fault.take();
        if fault == Some(Fault::BeforeCommit) {
            return Err(Error::Unsupported("killed before the commit".into()));
        }
        assert_eq!(found.epoch.unwrap_or(0) + 1, output.epoch, "epochs come one after the other");
        found.epoch = Some(output.epoch);
        for (table, change) in found.tables.iter_mut().zip(output.tables) {
            for key in texts(&change.deleted) {
                table.remove(&key);
            }
            for row in texts(&change.rows) {
                let key = row.split('|').next().unwrap().to_owned();
                table.insert(key, row);
            }
        }
        match fault {
            Some(_) => Err(Error::Unsupported("killed after the commit".into())),
            None => Ok(()),
        }
    }

    fn reset(&mut self) -> Result<(), Error> {
        *self.0.lock().unwrap() = MemoryTables::default();
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Run {
    tenths: usize,
    threads: usize,
    chunk: usize,
    step_ms: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Debug)]
struct Plan {
    events: Vec<Event>,
    partitions: usize,
    runs: Vec<Run>,
    /// All rows are written again after so many changes and epochs.
    limits: (u64, u64),
}

fn plan() -> impl Strategy<Value = Plan> {
    let row = (0..4_u8, -50..1_000_i64, 0..60_i64);
    let event = (0..25_i64, proptest::option::weighted(0.85, row))
        .prop_map(|(key, row)| Event { key, row });
    let fault = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Fault::BeforeCommit)),
        1 => Just(Some(Fault::AfterCommit)),
    ];
    let run = (1..10_usize, 1..4_usize, 1..40_usize, 0..400_u64, fault).prop_map(
        |(tenths, threads, chunk, step_ms, fault)| Run { tenths, threads, chunk, step_ms, fault },
    );
    let runs = proptest::collection::vec(run, 0..6);
    let limits = (1..200_u64, 1..6_u64);
    (proptest::collection::vec(event, 0..400), 1..4_usize, runs, limits)
        .prop_map(|(events, partitions, runs, limits)| Plan { events, partitions, runs, limits })
}

fn log(plan: &Plan) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut partitions = vec![Vec::new(); plan.partitions];
    for event in &plan.events {
        partitions[event.key as usize % plan.partitions].push(Some(event.payload()));
    }
    partitions
}

/// The tables, and what became of the records: changed, stale, duplicates, unknown deletions.
type Outcome = ([BTreeMap<String, String>; 3], [u64; 4]);

fn job(folder: &Path, log: MemoryLog, tables: &Arc<Mutex<MemoryTables>>) -> Job<Tables> {
    Job {
        operator: Tables::new(query(), false).unwrap(),
        options: options(folder),
        log: Arc::new(log),
        brokers: "memory".into(),
        new_decoder: Arc::new(|_| Box::new(TextDecoder::default())),
        aside: Arc::new(MemoryAside::default()),
        sinks: vec![Box::new(MemorySink(Arc::clone(tables)))],
        shared: None,
        watchers: Vec::new(),
        clock: Arc::new(SteppingClock::new(0)),
        shutdown: arus_runtime::shutdown::Shutdown::new(),
    }
}

fn run(plan: &Plan) -> Outcome {
    let partitions = log(plan);
    let folder = tempfile::tempdir().unwrap();
    let tables: Arc<Mutex<MemoryTables>> = Arc::default();
    let mut seen = vec![0; partitions.len()];
    let last = Run { tenths: 10, threads: 2, chunk: 8192, step_ms: 0, fault: None };
    let mut sums = [0; 4];
    for run in plan.runs.iter().chain([&last]) {
        for (seen, records) in seen.iter_mut().zip(&partitions) {
            *seen = (records.len() * run.tenths / 10).max(*seen);
        }
        let log = MemoryLog {
            partitions: partitions.clone(),
            visible: seen.clone(),
            chunk: run.chunk,
            ..MemoryLog::default()
        };
        tables.lock().unwrap().fault = run.fault;
        let mut job = job(folder.path(), log, &tables);
        job.operator = job.operator.with_chain_limits(plan.limits.0, plan.limits.1);
        job.options.threads = run.threads;
        job.clock = Arc::new(SteppingClock::new(run.step_ms));
        let outcome = job.run();
        let killed = run.fault.is_some() && tables.lock().unwrap().fault.is_none();
        match outcome {
            Ok(progress) => {
                assert!(!killed, "the job went on after a kill");
                let names = ["changed", "stale", "duplicates", "unknown_deletes"];
                let counts = names.map(|name| progress.tallies.get(name).copied().unwrap_or(0));
                let run = progress.run;
                assert_eq!(counts.iter().sum::<u64>(), run.counted, "every row has one fate");
                assert_eq!(run.read, run.counted + run.rejected);
                for (sum, count) in sums.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
            Err(error) => assert!(killed, "{error}"),
        }
    }
    let tables = std::mem::take(&mut tables.lock().unwrap().tables);
    (tables, sums)
}

/// The same in plain Rust.
fn judge(plan: &Plan) -> Outcome {
    let mut rows: BTreeMap<i64, (u8, i64, i64)> = BTreeMap::new();
    let mut fates = [0; 4];
    for Event { key, row } in &plan.events {
        let fate = match (row, rows.get(key)) {
            (None, None) => 3,
            (None, Some(_)) => {
                rows.remove(key);
                0
            }
            (Some(row), Some(known)) if row.2 < known.2 => 1,
            (Some(row), Some(known)) if row == known => 2,
            (Some(row), _) => {
                rows.insert(*key, *row);
                0
            }
        };
        fates[fate] += 1;
    }
    let time = |ms: i64| format!("1970-01-01T00:00:00.{ms:03}Z");
    let line = |(key, (city, balance, version)): (&i64, &(u8, i64, i64))| {
        let version = if *version == 0 { "1970-01-01T00:00:00Z".into() } else { time(*version) };
        (key.to_string(), format!("{key}|city {city}|{balance}|{version}"))
    };
    let mut cities: BTreeMap<u8, (i64, i64)> = BTreeMap::new();
    for (city, balance, _) in rows.values() {
        let sums = cities.entry(*city).or_default();
        *sums = (sums.0 + 1, sums.1 + balance);
    }
    let all = cities.values().fold((0, 0), |sum, city| (sum.0 + city.0, sum.1 + city.1));
    let mut overall = BTreeMap::new();
    if !plan.events.is_empty() {
        // As in SQL the sum over nothing is null.
        let total = if all.0 == 0 { String::new() } else { all.1.to_string() };
        overall.insert("all".to_owned(), format!("all|{}|{total}", all.0));
    }
    let by_city = cities.iter().map(|(city, (keys, total))| {
        (format!("city {city}"), format!("city {city}|{keys}|{total}"))
    });
    ([rows.iter().map(line).collect(), overall, by_city.collect()], fates)
}

/// A key whose rows lie in an old partition and in a new one would be in the table twice.
#[test]
fn a_topic_that_gets_new_partitions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tables: Arc<Mutex<MemoryTables>> = Arc::default();
    let event = |key, balance| Event { key, row: Some((0, balance, 1)) };
    let log_of = |partitions: usize| {
        let events = vec![event(1, 100), event(2, 200)];
        let plan = Plan { events, partitions, runs: Vec::new(), limits: (1, 1) };
        let (partitions, chunk) = (log(&plan), 8192);
        let visible = partitions.iter().map(Vec::len).collect();
        MemoryLog { partitions, visible, chunk, ..MemoryLog::default() }
    };
    let _ = job(folder.path(), log_of(1), &tables).run().unwrap();
    let before = tables.lock().unwrap().tables.clone();
    assert_eq!(before[0].len(), 2);
    let error = job(folder.path(), log_of(2), &tables).run().unwrap_err().to_string();
    assert!(
        error.starts_with("the topic has new partitions ([1]), which the checkpoint in"),
        "{error}"
    );
    assert!(error.ends_with("take it as it is with --from-beginning"), "{error}");
    assert_eq!(tables.lock().unwrap().tables, before);
    // Whoever knows that no key has moved goes on so.
    let mut again = job(folder.path(), log_of(2), &tables);
    again.options.reset = true;
    assert_eq!(again.run().unwrap().run.read, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn restarts_kills_and_threads_leave_the_tables_of_the_log(plan in plan()) {
        let (tables, fates) = run(&plan);
        let (expected, expected_fates) = judge(&plan);
        prop_assert_eq!(tables, expected);
        // A run that was killed told nobody its fates.
        if plan.runs.iter().all(|run| run.fault.is_none()) {
            prop_assert_eq!(fates, expected_fates);
        }
    }
}
