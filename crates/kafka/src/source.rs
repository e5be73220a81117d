//! Reading a topic partition by partition, without copying records.
//!
//! A [`Source`] knows the topic: its partitions, where they begin and end, what the group has
//! committed. It gives one [`PartitionReader`] per partition, which any thread may own. Offsets are
//! the caller's: where to start is said explicitly and nothing is committed by itself, so that a
//! checkpoint is the only truth. An offset that the broker does not have any more is an error,
//! never a silent jump. With [`Source::join`] a consumer group says which partitions are ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::client::{close, set_unless_given, tell};
use crate::member::Member;
use crate::{Error, KafkaArgs};

/// What may lie unread in memory, over all partitions, when more is asked for. Each message takes some
/// 350 bytes beside its own, whatever its size. librdkafka counts by partition, so each gets its
/// share; what was asked for then comes on top. With four partitions a share is about one batch of
/// a producer in full flow (a million bytes): with less the reader waits for every fetch.
const QUEUED_MESSAGES: usize = 26_000;
const QUEUED_KILOBYTES: usize = 16_384;

/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one wait for a record is, while a request is under way.
const PAUSE: Duration = Duration::from_millis(100);

/// One record, as it lies in the client's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The record's timestamp, ms since the Unix epoch.
    pub timestamp_ms: Option<i64>,
}

/// What one call of [`PartitionReader::poll`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Records handed over.
    pub records: usize,
    /// After the last of them the partition's end was met: there was nothing more to read then.
    pub at_end: bool,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that the broker still has.
    pub low: i64,
    /// The offset that the next record will get.
    pub high: i64,
}

/// Keeps librdkafka's own words for those who look for them.
struct SourceContext;

impl ClientContext for SourceContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tell(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The watch notices a broker that does not answer, and says so once; the end of a partition
        // is told here too, and is none.
        tracing::debug!(target: "librdkafka", %error, reason, "consumer error");
    }
}

impl ConsumerContext for SourceContext {}

/// A topic to read from.
pub struct Source {
    config: ClientConfig,
    /// For questions: a broker answers one connection in order, so on the reader's own they would
    /// wait for a fetch that waits for records. Taken by `drop` only.
    asker: Option<Arc<BaseConsumer<SourceContext>>>,
    /// In the consumer group, if others share the topic's partitions.
    member: Option<Member>,
    /// Made by [`Source::open`].
    clients: Mutex<Vec<Arc<BaseConsumer<SourceContext>>>>,
    topic: String,
    brokers: String,
}

impl Source {
    /// Makes a consumer of `topic` whose progress is committed under `group`. Does not wait for the
    /// broker.
    ///
    /// # Errors
    /// When an option is unknown to librdkafka.
    pub fn new(args: &KafkaArgs, topic: &str, group: &str) -> Result<Self, Error> {
        let mut config = args.client_config();
        // What the promises of this module rest on, whatever the user's options say.
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            // Records of a transaction that was not committed are none. The end of a partition is then
            // the last stable offset: all before it is decided.
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error");
        for (key, value) in [
            // A broker has one fetch of a client at a time. One that waits for records at the end of
            // some partitions keeps the others waiting too, whose queues were full when it was sent.
            ("fetch.wait.max.ms", "50"),
            // Little at a time, since what one fetch brings lies in memory beyond the limits above.
            ("fetch.message.max.bytes", "262144"),
            // A full queue must not pause the fetching for the default of a whole second.
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.error.backoff.ms", "50"),
            ("reconnect.backoff.max.ms", "1000"),
        ] {
            set_unless_given(&mut config, key, value);
        }
        let asker = Some(Arc::new(make_consumer(&config, topic)?));
        let (topic, brokers) = (topic.to_owned(), args.brokers.clone());
        Ok(Self { config, asker, member: None, clients: Mutex::default(), topic, brokers })
    }

    /// Joins the consumer group, whose members share the topic's partitions out among themselves.
    ///
    /// # Errors
    /// When librdkafka does not take the options.
    pub fn join(mut self) -> Result<Self, Error> {
        let member = Member::join(&self.config, &self.topic);
        self.member = Some(member.map_err(|source| self.failed("join the consumers of", source))?);
        Ok(self)
    }

    /// The partitions that the group has dealt to this process; `None` while it deals. Without a
    /// group ([`Source::join`]) they are all of them.
    ///
    /// # Errors
    /// As [`Source::partitions`].
    pub fn dealt(&self) -> Result<Option<Vec<i32>>, Error> {
        match &self.member {
            Some(member) => Ok(member.partitions()),
            None => self.partitions().map(Some),
        }
    }

    /// Whether the group wants the partitions back, to deal them anew.
    pub fn is_recalled(&self) -> bool {
        self.member.as_ref().is_some_and(Member::is_recalled)
    }

    /// Gives the partitions back if the group wants them: what was read is committed, and nothing
    /// more will be.
    ///
    /// # Errors
    /// When librdkafka cannot.
    pub fn give_back(&self) -> Result<(), Error> {
        let Some(member) = &self.member else { return Ok(()) };
        close(self.clients.lock().unwrap().drain(..));
        member.give_back().map_err(|source| self.failed("give back the partitions of", source))
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The brokers' addresses, as given.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The partitions that the topic has now, by number.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such topic.
    pub fn partitions(&self) -> Result<Vec<i32>, Error> {
        let metadata = self
            .asker()
            .fetch_metadata(Some(&self.topic), REQUEST_TIMEOUT)
            .map_err(|source| self.failed("ask for the partitions of", source))?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let mut partitions: Vec<i32> = found
            .filter(|topic| topic.error().is_none())
            .map(|topic| topic.partitions().iter().map(|partition| partition.id()).collect())
            .unwrap_or_default();
        if partitions.is_empty() {
            return Err(Error::UnknownTopic { topic: self.topic.clone() });
        }
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// Where a partition begins and ends now.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn bounds(&self, partition: i32) -> Result<Bounds, Error> {
        let (low, high) = self
            .asker()
            .fetch_watermarks(&self.topic, partition, REQUEST_TIMEOUT)
            .map_err(|source| self.failed("ask for the offsets of", source))?;
        Ok(Bounds { low, high })
    }

    /// Whether there is a record from `from` on and before `to`, which is not beyond the end. Offsets
    /// that hold none are the markers of transactions, records of those that were not committed,
    /// and what a compaction removed.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn has_records(&self, partition: i32, from: i64, to: i64) -> Result<bool, Error> {
        if from >= to {
            return Ok(false);
        }
        let consumer = make_consumer(&self.config, &self.topic)?;
        let list = self.offsets(&BTreeMap::from([(partition, from)]))?;
        consumer.assign(&list).map_err(|source| self.failed("read from", source))?;
        let clock = SystemClock::new();
        loop {
            match consumer.poll(PAUSE) {
                Some(Ok(record)) => return Ok(record.offset() < to),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(false),
                Some(Err(error)) if is_fatal(&error) || clock.monotonic() >= REQUEST_TIMEOUT => {
                    return Err(self.failed("read from", error));
                }
                None if clock.monotonic() >= REQUEST_TIMEOUT => {
                    let code = RDKafkaErrorCode::OperationTimedOut;
                    return Err(self.failed("read from", KafkaError::MessageConsumption(code)));
                }
                _ => {}
            }
        }
    }

    /// The offsets that the group has committed, of the partitions that have one.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn committed(&self, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        let mut asked = TopicPartitionList::new();
        for &partition in partitions {
            asked.add_partition(&self.topic, partition);
        }
        let found = self
            .asker()
            .committed_offsets(asked, REQUEST_TIMEOUT)
            .map_err(|source| self.failed("ask for the committed offsets of", source))?;
        let offsets = found.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) if offset >= 0 => Some((element.partition(), offset)),
            _ => None,
        });
        Ok(offsets.collect())
    }

    /// Commits the offsets that are read next to the group, for Kafka's own lag tools. Does not
    /// wait for the answer: the checkpoint is what a restart goes by.
    ///
    /// # Errors
    /// When the request cannot be made.
    pub fn commit(&self, next_offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        self.commit_as(next_offsets, CommitMode::Async)
    }

    /// The same, and waits for the broker's answer.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub fn commit_and_wait(&self, next_offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        self.commit_as(next_offsets, CommitMode::Sync)
    }

    fn commit_as(&self, next_offsets: &BTreeMap<i32, i64>, mode: CommitMode) -> Result<(), Error> {
        let list = self.offsets(next_offsets)?;
        // The broker takes commits to a group with members from these only.
        let told = match &self.member {
            Some(member) => member.commit(&list, mode),
            None => self.asker().commit(&list, mode),
        };
        told.map_err(|source| self.failed("commit the offsets of", source))
    }

    /// Begins to read at the given offsets: a reader for each partition named. Partitions of one hand
    /// are for one thread: each hand has a client of its own, since threads that read through the
    /// same one wait for each other at every record. Takes the place of an earlier call.
    ///
    /// # Errors
    /// When an offset is not in the broker (any more), or the broker does not answer.
    pub fn open(&self, hands: &[BTreeMap<i32, i64>]) -> Result<Vec<Vec<PartitionReader>>, Error> {
        for (&partition, &offset) in hands.iter().flatten() {
            let Bounds { low, high } = self.bounds(partition)?;
            if offset < low || offset > high {
                let topic = self.topic.clone();
                return Err(Error::OffsetGone { topic, partition, offset, low, high });
            }
        }
        let mut config = self.config.clone();
        // Shared out, so that what lies unread in memory does not grow with the partitions.
        let partitions = hands.iter().map(BTreeMap::len).sum::<usize>().max(1);
        let messages = (QUEUED_MESSAGES / partitions).max(250).to_string();
        let kilobytes = (QUEUED_KILOBYTES / partitions).max(512).to_string();
        set_unless_given(&mut config, "queued.min.messages", &messages);
        set_unless_given(&mut config, "queued.max.messages.kbytes", &kilobytes);
        let opened = hands.iter().map(|next_offsets| self.open_client(&config, next_offsets));
        let (clients, readers) = opened.collect::<Result<_, Error>>()?;
        close(std::mem::replace(&mut *self.clients.lock().unwrap(), clients));
        self.serve()?;
        Ok(readers)
    }

    fn open_client(
        &self,
        config: &ClientConfig,
        next_offsets: &BTreeMap<i32, i64>,
    ) -> Result<(Arc<BaseConsumer<SourceContext>>, Vec<PartitionReader>), Error> {
        let client = Arc::new(make_consumer(config, &self.topic)?);
        // Queues are split off before the assignment: librdkafka leaves a queue alone that the
        // application has taken, while a record fetched before the split would lie in the common
        // queue for ever.
        let readers = next_offsets.keys().map(|&partition| {
            let queue = client
                .split_partition_queue(&self.topic, partition)
                .ok_or_else(|| Error::UnknownTopic { topic: self.topic.clone() })?;
            Ok(PartitionReader { queue, topic: self.topic.clone(), partition })
        });
        let readers = readers.collect::<Result<_, Error>>()?;
        let list = self.offsets(next_offsets)?;
        client.assign(&list).map_err(|source| self.failed("read from", source))?;
        Ok((client, readers))
    }

    /// Serves the clients' events (connection errors, commits). To be called at least every few
    /// seconds.
    ///
    /// # Errors
    /// When a client cannot go on.
    pub fn serve(&self) -> Result<(), Error> {
        // Answers to commits.
        drop(self.asker().poll(Duration::ZERO));
        if let Some(member) = &self.member {
            member.serve().map_err(|source| self.failed("join the consumers of", source))?;
        }
        for client in &*self.clients.lock().unwrap() {
            if let Some(Err(source)) = client.poll(Duration::ZERO)
                && is_fatal(&source)
            {
                return Err(self.failed("read from", source));
            }
        }
        Ok(())
    }

    fn asker(&self) -> &BaseConsumer<SourceContext> {
        self.asker.as_ref().expect("it is taken by drop only")
    }

    fn offsets(&self, next_offsets: &BTreeMap<i32, i64>) -> Result<TopicPartitionList, Error> {
        let mut list = TopicPartitionList::with_capacity(next_offsets.len());
        for (&partition, &offset) in next_offsets {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
                .map_err(|source| self.failed("set the offsets of", source))?;
        }
        Ok(list)
    }

    fn failed(&self, action: &'static str, source: KafkaError) -> Error {
        Error::Client { action, topic: self.topic.clone(), source }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        close(self.clients.lock().unwrap().drain(..).chain(self.asker.take()));
    }
}

fn make_consumer(config: &ClientConfig, topic: &str) -> Result<BaseConsumer<SourceContext>, Error> {
    config.create_with_context(SourceContext).map_err(|source| Error::Client {
        action: "make a consumer of",
        topic: topic.to_owned(),
        source,
    })
}

/// One partition's records, in the order of the log.
pub struct PartitionReader {
    queue: PartitionQueue<SourceContext>,
    topic: String,
    partition: i32,
}

impl PartitionReader {
    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Hands the records that are here now to `each`, `max` at the most. Does not wait.
    ///
    /// # Errors
    /// When the broker does not have the next record any more, or the client cannot go on. A broker
    /// that is away is no error: the client goes on trying, and there is nothing to hand over
    /// meanwhile.
    pub fn poll(&self, max: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        let mut polled = Polled::default();
        while polled.records < max {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    each(record(&message));
                    polled.records += 1;
                    polled.at_end = false;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => polled.at_end = true,
                Some(Err(error)) if is_out_of_log(&error) => {
                    let (topic, partition) = (self.topic.clone(), self.partition);
                    return Err(Error::RecordGone { topic, partition });
                }
                Some(Err(error)) if is_fatal(&error) => {
                    let topic = self.topic.clone();
                    return Err(Error::Client { action: "read from", topic, source: error });
                }
                Some(Err(error)) => {
                    tracing::warn!(topic = self.topic, partition = self.partition, %error, "kafka fetch");
                    break;
                }
            }
        }
        Ok(polled)
    }

    /// Calls `wake` whenever records arrive after there were none.
    pub fn on_records(&mut self, wake: impl Fn() + Send + Sync + 'static) {
        self.queue.set_nonempty_callback(wake);
    }
}

fn record<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    Record {
        offset: message.offset(),
        key: message.key(),
        payload: message.payload(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

/// Whether the broker has nothing at the place that is read.
fn is_out_of_log(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error,
        KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange)
            | KafkaError::Global(Code::AutoOffsetReset | Code::OffsetOutOfRange)
    )
}

/// Errors that waiting does not heal.
fn is_fatal(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    match error {
        KafkaError::MessageConsumptionFatal(_) => true,
        KafkaError::MessageConsumption(code) | KafkaError::Global(code) => matches!(
            code,
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::SaslAuthenticationFailed
        ),
        _ => false,
    }
}
