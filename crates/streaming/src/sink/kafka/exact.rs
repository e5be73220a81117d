//! Exactly once into a topic: an epoch's rows, the job's offsets, and a note beside each of these
//! are one transaction. The note tells which epoch the topic has, as the row in the database does.
//!
//! Several instances of a job may be at work without knowing of each other: one hung, was given up,
//! and wakes when another is in its place. Of these the one that came last writes. It pushes the
//! others out by opening the job's transactional id, and says so at once in a note of its own, with
//! a *term* one higher than the term it found. Whoever is pushed out reads there who it was:
//!
//! - a later term than its own: another instance, and it ends;
//! - its own term: nobody. The broker itself had given up its transaction, or was away. It opens the
//!   id anew, by which the outcome of its transaction is settled, and reads which epoch is there.
//!
//! So nothing is ever guessed, and only who holds the term writes.

use std::cmp::Ordering;
use std::time::Duration;

use arus_kafka::producer::Record;
use arus_kafka::transactions::{Committed, Failure, Opened, Reading, Transactions};

use super::Row;
use crate::Error;
use crate::origin::Origin;

/// How often an epoch is tried before its failure ends the job. An absent broker is waited for
/// within each.
const ATTEMPTS: u32 = 5;

/// How long after the first failure it is tried again; after the second twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(200);

/// What is written beside the group's offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    /// Counts the instances that wrote to the topic.
    term: u64,
    /// The last epoch whose rows are there; 0 for none.
    epoch: u64,
    /// Whose epochs these are.
    origin: Origin,
}

impl Note {
    fn text(&self, topic: &str) -> String {
        let Self { term, epoch, origin } = self;
        format!("arus epoch {epoch} term {term} of {topic} by {}", origin.text())
    }

    /// `None` for what is not about this topic.
    fn read(text: &str, topic: &str) -> Option<Self> {
        let text = text.strip_prefix("arus epoch ")?;
        let (numbers, rest) = text.split_once(" of ")?;
        // Older versions kept no origin.
        let (of, origin) = rest.split_once(" by ").unwrap_or((rest, ""));
        let (epoch, term) = numbers.split_once(" term ").filter(|_| of == topic)?;
        Some(Self {
            term: term.parse().ok()?,
            epoch: epoch.parse().ok()?,
            origin: Origin::read(origin),
        })
    }
}

/// What is needed of Kafka.
pub(super) trait Port: Send {
    /// The group's offsets in the job's topic.
    fn committed(&mut self, reading: Reading) -> Result<Vec<Committed>, Error>;

    /// Pushes out everybody else, and settles what was left open.
    fn open(&mut self) -> Result<Opened, Error>;

    /// One transaction.
    fn write(
        &mut self,
        epoch: u64,
        rows: &[Row],
        offsets: &[(i32, i64)],
        note: &str,
    ) -> Result<(), Failure>;
}

/// Kafka itself.
pub(super) struct KafkaPort {
    pub(super) transactions: Transactions,
    pub(super) topic: String,
    /// How long an absent broker is waited for.
    pub(super) patience: Duration,
}

impl Port for KafkaPort {
    fn committed(&mut self, reading: Reading) -> Result<Vec<Committed>, Error> {
        Ok(self.transactions.committed(reading, self.patience)?)
    }

    fn open(&mut self) -> Result<Opened, Error> {
        Ok(self.transactions.open(self.patience)?)
    }

    fn write(
        &mut self,
        epoch: u64,
        rows: &[Row],
        offsets: &[(i32, i64)],
        note: &str,
    ) -> Result<(), Failure> {
        let epoch = epoch.to_string();
        let headers: [(&str, &[u8]); 1] = [("epoch", epoch.as_bytes())];
        let records =
            rows.iter().map(|row| Record { headers: &headers, ..row.record(&self.topic) });
        self.transactions.write(records, offsets, note)
    }
}

/// A topic's transactions.
pub(super) struct Exact {
    port: Box<dyn Port>,
    topic: String,
    /// The sink's name, for messages.
    sink: String,
    /// What this instance wrote last; `None` before it has taken over.
    own: Option<Note>,
    pause: Duration,
}

impl Exact {
    pub(super) fn new(port: Box<dyn Port>, topic: &str, sink: String) -> Self {
        Self { port, topic: topic.to_owned(), sink, own: None, pause: PAUSE }
    }

    /// The last epoch that is there; 0 for none.
    pub(super) fn epoch(&mut self) -> Result<u64, Error> {
        match &self.own {
            Some(own) => Ok(own.epoch),
            None => Ok(self.noted(Reading::Now)?.epoch),
        }
    }

    /// Whose epochs are there; `None` for none.
    pub(super) fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        let note = match &self.own {
            Some(own) => own.clone(),
            None => self.noted(Reading::Now)?,
        };
        Ok((note.epoch > 0).then_some(note.origin))
    }

    /// Becomes the one that writes, if `origin` and `checkpoint`, the epoch that this job stands at, can
    /// belong to what is there: a job that is started by mistake must not push out the one at work.
    pub(super) fn take_over(&mut self, origin: &Origin, checkpoint: u64) -> Result<Opened, Error> {
        self.own = None;
        // Two epochs back: one that was being committed when it was killed, and the one before, whose
        // commit the broker had taken but not carried out yet.
        let Note { term, epoch, origin: found } = self.noted(Reading::Now)?;
        let foreign = epoch > 0 && found != *origin;
        if foreign || (term > 0 && (epoch > checkpoint || epoch + 2 < checkpoint)) {
            return Ok(Opened::Ready);
        }
        self.claim(origin, |epoch| epoch)
    }

    /// Becomes the one that writes, and forgets the epoch.
    pub(super) fn reset(&mut self) -> Result<Opened, Error> {
        self.own = None;
        self.claim(&Origin::default(), |_| 0)
    }

    fn claim(&mut self, origin: &Origin, epoch: impl FnOnce(u64) -> u64) -> Result<Opened, Error> {
        if self.port.open()? == Opened::NoTransactions {
            return Ok(Opened::NoTransactions);
        }
        let committed = self.port.committed(Reading::Settled)?;
        let found = self.newest(&committed);
        let own = Note { term: found.term + 1, epoch: epoch(found.epoch), origin: origin.clone() };
        let offsets: Vec<_> = committed.iter().map(|it| (it.partition, it.offset)).collect();
        match self.port.write(own.epoch, &[], &offsets, &own.text(&self.topic)) {
            Ok(()) => self.own = Some(own),
            Err(Failure::Unknown(arus_kafka::Error::Fenced { .. })) => {
                return Err(Error::AnotherInstance { sink: self.sink.clone() });
            }
            Err(Failure::Aborted(error) | Failure::Unknown(error)) => return Err(error.into()),
        }
        Ok(Opened::Ready)
    }

    /// Writes an epoch.
    pub(super) fn commit(
        &mut self,
        epoch: u64,
        rows: &[Row],
        offsets: &[(i32, i64)],
    ) -> Result<(), Error> {
        let own = self.own.clone().filter(|own| own.epoch + 1 == epoch);
        let own = own.ok_or_else(|| self.conflict(epoch))?;
        let next = Note { epoch, ..own.clone() };
        let mut attempt = 1;
        loop {
            let (written, error) =
                match self.port.write(epoch, rows, offsets, &next.text(&self.topic)) {
                    Ok(()) => break,
                    Err(Failure::Aborted(error)) => (false, error),
                    Err(Failure::Unknown(error)) => (self.settle(&own, epoch)?, error),
                };
            if written {
                tracing::info!(epoch, %error, "the broker has the epoch, though its answer did not come");
                break;
            }
            if attempt == ATTEMPTS {
                return Err(error.into());
            }
            tracing::warn!(epoch, attempt, %error, "the epoch was not written; trying again");
            std::thread::sleep(self.pause * attempt);
            attempt += 1;
        }
        self.own = Some(next);
        Ok(())
    }

    /// Whether the epoch whose transaction had no clear end is there.
    fn settle(&mut self, own: &Note, epoch: u64) -> Result<bool, Error> {
        // First without pushing anybody out.
        self.still_own(own, Reading::Now)?;
        if self.port.open()? == Opened::NoTransactions {
            return Err(Error::OtherOutput {
                sink: self.sink.clone(),
                reason: "the broker has no transactions any more".to_owned(),
            });
        }
        match self.still_own(own, Reading::Settled)? {
            held if held == epoch => Ok(true),
            held if held == own.epoch => Ok(false),
            _ => Err(self.conflict(epoch)),
        }
    }

    /// The epoch that is there, if nobody has taken over since.
    fn still_own(&mut self, own: &Note, reading: Reading) -> Result<u64, Error> {
        let noted = self.noted(reading)?;
        let sink = || self.sink.clone();
        match noted.term.cmp(&own.term) {
            Ordering::Equal => Ok(noted.epoch),
            Ordering::Greater => Err(Error::AnotherInstance { sink: sink() }),
            Ordering::Less => Err(Error::OtherOutput {
                sink: sink(),
                reason: "the broker has forgotten the consumer group's offsets, which note the epochs \
                         (offsets.retention.minutes after the last commit, or somebody deleted them)"
                    .to_owned(),
            }),
        }
    }

    fn conflict(&self, epoch: u64) -> Error {
        let found = self.own.as_ref().map(|own| own.epoch).filter(|&epoch| epoch > 0);
        Error::EpochConflict { sink: self.sink.clone(), found, epoch }
    }

    fn noted(&mut self, reading: Reading) -> Result<Note, Error> {
        let committed = self.port.committed(reading)?;
        Ok(self.newest(&committed))
    }

    /// All partitions have the same note, but for those that the topic did not have at the time.
    fn newest(&self, committed: &[Committed]) -> Note {
        let notes = committed.iter().filter_map(|it| Note::read(&it.metadata, &self.topic));
        notes.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
