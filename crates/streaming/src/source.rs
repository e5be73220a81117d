//! Where a job's records come from, as the job sees it: a log of partitions. Kafka is one; tests
//! have another.

use std::collections::BTreeMap;
use std::sync::Arc;

use arus_kafka::source::{Bounds, PartitionReader, Polled, Record, Source as KafkaSource};

use crate::Error;

/// Called when records arrive after there were none.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A log of partitions.
pub trait Log: Send + Sync {
    /// The partitions there are now, by number.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn partitions(&self) -> Result<Vec<i32>, Error>;

    /// Those of them that this process is to read: all, unless a group shares them out. `None` while
    /// the group deals.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn dealt(&self) -> Result<Option<Vec<i32>>, Error> {
        self.partitions().map(Some)
    }

    /// Whether the group wants the partitions back, to deal them anew.
    fn is_recalled(&self) -> bool {
        false
    }

    /// Gives them back, when nothing more of them will be committed.
    ///
    /// # Errors
    /// When the client cannot.
    fn give_back(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Where a partition begins and ends now.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn bounds(&self, partition: i32) -> Result<Bounds, Error>;

    /// Whether there is a record from `from` on and before `to`; a log may have offsets without one.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn has_records(&self, partition: i32, from: i64, to: i64) -> Result<bool, Error>;

    /// What the job's consumer group has committed.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn committed(&self, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, Error>;

    /// Begins to read at the given offsets. Each hand of partitions is for one thread, and comes
    /// back as readers.
    ///
    /// # Errors
    /// When an offset is not there (any more).
    fn open(
        &self,
        hands: &[BTreeMap<i32, i64>],
        wake: &Wake,
    ) -> Result<Vec<Vec<Box<dyn Reader>>>, Error>;

    /// Tells the consumer group how far the job is. With `wait`, until the log has it.
    ///
    /// # Errors
    /// When it cannot be told.
    fn commit(&self, next_offsets: &BTreeMap<i32, i64>, wait: bool) -> Result<(), Error>;

    /// Serves whatever the client must be given time for, every second or so.
    ///
    /// # Errors
    /// When the client cannot go on.
    fn serve(&self) -> Result<(), Error>;
}

/// One partition's records in the order of the log.
pub trait Reader: Send {
    /// The partition's number.
    fn partition(&self) -> i32;

    /// Hands the records that are here now to `each`, `max` at the most. Does not wait.
    ///
    /// # Errors
    /// When the log cannot be read any further.
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error>;
}

impl Log for KafkaSource {
    fn partitions(&self) -> Result<Vec<i32>, Error> {
        Ok(self.partitions()?)
    }

    fn dealt(&self) -> Result<Option<Vec<i32>>, Error> {
        Ok(self.dealt()?)
    }

    fn is_recalled(&self) -> bool {
        self.is_recalled()
    }

    fn give_back(&self) -> Result<(), Error> {
        Ok(self.give_back()?)
    }

    fn bounds(&self, partition: i32) -> Result<Bounds, Error> {
        Ok(self.bounds(partition)?)
    }

    fn has_records(&self, partition: i32, from: i64, to: i64) -> Result<bool, Error> {
        Ok(self.has_records(partition, from, to)?)
    }

    fn committed(&self, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(self.committed(partitions)?)
    }

    fn open(
        &self,
        hands: &[BTreeMap<i32, i64>],
        wake: &Wake,
    ) -> Result<Vec<Vec<Box<dyn Reader>>>, Error> {
        let waking = |mut reader: PartitionReader| -> Box<dyn Reader> {
            let wake = Arc::clone(wake);
            reader.on_records(move || wake());
            Box::new(reader)
        };
        let opened = self.open(hands)?;
        Ok(opened.into_iter().map(|hand| hand.into_iter().map(waking).collect()).collect())
    }

    fn commit(&self, next_offsets: &BTreeMap<i32, i64>, wait: bool) -> Result<(), Error> {
        let told =
            if wait { self.commit_and_wait(next_offsets) } else { self.commit(next_offsets) };
        Ok(told?)
    }

    fn serve(&self) -> Result<(), Error> {
        Ok(self.serve()?)
    }
}

impl Reader for PartitionReader {
    fn partition(&self) -> i32 {
        self.partition()
    }

    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Record<'_>)) -> Result<Polled, Error> {
        Ok(PartitionReader::poll(self, max, each)?)
    }
}
