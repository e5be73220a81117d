//! The loop against librdkafka's mock cluster, and the flags.

use std::time::Duration;

use arus_runtime::clock::{ManualClock, SystemClock};
use clap::Parser;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::*;

const PARTITIONS: i32 = 3;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: ProducerArgs,
}

fn args(flags: &[&str]) -> ProducerArgs {
    let flags = ["program"].iter().chain(flags);
    Program::try_parse_from(flags).unwrap().args
}

/// Writes its number as key and value; asks for the stop at a number.
struct Numbers<'a> {
    made: u64,
    stop_at: u64,
    shutdown: &'a Shutdown,
}

impl Maker for Numbers<'_> {
    fn make(&mut self, now_ms: i64, draft: &mut Draft) {
        draft.key = (self.made % 100).to_string().into_bytes();
        draft.payload = format!("{} at {now_ms}", self.made).into_bytes();
        draft.tombstone = self.made % 10 == 9;
        draft.timestamp_ms = now_ms;
        self.made += 1;
        if self.made == self.stop_at {
            self.shutdown.request();
        }
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("even", self.made.div_ceil(2))]
    }
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topics: &[&str]) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for topic in topics {
        cluster.create_topic(topic, PARTITIONS, 1).unwrap();
    }
    cluster
}

fn run(cluster: &Cluster, topic: &str, flags: &[&str], stop_at: u64) -> Closing {
    run_by(&SystemClock::new(), cluster, topic, flags, stop_at)
}

fn run_by(
    clock: &dyn Clock,
    cluster: &Cluster,
    topic: &str,
    flags: &[&str],
    stop_at: u64,
) -> Closing {
    let shutdown = Shutdown::new();
    let load = Load {
        kafka: &KafkaArgs::for_brokers(cluster.bootstrap_servers()),
        args: &args(flags),
        topic,
        topic_configs: Vec::new(),
        clock,
        shutdown: &shutdown,
    };
    let mut maker = Numbers { made: 0, stop_at, shutdown: &shutdown };
    load.run(&mut maker).unwrap()
}

/// A clock that goes on by a tenth of a millisecond whenever it is looked at: no machine is too
/// slow for it.
struct Ticking(ManualClock);

impl Clock for Ticking {
    fn wall_ms(&self) -> i64 {
        self.0.wall_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(Duration::from_micros(100));
        self.0.monotonic()
    }
}

/// What a partition holds: per record the key, the value and the timestamp.
type Log = Vec<(Vec<u8>, Option<Vec<u8>>, Option<i64>)>;

fn read(cluster: &Cluster, topic: &str, partition: i32) -> Log {
    let mut config = KafkaArgs::for_brokers(cluster.bootstrap_servers()).client_config();
    let consumer: BaseConsumer = config.set("group.id", "test").create().unwrap();
    let patience = Duration::from_secs(30);
    let (_, end) = consumer.fetch_watermarks(topic, partition, patience).unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let next = |_| {
        let message = consumer.poll(patience).expect("a record").unwrap();
        (
            message.key().unwrap_or_default().to_vec(),
            message.payload().map(<[u8]>::to_vec),
            message.timestamp().to_millis(),
        )
    };
    (0..end).map(next).collect()
}

#[test]
fn a_count_is_kept_exactly_and_the_figures_add_up() {
    let cluster = cluster(&["numbers"]);
    let closing = run(&cluster, "numbers", &["--rate=0", "--count=12345"], 0);
    assert_eq!((closing.counts.sent, closing.counts.acknowledged), (12_345, 12_345));
    let line = closing.to_string();
    let begin = "sent 12,345 · acknowledged 12,345 · failed 0 · even 6,173 · ";
    assert!(line.starts_with(begin) && line.ends_with(" events/s"), "{line}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    closing.write_summary(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, number) in
        [("sent", 12_345), ("acknowledged", 12_345), ("failed", 0), ("even", 6_173)]
    {
        assert_eq!(summary[name], number, "{text}");
    }
    assert!(summary["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = closing.write_summary(&folder.path().join("no/such/folder"));
    assert!(error.unwrap_err().to_string().starts_with("cannot write the summary"));
    closing.verdict().unwrap();
}

#[test]
fn a_rate_and_a_duration_give_their_product() {
    let cluster = cluster(&["numbers"]);
    let flags = ["--rate=5000", "--duration=600ms"];
    let closing = run_by(&Ticking(ManualClock::new(0)), &cluster, "numbers", &flags, 0);
    assert_eq!(closing.counts.acknowledged, 3_000);
    assert!(closing.elapsed >= Duration::from_millis(600), "{:?}", closing.elapsed);
}

#[test]
fn the_stop_signal_ends_it_with_everything_acknowledged() {
    let cluster = cluster(&["numbers"]);
    let closing = run(&cluster, "numbers", &["--rate=0"], 5_000);
    let counts = &closing.counts;
    assert!((5_000..5_000 + CHUNK).contains(&counts.sent), "{counts:?}");
    assert_eq!(counts.acknowledged, counts.sent);
    closing.verdict().unwrap();
}

#[test]
fn the_same_flags_give_the_same_log_partition_by_partition() {
    let cluster = cluster(&["first", "second"]);
    let start = "--start-time=2024-01-01T07:00:00+07:00";
    let flags = ["--rate=4000", "--count=1000", start];
    for topic in ["first", "second"] {
        assert_eq!(run(&cluster, topic, &flags, 0).counts.acknowledged, 1_000);
    }
    let mut all = 0;
    for partition in 0..PARTITIONS {
        let log = read(&cluster, "first", partition);
        assert_eq!(log, read(&cluster, "second", partition), "{partition}");
        assert!(log.is_sorted_by_key(|(_, _, time)| *time));
        all += log.len();
    }
    assert_eq!(all, 1_000);
}

#[test]
fn a_failed_delivery_ends_the_run() {
    let cluster = cluster(&["numbers"]);
    cluster.broker_round_trip_time(1, Duration::from_millis(400)).unwrap();
    let flags = ["--rate=0", "--delivery-timeout=150ms"];
    let closing = run(&cluster, "numbers", &flags, 0);
    assert!(closing.counts.failed > 0, "{closing}");
    let error = closing.verdict().unwrap_err().to_string();
    assert!(error.contains("records were not delivered"), "{error}");
}

#[test]
fn replayed_times() {
    let start = "--start-time=2024-01-01T00:00:00.500Z";
    let start_ms = 1_704_067_200_500;
    let cases = [
        ("--rate=0", 7, 7),
        ("--rate=1", 7, 7_000),
        ("--rate=3", 2, 666),
        ("--rate=2000", 1, 0),
        ("--rate=2000", 3, 1),
        ("--rate=2000", 60_000, 30_000),
    ];
    for (rate, index, offset_ms) in cases {
        let got = args(&[rate, start]).replayed_ms(index);
        assert_eq!(got, Some(start_ms + offset_ms), "{rate} {index}");
    }
    assert_eq!(args(&[]).replayed_ms(7), None);
    // Nobody believes a time after the last one.
    let last = args(&["--rate=1", "--start-time=9999-12-31T23:59:58Z"]);
    assert_eq!(last.replayed_ms(1), Some(LATEST_MS - 999));
    assert_eq!(last.replayed_ms(2), Some(LATEST_MS));
}

#[test]
fn wrong_flags_are_refused() {
    for flags in [
        ["--start-time", "yesterday"],
        ["--partitions", "0"],
        ["--rate", "-1"],
        ["--duration", "5"],
        ["--count", "many"],
    ] {
        let all = ["program"].iter().chain(&flags);
        assert!(Program::try_parse_from(all).is_err(), "{flags:?}");
    }
}
