//! Session windows: per group, as long as no gap is `gap` long.
//!
//! Rows are not added to a session one by one. Each batch is cut into the sessions that its own
//! rows make, each with its intermediate aggregates; these *fresh* partials pile up and are merged
//! with the older ones when there are as many of them (so every partial is merged a logarithmic
//! number of times, as in a log-structured tree), and before anything is taken out.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::aggregate::Inputs;
use crate::groups::Groups;
use crate::partition::{keep_rows, take_all, take_inputs};
use crate::query::PARTIAL_KEYS;
use crate::{Error, Span, Window, WindowQuery};

/// Fewer fresh partials than this are not worth a merge.
const MERGE_AT_ROWS: usize = 4096;

/// The open sessions of one partition.
#[derive(Default)]
pub(crate) struct Sessions {
    /// No two of these overlap within a group.
    merged: Option<RecordBatch>,
    fresh: Vec<RecordBatch>,
    fresh_rows: usize,
}

impl Sessions {
    pub(crate) fn restore(&mut self, open: &RecordBatch) -> Result<(), Error> {
        self.merged = Some(settle(open)?);
        Ok(())
    }

    /// Adds the rows of a batch that are `kept` (all, if `None`).
    pub(crate) fn add(
        &mut self,
        query: &WindowQuery,
        times: &TimestampMillisecondArray,
        keys: &[ArrayRef],
        inputs: &[Inputs],
        kept: Option<Vec<u32>>,
    ) -> Result<(), Error> {
        let fresh = match kept {
            None => batch_sessions(query, times.values(), keys, inputs)?,
            Some(kept) => {
                let kept = UInt32Array::from(kept);
                let times: Vec<i64> =
                    kept.values().iter().map(|&row| times.value(row as usize)).collect();
                batch_sessions(
                    query,
                    &times,
                    &take_all(keys, &kept)?,
                    &take_inputs(inputs, &kept)?,
                )?
            }
        };
        self.fresh_rows += fresh.num_rows();
        self.fresh.push(fresh);
        let merged_rows = self.merged.as_ref().map_or(0, RecordBatch::num_rows);
        if self.fresh_rows > merged_rows.max(MERGE_AT_ROWS) {
            self.merge(query)?;
        }
        Ok(())
    }

    /// Merges all partials into sessions that do not overlap, and gives them.
    fn merge(&mut self, query: &WindowQuery) -> Result<&RecordBatch, Error> {
        let parts = self.merged.take().into_iter().chain(self.fresh.drain(..)).collect::<Vec<_>>();
        self.fresh_rows = 0;
        let merged = match <[RecordBatch; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => merge_sessions(query, &concat_batches(query.partial_schema(), &parts)?)?,
        };
        Ok(self.merged.insert(merged))
    }

    /// Takes out the sessions that end by `closed_ms`. Another partition may still hold a part of
    /// one of them: the coordinator keeps it until the whole session is over.
    pub(crate) fn close(
        &mut self,
        query: &WindowQuery,
        closed_ms: i64,
    ) -> Result<RecordBatch, Error> {
        let merged = self.merge(query)?;
        let ends = merged.column(1).as_primitive::<TimestampMillisecondType>();
        let over: Vec<bool> = ends.values().iter().map(|&end| end <= closed_ms).collect();
        let closed = keep_rows(merged, over.clone())?;
        let open = keep_rows(merged, over.into_iter().map(|over| !over).collect())?;
        self.merged = Some(open);
        Ok(closed)
    }

    pub(crate) fn open_partials(&mut self, query: &WindowQuery) -> Result<RecordBatch, Error> {
        let open = self.merge(query)?.clone();
        self.merged = Some(settle(&open)?);
        Ok(open)
    }

    pub(crate) fn latest_end_ms(&self) -> Option<i64> {
        let parts = self.merged.iter().chain(&self.fresh);
        parts.flat_map(spans_of).map(|span| span.end_ms).max()
    }

    pub(crate) fn len(&self) -> usize {
        self.merged.as_ref().map_or(0, RecordBatch::num_rows) + self.fresh_rows
    }

    pub(crate) fn size(&self) -> usize {
        self.merged.iter().chain(&self.fresh).map(RecordBatch::get_array_memory_size).sum()
    }
}

/// The same partials, none of them touched.
fn settle(open: &RecordBatch) -> Result<RecordBatch, Error> {
    let mut columns = open.columns().to_vec();
    columns[2] = Arc::new(BooleanArray::from(vec![false; open.num_rows()]));
    Ok(RecordBatch::try_new(open.schema(), columns)?)
}

/// Cuts rows into the sessions that they make by themselves.
fn batch_sessions(
    query: &WindowQuery,
    times: &[i64],
    keys: &[ArrayRef],
    inputs: &[Inputs],
) -> Result<RecordBatch, Error> {
    let Window::Session { gap_ms } = query.window() else {
        return Err(Error::Window("the window is no session".into()));
    };
    if times.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(query.partial_schema())));
    }
    let group_of_row = group_rows(query, keys, times.len())?;
    let spans: Vec<Span> = times
        .iter()
        .map(|&start_ms| Span { start_ms, end_ms: start_ms.saturating_add(gap_ms) })
        .collect();
    let sessions = Components::of(&group_of_row, &spans);
    let mut groups = Groups::new(query.key_schema(), query.aggregates())?;
    groups.update_as(&sessions.of_row, sessions.spans.len(), inputs)?;
    let states = groups.take_states()?.columns;
    let touched = BooleanArray::from(vec![true; sessions.spans.len()]);
    sessions.batch(query, keys, touched, states)
}

/// Merges partials whose spans overlap within a group.
pub(crate) fn merge_sessions(
    query: &WindowQuery,
    partials: &RecordBatch,
) -> Result<RecordBatch, Error> {
    if partials.num_rows() == 0 {
        return Ok(partials.clone());
    }
    let keys = &partials.columns()[PARTIAL_KEYS..query.partial_states()];
    let group_of_row = group_rows(query, keys, partials.num_rows())?;
    let sessions = Components::of(&group_of_row, &spans_of(partials));
    let mut groups = Groups::new(query.key_schema(), query.aggregates())?;
    let states = &partials.columns()[query.partial_states()..];
    groups.merge_as(query.aggregates(), &sessions.of_row, sessions.spans.len(), states)?;
    let states = groups.take_states()?.columns;
    let mut touched = vec![false; sessions.spans.len()];
    for (row, was_touched) in partials.column(2).as_boolean().values().iter().enumerate() {
        touched[sessions.of_row[row]] |= was_touched;
    }
    sessions.batch(query, keys, BooleanArray::from(touched), states)
}

/// The windows of partials, row by row.
pub(crate) fn spans_of(partials: &RecordBatch) -> Vec<Span> {
    let starts = partials.column(0).as_primitive::<TimestampMillisecondType>();
    let ends = partials.column(1).as_primitive::<TimestampMillisecondType>();
    let pairs = starts.values().iter().zip(ends.values());
    pairs.map(|(&start_ms, &end_ms)| Span { start_ms, end_ms }).collect()
}

/// A number per row, the same for rows of the same group.
pub(crate) fn group_rows(
    query: &WindowQuery,
    keys: &[ArrayRef],
    rows: usize,
) -> Result<Vec<usize>, Error> {
    if keys.is_empty() {
        return Ok(vec![0; rows]);
    }
    let mut groups = new_group_values(Arc::clone(query.key_schema()), &GroupOrdering::None)?;
    let mut group_of_row = Vec::with_capacity(rows);
    groups.intern(keys, &mut group_of_row)?;
    Ok(group_of_row)
}

/// Spans that overlap within a group, joined.
pub(crate) struct Components {
    /// Which component each row belongs to.
    pub(crate) of_row: Vec<usize>,
    /// The span of each component.
    pub(crate) spans: Vec<Span>,
    /// A row of each component, to take its group from.
    pub(crate) first_row: Vec<u32>,
}

impl Components {
    pub(crate) fn of(group_of_row: &[usize], spans: &[Span]) -> Self {
        let mut order: Vec<u32> = (0..spans.len() as u32).collect();
        // Ties stay in the order of the rows, so that the same log always gives the same order of
        // merging.
        order.sort_by_key(|&row| (group_of_row[row as usize], spans[row as usize].start_ms));
        let mut components =
            Self { of_row: vec![0; spans.len()], spans: Vec::new(), first_row: Vec::new() };
        let mut last_group = usize::MAX;
        for row in order {
            let (group, span) = (group_of_row[row as usize], spans[row as usize]);
            match components.spans.last_mut() {
                Some(open) if group == last_group && span.start_ms < open.end_ms => {
                    open.end_ms = open.end_ms.max(span.end_ms);
                }
                _ => {
                    components.spans.push(span);
                    components.first_row.push(row);
                    last_group = group;
                }
            }
            components.of_row[row as usize] = components.spans.len() - 1;
        }
        components
    }

    /// Puts one row per component into the shape of a partial.
    fn batch(
        self,
        query: &WindowQuery,
        keys: &[ArrayRef],
        touched: BooleanArray,
        states: Vec<ArrayRef>,
    ) -> Result<RecordBatch, Error> {
        let times = |pick: fn(&Span) -> i64| {
            let values = self.spans.iter().map(pick).collect::<Vec<_>>();
            Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC")) as ArrayRef
        };
        let mut columns =
            vec![times(|span| span.start_ms), times(|span| span.end_ms), Arc::new(touched) as _];
        columns.extend(take_all(keys, &UInt32Array::from(self.first_row.clone()))?);
        columns.extend(states);
        Ok(RecordBatch::try_new(Arc::clone(query.partial_schema()), columns)?)
    }
}
