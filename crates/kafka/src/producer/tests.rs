//! The producer against librdkafka's own mock cluster, with the faults it can be given.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::*;

const TOPIC: &str = "purchases";
const PATIENCE: Duration = Duration::from_secs(60);

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 3, 1).unwrap();
    cluster
}

fn args(brokers: &str, options: &[&str]) -> KafkaArgs {
    let mut args = KafkaArgs::for_brokers(brokers);
    args.kafka_options = options.iter().map(|option| option.parse().unwrap()).collect();
    args
}

fn send(producer: &CountedProducer, count: usize) -> Result<(), Error> {
    for number in 0..count {
        producer.send(Record {
            topic: TOPIC,
            key: Some(number.to_string().as_bytes()),
            payload: Some(b"value"),
            ..Record::default()
        })?;
    }
    Ok(())
}

#[test]
fn what_is_sent_is_acknowledged() {
    let cluster = cluster();
    let producer = CountedProducer::new(&args(&cluster.bootstrap_servers(), &[])).unwrap();
    send(&producer, 20_000).unwrap();
    let counts = producer.flush(PATIENCE);
    let expected = Counts { sent: 20_000, acknowledged: 20_000, ..Counts::default() };
    assert_eq!(counts, expected);
    assert!(counts.all_delivered().is_ok() && !producer.has_failed());
}

#[test]
fn a_record_arrives_with_all_it_has() {
    let cluster = cluster();
    let producer = CountedProducer::new(&args(&cluster.bootstrap_servers(), &[])).unwrap();
    let value = Record {
        topic: TOPIC,
        partition: Some(2),
        key: Some(b"key"),
        payload: Some(b"value"),
        timestamp_ms: Some(1_700_000_000_000),
        headers: &[("reason", b"why not"), ("empty", b"")],
    };
    let tombstone = Record { payload: None, headers: &[], ..value };
    let empty = Record { payload: Some(b""), key: None, headers: &[], ..value };
    for record in [value, tombstone, empty] {
        producer.send(record).unwrap();
    }
    producer.flush(PATIENCE).all_delivered().unwrap();

    let mut config = args(&cluster.bootstrap_servers(), &[]).client_config();
    let consumer: BaseConsumer = config.set("group.id", "test").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 2, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let next = || consumer.poll(PATIENCE).expect("three records").unwrap();
    let got = next();
    assert_eq!(got.key(), Some(&b"key"[..]));
    assert_eq!(got.payload(), Some(&b"value"[..]));
    assert_eq!(got.timestamp().to_millis(), Some(1_700_000_000_000));
    let headers: BTreeMap<_, _> = got
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key, header.value.unwrap_or_default()))
        .collect();
    assert_eq!(headers[&"reason"], b"why not");
    assert_eq!(headers[&"empty"], b"");
    let got = next();
    assert_eq!((got.key(), got.payload()), (Some(&b"key"[..]), None));
    let got = next();
    assert_eq!((got.key(), got.payload()), (None, Some(&b""[..])));
}

#[test]
fn faults_that_pass_cost_nothing() {
    let cluster = cluster();
    let producer = CountedProducer::new(&args(&cluster.bootstrap_servers(), &[])).unwrap();
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        ],
    );
    send(&producer, 1_000).unwrap();
    let counts = producer.flush(PATIENCE);
    assert_eq!((counts.acknowledged, counts.failed), (1_000, 0));
}

#[test]
fn a_refusal_is_counted_with_its_reason() {
    let cluster = cluster();
    let producer = CountedProducer::new(&args(&cluster.bootstrap_servers(), &[])).unwrap();
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    send(&producer, 100).unwrap();
    let counts = producer.flush(PATIENCE);
    assert!(counts.failed > 0 && producer.has_failed());
    assert_eq!(counts.acknowledged + counts.failed, 100);
    let error = counts.all_delivered().unwrap_err().to_string();
    assert!(error.contains("of 100 records were not delivered: purchases["), "{error}");
    assert!(error.contains("uthorization"), "{error}");
}

#[test]
fn a_full_queue_is_waited_for() {
    let cluster = cluster();
    cluster.broker_round_trip_time(1, Duration::from_millis(5)).unwrap();
    let options = ["queue.buffering.max.messages=50", "linger.ms=1"];
    let producer = CountedProducer::new(&args(&cluster.bootstrap_servers(), &options)).unwrap();
    send(&producer, 2_000).unwrap();
    let counts = producer.flush(PATIENCE);
    assert_eq!((counts.acknowledged, counts.failed), (2_000, 0));
}

#[test]
fn a_broker_that_goes_away_is_noticed_in_bounded_time() {
    let cluster = cluster();
    let options = ["queue.buffering.max.messages=50"];
    // The first answer takes a second: the producer asks for its identity first.
    let timeout = Duration::from_secs(3);
    let args = args(&cluster.bootstrap_servers(), &options);
    let producer = CountedProducer::with_delivery_timeout(&args, timeout).unwrap();
    send(&producer, 10).unwrap();
    assert_eq!(producer.flush(PATIENCE).acknowledged, 10);
    cluster.broker_down(1).unwrap();
    // More than fit into the queue: the first must be given up before the last is taken.
    send(&producer, 60).unwrap();
    let counts = producer.flush(PATIENCE);
    assert_eq!((counts.sent, counts.acknowledged, counts.failed), (70, 10, 60));
    let reason = counts.first_error.unwrap();
    assert!(reason.contains("no acknowledgement from the broker in time"), "{reason}");
}

#[test]
fn an_absent_broker_does_not_hold_up_a_short_flush() {
    let producer = CountedProducer::new(&args("127.0.0.1:1", &[])).unwrap();
    send(&producer, 5).unwrap();
    let counts = producer.flush(Duration::from_millis(50));
    assert_eq!((counts.sent, counts.in_flight()), (5, 5));
    let error = counts.all_delivered().unwrap_err().to_string();
    assert_eq!(error, "5 of 5 records were not delivered: no answer from the broker yet");
}

#[test]
fn a_record_that_is_too_large_is_an_error_at_once() {
    let producer = CountedProducer::new(&args("127.0.0.1:1", &[])).unwrap();
    let large = vec![b'x'; 2_000_000];
    let error = producer
        .send(Record { topic: TOPIC, payload: Some(&large), ..Record::default() })
        .unwrap_err();
    assert!(error.to_string().contains("cannot send to the topic \"purchases\""), "{error}");
    assert_eq!(producer.counts(), Counts::default());
}

#[test]
fn the_users_delivery_timeout_wins() {
    let args = args("127.0.0.1:1", &["message.timeout.ms=1234"]);
    let producer = CountedProducer::new(&args).unwrap();
    assert_eq!(producer.delivery_timeout(), Duration::from_millis(1_234));
}
