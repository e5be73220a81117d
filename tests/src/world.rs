//! One test's world: a folder, a broker, a database, and our programs set up for them.

mod builder;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arus_kafka::KafkaArgs;
use arus_kafka::admin::{TopicSpec, delete_topic, ensure_topic};
use arus_kafka::inspect::{FullRecord, read_topic};
use arus_store::{Condition, Selection, Store, TableSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

pub use self::builder::WorldBuilder;
use self::builder::{Storage, start_broker};
use crate::judge::Question;
use crate::process::{Program, Running};
use crate::rows::{self, Row};
use crate::{LIMIT, wait_until};

/// Rows by their fate, as a job tells them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Totals {
    /// Read from the topic.
    pub read: u64,
    /// Taken by a window.
    pub counted: u64,
    /// Late for all windows.
    pub late: u64,
    /// Unreadable.
    pub rejected: u64,
}

/// The closing figures of a job.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Summary {
    /// Of its last run.
    pub run: Totals,
    /// Of all its runs.
    pub total: Totals,
    /// Windows that the last run closed.
    pub closed_windows: u64,
    /// Windows that are open still.
    pub open_windows: usize,
    /// The last committed epoch.
    pub epoch: u64,
}

#[derive(Deserialize)]
struct Produced {
    acknowledged: u64,
}

/// A folder, a broker, a database. All of it is gone when this is dropped.
pub struct World {
    broker: Option<Running>,
    /// Whether its topics outlive it, on somebody else's Kafka.
    leaves_topics: bool,
    storage: Storage,
    advertised: Option<String>,
    brokers: String,
    database_url: String,
    topic: String,
    table: String,
    /// Short, since PostgreSQL's names are.
    prefix: String,
    folder: TempDir,
}

impl World {
    /// A world for the test of that name: lower-case letters and underscores.
    pub fn named(name: &'static str) -> WorldBuilder {
        WorldBuilder::named(name)
    }

    /// A place in the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The broker's address.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The topic of purchases.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The job's table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The database's address.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// What goes before the names of a job's tables, where it has several.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The flags that name the broker.
    pub fn kafka(&self) -> KafkaArgs {
        KafkaArgs::for_brokers(&self.brokers)
    }

    /// Makes the topic of purchases, before its producer does.
    pub fn make_topic(&self, partitions: i32) {
        self.make_topic_with(partitions, &[]);
    }

    /// The same, with settings.
    pub fn make_topic_with(&self, partitions: i32, configs: &[(&str, &str)]) {
        let mut spec = TopicSpec::new(&self.topic, partitions);
        spec.configs.push(("max.message.bytes".to_owned(), "16777216".to_owned()));
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        spec.configs.extend(configs);
        ensure_topic(&self.kafka(), &spec).expect("the broker makes topics");
    }

    /// Any program of ours, with nothing set.
    pub fn program(&self, name: &'static str) -> Program {
        Program::new(name, self.folder.path())
    }

    /// A producer of ours: 20,000 records of 20 seconds in 2024.
    fn sender(&self, name: &'static str) -> Program {
        self.program(name)
            .with("--brokers", &self.brokers)
            .with("--topic", &self.topic)
            .with("--summary", self.path("producer.json").display())
            .with("--seed", 7)
            .with("--start-time", "2024-01-01T00:00:00Z")
            .with("--rate", 0)
            .with("--count", 20_000)
    }

    /// The bank: 500 customers and their changes, some out of order, some twice, some bad.
    pub fn bank_producer(&self) -> Program {
        self.sender("bank-producer")
            .with("--customers", 500)
            .with("--closure-fraction", 0.05)
            .with("--out-of-order-fraction", 0.05)
            .with("--max-lateness", "5s")
            .with("--duplicate-fraction", 0.05)
            .with("--bad-fraction", 0.01)
    }

    /// The producer: 20,000 purchases of 20 seconds in 2024, out of order, some late, some bad.
    pub fn producer(&self) -> Program {
        self.sender("purchase-producer")
            .with("--out-of-order", "300ms")
            .with("--late-fraction", 0.05)
            .with("--max-lateness", "5s")
            .with("--bad-fraction", 0.01)
    }

    /// The job: windows of a second under a watermark of half a second, into the database. No
    /// partition is ever idle, so that the result is a function of the log.
    pub fn streaming(&self) -> Program {
        self.program("purchase-streaming")
            .env("DATABASE_URL", &self.database_url)
            .with("--brokers", &self.brokers)
            .with("--topic", &self.topic)
            .with("--job", &self.table)
            .with("--table", &self.table)
            .with("--checkpoint", self.path("checkpoint").display())
            .with("--output-dir", self.path("output").display())
            .with("--summary", self.path("streaming.json").display())
            .with("--sink", "database")
            .with("--window", "1s")
            .with("--watermark", "500ms")
            .with("--idle-timeout", "1h")
            .with("--trigger", "100ms")
    }

    /// The same, to read what is there and close all windows.
    pub fn draining(&self) -> Program {
        self.streaming().with("--trigger", "available-now").switch("--drain")
    }

    /// What [`Self::streaming`] asks of the log.
    pub fn question(&self) -> Question {
        Question::tumbling(1_000, 500)
    }

    /// How many records the last producer brought to the broker.
    pub fn acknowledged(&self) -> u64 {
        self.json::<Produced>("producer.json").acknowledged
    }

    /// The closing figures of the last job.
    #[track_caller]
    pub fn summary(&self) -> Summary {
        let summary: Summary = self.json("streaming.json");
        for totals in [summary.run, summary.total] {
            let sum = totals.counted + totals.late + totals.rejected;
            assert_eq!(totals.read, sum, "read = counted + late + rejected: {summary:?}");
        }
        summary
    }

    /// A summary that a program wrote to a file of the world, as numbers by their name.
    pub fn summary_of(&self, name: &str) -> BTreeMap<String, f64> {
        self.json(name)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> T {
        let bytes = fs::read(self.path(name)).expect("the summary was written");
        serde_json::from_slice(&bytes).expect("it is JSON")
    }

    /// The last epoch in the folder of checkpoints; 0 for none.
    pub fn epoch(&self) -> u64 {
        self.epoch_in("checkpoint")
    }

    /// The same for a folder of that name.
    pub fn epoch_in(&self, folder: &str) -> u64 {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return 0 };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let epoch = |name: String| {
            name.strip_prefix("epoch-")?.strip_suffix(".checkpoint")?.parse::<u64>().ok()
        };
        names.filter_map(epoch).max().unwrap_or(0)
    }

    /// How many starts of a program have said this on standard error.
    pub fn starts_that_said(&self, program: &str, words: &str) -> usize {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is readable");
        let logs = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with(&format!("-{program}.err.log")));
        logs.filter(|path| fs::read_to_string(path).is_ok_and(|said| said.contains(words))).count()
    }

    /// Waits until the job at work has made an epoch after `epoch`.
    pub fn wait_for_epoch_after(&self, epoch: u64, job: &mut Running) -> u64 {
        wait_until("the job's next epoch", LIMIT, || {
            assert!(job.is_running(), "the job ended: {}", job.stderr());
            Some(self.epoch()).filter(|&now| now > epoch)
        })
    }

    /// The last epoch in the database of a job of that name (its first table's); 0 for none.
    pub fn job_epoch(&self, job: &str) -> u64 {
        let epoch = self.with_store(async |store| store.last_epoch(job).await);
        epoch.unwrap_or_else(|error| panic!("{error}")).unwrap_or(0)
    }

    /// How far each partition of a shared job is, by partition.
    pub fn shared_offsets(&self, job: &str) -> Vec<i64> {
        let column = |name: &str, kind| Field::new(name, kind, true);
        let columns = vec![
            column("shard", DataType::Utf8),
            column("job", DataType::Utf8),
            column("next_offset", DataType::Int64),
        ];
        let table = TableSpec {
            name: "arus_partitions".to_owned(),
            schema: Arc::new(Schema::new(columns)),
            key: vec!["shard".to_owned()],
        };
        let conditions = vec![Condition::OneOf { column: "job", texts: vec![job] }];
        let selection = Selection { conditions, ..Selection::default() };
        let rows = self.with_store(async |store| store.read_selection(&table, &selection).await);
        let rows = rows.unwrap_or_else(|error| panic!("{error}"));
        rows.column(2).as_primitive::<Int64Type>().values().to_vec()
    }

    /// Ends the broker as `kill -9` does.
    pub fn kill_broker(&mut self) {
        self.broker.take().expect("the broker runs, and is the world's own").kill();
    }

    /// Starts it again at the same address, on the same data.
    pub fn restart_broker(&mut self) {
        let told = self.advertised.as_deref();
        let (broker, _) = start_broker(self.folder.path(), self.storage, &self.brokers, told);
        self.broker = Some(broker);
    }

    /// All purchases in the broker.
    pub fn records(&self) -> Vec<FullRecord> {
        self.records_of("")
    }

    /// All records of a topic beside the purchases: `.late`, `.rejected`.
    pub fn records_of(&self, suffix: &str) -> Vec<FullRecord> {
        let topic = format!("{}{suffix}", self.topic);
        read_topic(&self.kafka(), &topic).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The rows that its Kafka sink left on the topic `.out`, as a reader of committed records sees
    /// them, by window and group.
    pub fn topic_rows(&self, group_by: &[&str]) -> Vec<Row> {
        rows::of_records(&self.records_of(".out"), group_by)
    }

    /// The rows in the job's table.
    pub fn rows(&self, group_by: &[&str]) -> Vec<Row> {
        self.rows_in(&self.table, group_by)
    }

    /// The rows in a table of the world's database.
    pub fn rows_in(&self, table: &str, group_by: &[&str]) -> Vec<Row> {
        let key = ["window_start"].iter().chain(group_by).map(|&name| name.to_owned()).collect();
        let schema = rows::schema(group_by);
        let table = TableSpec { name: table.to_owned(), schema, key };
        let batch = self.with_store(async |store| {
            store.read_table(&table).await.unwrap_or_else(|error| panic!("{error}"))
        });
        rows::of_batch(&batch, group_by.len())
    }

    pub(crate) fn with_store<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let store = Store::connect(&self.database_url, Duration::from_secs(10)).await;
            let store = store.unwrap_or_else(|error| panic!("{error}"));
            let result = work(&store).await;
            store.close().await;
            result
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell_logs(self.folder.path());
        } else if self.leaves_topics {
            for suffix in ["", ".late", ".rejected", ".out"] {
                // Left-overs in a test server harm nobody: their names do not come again.
                let _ = delete_topic(&self.kafka(), &format!("{}{suffix}", self.topic));
            }
        }
    }
}

/// Prints the end of what every program said.
fn tell_logs(folder: &Path) {
    const LINES: usize = 40;
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => return println!("no logs: {error}"),
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    for path in paths {
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        if !lines.is_empty() {
            println!("---- {}", path.file_name().unwrap_or_default().display());
            println!("{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
        }
    }
}
