//! The same log in a file and in memory, whole, cut and damaged.

use tansu_sans_io::record::inflated;

use super::*;

/// A batch whose records have the times `first_time`, `first_time + 10`, …
fn batch(records: i32, first_time: i64) -> Batch {
    numbered_batch(records, first_time, -1, -1)
}

fn numbered_batch(records: i32, first_time: i64, producer: i64, sequence: i32) -> Batch {
    let mut builder = inflated::Batch::builder()
        .base_timestamp(first_time)
        .max_timestamp(first_time + i64::from(records - 1) * 10)
        .last_offset_delta(records - 1)
        .producer_id(producer)
        .producer_epoch(0)
        .base_sequence(sequence);
    for index in 0..records {
        builder = builder.record(
            Record::builder()
                .offset_delta(index)
                .timestamp_delta(i64::from(index) * 10)
                .value(Some(Bytes::from(format!("{first_time}/{index}")))),
        );
    }
    builder.build().and_then(Batch::try_from).expect("a batch of valid records")
}

/// The values of all records from the offset on, as a consumer sees them.
fn values_from(log: &PartitionLog, offset: i64) -> Vec<String> {
    let mut values = Vec::new();
    let mut next = offset;
    while next < log.end_offset() {
        for batch in log.read(next, 1, true).expect("the offset is in range") {
            let base = batch.base_offset;
            next = batch.max_offset() + 1;
            let records = Vec::<Record>::try_from(batch).expect("records decode");
            values.extend(records.into_iter().filter_map(|record| {
                let value = record.value.expect("the tests write values");
                let asked_for = base + i64::from(record.offset_delta) >= offset;
                asked_for.then(|| String::from_utf8(value.to_vec()).expect("they are text"))
            }));
        }
    }
    values
}

fn file_of_three(path: &Path) -> PartitionLog {
    let mut log = PartitionLog::open(path).expect("a fresh file");
    for (records, time) in [(3, 1_000), (1, 2_000), (4, 3_000)] {
        log.append(batch(records, time)).expect("the disk has room");
    }
    log
}

#[test]
fn every_offset_reads_on_from_itself_in_file_and_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut in_file = PartitionLog::open(&folder.path().join("0.log")).expect("a fresh file");
    let mut in_memory = PartitionLog::in_memory();
    let mut expected = Vec::new();
    for (number, records) in [3, 1, 4, 1, 5, 9, 2, 6].into_iter().enumerate() {
        let time = 1_000 * number as i64;
        let offset = expected.len() as i64;
        assert_eq!(in_file.append(batch(records, time)).ok(), Some(offset));
        assert_eq!(in_memory.append(batch(records, time)).ok(), Some(offset));
        expected.extend((0..records).map(|index| format!("{time}/{index}")));
    }
    drop(in_file);
    let in_file = PartitionLog::open(&folder.path().join("0.log")).expect("the same file");
    for log in [&in_file, &in_memory] {
        assert_eq!(log.end_offset(), expected.len() as i64);
        for offset in 0..=expected.len() {
            // From inside a batch as well: nothing before the offset, nothing left out.
            assert_eq!(values_from(log, offset as i64), expected[offset..], "from {offset}");
        }
        for beyond in [-1, expected.len() as i64 + 1] {
            assert!(matches!(log.read(beyond, 1, true), Err(LogError::OutOfRange)), "{beyond}");
        }
    }
}

#[test]
fn a_limit_holds_except_for_the_first_batch() {
    let mut log = PartitionLog::in_memory();
    for time in [1_000, 2_000, 3_000] {
        log.append(batch(2, time)).expect("memory has room");
    }
    let size = log.entries[0].bytes;
    let cases = [
        (0, true, 1),
        (0, false, 0),
        (size - 1, true, 1),
        (size, false, 1),
        (2 * size, true, 2),
        (3 * size - 1, false, 2),
        (u64::MAX, true, 3),
    ];
    for (limit, at_least_one, expected) in cases {
        let batches = log.read(0, limit, at_least_one).expect("0 is in range");
        assert_eq!(batches.len(), expected, "limit {limit}, at least one: {at_least_one}");
    }
}

#[test]
fn what_a_kill_cut_off_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("0.log");
    let log = file_of_three(&path);
    let (start_of_last, length) = (log.entries[2].position, log.end_position);
    drop(log);
    let whole = std::fs::read(&path).expect("the file is there");
    for cut in start_of_last + 1..length {
        std::fs::write(&path, &whole[..cut as usize]).expect("the folder is writable");
        let mut log = PartitionLog::open(&path).expect("a torn file opens");
        assert_eq!(log.end_offset(), 4, "cut at {cut}");
        assert_eq!(log.append(batch(2, 9_000)).ok(), Some(4), "cut at {cut}");
        drop(log);
        let log = PartitionLog::open(&path).expect("it opens again");
        assert_eq!(values_from(&log, 3), ["2000/0", "9000/0", "9000/1"], "cut at {cut}");
    }
}

#[test]
fn a_last_batch_with_wrong_bytes_goes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("0.log");
    let log = file_of_three(&path);
    let inside_last = log.entries[2].position as usize + HEADER_BYTES + 3;
    drop(log);
    let mut bytes = std::fs::read(&path).expect("the file is there");
    bytes[inside_last] ^= 0x40;
    std::fs::write(&path, &bytes).expect("the folder is writable");
    let log = PartitionLog::open(&path).expect("a damaged file opens");
    assert_eq!(values_from(&log, 0), ["1000/0", "1000/1", "1000/2", "2000/0"]);
}

#[test]
fn a_repeated_batch_is_kept_once_even_across_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("0.log");
    let mut log = PartitionLog::open(&path).expect("a fresh file");
    assert_eq!(log.append(numbered_batch(3, 1_000, 7, 0)).ok(), Some(0));
    assert_eq!(log.append(numbered_batch(2, 2_000, 7, 3)).ok(), Some(3));
    assert_eq!(log.append(numbered_batch(3, 1_000, 7, 0)).ok(), Some(0));
    drop(log);
    let mut log = PartitionLog::open(&path).expect("the same file");
    assert_eq!(log.append(numbered_batch(2, 2_000, 7, 3)).ok(), Some(3));
    let gap = log.append(numbered_batch(1, 3_000, 7, 6));
    assert!(matches!(gap, Err(LogError::OutOfOrder)), "{gap:?}");
    assert_eq!(log.append(numbered_batch(1, 3_000, 7, 5)).ok(), Some(5));
    assert_eq!(log.end_offset(), 6);
}

#[test]
fn times_lead_to_the_first_record_at_or_after_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = file_of_three(&folder.path().join("0.log"));
    let cases = [
        (0, Some((0, 1_000))),
        (1_000, Some((0, 1_000))),
        (1_011, Some((2, 1_020))),
        (1_021, Some((3, 2_000))),
        (3_030, Some((7, 3_030))),
        (3_031, None),
    ];
    for (time, expected) in cases {
        assert_eq!(log.find_time(time).expect("the file is readable"), expected, "{time}");
    }
    assert_eq!(log.newest_time(), Some((7, 3_030)));
}

#[test]
fn a_batch_that_holds_another_number_of_records_than_it_says_is_refused() {
    let mut log = PartitionLog::in_memory();
    for (records, last_offset_delta) in [(3, 1), (3, 7), (1, 1)] {
        let torn = Batch { last_offset_delta, ..batch(records, 1_000) };
        let error = log.append(torn).expect_err("readers would miss an offset");
        assert!(matches!(error, LogError::Invalid), "{error:?}");
    }
    assert_eq!(log.end_offset(), 0);
    log.append(batch(3, 1_000)).expect("a whole one");
    assert_eq!(log.end_offset(), 3);
}

/// Times are the producers' numbers.
#[test]
fn absurd_times_are_looked_for_without_a_panic() {
    let mut log = PartitionLog::in_memory();
    let builder = inflated::Batch::builder()
        .base_timestamp(i64::MAX - 5)
        .max_timestamp(i64::MAX)
        .last_offset_delta(0)
        .record(Record::builder().timestamp_delta(1_000).value(Some(Bytes::from("x"))));
    let beyond = builder.build().and_then(Batch::try_from).expect("a batch of valid records");
    log.append(beyond).expect("it is whole");
    let found = log.find_time(i64::MAX - 1).expect("the log is readable");
    assert_eq!(found, Some((0, i64::MAX)));
}
