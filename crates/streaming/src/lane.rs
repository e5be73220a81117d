//! One partition inside a running job: from its records to its operator's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arus_kafka::source::Record;
use arus_runtime::clock::Clock;

use crate::Error;
use crate::aside::{Aside, KeptRecord, Why};
use crate::checkpoint::LastRead;
use crate::decode::Decoder;
use crate::operator::Partition;
use crate::options::millis;
use crate::progress::Totals;
use crate::source::Reader;

/// Records taken from a partition at a time: enough that a batch's fixed costs vanish, little
/// enough that an epoch never waits long for one.
const BATCH_RECORDS: usize = 8192;

/// What all lanes of a job share.
pub(crate) struct LaneShared {
    pub(crate) aside: Arc<dyn Aside>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How far ahead of the wall clock an event may be, ms.
    pub(crate) max_skew_ms: i64,
    /// The job's watermark at the last epoch; `i64::MIN` for none. Changed only while every lane is
    /// locked.
    closed_ms: AtomicI64,
}

impl LaneShared {
    pub(crate) fn new(aside: Arc<dyn Aside>, clock: Arc<dyn Clock>, max_skew_ms: i64) -> Self {
        Self { aside, clock, max_skew_ms, closed_ms: AtomicI64::new(i64::MIN) }
    }

    pub(crate) fn close_up_to(&self, watermark_ms: Option<i64>) {
        self.closed_ms.store(watermark_ms.unwrap_or(i64::MIN), Ordering::Release);
    }

    fn closed_ms(&self) -> Option<i64> {
        Some(self.closed_ms.load(Ordering::Acquire)).filter(|&ms| ms != i64::MIN)
    }

    /// Ms on a clock that no one sets.
    pub(crate) fn monotonic_ms(&self) -> i64 {
        millis(self.clock.monotonic())
    }
}

/// One partition's place, state and counts.
pub(crate) struct Lane<P> {
    pub(crate) partition: i32,
    pub(crate) next_offset: i64,
    pub(crate) state: P,
    decoder: Box<dyn Decoder>,
    /// The last record that was read, if it had a timestamp.
    pub(crate) last_read: Option<LastRead>,
    /// Since the lane was made.
    pub(crate) totals: Totals,
    /// When the last record came that could be read, by [`LaneShared::monotonic_ms`]; of before
    /// this process: less than zero. A partition that delivers nothing else must not hold the others.
    pub(crate) last_record_ms: i64,
    /// When the partition's end was met, if no record came since.
    pub(crate) at_end_ms: Option<i64>,
    /// Records from this offset on are not for this run.
    pub(crate) stop_at: Option<i64>,
    /// The newest event of each batch since the last epoch, ms.
    pub(crate) newest_events_ms: Vec<i64>,
    /// The last record that was read is to be read again, and did not come yet: until it shows that
    /// this is the same log, nothing that was read belongs to it for sure.
    pub(crate) unverified: bool,
    /// A batch is in the state, and not all that it has to set aside is out: of this no epoch may be
    /// cut. Stays set when setting aside fails, which ends the job.
    pub(crate) torn: bool,
}

/// What one batch of records came to, before the operator sees it.
#[derive(Default)]
struct Intake {
    read: u64,
    next_offset: Option<i64>,
    last_read: Option<LastRead>,
    /// Rows that the decoder took.
    decoded: usize,
    /// Which of those come from the far future.
    from_future: Vec<usize>,
    newest_ms: Option<i64>,
    rejected: Vec<(KeptRecord, String)>,
    /// Records of rows that will be late, by their place among the rows that stay.
    late: Vec<(usize, KeptRecord)>,
}

/// The timestamp of a record in the place of the last one, if it is another, ms; -1 for none.
fn differs(record: &Record<'_>, last: LastRead) -> Option<i64> {
    let is_other = record.offset == last.offset && record.timestamp_ms != Some(last.timestamp_ms);
    is_other.then(|| record.timestamp_ms.unwrap_or(-1))
}

impl<P: Partition> Lane<P> {
    pub(crate) fn new(
        partition: i32,
        next_offset: i64,
        state: P,
        decoder: Box<dyn Decoder>,
        last_record_ms: i64,
    ) -> Self {
        Self {
            partition,
            next_offset,
            state,
            decoder,
            last_read: None,
            totals: Totals::default(),
            last_record_ms,
            at_end_ms: None,
            stop_at: None,
            newest_events_ms: Vec::new(),
            unverified: false,
            torn: false,
        }
    }

    /// Whether everything that this run is for has been read.
    pub(crate) fn is_done(&self) -> bool {
        let is_past = |end| self.next_offset >= end || self.at_end_ms.is_some();
        !self.unverified && self.stop_at.is_some_and(is_past)
    }

    /// Takes what is there now, a batch at the most, into the state. Says how many records that
    /// was.
    pub(crate) fn step(
        &mut self,
        reader: &mut dyn Reader,
        shared: &LaneShared,
    ) -> Result<usize, Error> {
        let (intake, records) = self.take_in(reader, shared)?;
        if records == 0 {
            return Ok(0);
        }
        let rows = self.rows(&intake)?;
        self.torn = true;
        let updated = self.state.update(&rows, shared.closed_ms())?;
        self.totals.read += intake.read;
        self.totals.counted += updated.counted as u64;
        self.totals.late += updated.late as u64;
        self.totals.rejected += intake.rejected.len() as u64;
        self.next_offset = intake.next_offset.unwrap_or(self.next_offset);
        self.last_read = intake.last_read.or(self.last_read);
        if intake.newest_ms.is_some() {
            self.last_record_ms = shared.monotonic_ms();
        }
        self.newest_events_ms.extend(intake.newest_ms);

        for (record, reason) in intake.rejected {
            shared.aside.put(self.partition, record, Why::Rejected(reason))?;
        }
        let mut kept = intake.late.into_iter().peekable();
        for late in updated.late_rows {
            while kept.next_if(|(row, _)| *row < late.row).is_some() {}
            let (_, record) = kept
                .next_if(|(row, _)| *row == late.row)
                .expect("an operator's foresight names the rows that it calls late");
            shared.aside.put(self.partition, record, Why::Late(late))?;
        }
        self.torn = false;
        Ok(records)
    }

    fn take_in(
        &mut self,
        reader: &mut dyn Reader,
        shared: &LaneShared,
    ) -> Result<(Intake, usize), Error> {
        let latest_ms = shared.clock.wall_ms().saturating_add(shared.max_skew_ms);
        let mut foresight = self.state.foresight(shared.closed_ms());
        let mut intake = Intake::default();
        let decoder = &mut self.decoder;
        let stop_at = self.stop_at.unwrap_or(i64::MAX);
        let (next_offset, last_read) = (self.next_offset, self.last_read);
        let mut other_ms = None;
        let polled = reader.poll(BATCH_RECORDS, &mut |record: Record<'_>| {
            if record.offset < next_offset {
                // Read again after a restart, to see whether it is the same.
                other_ms = other_ms.or(last_read.and_then(|last| differs(&record, last)));
                return;
            }
            if record.offset >= stop_at {
                // All before it has been read, even if the last offsets held no record.
                intake.next_offset = Some(stop_at);
                return;
            }
            intake.read += 1;
            intake.next_offset = Some(record.offset + 1);
            intake.last_read = record
                .timestamp_ms
                .map(|timestamp_ms| LastRead { offset: record.offset, timestamp_ms });
            let event_ms = match decoder.push(&record) {
                Ok(event_ms) => event_ms,
                Err(reason) => {
                    intake.rejected.push((record.into(), reason));
                    return;
                }
            };
            intake.decoded += 1;
            if event_ms > latest_ms {
                intake.from_future.push(intake.decoded - 1);
                let ahead_s = event_ms.saturating_sub(latest_ms - shared.max_skew_ms) / 1000;
                let allowed_s = shared.max_skew_ms / 1000;
                let reason = format!(
                    "event time is {ahead_s} s ahead of the clock (--max-skew allows {allowed_s} s)"
                );
                intake.rejected.push((record.into(), reason));
                return;
            }
            if foresight.is_late(event_ms) {
                let row = intake.decoded - 1 - intake.from_future.len();
                intake.late.push((row, record.into()));
            }
            intake.newest_ms = intake.newest_ms.max(Some(event_ms));
        })?;
        if let (Some(found_ms), Some(last)) = (other_ms, last_read) {
            let LastRead { offset, timestamp_ms: read_ms } = last;
            return Err(Error::OtherLog { partition: self.partition, offset, found_ms, read_ms });
        }
        // Whatever came is that record, or lies behind it; and before an end there is none.
        self.unverified &= polled.records == 0 && !polled.at_end;
        if polled.at_end {
            self.at_end_ms = Some(shared.monotonic_ms());
        } else if polled.records > 0 {
            self.at_end_ms = None;
        }
        Ok((intake, polled.records))
    }

    /// The decoded rows, without those from the far future.
    fn rows(&mut self, intake: &Intake) -> Result<RecordBatch, Error> {
        let rows = self.decoder.finish();
        if intake.from_future.is_empty() {
            return Ok(rows);
        }
        let mut keep = vec![true; rows.num_rows()];
        for &row in &intake.from_future {
            keep[row] = false;
        }
        Ok(filter_record_batch(&rows, &BooleanArray::from(keep))
            .map_err(arus_window::Error::from)?)
    }
}
