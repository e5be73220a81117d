//! A look into a topic: the records that are in it now, owned.
//!
//! For tests, tools and the console. Everything is held in memory at once; a job that reads for
//! ever uses [`crate::source`].

use std::collections::BTreeMap;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::{Error, KafkaArgs, admin};

/// How long one request may take, and how long no record may come while there are some to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one wait for a record is.
const PAUSE: Duration = Duration::from_millis(100);

/// A record with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullRecord {
    /// The partition that it is in.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its timestamp, ms since the Unix epoch.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Names and values beside it, in order; a name may come more than once.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl FullRecord {
    /// The value of the last header of that name, as Kafka's own clients choose.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().rev().find(|(own, _)| own == name);
        found.and_then(|(_, value)| value.as_deref())
    }
}

/// All records that are in the topic now, by partition and then offset. Records that come while it
/// reads are not among them. Nothing is committed to any group.
///
/// # Errors
/// Those of [`admin::partitions`]; [`Error::UnknownTopic`]; [`Error::Client`] when no record came
/// for 10 s although there were some to come.
pub fn read_topic(args: &KafkaArgs, topic: &str) -> Result<Vec<FullRecord>, Error> {
    let unknown = || Error::UnknownTopic { topic: topic.to_owned() };
    let partitions = admin::partitions(args, topic)?.ok_or_else(unknown)?;
    let failed = |action| move |source| Error::Client { action, topic: topic.to_owned(), source };
    let consumer = consumer(args).map_err(failed("make a consumer of"))?;
    let mut list = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        let bounds = consumer.fetch_watermarks(topic, partition, PATIENCE);
        let (low, high) = bounds.map_err(failed("ask for the offsets of"))?;
        if low < high {
            let added = list.add_partition_offset(topic, partition, Offset::Offset(low));
            added.map_err(failed("set the offsets of"))?;
            ends.insert(partition, high);
        }
    }
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    consumer.assign(&list).map_err(failed("read from"))?;
    let mut records = read(&consumer, ends).map_err(failed("read from"))?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

fn consumer(args: &KafkaArgs) -> Result<BaseConsumer, KafkaError> {
    let mut config = args.client_config();
    for (key, value) in [
        // Named because assigning partitions asks for a name; nobody joins or commits.
        ("group.id", "arus-inspect"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
    ] {
        config.set(key, value);
    }
    // As every program of ours reads, unless somebody wants to see what was not committed.
    if config.get("isolation.level").is_none() {
        config.set("isolation.level", "read_committed");
    }
    config.create()
}

/// Reads until every partition has reached its end as it was.
fn read(
    consumer: &BaseConsumer,
    mut ends: BTreeMap<i32, i64>,
) -> Result<Vec<FullRecord>, KafkaError> {
    let clock = SystemClock::new();
    let mut heard = clock.monotonic();
    let mut trouble = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    let mut records = Vec::new();
    while !ends.is_empty() {
        match consumer.poll(PAUSE) {
            Some(Ok(message)) => {
                heard = clock.monotonic();
                let (partition, offset) = (message.partition(), message.offset());
                if ends.get(&partition).is_some_and(|&end| offset < end) {
                    records.push(full(&message));
                }
                if ends.get(&partition).is_some_and(|&end| offset + 1 >= end) {
                    ends.remove(&partition);
                }
            }
            // The last offsets of a topic with transactions are markers, which never come.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ends.remove(&partition);
            }
            // The client goes on trying by itself: told only if nothing comes of it.
            Some(Err(error)) => trouble = error,
            None => {}
        }
        if clock.monotonic() - heard > PATIENCE {
            return Err(trouble);
        }
    }
    Ok(records)
}

fn full(message: &BorrowedMessage<'_>) -> FullRecord {
    let header =
        |(name, value): (&str, Option<&[u8]>)| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers = message.headers().map(|headers| headers.iter());
    FullRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.into_iter().flatten().map(|it| header((it.key, it.value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::{CountedProducer, Record};
    use rdkafka::mocking::MockCluster;

    #[test]
    fn every_record_is_there_with_all_its_parts() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("things", 3, 1).unwrap();
        let args = KafkaArgs::for_brokers(cluster.bootstrap_servers());
        assert_eq!(read_topic(&args, "things").unwrap(), []);
        let producer = CountedProducer::new(&args).unwrap();
        for number in 0..20_i64 {
            let payload = number.to_string();
            let record = Record {
                topic: "things",
                partition: Some(2 * (number % 2) as i32),
                key: Some(b"k"),
                payload: (number != 4).then_some(payload.as_bytes()),
                timestamp_ms: Some(1_700_000_000_000 + number),
                headers: &[("why", b"one"), ("why", payload.as_bytes())],
            };
            producer.send(record).unwrap();
        }
        producer.flush(PATIENCE).all_delivered().unwrap();
        let records = read_topic(&args, "things").unwrap();
        let places: Vec<_> = records.iter().map(|it| (it.partition, it.offset)).collect();
        let expected: Vec<_> =
            [0, 2].into_iter().flat_map(|p| (0..10).map(move |o| (p, o))).collect();
        assert_eq!(places, expected);
        let fifth = &records[2];
        assert_eq!((fifth.payload.as_deref(), fifth.header("why")), (None, Some(&b"4"[..])));
        assert_eq!(fifth.timestamp_ms, Some(1_700_000_000_004));
        assert_eq!((fifth.key.as_deref(), fifth.headers.len()), (Some(&b"k"[..]), 2));
        assert_eq!(records[3].payload.as_deref(), Some(&b"6"[..]));
    }
}
