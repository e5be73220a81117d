//! The windows of one partition of the log: its watermark, and an unfinished aggregate per window
//! and group.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array,
};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take, take_record_batch};
use datafusion::arrow::datatypes::TimestampMillisecondType;

use crate::aggregate::Inputs;
use crate::groups::{Emitted, Groups};
use crate::late::{LateRow, Updated};
use crate::passed::PassedWindows;
use crate::query::PARTIAL_KEYS;
use crate::session::Sessions;
use crate::snapshot::PartitionSnapshot;
use crate::{Error, PartitionWatermark, Span, Window, WindowQuery};

/// The open windows of one partition.
pub struct PartitionState {
    query: Arc<WindowQuery>,
    watermark: PartitionWatermark,
    windows: Windows,
    scratch: Assignment,
}

enum Windows {
    Grid(Grid),
    Session(Sessions),
}

/// Windows of one length.
#[derive(Default)]
struct Grid {
    /// Those that rows may come for, by start.
    open: BTreeMap<i64, Groups>,
    /// Those before them.
    passed: PassedWindows,
}

/// Which rows of a batch go where.
#[derive(Default)]
struct Assignment {
    /// Rows per window start; the vectors are kept from batch to batch.
    rows: BTreeMap<i64, Vec<u32>>,
    /// The group of each row of a window.
    groups: Vec<usize>,
}

impl PartitionState {
    /// A partition of which nothing was read yet.
    pub fn new(query: Arc<WindowQuery>) -> Self {
        let windows = match query.window() {
            Window::Session { .. } => Windows::Session(Sessions::default()),
            _ => Windows::Grid(Grid::default()),
        };
        let watermark = PartitionWatermark::new(query.delay_ms());
        Self { query, watermark, windows, scratch: Assignment::default() }
    }

    /// A partition as a snapshot left it. The delay may be another than it was then.
    ///
    /// # Errors
    /// When the snapshot is of another query.
    pub fn restore(query: Arc<WindowQuery>, snapshot: PartitionSnapshot) -> Result<Self, Error> {
        if snapshot.open.schema() != *query.partial_schema() {
            return Err(Error::Snapshot("its columns are of another query".into()));
        }
        let mut state = Self::new(query);
        state.watermark = PartitionWatermark::restore(state.query.delay_ms(), snapshot.largest_ms);
        match &mut state.windows {
            Windows::Session(sessions) => sessions.restore(&snapshot.open)?,
            Windows::Grid(grid) => {
                grid.restore(&state.query, state.watermark.floor_ms(), &snapshot.open)?
            }
        }
        Ok(state)
    }

    /// The query whose windows these are.
    pub fn query(&self) -> &Arc<WindowQuery> {
        &self.query
    }

    /// The watermark; `None` before the first row.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.watermark.current_ms()
    }

    /// The watermark as it is now, to walk ahead of [`PartitionState::update`] row by row.
    pub fn watermark(&self) -> PartitionWatermark {
        self.watermark
    }

    /// Adds rows in the order of the log. `closed_ms` is the job's watermark: windows that it has
    /// passed are closed for good, which matters for a partition that comes back from idleness.
    ///
    /// # Errors
    /// When a kernel refuses the rows.
    pub fn update(&mut self, rows: &RecordBatch, closed_ms: Option<i64>) -> Result<Updated, Error> {
        let times = rows.column(self.query.time_index()).as_primitive::<TimestampMillisecondType>();
        let closed_ms = closed_ms.unwrap_or(i64::MIN);
        let keys = self.query.keys_of(rows);
        let inputs = self.query.inputs_of(rows)?;
        match &mut self.windows {
            Windows::Session(sessions) => {
                let walk =
                    Walk { watermark: &mut self.watermark, window: self.query.window(), closed_ms };
                let (updated, kept) = walk.sessions(times.values());
                sessions.add(&self.query, times, &keys, &inputs, kept)?;
                Ok(updated)
            }
            Windows::Grid(grid) => {
                let walk =
                    Walk { watermark: &mut self.watermark, window: self.query.window(), closed_ms };
                let updated = walk.grid(times.values(), &mut self.scratch.rows);
                for (&start_ms, chosen) in &mut self.scratch.rows {
                    if chosen.is_empty() {
                        continue;
                    }
                    let groups = match grid.open.entry(start_ms) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => entry
                            .insert(Groups::new(self.query.key_schema(), self.query.aggregates())?),
                    };
                    if chosen.len() == rows.num_rows() {
                        groups.update(&keys, rows.num_rows(), &inputs, &mut self.scratch.groups)?;
                    } else {
                        let chosen = UInt32Array::from(std::mem::take(chosen));
                        let keys = take_all(&keys, &chosen)?;
                        let inputs = take_inputs(&inputs, &chosen)?;
                        groups.update(&keys, chosen.len(), &inputs, &mut self.scratch.groups)?;
                    }
                }
                // A window that is not fed any more must not keep its vector for ever.
                self.scratch.rows.clear();
                grid.pass(&self.query, self.watermark.floor_ms())?;
                Ok(updated)
            }
        }
    }

    /// Takes out what the job's watermark has passed, as partials.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn close(&mut self, closed_ms: i64) -> Result<RecordBatch, Error> {
        match &mut self.windows {
            Windows::Session(sessions) => sessions.close(&self.query, closed_ms),
            Windows::Grid(grid) => {
                grid.pass(&self.query, closed_ms)?;
                let size_ms = grid_span(&self.query, 0).end_ms;
                let first_ms = closed_ms.saturating_sub(size_ms).saturating_add(1);
                let closed = grid.passed.take_before(first_ms);
                Ok(concat_batches(self.query.partial_schema(), &closed)?)
            }
        }
    }

    /// The open windows as partials; they stay open, and what was touched is settled.
    ///
    /// # Errors
    /// When a kernel refuses.
    pub fn open_partials(&mut self) -> Result<RecordBatch, Error> {
        match &mut self.windows {
            Windows::Session(sessions) => sessions.open_partials(&self.query),
            Windows::Grid(grid) => {
                let mut open = grid.passed.settle()?;
                for (&start_ms, groups) in &mut grid.open {
                    let span = grid_span(&self.query, start_ms);
                    let groups = groups.copy_states(self.query.aggregates())?;
                    open.push(partial(&self.query, span, groups)?);
                }
                Ok(concat_batches(self.query.partial_schema(), &open)?)
            }
        }
    }

    /// Everything that a restart needs, together with `open` from
    /// [`PartitionState::open_partials`].
    pub fn snapshot(&self, open: RecordBatch) -> PartitionSnapshot {
        PartitionSnapshot { largest_ms: self.watermark.largest_ms(), open }
    }

    /// The end of the last open window; `None` if none is open. Once the job's watermark is there,
    /// all are closed.
    pub fn latest_end_ms(&self) -> Option<i64> {
        match &self.windows {
            Windows::Grid(grid) => {
                let last_ms = grid.open.keys().next_back().copied();
                let last_ms = last_ms.or_else(|| grid.passed.last_start_ms());
                last_ms.map(|start_ms| grid_span(&self.query, start_ms).end_ms)
            }
            Windows::Session(sessions) => sessions.latest_end_ms(),
        }
    }

    /// How many rows (window and group) are open.
    pub fn open_rows(&self) -> usize {
        match &self.windows {
            Windows::Grid(grid) => {
                grid.passed.rows() + grid.open.values().map(Groups::len).sum::<usize>()
            }
            Windows::Session(sessions) => sessions.len(),
        }
    }

    /// Memory of the open windows, bytes. Not for hot paths.
    pub fn size(&self) -> usize {
        match &self.windows {
            Windows::Grid(grid) => {
                grid.passed.size() + grid.open.values().map(Groups::size).sum::<usize>()
            }
            Windows::Session(sessions) => sessions.size(),
        }
    }
}

/// A walk along a batch in the order of the log, that tells late rows from the others.
struct Walk<'a> {
    watermark: &'a mut PartitionWatermark,
    window: Window,
    closed_ms: i64,
}

impl Walk<'_> {
    /// Fills `rows` with the rows of each window start.
    fn grid(self, times: &[i64], rows: &mut BTreeMap<i64, Vec<u32>>) -> Updated {
        let mut updated = Updated::default();
        // Most rows follow a row of the same window: its vector is at hand, and no map is asked.
        let mut current = Span { start_ms: i64::MAX, end_ms: i64::MIN };
        let mut chosen: Vec<u32> = Vec::new();
        let tumbling = matches!(self.window, Window::Tumbling { .. });
        for (row, &event_ms) in times.iter().enumerate() {
            let floor_ms = self.watermark.floor_ms().max(self.closed_ms);
            let in_current = event_ms >= current.start_ms && event_ms < current.end_ms;
            if tumbling && in_current && !current.is_passed_by(floor_ms) {
                chosen.push(row as u32);
                updated.counted += 1;
                self.watermark.observe(event_ms);
                continue;
            }
            let mut missed = Vec::new();
            let mut counted = false;
            for span in self.window.spans(event_ms) {
                if span.is_passed_by(floor_ms) {
                    missed.push(span);
                    continue;
                }
                counted = true;
                if tumbling {
                    put_back(rows, current, &mut chosen);
                    chosen = std::mem::take(rows.entry(span.start_ms).or_default());
                    current = span;
                    chosen.push(row as u32);
                } else {
                    rows.entry(span.start_ms).or_default().push(row as u32);
                }
            }
            updated.note(row, event_ms, floor_ms, missed, counted);
            self.watermark.observe(event_ms);
        }
        put_back(rows, current, &mut chosen);
        updated
    }

    /// Sessions have no grid; says which rows are not late.
    fn sessions(self, times: &[i64]) -> (Updated, Option<Vec<u32>>) {
        let mut updated = Updated::default();
        let mut kept = Vec::with_capacity(times.len());
        for (row, &event_ms) in times.iter().enumerate() {
            let floor_ms = self.watermark.floor_ms().max(self.closed_ms);
            let late = floor_ms >= self.window.earliest_end_ms(event_ms);
            let missed = if late { self.window.spans(event_ms).collect() } else { Vec::new() };
            updated.note(row, event_ms, floor_ms, missed, !late);
            if !late {
                kept.push(row as u32);
            }
            self.watermark.observe(event_ms);
        }
        let all = kept.len() == times.len();
        (updated, (!all).then_some(kept))
    }
}

/// Gives the rows of the window at hand back to the map.
fn put_back(rows: &mut BTreeMap<i64, Vec<u32>>, current: Span, chosen: &mut Vec<u32>) {
    if !chosen.is_empty() {
        rows.insert(current.start_ms, std::mem::take(chosen));
    }
}

impl Updated {
    fn note(
        &mut self,
        row: usize,
        event_ms: i64,
        watermark_ms: i64,
        missed: Vec<Span>,
        counted: bool,
    ) {
        if counted {
            self.counted += 1;
        } else {
            self.late += 1;
        }
        if !missed.is_empty() {
            self.late_rows.push(LateRow { row, event_ms, watermark_ms, missed, counted });
        }
    }
}

pub(crate) fn grid_span(query: &WindowQuery, start_ms: i64) -> Span {
    let size_ms = match query.window() {
        Window::Tumbling { size_ms } | Window::Hopping { size_ms, .. } => size_ms,
        Window::Session { gap_ms } => gap_ms,
    };
    Span { start_ms, end_ms: start_ms.saturating_add(size_ms) }
}

/// Puts one window's groups into the shape of a partial.
fn partial(query: &WindowQuery, span: Span, groups: Emitted) -> Result<RecordBatch, Error> {
    let rows = groups.touched.len();
    let repeat = |ms: i64| {
        Arc::new(TimestampMillisecondArray::from_value(ms, rows).with_timezone("UTC")) as ArrayRef
    };
    let mut columns =
        vec![repeat(span.start_ms), repeat(span.end_ms), Arc::new(groups.touched) as _];
    columns.extend(groups.keys);
    columns.extend(groups.columns);
    Ok(RecordBatch::try_new(Arc::clone(query.partial_schema()), columns)?)
}

impl Grid {
    /// No row comes any more for windows that end by `passed_ms`.
    fn pass(&mut self, query: &WindowQuery, passed_ms: i64) -> Result<(), Error> {
        while let Some(entry) = self.open.first_entry() {
            let span = grid_span(query, *entry.key());
            if !span.is_passed_by(passed_ms) {
                break;
            }
            let states = entry.remove().take_states()?;
            self.passed.push(query, partial(query, span, states)?)?;
        }
        Ok(())
    }

    fn restore(
        &mut self,
        query: &WindowQuery,
        passed_ms: i64,
        snapshot: &RecordBatch,
    ) -> Result<(), Error> {
        let starts = snapshot.column(0).as_primitive::<TimestampMillisecondType>().values();
        let mut at = 0;
        // A snapshot holds its windows one after the other.
        while at < starts.len() {
            let length = starts[at..].iter().take_while(|start| **start == starts[at]).count();
            let part = snapshot.slice(at, length);
            let span = grid_span(query, starts[at]);
            at += length;
            if span.is_passed_by(passed_ms) {
                // Copied, for a slice keeps, and counts as its own, the memory of the whole snapshot.
                let rows = UInt32Array::from_iter_values(0..length as u32);
                self.passed.push(query, take_record_batch(&part, &rows)?)?;
                continue;
            }
            let mut groups = Groups::new(query.key_schema(), query.aggregates())?;
            let states = query.partial_states();
            let keys = &part.columns()[PARTIAL_KEYS..states];
            // What was touched before the snapshot is in the rows of the snapshot's own epoch.
            let settled = BooleanArray::from(vec![false; length]);
            groups.merge(query.aggregates(), keys, &settled, &part.columns()[states..])?;
            self.open.insert(span.start_ms, groups);
        }
        // The same of those that have passed.
        self.passed.settle()?;
        Ok(())
    }
}

/// The chosen rows of every array.
pub(crate) fn take_all(arrays: &[ArrayRef], chosen: &UInt32Array) -> Result<Vec<ArrayRef>, Error> {
    Ok(arrays.iter().map(|array| take(array, chosen, None)).collect::<Result<_, _>>()?)
}

/// The chosen rows of every aggregate's arguments and filter.
pub(crate) fn take_inputs(inputs: &[Inputs], chosen: &UInt32Array) -> Result<Vec<Inputs>, Error> {
    inputs
        .iter()
        .map(|input| {
            let filter = match &input.filter {
                Some(filter) => Some(take(filter, chosen, None)?.as_boolean().clone()),
                None => None,
            };
            Ok(Inputs { arguments: take_all(&input.arguments, chosen)?, filter })
        })
        .collect()
}

/// The rows of a batch that `keep` says.
pub(crate) fn keep_rows(rows: &RecordBatch, keep: Vec<bool>) -> Result<RecordBatch, Error> {
    Ok(filter_record_batch(rows, &BooleanArray::from(keep))?)
}
