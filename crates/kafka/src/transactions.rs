//! Records and the offsets of a consumer group in one transaction: who reads with
//! `isolation.level=read_committed` sees all of it or nothing.
//!
//! A *transactional id* is a name that one process at a time writes under. Whoever opens it anew
//! pushes out for good whoever wrote under it before (Kafka says: fences it), and the transaction
//! that was left open is settled by that: a commit that had begun is carried out, anything else is
//! undone.
//!
//! <https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging>

use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use crate::admin::{self, Quiet};
use crate::producer::{CountedProducer, Record};
use crate::{Error, KafkaArgs};

/// How long the broker waits for a transaction's end before it undoes it, unless the options say
/// otherwise (`transaction.timeout.ms`). A transaction is open only while it is written. When its
/// writer dies in it, readers of committed records wait for its end behind it: for so long, or until
/// the id is opened anew.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one look at the local queue's answers is apart from the next.
const ANSWER_WAIT: Duration = Duration::from_millis(2);

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: i32,
    /// The offset that is read next: where the partition begins, if nothing was committed.
    pub offset: i64,
    /// The text that was committed with it; empty for none.
    pub metadata: String,
}

/// Whether offsets are asked for that a transaction may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What was committed last; an open transaction is passed over.
    Now,
    /// Waits for the end of an open transaction.
    Settled,
}

/// What became of [`Transactions::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nobody else writes under the id any more.
    Ready,
    /// The broker has no transactions.
    NoTransactions,
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub enum Failure {
    /// Nothing of it is there. Another one may be begun.
    Aborted(Error),
    /// Nobody here knows whether it is there. [`Transactions::open`] settles it; then the committed
    /// offsets tell.
    Unknown(Error),
}

/// Writes transactions under one id, for one group that reads one topic.
pub struct Transactions {
    args: KafkaArgs,
    id: String,
    topic: String,
    group: String,
    timeout: Duration,
    open: Option<Open>,
}

/// What [`Transactions::open`] makes.
struct Open {
    producer: CountedProducer,
    /// The group's name, in librdkafka's form.
    group: ConsumerGroupMetadata,
}

impl Transactions {
    /// Transactions under `id`, with the offsets of `group` in `topic`. Does not speak to the broker.
    ///
    /// # Errors
    /// When an option is unknown to librdkafka.
    pub fn new(args: &KafkaArgs, id: &str, group: &str, topic: &str) -> Result<Self, Error> {
        args.check()?;
        let given = args.client_config().get("transaction.timeout.ms").map(str::to_owned);
        let given = given.and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        Ok(Self {
            args: args.clone(),
            id: id.to_owned(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            timeout: given.unwrap_or(TRANSACTION_TIMEOUT),
            open: None,
        })
    }

    /// What the group has committed, of all partitions of the topic. Asks again for `patience` while
    /// the broker does not answer.
    ///
    /// # Errors
    /// When there is no such topic, or no answer.
    pub fn committed(&self, reading: Reading, patience: Duration) -> Result<Vec<Committed>, Error> {
        let unknown = || Error::UnknownTopic { topic: self.topic.clone() };
        let args = KafkaArgs { retry_for: patience, ..self.args.clone() };
        let partitions = admin::partitions(&args, &self.topic)?.ok_or_else(unknown)?;
        let consumer = self.consumer(reading)?;
        let clock = SystemClock::new();
        loop {
            match self.ask(&consumer, partitions) {
                Ok(committed) => return Ok(committed),
                Err(error) if clock.monotonic() >= patience => return Err(error),
                Err(error) => tracing::debug!(%error, "asking for the committed offsets again"),
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn ask(
        &self,
        consumer: &BaseConsumer<Quiet>,
        partitions: i32,
    ) -> Result<Vec<Committed>, Error> {
        let action = "ask for the committed offsets of";
        let failed = |source| Error::Client { action, topic: self.topic.clone(), source };
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(&self.topic, partition);
        }
        let found = consumer.committed_offsets(asked, REQUEST_TIMEOUT).map_err(failed)?;
        let mut committed = Vec::with_capacity(partitions as usize);
        for element in found.elements() {
            element.error().map_err(failed)?;
            let partition = element.partition();
            let offset = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => {
                    let bounds = consumer.fetch_watermarks(&self.topic, partition, REQUEST_TIMEOUT);
                    bounds.map_err(failed)?.0
                }
            };
            let metadata = element.metadata().to_owned();
            committed.push(Committed { partition, offset, metadata });
        }
        Ok(committed)
    }

    /// A client that is a name of the group only: it neither joins nor reads.
    fn consumer(&self, reading: Reading) -> Result<BaseConsumer<Quiet>, Error> {
        let mut config = self.args.client_config();
        let isolation = match reading {
            Reading::Now => "read_uncommitted",
            // The broker then refuses to tell offsets that an open transaction is about to change,
            // and the client asks again.
            Reading::Settled => "read_committed",
        };
        config
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("isolation.level", isolation);
        config.create_with_context(Quiet::default()).map_err(|source| Error::Client {
            action: "make a consumer of",
            topic: self.topic.clone(),
            source,
        })
    }

    /// Pushes out whoever writes under the id, be it this value itself, and settles the transaction
    /// that was left open. Tries for `patience`.
    ///
    /// # Errors
    /// When the broker does not answer or refuses the id.
    pub fn open(&mut self, patience: Duration) -> Result<Opened, Error> {
        self.open = None;
        let group = self.consumer(Reading::Settled)?.group_metadata();
        let group = group.ok_or_else(|| self.failed(OPEN, "the group has no name"))?;
        let producer = CountedProducer::transactional(&self.args, &self.id, self.timeout)?;
        let clock = SystemClock::new();
        loop {
            let error = match producer.client().init_transactions(REQUEST_TIMEOUT) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) => error,
                Err(source) => return Err(self.failed(OPEN, &source.to_string())),
            };
            match error.code() {
                RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::UnsupportedFeature
                | RDKafkaErrorCode::UnsupportedVersion => return Ok(Opened::NoTransactions),
                _ if error.is_retriable() && clock.monotonic() < patience => {
                    tracing::debug!(%error, id = self.id, "opening the transactional id");
                }
                _ => return Err(self.refused(OPEN, &error)),
            }
        }
        self.open = Some(Open { producer, group });
        Ok(Opened::Ready)
    }

    /// Writes records, the offsets that the group reads next, and a text beside each of these, as
    /// one transaction. [`Transactions::open`] comes first.
    ///
    /// # Errors
    /// When it was not committed, or nobody knows.
    pub fn write<'a>(
        &mut self,
        records: impl IntoIterator<Item = Record<'a>>,
        offsets: &[(i32, i64)],
        metadata: &str,
    ) -> Result<(), Failure> {
        let Some(open) = &self.open else {
            return Err(Failure::Unknown(self.failed(COMMIT, "it is not open")));
        };
        // Before the commit is asked for, an abort leaves no doubt.
        if let Err(error) = self.prepare(open, records, offsets, metadata) {
            return Err(undo(open, error));
        }
        match open.producer.client().commit_transaction(self.timeout) {
            Ok(()) => Ok(()),
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                Err(undo(open, self.refused(COMMIT, &error)))
            }
            Err(KafkaError::Transaction(error)) => {
                Err(Failure::Unknown(self.refused(COMMIT, &error)))
            }
            Err(source) => Err(Failure::Unknown(self.failed(COMMIT, &source.to_string()))),
        }
    }

    fn prepare<'a>(
        &self,
        Open { producer, group }: &Open,
        records: impl IntoIterator<Item = Record<'a>>,
        offsets: &[(i32, i64)],
        metadata: &str,
    ) -> Result<(), Error> {
        let client = producer.client();
        let failed = |source| match source {
            KafkaError::Transaction(error) => self.refused(WRITE, &error),
            source => self.failed(WRITE, &source.to_string()),
        };
        client.begin_transaction().map_err(failed)?;
        let before = producer.counts();
        for record in records {
            producer.send(record)?;
        }
        self.deliver(producer, before.failed)?;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for &(partition, offset) in offsets {
            let mut element = list.add_partition(&self.topic, partition);
            element.set_offset(Offset::Offset(offset)).map_err(failed)?;
            element.set_metadata(metadata);
        }
        client.send_offsets_to_transaction(&list, group, self.timeout).map_err(failed)
    }

    /// Waits until the broker has all records. Ends at once when one is refused: the others may then
    /// wait for ever.
    fn deliver(&self, producer: &CountedProducer, failed_before: u64) -> Result<(), Error> {
        let client = producer.client();
        let clock = SystemClock::new();
        while client.flush(Duration::ZERO).is_err() || producer.counts().in_flight() > 0 {
            if let Some((code, reason)) = client.client().fatal_error() {
                return Err(match code {
                    RDKafkaErrorCode::Fenced => Error::Fenced { id: self.id.clone() },
                    _ => self.failed(WRITE, &reason),
                });
            }
            let counts = producer.counts();
            if counts.failed > failed_before {
                let reason = counts.first_error.unwrap_or_default();
                return Err(self.failed(WRITE, &reason));
            }
            if clock.monotonic() >= self.timeout {
                return Err(self.failed(WRITE, "no acknowledgement from the broker in time"));
            }
            std::thread::sleep(ANSWER_WAIT);
        }
        Ok(())
    }

    fn refused(&self, action: &'static str, error: &RDKafkaError) -> Error {
        match error.code() {
            RDKafkaErrorCode::Fenced => Error::Fenced { id: self.id.clone() },
            RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                self.failed(action, "the broker does not authorise this id: allow it to write")
            }
            RDKafkaErrorCode::InvalidTransactionTimeout => self.failed(
                action,
                "the broker allows no such transaction.timeout.ms (its transaction.max.timeout.ms)",
            ),
            _ => self.failed(action, &error.string()),
        }
    }

    fn failed(&self, action: &'static str, reason: &str) -> Error {
        Error::Transaction { action, id: self.id.clone(), reason: reason.to_owned() }
    }
}

/// Undoes the transaction that failed so, if that can be.
fn undo(open: &Open, error: Error) -> Failure {
    let pushed_out = matches!(error, Error::Fenced { .. });
    match pushed_out || open.producer.client().abort_transaction(REQUEST_TIMEOUT).is_err() {
        true => Failure::Unknown(error),
        false => Failure::Aborted(error),
    }
}

const OPEN: &str = "begin transactions";
const WRITE: &str = "write a transaction";
const COMMIT: &str = "commit a transaction";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::read_topic;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn cluster() -> MockCluster<'static, DefaultProducerContext> {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("purchases", 2, 1).unwrap();
        cluster.create_topic("windows", 1, 1).unwrap();
        cluster
    }

    fn transactions(cluster: &MockCluster<'static, DefaultProducerContext>) -> Transactions {
        let args = KafkaArgs::for_brokers(cluster.bootstrap_servers());
        Transactions::new(&args, "arus.job", "job", "purchases").unwrap()
    }

    fn record(value: &str) -> Record<'_> {
        Record { topic: "windows", payload: Some(value.as_bytes()), ..Record::default() }
    }

    fn values(cluster: &MockCluster<'static, DefaultProducerContext>) -> Vec<String> {
        let args = KafkaArgs::for_brokers(cluster.bootstrap_servers());
        let records = read_topic(&args, "windows").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        records.into_iter().map(|record| text(record.payload.unwrap())).collect()
    }

    // The mock takes the offsets of a transaction and forgets them: that they are there with the
    // records is tested on a real broker, end to end.

    #[test]
    fn records_of_transactions_arrive() {
        let cluster = cluster();
        let mut writer = transactions(&cluster);
        assert_eq!(writer.open(PATIENCE).unwrap(), Opened::Ready);
        writer.write([record("a"), record("b")], &[(0, 7), (1, 9)], "epoch 1").unwrap();
        writer.write([], &[(0, 8)], "epoch 2").unwrap();
        writer.write([record("c")], &[], "").unwrap();
        assert_eq!(values(&cluster), ["a", "b", "c"]);
    }

    #[test]
    fn what_the_group_committed_is_told_with_its_text() {
        let cluster = cluster();
        let writer = transactions(&cluster);
        let told = |partition, offset, metadata: &str| Committed {
            partition,
            offset,
            metadata: metadata.to_owned(),
        };
        let before = writer.committed(Reading::Now, PATIENCE).unwrap();
        assert_eq!(before, [told(0, 0, ""), told(1, 0, "")]);
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition("purchases", 1);
        element.set_offset(Offset::Offset(9)).unwrap();
        element.set_metadata("epoch 1");
        let consumer = writer.consumer(Reading::Settled).unwrap();
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
        for reading in [Reading::Now, Reading::Settled] {
            let after = writer.committed(reading, PATIENCE).unwrap();
            assert_eq!(after, [told(0, 0, ""), told(1, 9, "epoch 1")]);
        }
    }

    #[test]
    fn a_refused_commit_is_undone_and_another_one_may_follow() {
        let cluster = cluster();
        let mut writer = transactions(&cluster);
        writer.open(PATIENCE).unwrap();
        let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED];
        cluster.request_errors(RDKafkaApiKey::TxnOffsetCommit, &refusal);
        let failure = writer.write([record("a")], &[(0, 7)], "epoch 1").unwrap_err();
        assert!(matches!(failure, Failure::Aborted(_)), "{failure:?}");
        writer.write([record("a")], &[(0, 7)], "epoch 1").unwrap();
    }

    #[test]
    fn whoever_was_pushed_out_is_told_so() {
        let cluster = cluster();
        let mut writer = transactions(&cluster);
        writer.open(PATIENCE).unwrap();
        let fenced = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED];
        cluster.request_errors(RDKafkaApiKey::AddOffsetsToTxn, &fenced);
        let failure = writer.write([record("a")], &[(0, 7)], "epoch 1").unwrap_err();
        let Failure::Unknown(Error::Fenced { id }) = failure else { panic!("{failure:?}") };
        assert_eq!(id, "arus.job");
        // Opened anew it goes on: what pushed it out may have been the transaction's own timeout.
        writer.open(PATIENCE).unwrap();
        writer.write([record("b")], &[(0, 7)], "epoch 1").unwrap();
    }

    #[test]
    fn a_broker_without_transactions_is_told_apart_from_one_that_forbids_them() {
        let cluster = cluster();
        let answers = |code| cluster.request_errors(RDKafkaApiKey::InitProducerId, &[code]);
        answers(RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
        assert_eq!(transactions(&cluster).open(PATIENCE).unwrap(), Opened::NoTransactions);
        answers(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        let error = transactions(&cluster).open(PATIENCE).unwrap_err().to_string();
        assert!(error.contains("arus.job") && error.contains("authorise"), "{error}");
    }

    #[test]
    fn without_opening_nothing_is_written() {
        let cluster = cluster();
        let failure = transactions(&cluster).write([record("a")], &[], "").unwrap_err();
        assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
        assert_eq!(values(&cluster), Vec::<String>::new());
    }
}
