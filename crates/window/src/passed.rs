//! Windows that their own partition's watermark has passed, and that wait for the other partitions.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::TimestampMillisecondType;

use crate::query::TOUCHED;
use crate::{Error, WindowQuery};

/// So many partials are put together into one: each has some KB of its own, whatever it holds.
const LOOSE: usize = 64;

/// The partials of such windows, in the order of their starts. No row of the partition can change
/// them any more (it would be late), so they need no hash tables, of which each has 64 KB before its
/// first group: a job that catches up on hours of short windows, while another partition lags
/// behind, would else hold gigabytes of them.
#[derive(Default)]
pub(crate) struct PassedWindows {
    parts: VecDeque<RecordBatch>,
    /// How many of the last parts are of one window each.
    loose: usize,
}

impl PassedWindows {
    /// Adds the partial of a window that begins after those before.
    pub(crate) fn push(&mut self, query: &WindowQuery, partial: RecordBatch) -> Result<(), Error> {
        self.parts.push_back(partial);
        self.loose += 1;
        if self.loose == LOOSE {
            let loose = self.parts.split_off(self.parts.len() - LOOSE);
            self.parts.push_back(concat_batches(query.partial_schema(), &loose)?);
            self.loose = 0;
        }
        Ok(())
    }

    /// Takes out, from the first on, the windows that begin before `start_ms`.
    pub(crate) fn take_before(&mut self, start_ms: i64) -> Vec<RecordBatch> {
        let mut taken = Vec::new();
        while let Some(first) = self.parts.pop_front() {
            self.loose = self.loose.min(self.parts.len());
            let count = starts(&first).partition_point(|&start| start < start_ms);
            if count < first.num_rows() {
                taken.push(first.slice(0, count));
                self.parts.push_front(first.slice(count, first.num_rows() - count));
                break;
            }
            taken.push(first);
        }
        taken
    }

    /// All of them; they stay, and what was touched is settled.
    pub(crate) fn settle(&mut self) -> Result<Vec<RecordBatch>, Error> {
        let told: Vec<RecordBatch> = self.parts.iter().cloned().collect();
        for part in &mut self.parts {
            if part.column(TOUCHED).as_boolean().true_count() > 0 {
                let mut columns = part.columns().to_vec();
                columns[TOUCHED] = Arc::new(BooleanArray::from(vec![false; part.num_rows()]));
                *part = RecordBatch::try_new(part.schema(), columns)?;
            }
        }
        Ok(told)
    }

    /// When the last of them begins.
    pub(crate) fn last_start_ms(&self) -> Option<i64> {
        starts(self.parts.back()?).last().copied()
    }

    /// How many rows (window and group) there are.
    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(RecordBatch::num_rows).sum()
    }

    /// Memory, bytes.
    pub(crate) fn size(&self) -> usize {
        self.parts.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}

fn starts(part: &RecordBatch) -> &[i64] {
    part.column(0).as_primitive::<TimestampMillisecondType>().values()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, TimestampMillisecondArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::query::timestamp_type;
    use crate::{QueryOptions, Window};

    fn query() -> WindowQuery {
        let rows = Schema::new(vec![Field::new("ts", timestamp_type(), false)]);
        let options = QueryOptions {
            time_column: "ts".into(),
            window: Window::Tumbling { size_ms: 10 },
            delay_ms: 0,
            group_by: Vec::new(),
            aggregates: vec!["count(*)".into()],
        };
        WindowQuery::plan(&Arc::new(rows), options).unwrap()
    }

    fn partial(query: &WindowQuery, start_ms: i64, rows: usize) -> RecordBatch {
        let time = |ms| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_value(ms, rows).with_timezone("UTC"))
        };
        assert_eq!(*query.partial_schema().field(3).data_type(), DataType::Int64);
        let touched = Arc::new(BooleanArray::from(vec![true; rows]));
        let counts = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let columns: Vec<ArrayRef> = vec![time(start_ms), time(start_ms + 10), touched, counts];
        RecordBatch::try_new(Arc::clone(query.partial_schema()), columns).unwrap()
    }

    #[test]
    fn windows_come_out_once_in_their_order_wherever_they_are_cut() {
        let query = query();
        for cut in [1, 7, 64, 100, 1_000] {
            let mut passed = PassedWindows::default();
            let mut found = Vec::new();
            for window in 0..300_i64 {
                passed.push(&query, partial(&query, window * 10, 1 + window as usize % 3)).unwrap();
                assert_eq!(passed.last_start_ms(), Some(window * 10));
                if window % cut == cut - 1 {
                    found.extend(passed.take_before((window - 5) * 10));
                }
            }
            assert!(passed.parts.len() < LOOSE + 300 / LOOSE + 1);
            let left = passed.rows();
            assert_eq!(left + found.iter().map(RecordBatch::num_rows).sum::<usize>(), 600);
            found.extend(passed.take_before(i64::MAX));
            assert_eq!((passed.rows(), passed.last_start_ms()), (0, None));
            let all = concat_batches(query.partial_schema(), &found).unwrap();
            let expected: Vec<i64> =
                (0..300).flat_map(|window| vec![window * 10; 1 + window as usize % 3]).collect();
            assert_eq!(starts(&all), expected);
        }
    }

    #[test]
    fn what_was_touched_is_told_once() {
        let query = query();
        let mut passed = PassedWindows::default();
        passed.push(&query, partial(&query, 0, 2)).unwrap();
        let touched = |parts: Vec<RecordBatch>| -> usize {
            parts.iter().map(|part| part.column(TOUCHED).as_boolean().true_count()).sum()
        };
        assert_eq!(touched(passed.settle().unwrap()), 2);
        passed.push(&query, partial(&query, 10, 3)).unwrap();
        assert_eq!(touched(passed.settle().unwrap()), 3);
        assert_eq!(touched(passed.settle().unwrap()), 0);
        assert_eq!(passed.rows(), 5);
    }
}
