//! What a job needs to go on after a restart, in one file per epoch.
//!
//! An epoch's file is written *before* its rows go to the sinks, and holds those rows too: so after
//! a kill between the two, or between one sink and the next, the sinks that lack the epoch get it
//! from here, and then the job goes on. A file is written under a temporary name, synced, renamed,
//! and its folder synced: it is there whole or not at all.
//!
//! State that is large and changes little is not written anew with every epoch: a file may hold the
//! changes since the epoch before, and says which file its chain begins with (its *base*), as in a
//! log-structured store. Files that a chain needs are kept.
//!
//! ```text
//! "ARUSCKP3" | header length u32 | header JSON | record batches as Arrow IPC streams | CRC-32 of
//! all before
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::operator::{Saved, TableRows};
use crate::origin::Origin;
use crate::progress::Totals;

const MAGIC: &[u8; 8] = b"ARUSCKP3";

/// One partition in a checkpoint.
#[derive(Clone, Debug)]
pub struct PartitionCheckpoint {
    /// Offset, watermark and silence.
    pub position: Position,
    /// The operator's state.
    pub saved: Saved,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The partition's number.
    pub partition: i32,
    /// The offset that is read next.
    pub next_offset: i64,
    /// The largest event time read, ms; `None` before the first row.
    pub largest_ms: Option<i64>,
    /// When it last delivered a record, by the wall clock, ms.
    pub last_record_wall_ms: i64,
    /// The last record that was read, if it had a timestamp: a restart sees by it whether the log is
    /// the same.
    #[serde(default)]
    pub last_read: Option<LastRead>,
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRead {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ms.
    pub timestamp_ms: i64,
}

/// What the state is of: a job may go on from a checkpoint only if these are its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Names and values, for people: topic, window, group by, aggregates, output mode.
    pub lines: Vec<(String, String)>,
}

/// A job after an epoch.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The epoch's number, from 1.
    pub epoch: u64,
    /// The last epoch whose file holds all of the partitions' state; the files after it, up to this
    /// one, hold changes.
    pub base: u64,
    /// Whose epochs these are: the sinks hold the same.
    pub origin: Origin,
    /// What the state is of.
    pub identity: Identity,
    /// Rows by their fate since the job's first start.
    pub totals: Totals,
    /// The job's watermark, ms.
    pub watermark_ms: Option<i64>,
    /// The partitions, by number.
    pub partitions: Vec<PartitionCheckpoint>,
    /// The job's own state.
    pub job: Saved,
    /// The epoch's own output, for a sink that lacks it; one per output table.
    pub output: Vec<TableRows>,
}

impl Checkpoint {
    /// The partitions' numbers, and the offsets that are read next there.
    pub fn next_offsets(&self) -> Vec<(i32, i64)> {
        let positions = self.partitions.iter().map(|partition| partition.position);
        positions.map(|position| (position.partition, position.next_offset)).collect()
    }
}

/// What a restart goes on from.
#[derive(Debug)]
pub struct Restored {
    /// The newest checkpoint.
    pub checkpoint: Checkpoint,
    /// Each partition's state from the base on, in the order of epochs.
    pub chains: BTreeMap<i32, Vec<Saved>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    epoch: u64,
    base: u64,
    #[serde(default)]
    origin: Origin,
    identity: Identity,
    totals: Totals,
    watermark_ms: Option<i64>,
    positions: Vec<Position>,
    /// Lengths of the batches, bytes: the job's own, each table's rows and deleted keys, then each
    /// partition's.
    job: Vec<u64>,
    output: Vec<[u64; 2]>,
    partitions: Vec<Vec<u64>>,
}

/// A folder of checkpoints, held by one process at a time.
pub struct CheckpointFolder {
    folder: PathBuf,
    /// Locked for as long as the value lives; the system lets go of it when the process dies.
    _lock: File,
}

impl CheckpointFolder {
    /// Takes the folder, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be written, or another process holds it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(failed("make the checkpoint folder", folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(failed("write", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Checkpoint(format!(
                "another process works with the checkpoint folder {}: stop it, or give this job its own (--checkpoint DIR)",
                folder.display()
            ))),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The newest checkpoint that is whole, with all files that it builds on; one that is not (a
    /// disk that lost what it said was synced) is passed over with a warning, and the sinks' epochs
    /// decide whether the one before will do. `None` if there was never one.
    ///
    /// # Errors
    /// When the folder cannot be read, or none of its checkpoints.
    pub fn latest(&self) -> Result<Option<Restored>, Error> {
        let mut newest = None;
        for (epoch, path) in self.files()?.into_iter().rev() {
            match self.restore(epoch)? {
                Ok(restored) => return Ok(Some(restored)),
                Err(reason) => {
                    tracing::warn!(file = %path.display(), reason, "checkpoint is damaged");
                    newest.get_or_insert((path, reason));
                }
            }
        }
        let Some((path, reason)) = newest else { return Ok(None) };
        Err(Error::Checkpoint(format!(
            "the checkpoint {} cannot be read ({reason}), and there is no older one: put back a copy of \
             its folder, or --reset to compute all anew",
            path.display()
        )))
    }

    fn restore(&self, epoch: u64) -> Result<Result<Restored, String>, Error> {
        let newest = match self.read(epoch)? {
            Ok(checkpoint) => checkpoint,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut chains: BTreeMap<i32, Vec<Saved>> = BTreeMap::new();
        let mut add = |checkpoint: &Checkpoint| {
            for part in &checkpoint.partitions {
                chains.entry(part.position.partition).or_default().push(part.saved.clone());
            }
        };
        for earlier in newest.base..epoch {
            match self.read(earlier)? {
                Ok(checkpoint) => add(&checkpoint),
                Err(reason) => {
                    return Ok(Err(format!("epoch {earlier}, which it needs: {reason}")));
                }
            }
        }
        add(&newest);
        Ok(Ok(Restored { checkpoint: newest, chains }))
    }

    fn read(&self, epoch: u64) -> Result<Result<Checkpoint, String>, Error> {
        let path = self.file(epoch);
        match fs::read(&path) {
            Ok(bytes) => Ok(decode(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Err("the file is gone".into()))
            }
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    /// Makes a checkpoint durable.
    ///
    /// # Errors
    /// When it cannot be written: disk full, folder gone.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let parts = encode(checkpoint)?;
        let path = self.file(checkpoint.epoch);
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary).map_err(failed("write", &temporary))?;
        for part in parts {
            file.write_all(&part).map_err(failed("write", &temporary))?;
        }
        file.sync_all().map_err(failed("sync", &temporary))?;
        fs::rename(&temporary, &path).map_err(failed("rename", &temporary))?;
        let folder = File::open(&self.folder).map_err(failed("open", &self.folder))?;
        folder.sync_all().map_err(failed("sync", &self.folder))
    }

    /// Removes the files of epochs before `needed`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn prune(&self, needed: u64) -> Result<(), Error> {
        for (found, path) in self.files()? {
            if found < needed {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes all checkpoints.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn clear(&self) -> Result<(), Error> {
        for (_, path) in self.files()? {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    fn file(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("epoch-{epoch:012}.checkpoint"))
    }

    /// The checkpoints there are, oldest first.
    fn files(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("read", &self.folder))? {
            let path = entry.map_err(failed("read", &self.folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let epoch =
                name.strip_prefix("epoch-").and_then(|name| name.strip_suffix(".checkpoint"));
            if let Some(epoch) = epoch.and_then(|epoch| epoch.parse().ok()) {
                files.push((epoch, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// The file's bytes, in parts: a large state is not copied once more to put them together.
pub(crate) fn encode(checkpoint: &Checkpoint) -> Result<Vec<Vec<u8>>, Error> {
    let mut body = Vec::new();
    let mut put = |batch: &RecordBatch| {
        let before = body.len();
        write_batch(batch, &mut body)?;
        Ok::<u64, Error>((body.len() - before) as u64)
    };
    let job = checkpoint.job.batches.iter().map(&mut put).collect::<Result<_, _>>()?;
    let mut output = Vec::new();
    for table in &checkpoint.output {
        output.push([put(&table.rows)?, put(&table.deleted)?]);
    }
    let mut partitions = Vec::new();
    for part in &checkpoint.partitions {
        partitions.push(part.saved.batches.iter().map(&mut put).collect::<Result<_, _>>()?);
    }
    let header = Header {
        epoch: checkpoint.epoch,
        base: checkpoint.base,
        origin: checkpoint.origin.clone(),
        identity: checkpoint.identity.clone(),
        totals: checkpoint.totals,
        watermark_ms: checkpoint.watermark_ms,
        positions: checkpoint.partitions.iter().map(|partition| partition.position).collect(),
        job,
        output,
        partitions,
    };
    let header = serde_json::to_vec(&header)
        .map_err(|error| Error::Checkpoint(format!("the checkpoint cannot be encoded: {error}")))?;
    let mut parts =
        vec![MAGIC.to_vec(), (header.len() as u32).to_le_bytes().to_vec(), header, body];
    let mut crc = crc32fast::Hasher::new();
    for part in &parts {
        crc.update(part);
    }
    parts.push(crc.finalize().to_le_bytes().to_vec());
    Ok(parts)
}

fn write_batch(batch: &RecordBatch, into: &mut Vec<u8>) -> Result<(), Error> {
    let write = || {
        let mut writer = StreamWriter::try_new(into, &batch.schema())?;
        writer.write(batch)?;
        writer.finish()
    };
    write().map_err(|error| Error::Checkpoint(format!("the state cannot be encoded: {error}")))
}

/// Reads what [`encode`] wrote, or says what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let (content, crc) = bytes.split_last_chunk::<4>().ok_or("it is cut short")?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return Err("its checksum is wrong".into());
    }
    let content = content.strip_prefix(MAGIC).ok_or("it is of another version")?;
    let (length, content) = content.split_first_chunk::<4>().ok_or("it is cut short")?;
    let (header, body) =
        content.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("it is cut short")?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let mut body = body;
    let mut next = |length: u64| {
        let (batch, rest) = body.split_at_checked(length as usize).ok_or("it is cut short")?;
        body = rest;
        read_batch(batch)
    };
    let batches = header.job.into_iter().map(&mut next).collect::<Result<_, String>>()?;
    let job = Saved { batches };
    let mut output = Vec::new();
    for [rows, deleted] in header.output {
        output.push(TableRows { rows: next(rows)?, deleted: next(deleted)? });
    }
    if header.positions.len() != header.partitions.len() {
        return Err("its partitions and their states differ in number".into());
    }
    let mut partitions = Vec::new();
    for (position, lengths) in header.positions.into_iter().zip(header.partitions) {
        let batches = lengths.into_iter().map(&mut next).collect::<Result<_, String>>()?;
        partitions.push(PartitionCheckpoint { position, saved: Saved { batches } });
    }
    if !body.is_empty() {
        return Err(format!("{} bytes belong to nothing", body.len()));
    }
    Ok(Checkpoint {
        epoch: header.epoch,
        base: header.base,
        origin: header.origin,
        identity: header.identity,
        totals: header.totals,
        watermark_ms: header.watermark_ms,
        partitions,
        job,
        output,
    })
}

fn read_batch(bytes: &[u8]) -> Result<RecordBatch, String> {
    let reader =
        StreamReader::try_new(Cursor::new(bytes), None).map_err(|error| error.to_string())?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    match <[RecordBatch; 1]>::try_from(batches) {
        Ok([batch]) => Ok(batch),
        Err(none) if none.is_empty() => Ok(RecordBatch::new_empty(schema)),
        Err(several) => Err(format!("{} batches are where one should be", several.len())),
    }
}

impl Identity {
    /// Refuses to go on from state that is of another query.
    ///
    /// # Errors
    /// A sentence that names the first difference and what to do.
    pub fn check(&self, saved: &Identity, place: &str) -> Result<(), Error> {
        let Some(difference) = self.difference(saved) else { return Ok(()) };
        Err(Error::Checkpoint(format!(
            "{place} was made {difference}: its state cannot follow; give the old options, another \
             --checkpoint and --job, or --reset to forget it and start anew"
        )))
    }

    fn difference(&self, saved: &Identity) -> Option<String> {
        let value = |of: &Identity, name: &str| {
            of.lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.clone())
        };
        for (name, now) in &self.lines {
            match value(saved, name) {
                Some(then) if then == *now => {}
                Some(then) => {
                    return Some(format!("with {name} = \"{then}\", and now it is \"{now}\""));
                }
                None => return Some(format!("without {name}, and now it is \"{now}\"")),
            }
        }
        let gone = saved.lines.iter().find(|(name, _)| value(self, name).is_none());
        gone.map(|(name, then)| format!("with {name} = \"{then}\", and now there is none"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn numbers(values: &[i64]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("number", column)]).unwrap()
    }

    #[test]
    fn what_is_not_as_it_was_written_is_told_and_nothing_is_left_out() {
        let position = Position {
            partition: 3,
            next_offset: 8,
            largest_ms: Some(5),
            last_record_wall_ms: 9,
            last_read: Some(LastRead { offset: 7, timestamp_ms: 4 }),
        };
        let saved = Saved { batches: vec![numbers(&[1, 2]), numbers(&[])] };
        let checkpoint = Checkpoint {
            epoch: 2,
            base: 1,
            origin: Origin::new("job", 0),
            identity: Identity { lines: vec![("topic".into(), "purchases".into())] },
            totals: Totals::default(),
            watermark_ms: None,
            partitions: vec![PartitionCheckpoint { position, saved }],
            job: Saved { batches: vec![numbers(&[7])] },
            output: vec![TableRows { rows: numbers(&[5, 6]), deleted: numbers(&[]) }],
        };
        let bytes = encode(&checkpoint).unwrap().concat();
        let read = decode(&bytes).unwrap();
        assert_eq!((read.epoch, read.base, &read.origin), (2, 1, &checkpoint.origin));
        assert_eq!(read.partitions[0].position, position);
        assert_eq!(read.partitions[0].saved.batches, checkpoint.partitions[0].saved.batches);
        assert_eq!(read.output[0].rows, checkpoint.output[0].rows);

        // Bytes that no length speaks of, under a right checksum.
        let mut longer = bytes[..bytes.len() - 4].to_vec();
        longer.extend([0; 16]);
        longer.extend(crc32fast::hash(&longer).to_le_bytes());
        assert_eq!(decode(&longer).unwrap_err(), "16 bytes belong to nothing");
        for cut in [0, 3, 20, bytes.len() - 1] {
            decode(&bytes[..cut]).unwrap_err();
        }

        // Two batches where one should be.
        let mut stream = Vec::new();
        let one = numbers(&[1]);
        let mut writer = StreamWriter::try_new(&mut stream, &one.schema()).unwrap();
        writer.write(&one).unwrap();
        writer.write(&one).unwrap();
        writer.finish().unwrap();
        drop(writer);
        assert_eq!(read_batch(&stream).unwrap_err(), "2 batches are where one should be");
    }
}
