//! Records that are set aside: late ones and rejected ones. Each is kept whole (key, value and
//! timestamp as they came), with the reason in its headers, so that it can be looked at, mended and
//! sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arus_kafka::producer::{CountedProducer, Record as Outgoing};
use arus_kafka::source::Record;
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

    /// Waits until every record taken is kept for good: before the epoch that counts them is
    /// written.
    ///
    /// # Errors
    /// When one could not be kept.
    fn flush(&self) -> Result<(), Error>;
}

/// Two topics beside the job's own. A record set aside by an epoch that was killed before its
/// commit is set aside again: topic, partition and offset in the headers tell such twins.
pub struct AsideTopics {
    producer: Arc<CountedProducer>,
    source_topic: String,
    late_topic: String,
    rejected_topic: String,
    flush_timeout: Duration,
    /// Whether there is anything to flush.
    pending: AtomicBool,
}

impl AsideTopics {
    /// Sets late records of `source_topic` aside in one topic, rejected ones in another.
    pub fn new(
        producer: Arc<CountedProducer>,
        source_topic: &str,
        late_topic: &str,
        rejected_topic: &str,
        flush_timeout: Duration,
    ) -> Self {
        Self {
            producer,
            source_topic: source_topic.to_owned(),
            late_topic: late_topic.to_owned(),
            rejected_topic: rejected_topic.to_owned(),
            flush_timeout,
            pending: AtomicBool::new(false),
        }
    }
}

impl Aside for AsideTopics {
    fn put(&self, partition: i32, record: KeptRecord, why: Why) -> Result<(), Error> {
        let mut headers = vec![
            ("arus.topic", self.source_topic.clone()),
            ("arus.partition", partition.to_string()),
            ("arus.offset", record.offset.to_string()),
        ];
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
                &self.late_topic
            }
            Why::Rejected(reason) => {
                headers.push(("arus.reason", reason));
                &self.rejected_topic
            }
        };
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.pending.store(true, Ordering::Release);
        self.producer.send(Outgoing {
            topic,
            partition: None,
            key: record.key.as_deref(),
            payload: record.payload.as_deref(),
            timestamp_ms: record.timestamp_ms,
            headers: &headers,
        })?;
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let counts = self.producer.flush(self.flush_timeout);
        if counts.acknowledged == counts.sent {
            return Ok(());
        }
        Err(Error::NotKept {
            topics: format!("{} and {}", self.late_topic, self.rejected_topic),
            unacknowledged: counts.sent - counts.acknowledged,
            reason: counts
                .first_error
                .unwrap_or_else(|| "the broker did not answer in time".into()),
        })
    }
}
