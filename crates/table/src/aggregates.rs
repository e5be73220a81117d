//! Aggregates over the rows present, group by group.
//!
//! They are computed anew from all rows each time: exact by construction, and nothing has to be
//! taken back out of a minimum or a median. When nothing changed, nothing is computed.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, filter_record_batch, lexsort_to_indices, take};
use arrow::row::{RowConverter, SortField};
use arus_window::groups::{Emitted, Groups};

use crate::grouping::Finder;
use crate::query::PlannedGrouping;
use crate::{Error, KeyedTable, MessageTotals, TableQuery};

/// Rows looked at in one go: their values stay in the processor's cache for all aggregates.
const ROWS_OF_A_CHUNK: usize = 8_192;

/// The rows of one grouping.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupingRows {
    /// All groups ([`TableQuery::output_schema`]), sorted by the group columns, nulls first.
    pub rows: RecordBatch,
    /// Those of the rows that the last computation had not, or had otherwise; in the same order.
    pub changed: RecordBatch,
    /// The group columns of groups that the last computation had and this one has not.
    pub gone: RecordBatch,
}

/// The aggregates of a job over the tables of all its partitions.
///
/// Counts, sums, minima, maxima and medians of whole numbers are the same whatever the order of
/// rows, partitions or history; so is the average while the sum stays below 2^53. Sums of
/// floating-point numbers may differ in their last digits.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{BooleanArray, Int64Array, RecordBatch};
/// # use arrow::datatypes::{DataType, Field, Schema};
/// # use arus_table::*;
/// # let input = Arc::new(Schema::new(vec![
/// #     Field::new("id", DataType::Int64, false),
/// #     Field::new("balance", DataType::Int64, true),
/// #     Field::new("version", DataType::Int64, true),
/// #     Field::new("deleted", DataType::Boolean, false),
/// # ]));
/// # let overall = Grouping { name: "overall".into(), group_by: vec![] };
/// # let query = Arc::new(TableQuery::plan(&input, TableOptions {
/// #     key: "id".into(), version: "version".into(), deleted: "deleted".into(),
/// #     groupings: vec![overall], aggregates: vec!["sum(balance) as total".into()],
/// # })?);
/// # let rows = |rows: &[(i64, Option<(i64, i64)>)]| RecordBatch::try_new(input.clone(), vec![
/// #     Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
/// #     Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1.map(|one| one.1)))),
/// #     Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1.map(|one| one.0)))),
/// #     Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.1.is_none())))),
/// # ]).unwrap();
/// # use arrow::{array::AsArray, datatypes::Int64Type};
/// let (mut one, mut other) = (query.table(), query.table());
/// one.apply(&rows(&[(1, Some((1, 10)))]))?;
/// other.apply(&rows(&[(2, Some((1, 20)))]))?;
///
/// let mut aggregates = Aggregates::new(Arc::clone(&query));
/// let computed = aggregates.compute(&[&one, &other])?.expect("never computed");
/// assert_eq!(computed[0].rows.column(0).as_primitive::<Int64Type>().value(0), 30);
/// assert!(aggregates.compute(&[&one, &other])?.is_none()); // nothing changed
///
/// // After a restart, the first computation is compared with what was saved.
/// let mut again = Aggregates::restore(query, aggregates.last().to_vec())?;
/// assert_eq!(again.compute(&[&one, &other])?.unwrap()[0].changed.num_rows(), 0);
/// # Ok::<(), Error>(())
/// ```
pub struct Aggregates {
    query: Arc<TableQuery>,
    /// The stamps of the tables that `last` was computed from.
    seen: Option<Vec<u64>>,
    last: Vec<RecordBatch>,
}

impl Aggregates {
    /// Aggregates of which none was computed yet.
    pub fn new(query: Arc<TableQuery>) -> Self {
        let empty = |at| RecordBatch::new_empty(Arc::clone(query.output_schema(at)));
        let last = (0..query.planned().len()).map(empty).collect();
        Self { query, seen: None, last }
    }

    /// Goes on after the rows of an earlier computation, one batch per grouping, so that the next
    /// one can say which groups are gone.
    ///
    /// # Errors
    /// When the rows are of another query.
    pub fn restore(query: Arc<TableQuery>, last: Vec<RecordBatch>) -> Result<Self, Error> {
        let expected = query.planned().iter().map(|planned| &planned.output_schema);
        if !last.iter().map(RecordBatch::schema_ref).eq(expected) {
            return Err(
                arus_window::Error::Snapshot("its groups are of another query".into()).into()
            );
        }
        Ok(Self { query, seen: None, last })
    }

    /// The rows of every grouping over all tables; `None` if no table changed since the last call.
    ///
    /// # Errors
    /// When an aggregate cannot be computed.
    pub fn compute(&mut self, tables: &[&KeyedTable]) -> Result<Option<Vec<GroupingRows>>, Error> {
        let stamps: Vec<u64> = tables.iter().map(|table| table.stamp()).collect();
        if self.seen.as_ref() == Some(&stamps) {
            return Ok(None);
        }
        let query = Arc::clone(&self.query);
        let rows: Vec<RecordBatch> = query
            .planned()
            .iter()
            .map(|grouping| grouping_rows(&query, grouping, tables))
            .collect::<Result<_, _>>()?;
        let computed = self.follow(rows)?;
        self.seen = Some(stamps);
        Ok(Some(computed))
    }

    /// The rows of every grouping over all messages; `partials` are those of the partitions
    /// ([`MessageTotals::partials`]), by partition number.
    ///
    /// # Errors
    /// When an aggregate cannot be computed, or the partials are of another query.
    pub fn of_messages(
        &mut self,
        partials: &[Vec<RecordBatch>],
    ) -> Result<Vec<GroupingRows>, Error> {
        let query = Arc::clone(&self.query);
        let mut merged = MessageTotals::new(Arc::clone(&query))?;
        for partials in partials {
            merged.merge(partials)?;
        }
        self.seen = None;
        self.follow(merged.finish()?)
    }

    /// The rows of the last computation, one batch per grouping; before the first one, empty.
    pub fn last(&self) -> &[RecordBatch] {
        &self.last
    }

    /// Compares with the last computation, and takes its place.
    fn follow(&mut self, rows: Vec<RecordBatch>) -> Result<Vec<GroupingRows>, Error> {
        let mut computed = Vec::with_capacity(rows.len());
        let groupings = self.query.planned();
        for ((rows, last), grouping) in rows.into_iter().zip(&mut self.last).zip(groupings) {
            let keys_only = last.project(&(0..grouping.columns.len()).collect::<Vec<_>>())?;
            let gone = missing(&keys_only, &rows)?;
            let changed = missing(&rows, last)?;
            *last = rows.clone();
            computed.push(GroupingRows { rows, changed, gone });
        }
        Ok(computed)
    }
}

fn grouping_rows(
    query: &TableQuery,
    grouping: &PlannedGrouping,
    tables: &[&KeyedTable],
) -> Result<RecordBatch, Error> {
    let mut groups = Groups::new(&grouping.key_schema, query.aggregates())?;
    let mut slots = Vec::with_capacity(ROWS_OF_A_CHUNK);
    let mut group_of_row = Vec::with_capacity(ROWS_OF_A_CHUNK);
    for table in tables {
        let mut finder = Finder::new(grouping, table);
        let mut live = table.live_slots();
        while live.next_chunk(ROWS_OF_A_CHUNK, &mut slots) {
            let columns: Vec<ArrayRef> = query
                .read
                .iter()
                .map(|&column| table.read(column, &slots))
                .collect::<Result<_, _>>()?;
            let inputs = query.inputs_of(columns, slots.len())?;
            let count = finder.find(&slots, &mut groups, &mut group_of_row)?;
            groups.update_as(&group_of_row, count, &inputs)?;
        }
    }
    finish(query, grouping, groups)
}

/// The output rows of groups, sorted.
pub(crate) fn finish(
    query: &TableQuery,
    grouping: &PlannedGrouping,
    mut groups: Groups,
) -> Result<RecordBatch, Error> {
    if groups.is_empty() {
        if !grouping.columns.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(&grouping.output_schema)));
        }
        // As in SQL: without groups there is a row even of no rows.
        let columns = query.aggregates().iter().map(|one| one.of_nothing());
        let columns = columns.collect::<Result<_, _>>()?;
        return Ok(RecordBatch::try_new(Arc::clone(&grouping.output_schema), columns)?);
    }
    let Emitted { keys, columns, .. } = groups.finish()?;
    let by: Vec<SortColumn> =
        keys.iter().map(|key| SortColumn { values: Arc::clone(key), options: None }).collect();
    let columns = keys.into_iter().chain(columns);
    let columns: Vec<ArrayRef> = match by.is_empty() {
        true => columns.collect(),
        false => {
            let order: UInt32Array = lexsort_to_indices(&by, None)?;
            columns.map(|column| take(&column, &order, None)).collect::<Result<_, _>>()?
        }
    };
    Ok(RecordBatch::try_new(Arc::clone(&grouping.output_schema), columns)?)
}

/// The rows of `of` that `among` has not; compared by the columns of `of`, with which those of
/// `among` begin.
fn missing(of: &RecordBatch, among: &RecordBatch) -> Result<RecordBatch, Error> {
    if of.num_columns() == 0 || of.num_rows() == 0 {
        return Ok(of.slice(0, 0));
    }
    let fields = of.columns().iter().map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let known = converter.convert_columns(&among.columns()[..of.num_columns()])?;
    let known: HashSet<_> = known.iter().collect();
    let rows = converter.convert_columns(of.columns())?;
    let missing: Vec<bool> = rows.iter().map(|row| !known.contains(&row)).collect();
    Ok(filter_record_batch(of, &missing.into())?)
}
