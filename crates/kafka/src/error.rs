//! What can go wrong between us and Kafka, with the place where it did.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::duration;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::options;

/// A failure, in one sentence. Values of options that hold secrets are in none of them.
#[derive(thiserror::Error)]
pub enum Error {
    /// Nobody answers at the address.
    #[error(
        "no Kafka broker answers at {brokers} (waited {}): start one with \"make broker\" or set \
         KAFKA_BROKERS",
        duration::display(*waited)
    )]
    NoBroker {
        /// The addresses, as given.
        brokers: String,
        /// How long they were tried.
        waited: Duration,
    },
    /// A broker answers, and does not let us in, or is not the one that we trust. Waiting does not
    /// heal that.
    #[error("the Kafka broker at {brokers} cannot be used: {reason}")]
    Refused {
        /// The addresses, as given.
        brokers: String,
        /// Why, and what to look at.
        reason: String,
    },
    /// Somebody takes connections and ends each at once.
    #[error(
        "the Kafka broker at {brokers} closed every connection (tried for {}): it may not speak \
         {protocol} there; check KAFKA_SECURITY_PROTOCOL and the port",
        duration::display(*waited)
    )]
    Closed {
        /// The addresses, as given.
        brokers: String,
        /// How long they were tried.
        waited: Duration,
        /// What was spoken, such as `PLAINTEXT`.
        protocol: String,
    },
    /// The settings of the connection's security do not fit together.
    #[error("the connection to Kafka cannot be secured as set: {reason}")]
    Security {
        /// What is missing or wrong, and what to set.
        reason: String,
    },
    /// The topic is not there.
    #[error("the broker has no topic \"{topic}\": create it, or start its producer, which does")]
    UnknownTopic {
        /// Its name.
        topic: String,
    },
    /// A topic was made or deleted, but the brokers do not all say so.
    #[error(
        "the topic \"{topic}\" is not {state} after {}: look at the broker's log",
        duration::display(*waited)
    )]
    TopicUnsettled {
        /// Its name.
        topic: String,
        /// What was waited for: "ready" or "gone".
        state: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The broker refused to make or delete a topic, or to tell its settings.
    #[error("cannot {action} the topic \"{topic}\": {reason}")]
    Topic {
        /// "create", "delete", "look at" or "ask for the settings of".
        action: &'static str,
        /// Its name.
        topic: String,
        /// The broker's word.
        reason: String,
    },
    /// The place to read from is not in the log (any more).
    #[error(
        "offset {offset} of {topic}[{partition}] is not in the broker, which has {low} to {high}: \
         records were deleted or the topic was made anew; --reset computes all anew from what is \
         there, and another --checkpoint, --job and output keep the rows so far"
    )]
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that was wanted.
        offset: i64,
        /// The first offset there is.
        low: i64,
        /// The offset that the next record will get.
        high: i64,
    },
    /// The broker took the next record away while the log was being read.
    #[error(
        "the next record of {topic}[{partition}] is not in the broker any more: records were deleted \
         before they were read, or the topic was made anew; start again to see what there is"
    )]
    RecordGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// librdkafka could not do something.
    #[error("cannot {action} the topic \"{topic}\": {}", options::reason(source))]
    Client {
        /// What it should do, such as "read from".
        action: &'static str,
        /// The topic.
        topic: String,
        /// Its error. Not told as a cause: it may hold an option's secret value.
        r#source: KafkaError,
    },
    /// A `--kafka-option` that librdkafka does not take.
    #[error(
        "librdkafka does not take the options: {reason}; check --kafka-option and KAFKA_OPTIONS"
    )]
    Options {
        /// Which one, and why, if that may be told.
        reason: String,
    },
    /// The local queue stayed full: the broker takes nothing.
    #[error(
        "nothing could be sent to the topic \"{topic}\" for {}: is the broker away or its disk \
         full?",
        duration::display(*waited)
    )]
    QueueFull {
        /// The topic.
        topic: String,
        /// How long there was no room.
        waited: Duration,
    },
    /// A transaction could not be begun, written or ended.
    #[error("cannot {action} under the transactional id \"{id}\": {reason}")]
    Transaction {
        /// What was to be done, such as "commit a transaction".
        action: &'static str,
        /// The id.
        id: String,
        /// librdkafka's word.
        reason: String,
    },
    /// Another process has begun to write under the transactional id, and the broker takes nothing
    /// from this one any more.
    #[error("another process writes under the transactional id \"{id}\" now")]
    Fenced {
        /// The id.
        id: String,
    },
    /// Records were given up, after all retries.
    #[error("{failed} of {sent} records were not delivered: {reason}")]
    Delivery {
        /// How many.
        failed: u64,
        /// Out of how many.
        sent: u64,
        /// What was said of the first one.
        reason: String,
    },
    /// The closing figures cannot be written.
    #[error("cannot write the summary {}: {source}", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The log, the metrics or the stop signal cannot be set up.
    #[error(transparent)]
    SetUp(#[from] arus_runtime::Error),
}

impl Error {
    /// Whether waiting may heal it: the broker is away or on its way, or what was asked for moves from
    /// one broker to another.
    pub fn may_pass(&self) -> bool {
        let Error::Client { source, .. } = self else { return false };
        source.rdkafka_error_code().is_some_and(passes)
    }
}

fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerDestroy
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::FencedLeaderEpoch
            | Code::KafkaStorageError
            | Code::LeaderNotAvailable
            | Code::NetworkException
            | Code::NotCoordinator
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
            | Code::OperationTimedOut
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::TimedOutQueue
            | Code::UnknownLeaderEpoch
            | Code::UnstableOffsetCommit
            | Code::WaitingForCoordinator
    )
}

/// The sentence: what librdkafka's own `Debug` shows may be secret.
impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Error({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waiting_may_heal() {
        use RDKafkaErrorCode as Code;
        let cases = [
            (Code::OperationTimedOut, true),
            // What a request is told that had not even been sent: this process stood still.
            (Code::TimedOutQueue, true),
            (Code::BrokerTransportFailure, true),
            (Code::NotLeaderForPartition, true),
            (Code::OffsetNotAvailable, true),
            (Code::UnknownTopicOrPartition, false),
            (Code::TopicAuthorizationFailed, false),
            (Code::OffsetOutOfRange, false),
            (Code::Authentication, false),
        ];
        for (code, may_pass) in cases {
            let source = KafkaError::MetadataFetch(code);
            let error = Error::Client { action: "read from", topic: "purchases".into(), source };
            assert_eq!(error.may_pass(), may_pass, "{code:?}");
        }
    }
}
