//! The log of one partition: record batches one after the other, exactly as producers sent them.
//!
//! Kept in a file in Kafka's own batch format or in memory. A batch is never taken apart: what
//! goes in comes out with its headers, timestamps, nulls and compression untouched. In front of
//! it stand an index in memory (one entry a batch) and what is known of each idempotent
//! producer, both rebuilt from the batches when the file is opened.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use tansu_sans_io::record::Record;
use tansu_sans_io::record::deflated::Batch;

use crate::header::{HEADER_BYTES, Header};
use crate::sequence::{Producers, Verdict};

/// Why a batch was not appended or records were not read.
#[derive(Debug)]
pub(crate) enum LogError {
    /// The offset asked for is not between the start and the end of the log.
    OutOfRange,
    /// A batch of this producer is missing before this one.
    OutOfOrder,
    /// The producer was replaced by a newer one with the same id.
    OldEpoch,
    /// The bytes are not a batch of the only format kept (magic 2) or belong to a transaction.
    Unsupported,
    /// The batch says that it holds another number of records than it takes offsets.
    Invalid,
    /// The file could not be read or written.
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where one batch is and what it spans.
#[derive(Debug, Clone, Copy)]
struct Entry {
    last_offset: i64,
    max_timestamp: i64,
    /// In a file: bytes before it. In memory: batches before it.
    position: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Body {
    File(File),
    Memory(Vec<Batch>),
}

/// One partition; offsets start at 0 and have no gaps.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    body: Body,
    entries: Vec<Entry>,
    producers: Producers,
    end_offset: i64,
    end_position: u64,
}

impl PartitionLog {
    /// An empty log that ends with the process.
    pub(crate) fn in_memory() -> Self {
        Self::empty(Body::Memory(Vec::new()))
    }

    fn empty(body: Body) -> Self {
        Self {
            body,
            entries: Vec::new(),
            producers: Producers::default(),
            end_offset: 0,
            end_position: 0,
        }
    }

    /// Opens or creates the file; a batch that was being written when the broker was killed is
    /// cut off, as its producer was never told that it is safe.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut log = Self::empty(Body::Memory(Vec::new()));
        let mut last = None;
        while let Some(header) = read_header(&file, log.end_position, length)? {
            if header.base_offset != log.end_offset {
                break;
            }
            last = Some((log.end_position, header));
            log.remember(&header, log.end_position);
        }
        // Only the last one can be torn by a kill: each is written whole before the next.
        if let Some((position, header)) = last
            && !is_intact(&file, position, header.bytes)?
        {
            return Self::reopen_without_last(file, path, position);
        }
        if log.end_position < length {
            tracing::warn!(file = %path.display(), kept = log.end_position, length,
                "unfinished batch cut off");
            file.set_len(log.end_position)?;
        }
        log.body = Body::File(file);
        Ok(log)
    }

    fn reopen_without_last(file: File, path: &Path, position: u64) -> io::Result<Self> {
        tracing::warn!(file = %path.display(), kept = position, "damaged last batch cut off");
        file.set_len(position)?;
        drop(file);
        Self::open(path)
    }

    fn remember(&mut self, header: &Header, position: u64) {
        let last_offset = header.base_offset + i64::from(header.last_offset_delta);
        self.entries.push(Entry {
            last_offset,
            max_timestamp: header.max_timestamp,
            position,
            bytes: header.bytes,
        });
        self.producers.accept(header);
        self.end_offset = last_offset + 1;
        self.end_position = position + header.bytes;
    }

    /// Offset that the next record gets.
    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Appends a batch and returns the offset of its first record; a batch that an idempotent
    /// producer sends again is not appended again and gets the offset it got before.
    pub(crate) fn append(&mut self, mut batch: Batch) -> Result<i64, LogError> {
        let plain = batch.magic == 2 && batch.last_offset_delta >= 0;
        if !plain || batch.is_transactional() || batch.is_control() {
            return Err(LogError::Unsupported);
        }
        // As Kafka has it: else readers would wait for offsets that no record has.
        if i64::from(batch.record_count) != i64::from(batch.last_offset_delta) + 1 {
            return Err(LogError::Invalid);
        }
        batch.base_offset = self.end_offset;
        batch.partition_leader_epoch = 0;
        let header = Header::of(&batch);
        match self.producers.judge(&header) {
            Verdict::Next => {}
            Verdict::Duplicate(offset) => return Ok(offset),
            Verdict::OutOfOrder => return Err(LogError::OutOfOrder),
            Verdict::OldEpoch => return Err(LogError::OldEpoch),
        }
        let position = self.end_position;
        match &mut self.body {
            Body::Memory(batches) => batches.push(batch),
            // After a failed write the next one starts at the same position, over its remains.
            Body::File(file) => file.write_all_at(&Bytes::from(batch), position)?,
        }
        self.remember(&header, position);
        Ok(header.base_offset)
    }

    /// Whole batches from the one that holds `offset` on, up to `max_bytes`; none at the end of
    /// the log. With `at_least_one` the first batch may be larger, as a client could otherwise
    /// never read it.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: u64,
        at_least_one: bool,
    ) -> Result<Vec<Batch>, LogError> {
        if offset < 0 || offset > self.end_offset {
            return Err(LogError::OutOfRange);
        }
        let first = self.entries.partition_point(|entry| entry.last_offset < offset);
        let mut bytes = 0;
        let count = self.entries[first..].iter().take_while(|entry| {
            bytes += entry.bytes;
            bytes <= max_bytes || (at_least_one && bytes == entry.bytes)
        });
        self.load(first..first + count.count())
    }

    fn load(&self, range: std::ops::Range<usize>) -> Result<Vec<Batch>, LogError> {
        let entries = &self.entries[range.clone()];
        let file = match &self.body {
            Body::Memory(batches) => return Ok(batches[range].to_vec()),
            Body::File(file) => file,
        };
        let Some(start) = entries.first().map(|entry| entry.position) else {
            return Ok(Vec::new());
        };
        let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let mut buffer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_exact_at(&mut buffer, start)?;
        let mut rest = Bytes::from(buffer);
        let mut batches = Vec::with_capacity(entries.len());
        for entry in entries {
            let one = rest.split_to(usize::try_from(entry.bytes).map_err(io::Error::other)?);
            batches.push(Batch::try_from(one).map_err(io::Error::other)?);
        }
        Ok(batches)
    }

    /// The first record at or after that time, as (offset, its timestamp).
    pub(crate) fn find_time(&self, timestamp: i64) -> Result<Option<(i64, i64)>, LogError> {
        let found = self.entries.iter().position(|entry| entry.max_timestamp >= timestamp);
        let Some(index) = found else { return Ok(None) };
        for batch in self.load(index..index + 1)? {
            let (base_offset, base_timestamp) = (batch.base_offset, batch.base_timestamp);
            let records = Vec::<Record>::try_from(batch).map_err(io::Error::other)?;
            for record in records {
                // Both are the producer's numbers, and may be any.
                let time = base_timestamp.saturating_add(record.timestamp_delta);
                if time >= timestamp {
                    let offset = base_offset.saturating_add(i64::from(record.offset_delta));
                    return Ok(Some((offset, time)));
                }
            }
        }
        Ok(None)
    }

    /// The newest timestamp of the log with the last offset of its batch.
    pub(crate) fn newest_time(&self) -> Option<(i64, i64)> {
        let newest = self.entries.iter().max_by_key(|entry| entry.max_timestamp)?;
        Some((newest.last_offset, newest.max_timestamp))
    }

    /// Hands everything written so far to the disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match &self.body {
            Body::File(file) => file.sync_data(),
            Body::Memory(_) => Ok(()),
        }
    }
}

/// The header at this position, or nothing if no whole batch stands there.
fn read_header(file: &File, position: u64, length: u64) -> io::Result<Option<Header>> {
    if position + HEADER_BYTES as u64 > length {
        return Ok(None);
    }
    let mut buffer = [0; HEADER_BYTES];
    file.read_exact_at(&mut buffer, position)?;
    Ok(Header::read(&buffer).filter(|header| position + header.bytes <= length))
}

fn is_intact(file: &File, position: u64, bytes: u64) -> io::Result<bool> {
    let mut buffer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, position)?;
    Ok(crate::header::checksum_holds(&buffer))
}

#[cfg(test)]
mod tests;
