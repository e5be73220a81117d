//! A consumer that only counts: librdkafka's own speed, which the streaming job is measured
//! against.
//!
//! `count BROKERS TOPIC RECORDS` reads all partitions from the beginning with one consumer, as any
//! librdkafka program that is to be quick would, and ends at that many records.

use std::process::ExitCode;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, topic, records] = arguments.as_slice() else {
        eprintln!("usage: count BROKERS TOPIC RECORDS");
        return ExitCode::from(2);
    };
    match count(brokers, topic, records) {
        Ok((records, bytes)) => {
            println!("{records} records, {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count(brokers: &str, topic: &str, records: &str) -> Result<(u64, u64), String> {
    let expected: u64 = records.parse().map_err(|_| format!("{records} is no number"))?;
    let text = |error: rdkafka::error::KafkaError| error.to_string();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "count")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        // By default a full queue stops the fetching for a second: on a fast machine the measure would
        // be of that.
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .map_err(text)?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).map_err(text)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).map_err(text)?;
    }
    consumer.assign(&list).map_err(text)?;
    let (mut read, mut bytes) = (0, 0);
    while read < expected {
        match consumer.poll(Duration::from_secs(10)) {
            Some(message) => {
                bytes += message.map_err(text)?.payload_len() as u64;
                read += 1;
            }
            None => {
                return Err(format!("nothing came for 10 s after {read} of {expected} records"));
            }
        }
    }
    Ok((read, bytes))
}
