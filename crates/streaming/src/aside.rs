//! Records that are set aside: late ones and rejected ones. Each is kept whole (key and value as
//! they came), with its timestamp and the reason in its headers, so that it can be looked at, mended
//! and sent again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arus_kafka::producer::{CountedProducer, Record as Outgoing};
use arus_kafka::source::Record;
use arus_runtime::shutdown::Shutdown;
use arus_window::LateRow;

use crate::Error;

/// A record that outlives the client's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub payload: Option<Vec<u8>>,
    /// The record's timestamp, ms.
    pub timestamp_ms: Option<i64>,
}

impl From<Record<'_>> for KeptRecord {
    fn from(record: Record<'_>) -> Self {
        Self {
            offset: record.offset,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            timestamp_ms: record.timestamp_ms,
        }
    }
}

/// Why a record was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Some window of its was closed.
    Late(LateRow),
    /// It could not be read, or came from the far future; in words for a person.
    Rejected(String),
}

/// Where records are set aside.
pub trait Aside: Send + Sync {
    /// Takes a record. May wait while the way out is full.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn put(&self, partition: i32, record: KeptRecord, why: Why) -> Result<(), Error>;

    /// The records taken so far belong to the epoch that is being cut; those from now on to the
    /// next. Called while no record is being put.
    fn turn(&self);

    /// Waits until every record of the epoch being cut is kept for good: before the epoch that
    /// counts them is written. Others may be put meanwhile.
    ///
    /// # Errors
    /// When one could not be kept.
    fn flush(&self) -> Result<(), Error>;
}

/// Two topics beside the job's own. A record set aside by an epoch that was killed before its
/// commit is set aside again: topic, partition and offset in the headers tell such twins.
///
/// Two producers take turns, epoch by epoch: so it can be told when all records of one epoch are
/// acknowledged while those of the next are being sent.
pub struct AsideTopics {
    /// Which of the two producers takes records now.
    current: AtomicUsize,
    options: AsideOptions,
}

/// What [`AsideTopics`] is made of.
pub struct AsideOptions {
    /// Two that are alike. Taken out at the end only.
    pub producers: Vec<CountedProducer>,
    /// Which job sets them aside: several may read one topic.
    pub job: String,
    /// Where the records come from.
    pub source_topic: String,
    /// The topic of late records; without one they are kept with the rejected.
    pub late_topic: Option<String>,
    /// The topic of rejected records.
    pub rejected_topic: String,
    /// Once a stop is asked for, a broker that is away is waited for [briefly](STOP_PATIENCE) only.
    pub shutdown: Shutdown,
}

/// How long a job that is to stop waits for the broker to take what is set aside. What it does not
/// take is set aside by the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

impl AsideTopics {
    /// Sets records aside as the options say.
    pub fn new(options: AsideOptions) -> Self {
        Self { current: AtomicUsize::new(0), options }
    }

    /// Whether a wait goes on, once it is told how long it has been.
    fn waits(&self) -> impl FnMut(Duration) -> bool {
        let mut stopping_at = None;
        move |waited| match self.options.shutdown.is_requested() {
            true => waited < *stopping_at.get_or_insert(waited) + STOP_PATIENCE,
            false => true,
        }
    }
}

impl Drop for AsideTopics {
    /// Both at once: a client of Kafka takes a tenth of a second to close.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for producer in self.options.producers.drain(..) {
                scope.spawn(|| drop(producer));
            }
        });
    }
}

impl Aside for AsideTopics {
    fn put(&self, partition: i32, record: KeptRecord, why: Why) -> Result<(), Error> {
        let mut headers = vec![
            ("arus.job", self.options.job.clone()),
            ("arus.topic", self.options.source_topic.clone()),
            ("arus.partition", partition.to_string()),
            ("arus.offset", record.offset.to_string()),
        ];
        if let Some(timestamp_ms) = record.timestamp_ms {
            headers.push(("arus.timestamp_ms", timestamp_ms.to_string()));
        }
        let topic = match why {
            Why::Late(late) => {
                let spans: Vec<String> = late
                    .missed
                    .iter()
                    .map(|span| format!("{}/{}", span.start_ms, span.end_ms))
                    .collect();
                headers.push(("arus.event_ms", late.event_ms.to_string()));
                headers.push(("arus.watermark_ms", late.watermark_ms.to_string()));
                headers.push(("arus.lateness_ms", late.lateness_ms().to_string()));
                headers.push(("arus.missed_windows", spans.join(",")));
                headers.push(("arus.counted", late.counted.to_string()));
                self.options.late_topic.as_ref().unwrap_or(&self.options.rejected_topic)
            }
            Why::Rejected(reason) => {
                headers.push(("arus.reason", reason));
                &self.options.rejected_topic
            }
        };
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let record = Outgoing {
            topic,
            partition: None,
            key: record.key.as_deref(),
            payload: record.payload.as_deref(),
            timestamp_ms: record.timestamp_ms,
            headers: &headers,
        };
        let producer = &self.options.producers[self.current.load(Ordering::Acquire)];
        Ok(producer.send_while(record, self.waits())?)
    }

    fn turn(&self) {
        self.current.fetch_xor(1, Ordering::AcqRel);
    }

    fn flush(&self) -> Result<(), Error> {
        let AsideOptions { producers, late_topic, rejected_topic, .. } = &self.options;
        let producer = &producers[self.current.load(Ordering::Acquire) ^ 1];
        // A record has its answer, good or bad, by the delivery timeout.
        let patience = producer.delivery_timeout() + Duration::from_secs(5);
        let mut waits = self.waits();
        let counts = producer.flush_while(|waited| waited < patience && waits(waited));
        if counts.acknowledged == counts.sent {
            return Ok(());
        }
        Err(Error::NotKept {
            topics: match late_topic {
                Some(late_topic) => format!("{late_topic} and {rejected_topic}"),
                None => rejected_topic.clone(),
            },
            unacknowledged: counts.sent - counts.acknowledged,
            reason: counts
                .first_error
                .unwrap_or_else(|| "the broker did not answer in time".into()),
        })
    }
}
