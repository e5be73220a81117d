//! Sending records, each of them counted: sent, and then either acknowledged by the broker or
//! failed.
//!
//! The producer is idempotent: a retry neither doubles a record nor changes the order in a
//! partition. A full local queue means waiting. A broker that is away means waiting too, up to the
//! delivery timeout; then the records count as failed, with the reason of the first.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::{Error, KafkaArgs};

/// How long a record may wait for its acknowledgement, unless said otherwise.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one wait for room in the queue is.
const ROOM_WAIT: Duration = Duration::from_millis(5);

/// One record to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// Where to.
    pub topic: &'a str,
    /// To which partition; `None` lets the key decide, as Kafka's own clients do (murmur2).
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The record's timestamp, ms since the Unix epoch; `None` is the time of sending.
    pub timestamp_ms: Option<i64>,
    /// Names and values beside the record.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What became of the records so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to librdkafka.
    pub sent: u64,
    /// Stored by the broker.
    pub acknowledged: u64,
    /// Given up.
    pub failed: u64,
    /// What was said of the first failure.
    pub first_error: Option<String>,
}

impl Counts {
    /// Sent, but neither acknowledged nor failed yet.
    pub fn in_flight(&self) -> u64 {
        self.sent - self.acknowledged - self.failed
    }

    /// Fails when a record was not delivered.
    ///
    /// # Errors
    /// [`Error::Delivery`] when records failed or have no answer yet.
    pub fn all_delivered(&self) -> Result<(), Error> {
        let missing = self.sent - self.acknowledged;
        if missing == 0 {
            return Ok(());
        }
        Err(Error::Delivery {
            failed: missing,
            sent: self.sent,
            reason: self
                .first_error
                .clone()
                .unwrap_or_else(|| "no answer from the broker yet".to_owned()),
        })
    }
}

/// Sends records and counts what becomes of them. May be shared by threads.
pub struct CountedProducer {
    producer: ThreadedProducer<Tally>,
    sent: AtomicU64,
    delivery_timeout: Duration,
}

impl CountedProducer {
    /// A producer that gives a record up after [`DELIVERY_TIMEOUT`]. Does not wait for the broker.
    ///
    /// # Errors
    /// [`Error::Options`] when librdkafka does not take the options.
    pub fn new(args: &KafkaArgs) -> Result<Self, Error> {
        Self::with_delivery_timeout(args, DELIVERY_TIMEOUT)
    }

    /// A producer that gives a record up after `delivery_timeout` without an acknowledgement.
    ///
    /// # Errors
    /// [`Error::Options`] when librdkafka does not take the options.
    pub fn with_delivery_timeout(
        args: &KafkaArgs,
        delivery_timeout: Duration,
    ) -> Result<Self, Error> {
        Self::configured(args, delivery_timeout, &[])
    }

    /// A producer that writes in transactions under this id, each of which the broker gives up after
    /// `timeout`, and with it every record that it has not acknowledged.
    pub(crate) fn transactional(
        args: &KafkaArgs,
        id: &str,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let timeout_ms = timeout.as_millis().to_string();
        let own = [("transactional.id", id), ("transaction.timeout.ms", timeout_ms.as_str())];
        Self::configured(args, timeout, &own)
    }

    /// `own` are options that go before the user's.
    fn configured(
        args: &KafkaArgs,
        delivery_timeout: Duration,
        own: &[(&str, &str)],
    ) -> Result<Self, Error> {
        args.check()?;
        let user = args.client_config();
        let mut config = user.clone();
        // librdkafka's largest number of ms is 24.8 days.
        let timeout_ms = delivery_timeout.as_millis().clamp(1, i32::MAX as u128).to_string();
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("message.timeout.ms", timeout_ms.as_str()),
            // Where Java's clients put a key, so that topics of both can be joined.
            ("partitioner", "murmur2_random"),
            // The bounds of what waits here: 64 MiB are seconds of work, and a full queue blocks
            // the sender.
            ("queue.buffering.max.messages", "200000"),
            ("queue.buffering.max.kbytes", "65536"),
            // Batches fill up within a few milliseconds at any rate worth batching.
            ("linger.ms", "10"),
            ("batch.num.messages", "10000"),
            ("batch.size", "1000000"),
            ("reconnect.backoff.max.ms", "1000"),
        ] {
            if user.get(key).is_none() {
                config.set(key, value);
            }
        }
        // Not for the user to choose: without an answer for each record there is nothing to count.
        config.set("delivery.report.only.error", "false");
        for (key, value) in own {
            config.set(*key, *value);
        }
        let delivery_timeout = ["message.timeout.ms", "delivery.timeout.ms"]
            .iter()
            .find_map(|key| user.get(key)?.parse().ok())
            .map_or(delivery_timeout, Duration::from_millis);
        let producer = config
            .create_with_context(Tally { answers_tell: !own.is_empty(), ..Tally::default() })
            .map_err(|error| crate::options::cannot_make(&error))?;
        Ok(Self { producer, sent: AtomicU64::new(0), delivery_timeout })
    }

    /// Hands the record over. Waits while the local queue is full, for as long as a record may wait
    /// for its acknowledgement and a little longer: by then the queue has moved, or nothing moves
    /// at all.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when nothing moves; [`Error::Client`] when the record cannot be sent at
    /// all, such as one that is too large. What becomes of a record later is in [`Self::counts`].
    pub fn send(&self, record: Record<'_>) -> Result<(), Error> {
        self.send_while(record, |_| true)
    }

    /// The same, but the wait goes on only while `waits` says so, which is told how long it has been.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_while(
        &self,
        record: Record<'_>,
        mut waits: impl FnMut(Duration) -> bool,
    ) -> Result<(), Error> {
        let mut base = BaseRecord::<[u8], [u8]>::to(record.topic);
        base.partition = record.partition;
        base.key = record.key;
        base.payload = record.payload;
        base.timestamp = record.timestamp_ms;
        if !record.headers.is_empty() {
            base.headers = Some(headers(record.headers));
        }
        let patience = self.delivery_timeout + Duration::from_secs(5);
        let mut waited = Duration::ZERO;
        loop {
            match self.producer.send(base) {
                Ok(()) => {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if waited >= patience || !waits(waited) {
                        return Err(Error::QueueFull { topic: record.topic.to_owned(), waited });
                    }
                    // The other thread takes the deliveries in; this one only waits, at least as
                    // long as it says.
                    std::thread::sleep(ROOM_WAIT);
                    waited += ROOM_WAIT;
                    base = back;
                }
                Err((source, _)) => return Err(self.cannot_send(record.topic, source)),
            }
        }
    }

    /// What became of the records so far.
    pub fn counts(&self) -> Counts {
        let tally = self.producer.context();
        // Answers first: an answer never comes before its record was counted as sent, but may come
        // in between.
        let acknowledged = tally.acknowledged.load(Ordering::Acquire);
        let failed = tally.failed.load(Ordering::Acquire);
        Counts {
            sent: self.sent.load(Ordering::Acquire).max(acknowledged + failed),
            acknowledged,
            failed,
            first_error: tally.first_error.get().cloned(),
        }
    }

    /// Whether a record was given up; quicker than [`Self::counts`].
    pub fn has_failed(&self) -> bool {
        self.producer.context().failed.load(Ordering::Relaxed) > 0
    }

    /// Waits until every record has its answer, at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Counts {
        self.flush_while(|waited| waited < timeout)
    }

    /// Waits until every record has its answer, for as long as `waits` says so, which is told how long
    /// it has been.
    pub fn flush_while(&self, mut waits: impl FnMut(Duration) -> bool) -> Counts {
        let mut waited = Duration::ZERO;
        // Looked at often, for librdkafka's own wait ends up to a tenth of a second late. No record
        // is in its queues any more before the other thread has counted the answer of the last one:
        // hence the second condition.
        while self.producer.flush(Duration::ZERO).is_err() || self.counts().in_flight() > 0 {
            if !waits(waited) {
                tracing::debug!(?waited, "records are still in flight");
                break;
            }
            std::thread::sleep(ROOM_WAIT);
            waited += ROOM_WAIT;
        }
        self.counts()
    }

    /// librdkafka's own, for what only transactions need.
    pub(crate) fn client(&self) -> &impl Producer<Tally> {
        &self.producer
    }

    /// How long a record may wait for its acknowledgement.
    pub fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
    }

    fn cannot_send(&self, topic: &str, source: KafkaError) -> Error {
        let topic = topic.to_owned();
        // After a fatal error each send fails alike; the first cause is what helps.
        match self.producer.client().fatal_error() {
            Some((code, reason)) => {
                Error::Topic { action: "send to", topic, reason: format!("{code}: {reason}") }
            }
            None => Error::Client { action: "send to", topic, source },
        }
    }
}

fn headers(headers: &[(&str, &[u8])]) -> OwnedHeaders {
    let room = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(room, |all, &(key, value)| all.insert(Header { key, value: Some(value) }))
}

/// Counts the answers.
#[derive(Default)]
pub(crate) struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    first_error: OnceLock<String>,
    /// Said already that the broker is away; reset by the next acknowledgement.
    away: AtomicBool,
    /// What ends the client is told by the answer to each request too, as in transactions: whoever
    /// asks decides whether it is worth a word.
    answers_tell: bool,
}

impl ClientContext for Tally {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Lost connections are told by `error`, once; the rest is for those who look for it.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical
                if !self.answers_tell =>
            {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let away = code == Some(RDKafkaErrorCode::AllBrokersDown);
        if away && !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "the broker is away, waiting for it");
        } else if code == Some(RDKafkaErrorCode::Fatal) && !self.answers_tell {
            tracing::error!(reason, "the producer cannot go on");
        } else {
            tracing::debug!(target: "librdkafka", %error, reason, "producer error");
        }
    }
}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::Release);
                if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the broker is back");
                }
            }
            Err((error, message)) => {
                self.first_error.get_or_init(|| {
                    let place = format!("{}[{}]", message.topic(), message.partition());
                    let reason = match error.rdkafka_error_code() {
                        Some(RDKafkaErrorCode::MessageTimedOut) => {
                            "no acknowledgement from the broker in time".to_owned()
                        }
                        Some(code) => code.to_string(),
                        None => error.to_string(),
                    };
                    format!("{place}: {reason}")
                });
                self.failed.fetch_add(1, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests;
