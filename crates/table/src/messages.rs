//! Aggregates over every message that ever came, as the naive average of a stream has them: an
//! account that moves often weighs more than one that rests.
//!
//! Messages are added as they come: stale ones and duplicates too, for each is a message. Deletions
//! have no values, and are left out.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::DataType;
use arus_window::aggregate::Aggregate;
use arus_window::groups::{Emitted, Groups};

use crate::aggregates::finish;
use crate::check::{check_shape, deletions};
use crate::{Error, TableQuery};

/// The aggregates over the messages of one partition of the log.
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
/// let mut totals = MessageTotals::new(Arc::clone(&query))?;
/// assert_eq!(totals.apply(&rows(&[(1, Some((1, 10))), (1, Some((2, 30))), (1, None)]))?, 2);
///
/// let saved = totals.partials()?;
/// let totals = MessageTotals::restore(Arc::clone(&query), &saved)?;
/// assert!(totals.size() > 0);
///
/// // All partitions' totals make the output.
/// let computed = Aggregates::new(query).of_messages(&[saved])?;
/// assert_eq!(computed[0].rows.column(0).as_primitive::<Int64Type>().value(0), 40);
/// # Ok::<(), Error>(())
/// ```
pub struct MessageTotals {
    query: Arc<TableQuery>,
    groups: Vec<Groups>,
}

impl MessageTotals {
    /// Totals of no messages.
    ///
    /// # Errors
    /// [`Error::Unbounded`] for aggregates that would have to keep every message: `median`,
    /// `count(distinct …)`, `array_agg` and the like.
    pub fn new(query: Arc<TableQuery>) -> Result<Self, Error> {
        if let Some(unbounded) = query.aggregates().iter().find(|one| keeps_every_value(one)) {
            return Err(Error::Unbounded { text: unbounded.text.clone() });
        }
        let groups = query
            .planned()
            .iter()
            .map(|grouping| Groups::new(&grouping.key_schema, query.aggregates()))
            .collect::<Result<_, _>>()?;
        Ok(Self { query, groups })
    }

    /// Totals as [`MessageTotals::partials`] gave them.
    ///
    /// # Errors
    /// When they are of another query.
    pub fn restore(query: Arc<TableQuery>, partials: &[RecordBatch]) -> Result<Self, Error> {
        let mut totals = Self::new(query)?;
        totals.merge(partials)?;
        Ok(totals)
    }

    /// Adds messages ([`TableQuery::input_schema`]). Returns how many were no deletions.
    ///
    /// # Errors
    /// When the rows are of another shape, or an aggregate cannot be computed.
    pub fn apply(&mut self, rows: &RecordBatch) -> Result<usize, Error> {
        let query = Arc::clone(&self.query);
        check_shape(query.input_schema(), rows)?;
        let deleted = deletions(rows.column(query.deleted));
        let rows = rows.project(&query.row_columns)?;
        let rows = match deleted.true_count() {
            0 => rows,
            _ => filter_record_batch(&rows, &not(&deleted)?)?,
        };
        let columns = |places: &[usize]| -> Vec<_> {
            places.iter().map(|&at| Arc::clone(rows.column(at))).collect()
        };
        let inputs = query.inputs_of(columns(&query.read), rows.num_rows())?;
        let mut group_of_row = Vec::with_capacity(rows.num_rows());
        for (groups, grouping) in self.groups.iter_mut().zip(query.planned()) {
            let keys = columns(&grouping.columns);
            groups.update(&keys, rows.num_rows(), &inputs, &mut group_of_row)?;
        }
        Ok(rows.num_rows())
    }

    /// The totals as they stand, unfinished, one batch per grouping
    /// ([`TableQuery::partial_schema`]): for a checkpoint, and for
    /// [`crate::Aggregates::of_messages`].
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn partials(&mut self) -> Result<Vec<RecordBatch>, Error> {
        let query = &self.query;
        let mut partials = Vec::with_capacity(self.groups.len());
        for (groups, grouping) in self.groups.iter_mut().zip(query.planned()) {
            let schema = Arc::clone(&grouping.partial_schema);
            if groups.is_empty() {
                partials.push(RecordBatch::new_empty(schema));
                continue;
            }
            let Emitted { mut keys, columns, .. } = groups.copy_states(query.aggregates())?;
            keys.extend(columns);
            partials.push(RecordBatch::try_new(schema, keys)?);
        }
        Ok(partials)
    }

    /// Memory, bytes. Not for hot paths.
    pub fn size(&self) -> usize {
        self.groups.iter().map(Groups::size).sum()
    }

    /// Adds the totals of another partition, or of a checkpoint.
    pub(crate) fn merge(&mut self, partials: &[RecordBatch]) -> Result<(), Error> {
        let query = Arc::clone(&self.query);
        if partials.len() != self.groups.len() {
            let reason = "it has another number of groupings".into();
            return Err(arus_window::Error::Snapshot(reason).into());
        }
        for ((groups, grouping), partial) in
            self.groups.iter_mut().zip(query.planned()).zip(partials)
        {
            check_shape(&grouping.partial_schema, partial)?;
            if partial.num_rows() == 0 {
                continue;
            }
            let (keys, states) = partial.columns().split_at(grouping.columns.len());
            let settled = BooleanArray::from(vec![false; partial.num_rows()]);
            groups.merge(query.aggregates(), keys, &settled, states)?;
        }
        Ok(())
    }

    /// The output rows, one batch per grouping.
    pub(crate) fn finish(self) -> Result<Vec<RecordBatch>, Error> {
        let groups = self.groups.into_iter().zip(self.query.planned());
        groups.map(|(groups, grouping)| finish(&self.query, grouping, groups)).collect()
    }
}

/// Whether an aggregate's state grows with every row. A sketch's state is a list too, a short one.
fn keeps_every_value(aggregate: &Aggregate) -> bool {
    let name = aggregate.function_name();
    let is_list = |data_type: &DataType| matches!(data_type, DataType::List(_));
    let lists = aggregate.state_fields.iter().any(|state| is_list(state.data_type()));
    name == "string_agg" || lists && !name.starts_with("approx_")
}
