//! What can go wrong in a streaming job.

use std::path::PathBuf;

/// A job's failure, in one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] arus_kafka::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] arus_store::Error),
    /// Logs, metrics or signals.
    #[error(transparent)]
    Runtime(#[from] arus_runtime::Error),
    /// The windows.
    #[error(transparent)]
    Window(#[from] arus_window::Error),
    /// The table.
    #[error(transparent)]
    Table(#[from] arus_table::Error),
    /// A file of a sink or checkpoint.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `write`, `read`, `rename`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Rows that a sink could not encode.
    #[error("cannot encode rows for {sink}: {reason}")]
    Encode {
        /// The sink's name.
        sink: String,
        /// The encoder's word.
        reason: String,
    },
    /// The sink's epoch is not the one before.
    #[error(
        "{sink} holds {}, but epoch {epoch} is to be written: another process works on the same output; stop it, or give this one its own",
        found.map_or_else(|| "no epoch".to_owned(), |found| format!("epoch {found}"))
    )]
    EpochConflict {
        /// The sink's name.
        sink: String,
        /// What the sink holds.
        found: Option<u64>,
        /// What was to be written.
        epoch: u64,
    },
    /// Another instance has taken the sink over.
    #[error(
        "another instance of this job runs and has taken over {sink}: this one wrote nothing since and \
         ends; let one run at a time, or give each its own --job, --table and --checkpoint"
    )]
    AnotherInstance {
        /// The sink's name.
        sink: String,
    },
    /// Late or rejected records that the broker did not take.
    #[error(
        "{unacknowledged} records for {topics} were not taken by the broker: {reason}; the epoch that \
         counts them was not written, and the next start sets them aside again"
    )]
    NotKept {
        /// The topics.
        topics: String,
        /// How many.
        unacknowledged: u64,
        /// The first failure.
        reason: String,
    },
    /// A batch of which not everything could be set aside. Why not is what the job ends with.
    #[error("a batch of partition {partition} is not whole: no epoch is made of it")]
    Torn {
        /// The partition.
        partition: i32,
    },
    /// A checkpoint that this job cannot go on from.
    #[error("{0}")]
    Checkpoint(String),
    /// The log is not the one that was read before.
    #[error(
        "partition {partition} of the topic has another record at offset {offset} than was read there \
         (its timestamp is {found_ms} ms, and was {read_ms} ms): the topic was made anew; --reset \
         computes all anew from what is there, and another --checkpoint, --job and output keep the rows \
         so far"
    )]
    OtherLog {
        /// The partition.
        partition: i32,
        /// The offset of the last record that was read.
        offset: i64,
        /// The timestamp of the record there, ms; -1 for none.
        found_ms: i64,
        /// The timestamp that it had, ms.
        read_ms: i64,
    },
    /// The broker has been away for too long.
    #[error(
        "no Kafka broker answers at {brokers} (for {waited_s} s now): start it again and then this \
         job, which goes on where it stood"
    )]
    BrokerAway {
        /// The addresses.
        brokers: String,
        /// How long, seconds.
        waited_s: u64,
    },
    /// Brokers answer, but not for this partition.
    #[error(
        "{} of the topic has had no leader that answers for {waited_s} s, though other brokers do: \
         kafka-topics --describe shows which broker is missing; start it and then this job, which goes on \
         where it stood",
        partition.map_or_else(|| "some partition".to_owned(), |number| format!("partition {number}"))
    )]
    NoLeader {
        /// Its number, if it is known.
        partition: Option<i32>,
        /// How long, seconds.
        waited_s: u64,
    },
    /// The consumer group deals no partitions out.
    #[error(
        "the consumer group has dealt out no partitions for {waited_s} s, though the broker answers: a \
         process of the group may hang; kafka-consumer-groups --describe --members shows who is in it"
    )]
    NothingDealt {
        /// How long, seconds.
        waited_s: u64,
    },
    /// The place of a sink holds something else than this job's rows up to some epoch.
    #[error(
        "{sink} cannot be continued: {reason}; move it away, choose another name or folder, or start over with --reset"
    )]
    OtherOutput {
        /// The sink's name.
        sink: String,
        /// What is wrong there.
        reason: String,
    },
    /// A draining job that does not get the rest.
    #[error(
        "the broker delivers nothing more (for {waited_s} s) although it has more: nothing is lost, \
         and no window was closed early; start the job again to go on"
    )]
    DrainStalled {
        /// How long, seconds.
        waited_s: u64,
    },
    /// A choice of options that cannot work.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// Whether the flags ask for what cannot be.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Error::Unsupported(_) => true,
            Error::Window(error) => error.is_wrong_use(),
            Error::Table(error) => error.is_wrong_use(),
            _ => false,
        }
    }

    /// Whether the broker is away, so that asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Error::Kafka(error) if error.may_pass())
    }
}
