//! What a partition needs to go on after a restart, whole or as the changes of one cut after another.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Schema, TimestampMillisecondType};
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::partition::{grid_span, keep_rows, take_all};
use crate::query::{PARTIAL_KEYS, TOUCHED};
use crate::{Error, Window, WindowQuery};

/// What a partition needs to go on after a restart.
#[derive(Clone, Debug)]
pub struct PartitionSnapshot {
    /// The largest event time read there; `None` before the first row.
    pub largest_ms: Option<i64>,
    /// Its open windows ([`WindowQuery::partial_schema`]).
    pub open: RecordBatch,
}

/// The open windows of a partition at a cut: all of them, or what had changed since the cut before.
#[derive(Clone, Debug)]
pub struct CutPartials {
    /// Partials, as [`crate::PartitionState::open_partials`] gives them.
    pub open: RecordBatch,
    /// Up to when windows were closed at that cut, ms; `i64::MIN` for none.
    pub closed_ms: i64,
}

impl CutPartials {
    /// Of all open windows only the groups that got a row since the cut before. `None` for sessions:
    /// they grow together, so what was there before may be none any more.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn changes(query: &WindowQuery, open: &RecordBatch) -> Result<Option<RecordBatch>, Error> {
        if let Window::Session { .. } = query.window() {
            return Ok(None);
        }
        let touched = open.column(TOUCHED).as_boolean().values().iter().collect();
        Ok(Some(keep_rows(open, touched)?))
    }

    /// The open windows after the last of the cuts: the first holds all of them, those after it what
    /// had changed.
    ///
    /// # Errors
    /// When a cut is of another query.
    pub fn put_together(query: &WindowQuery, cuts: &[Self]) -> Result<RecordBatch, Error> {
        let schema = query.partial_schema();
        if cuts.iter().any(|cut| cut.open.schema() != *schema) {
            return Err(Error::Snapshot("its columns are of another query".into()));
        }
        let (first, last) = match cuts {
            [] => return Err(Error::Snapshot("it holds no windows".into())),
            [one] => return Ok(one.open.clone()),
            [first, .., last] => (first, last),
        };
        debug_assert!(first.closed_ms <= last.closed_ms);
        let all = concat_batches(schema, cuts.iter().map(|cut| &cut.open))?;
        let starts = all.column(0).as_primitive::<TimestampMillisecondType>().values().clone();

        // Of a window's group the last row holds.
        let key: Vec<usize> =
            std::iter::once(0).chain(PARTIAL_KEYS..query.partial_states()).collect();
        let key = all.project(&key)?;
        let key_schema = Arc::new(Schema::new(key.schema().fields().clone()));
        let mut groups = new_group_values(key_schema, &GroupOrdering::None)?;
        let mut group_of_row = Vec::with_capacity(all.num_rows());
        groups.intern(key.columns(), &mut group_of_row)?;
        let mut last_rows = vec![0_u32; groups.len()];
        for (row, &group) in group_of_row.iter().enumerate() {
            last_rows[group] = row as u32;
        }
        last_rows
            .retain(|&row| !grid_span(query, starts[row as usize]).is_passed_by(last.closed_ms));
        // A snapshot holds its windows one after the other.
        last_rows.sort_by_key(|&row| starts[row as usize]);
        let chosen = UInt32Array::from(last_rows);
        Ok(RecordBatch::try_new(Arc::clone(schema), take_all(all.columns(), &chosen)?)?)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMillisecondArray,
    };
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::arrow::util::display::array_value_to_string;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::query::timestamp_type;
    use crate::{PartitionState, QueryOptions};

    const SEED: u64 = 20_240_101;

    fn rows(random: &mut ChaCha8Rng, now_ms: i64) -> RecordBatch {
        let count = random.random_range(0..20_usize);
        let mut column = |from: i64, to: i64| -> Vec<i64> {
            (0..count).map(|_| random.random_range(from..to)).collect()
        };
        let times =
            TimestampMillisecondArray::from(column(now_ms - 40, now_ms)).with_timezone("UTC");
        let cities =
            column(0, 4).into_iter().map(|city| (city > 0).then(|| format!("city {city}")));
        let columns: [ArrayRef; 3] = [
            Arc::new(times),
            Arc::new(cities.collect::<StringArray>()),
            Arc::new(Int64Array::from(column(-5, 100))),
        ];
        RecordBatch::try_new(schema(), columns.to_vec()).unwrap()
    }

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new("ts", timestamp_type(), false),
            Field::new("city", DataType::Utf8, true),
            Field::new("price", DataType::Int64, false),
        ]))
    }

    /// The rows as texts, in the order of windows, and without what was touched.
    fn texts(partials: &RecordBatch) -> Vec<String> {
        let columns = partials.columns().iter().enumerate().filter(|(at, _)| *at != TOUCHED);
        let columns: Vec<&ArrayRef> = columns.map(|(_, column)| column).collect();
        let text = |row| -> Vec<String> {
            columns.iter().map(|column| array_value_to_string(column, row).unwrap()).collect()
        };
        let mut texts: Vec<String> =
            (0..partials.num_rows()).map(|row| text(row).join("|")).collect();
        let starts = partials.column(0).as_primitive::<TimestampMillisecondType>().values();
        assert!(starts.is_sorted(), "{texts:?}");
        texts.sort();
        texts
    }

    #[test]
    fn changes_put_together_are_the_open_windows() {
        let windows =
            [Window::Tumbling { size_ms: 25 }, Window::Hopping { size_ms: 60, slide_ms: 20 }];
        for (window, groups) in
            windows.into_iter().flat_map(|it| [(it, vec!["city"]), (it, vec![])])
        {
            println!("seed {SEED}, {window}, groups {groups:?}");
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            let options = QueryOptions {
                time_column: "ts".into(),
                window,
                delay_ms: 30,
                group_by: groups.iter().map(ToString::to_string).collect(),
                aggregates: vec!["count(*)".into(), "sum(price)".into(), "max(price)".into()],
            };
            let query = Arc::new(WindowQuery::plan(&schema(), options).unwrap());
            let mut state = PartitionState::new(Arc::clone(&query));
            let (mut cuts, mut closed_ms, mut written) = (Vec::new(), i64::MIN, [0, 0]);
            for cut in 0..300_i64 {
                for _ in 0..random.random_range(0..3) {
                    let rows = rows(&mut random, 1_000 + cut * 7);
                    state.update(&rows, Some(closed_ms)).unwrap();
                }
                // Other partitions hold the job's watermark now and then.
                if random.random_bool(0.6) {
                    closed_ms = closed_ms.max(state.watermark_ms().unwrap_or(i64::MIN));
                }
                state.close(closed_ms).unwrap();
                let open = state.open_partials().unwrap();
                if random.random_bool(0.1) {
                    cuts.clear();
                }
                let changes = CutPartials::changes(&query, &open).unwrap().unwrap();
                written[0] += open.num_rows();
                written[1] += changes.num_rows();
                let part = if cuts.is_empty() { open.clone() } else { changes };
                cuts.push(CutPartials { open: part, closed_ms });
                let together = CutPartials::put_together(&query, &cuts).unwrap();
                assert_eq!(texts(&together), texts(&open), "cut {cut} of {}", cuts.len());

                // What goes on from there is the same again.
                if random.random_bool(0.2) {
                    let largest_ms = state.watermark().largest_ms();
                    let snapshot = PartitionSnapshot { largest_ms, open: together };
                    state = PartitionState::restore(Arc::clone(&query), snapshot).unwrap();
                    let again = state.open_partials().unwrap();
                    assert_eq!(texts(&again), texts(&open));
                    let touched = again.column(TOUCHED).as_boolean();
                    assert_eq!(*touched, BooleanArray::from(vec![false; again.num_rows()]));
                }
            }
            assert!(written[1] > 0 && written[1] < written[0], "{written:?}");
        }
    }

    /// Of many windows none keeps, or tells as its own, the memory of all.
    #[test]
    fn what_is_restored_takes_no_more_than_it_holds() {
        let options = QueryOptions {
            time_column: "ts".into(),
            window: Window::Tumbling { size_ms: 25 },
            delay_ms: 0,
            group_by: vec!["price".into()],
            aggregates: vec!["count(*)".into()],
        };
        let query = Arc::new(WindowQuery::plan(&schema(), options).unwrap());
        let (windows, groups) = (50, 400);
        let starts = (0..windows).flat_map(|window| vec![window * 25; groups as usize]);
        let columns: [ArrayRef; 3] = [
            Arc::new(TimestampMillisecondArray::from_iter_values(starts).with_timezone("UTC")),
            Arc::new(StringArray::new_null((windows * groups) as usize)),
            Arc::new(Int64Array::from_iter_values((0..windows).flat_map(|_| 0..groups))),
        ];
        let rows = RecordBatch::try_new(schema(), columns.to_vec()).unwrap();
        let mut state = PartitionState::new(Arc::clone(&query));
        state.update(&rows, None).unwrap();
        let open = state.open_partials().unwrap();
        assert_eq!(open.num_rows() as i64, windows * groups);
        let bytes = open.get_array_memory_size();
        let snapshot = PartitionSnapshot { largest_ms: state.watermark().largest_ms(), open };
        let restored = PartitionState::restore(query, snapshot).unwrap();
        let size = restored.size();
        assert!(size < 2 * bytes, "{size} bytes of {bytes}");
    }
}
