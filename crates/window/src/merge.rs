//! From the partials of all partitions to output rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray, UInt32Array,
};
use datafusion::arrow::compute::{SortColumn, concat_batches, lexsort_to_indices};

use crate::groups::Groups;
use crate::partition::{keep_rows, take_all};
use crate::query::{PARTIAL_KEYS, TOUCHED};
use crate::session::{Components, group_rows, merge_sessions, spans_of};
use crate::{Error, Span, Window, WindowQuery};

/// Merges partials by window and group and finishes the aggregates. With `only_touched`, rows that
/// got nothing since the last epoch are left out. The rows come by window start, then by group.
pub(crate) fn finish(
    query: &WindowQuery,
    partials: &[RecordBatch],
    only_touched: bool,
) -> Result<RecordBatch, Error> {
    let partials = concat_batches(query.partial_schema(), partials)?;
    if partials.num_rows() == 0 {
        return Ok(RecordBatch::new_empty(Arc::clone(query.output_schema())));
    }
    let spans = spans_of(&partials);
    let keys = &partials.columns()[PARTIAL_KEYS..query.partial_states()];
    let rows = output_rows(query, keys, &spans)?;
    let mut groups = Groups::new(query.key_schema(), query.aggregates())?;
    let states = &partials.columns()[query.partial_states()..];
    groups.merge_as(query.aggregates(), &rows.of_row, rows.spans.len(), states)?;
    let finished = groups.finish()?.columns;

    let mut columns = rows.windows();
    columns.extend(take_all(keys, &rows.first_row)?);
    columns.extend(finished);
    let output = RecordBatch::try_new(Arc::clone(query.output_schema()), columns)?;
    let output = match only_touched {
        false => output,
        true => {
            let mut touched = vec![false; rows.spans.len()];
            for (row, was_touched) in
                partials.column(TOUCHED).as_boolean().values().iter().enumerate()
            {
                touched[rows.of_row[row]] |= was_touched;
            }
            keep_rows(&output, touched)?
        }
    };
    sort(query, &output)
}

/// Sorts output rows by window start, then by group.
pub(crate) fn sort(query: &WindowQuery, output: &RecordBatch) -> Result<RecordBatch, Error> {
    let groups = query.key_schema().fields().len();
    let by: Vec<SortColumn> = std::iter::once(0)
        .chain(2..2 + groups)
        .map(|index| SortColumn { values: Arc::clone(output.column(index)), options: None })
        .collect();
    let order = lexsort_to_indices(&by, None)?;
    Ok(RecordBatch::try_new(output.schema(), take_all(output.columns(), &order)?)?)
}

/// Takes out of `waiting` the sessions that are over: whose last part ends by `closed_ms`, those
/// parts included that the partitions still hold as `open`. The others stay.
pub(crate) fn take_ended_sessions(
    query: &WindowQuery,
    waiting: &mut RecordBatch,
    open: &[RecordBatch],
    closed_ms: i64,
) -> Result<RecordBatch, Error> {
    let own = waiting.num_rows();
    let mut parts = vec![waiting.clone()];
    parts.extend_from_slice(open);
    let all = concat_batches(query.partial_schema(), &parts)?;
    let keys = &all.columns()[PARTIAL_KEYS..query.partial_states()];
    let sessions = Components::of(&group_rows(query, keys, all.num_rows())?, &spans_of(&all));
    let over: Vec<bool> = sessions.of_row[..own]
        .iter()
        .map(|&session| sessions.spans[session].is_passed_by(closed_ms))
        .collect();
    let ended = keep_rows(waiting, over.clone())?;
    *waiting = keep_rows(waiting, over.into_iter().map(|over| !over).collect())?;
    Ok(ended)
}

/// Takes the partials out of `waiting` whose windows end by `closed_ms`. The others stay.
pub(crate) fn take_passed_windows(
    waiting: &mut RecordBatch,
    closed_ms: i64,
) -> Result<RecordBatch, Error> {
    let passed: Vec<bool> =
        spans_of(waiting).iter().map(|span| span.is_passed_by(closed_ms)).collect();
    let taken = keep_rows(waiting, passed.clone())?;
    *waiting = keep_rows(waiting, passed.into_iter().map(|passed| !passed).collect())?;
    Ok(taken)
}

/// Which output row each partial goes to.
struct OutputRows {
    of_row: Vec<usize>,
    spans: Vec<Span>,
    first_row: UInt32Array,
}

impl OutputRows {
    fn windows(&self) -> Vec<ArrayRef> {
        let times = |pick: fn(&Span) -> i64| {
            let values = self.spans.iter().map(pick).collect::<Vec<_>>();
            Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC")) as ArrayRef
        };
        vec![times(|span| span.start_ms), times(|span| span.end_ms)]
    }
}

fn output_rows(
    query: &WindowQuery,
    keys: &[ArrayRef],
    spans: &[Span],
) -> Result<OutputRows, Error> {
    let group_of_row = group_rows(query, keys, spans.len())?;
    if let Window::Session { .. } = query.window() {
        let Components { of_row, spans, first_row } = Components::of(&group_of_row, spans);
        return Ok(OutputRows { of_row, spans, first_row: first_row.into() });
    }
    let mut known = std::collections::HashMap::new();
    let mut rows = (Vec::new(), Vec::new());
    let mut of_row = Vec::with_capacity(spans.len());
    for (row, (&group, &span)) in group_of_row.iter().zip(spans).enumerate() {
        let next = known.len();
        let output = *known.entry((span.start_ms, group)).or_insert(next);
        if output == next {
            rows.0.push(span);
            rows.1.push(row as u32);
        }
        of_row.push(output);
    }
    Ok(OutputRows { of_row, spans: rows.0, first_row: rows.1.into() })
}

/// How many windows partials or output rows are of.
pub(crate) fn count_windows(query: &WindowQuery, rows: &RecordBatch) -> usize {
    match query.window() {
        Window::Session { .. } => rows.num_rows(),
        _ => spans_of(rows).into_iter().collect::<BTreeSet<_>>().len(),
    }
}

/// Merges session partials, so that a session held in parts takes one row.
pub(crate) fn compact_sessions(
    query: &WindowQuery,
    parts: &[RecordBatch],
) -> Result<RecordBatch, Error> {
    merge_sessions(query, &concat_batches(query.partial_schema(), parts)?)
}
