//! Accumulators for many groups at once: one row of intermediate state per distinct group key.
//!
//! Public for other kinds of state over rows, such as the tables of `arus-table`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::Error;
use crate::aggregate::{Aggregate, Inputs};

/// The groups of one window: their keys and their accumulators.
pub struct Groups {
    /// `None` where rows are not grouped: all belong to group 0.
    keys: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// How many groups there are.
    count: usize,
    /// Whether a group got a row since the last [`Groups::copy_states`].
    touched: Vec<bool>,
}

/// The groups' keys and intermediate state, one entry per group.
#[derive(Debug)]
pub struct Emitted {
    /// The group columns; none where rows are not grouped, or where the caller knew the groups.
    pub keys: Vec<ArrayRef>,
    /// Whether the group got a row since the last [`Groups::copy_states`].
    pub touched: BooleanArray,
    /// The state columns of all aggregates, one after the other; or, when finished, one column per
    /// aggregate.
    pub columns: Vec<ArrayRef>,
}

impl Groups {
    /// No groups yet. `key_schema` is that of the group columns; without any, all rows are of one
    /// group.
    ///
    /// # Errors
    /// When DataFusion has no accumulator for the arguments' types.
    pub fn new(key_schema: &SchemaRef, aggregates: &[Aggregate]) -> Result<Self, Error> {
        let keys = match key_schema.fields().is_empty() {
            true => None,
            false => Some(new_group_values(Arc::clone(key_schema), &GroupOrdering::None)?),
        };
        let accumulators =
            aggregates.iter().map(Aggregate::accumulator).collect::<Result<_, _>>()?;
        Ok(Self { keys, accumulators, count: 0, touched: Vec::new() })
    }

    /// Adds rows: `keys` are their group columns, `inputs` the computed arguments of each
    /// aggregate. `group_of_row` is worked in: the caller's, because with many windows open, and
    /// rows by the thousand, one for each would take more memory than the groups do.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn update(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        inputs: &[Inputs],
        group_of_row: &mut Vec<usize>,
    ) -> Result<(), Error> {
        self.assign_groups(keys, rows, group_of_row)?;
        for &group in &*group_of_row {
            self.touched[group] = true;
        }
        for (accumulator, input) in self.accumulators.iter_mut().zip(inputs) {
            accumulator.update_batch(
                &input.arguments,
                group_of_row,
                input.filter.as_ref(),
                self.count,
            )?;
        }
        Ok(())
    }

    /// The groups of rows with these group columns, new ones made where needed, into
    /// `group_of_row`. Returns how many groups there are now. For callers who then know the groups
    /// of many rows: see [`Groups::update_as`].
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn intern(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        group_of_row: &mut Vec<usize>,
    ) -> Result<usize, Error> {
        self.assign_groups(keys, rows, group_of_row)?;
        Ok(self.count)
    }

    /// Adds rows whose groups the caller knows: `group_of_row` counts from 0 to `count - 1`. For
    /// groups that have no key columns of their own, such as sessions, and for keys that were
    /// interned before.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn update_as(
        &mut self,
        group_of_row: &[usize],
        count: usize,
        inputs: &[Inputs],
    ) -> Result<(), Error> {
        self.count = count;
        for (accumulator, input) in self.accumulators.iter_mut().zip(inputs) {
            accumulator.update_batch(
                &input.arguments,
                group_of_row,
                input.filter.as_ref(),
                count,
            )?;
        }
        Ok(())
    }

    /// Adds intermediate states: `states` are the state columns of all aggregates, one after the
    /// other.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn merge(
        &mut self,
        aggregates: &[Aggregate],
        keys: &[ArrayRef],
        touched: &BooleanArray,
        states: &[ArrayRef],
    ) -> Result<(), Error> {
        let mut group_of_row = Vec::with_capacity(touched.len());
        self.assign_groups(keys, touched.len(), &mut group_of_row)?;
        for (&group, touched) in group_of_row.iter().zip(touched.values()) {
            self.touched[group] |= touched;
        }
        self.merge_as(aggregates, &group_of_row, self.count, states)
    }

    /// Adds intermediate states whose groups the caller knows.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn merge_as(
        &mut self,
        aggregates: &[Aggregate],
        group_of_row: &[usize],
        count: usize,
        states: &[ArrayRef],
    ) -> Result<(), Error> {
        self.count = count;
        let mut states = states;
        for (accumulator, aggregate) in self.accumulators.iter_mut().zip(aggregates) {
            let (own, others) = states.split_at(aggregate.state_fields.len());
            accumulator.merge_batch(own, group_of_row, count)?;
            states = others;
        }
        Ok(())
    }

    /// Fills `group_of_row` and makes room for new groups.
    fn assign_groups(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        group_of_row: &mut Vec<usize>,
    ) -> Result<(), Error> {
        match &mut self.keys {
            Some(groups) => {
                groups.intern(keys, group_of_row)?;
                self.count = groups.len();
            }
            None => {
                group_of_row.clear();
                group_of_row.resize(rows, 0);
                self.count = self.count.max(usize::from(rows > 0));
            }
        }
        self.touched.resize(self.count, false);
        Ok(())
    }

    /// Takes all groups out, their aggregates as intermediate state.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn take_states(&mut self) -> Result<Emitted, Error> {
        let mut columns = Vec::new();
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        self.emit(columns)
    }

    /// Takes all groups out, their aggregates finished.
    ///
    /// # Errors
    /// When an aggregate cannot be computed.
    pub fn finish(&mut self) -> Result<Emitted, Error> {
        let columns = self
            .accumulators
            .iter_mut()
            .map(|accumulator| accumulator.evaluate(EmitTo::All))
            .collect::<Result<_, _>>()?;
        self.emit(columns)
    }

    fn emit(&mut self, columns: Vec<ArrayRef>) -> Result<Emitted, Error> {
        let keys = match &mut self.keys {
            Some(keys) if self.count > 0 => {
                let emitted = keys.emit(EmitTo::All)?;
                // Over two columns and more, what gives its keys away still looks them up.
                keys.clear_shrink(self.count);
                emitted
            }
            _ => Vec::new(),
        };
        let mut touched = std::mem::take(&mut self.touched);
        touched.resize(self.count, true);
        self.count = 0;
        let touched = BooleanArray::new(BooleanBuffer::from(touched), None);
        Ok(Emitted { keys, touched, columns })
    }

    /// The groups as [`Groups::take_states`] gives them, kept in place: what was touched is
    /// settled.
    ///
    /// # Errors
    /// When DataFusion refuses.
    pub fn copy_states(&mut self, aggregates: &[Aggregate]) -> Result<Emitted, Error> {
        // Accumulators can only give their state away; what they gave is merged back at once.
        let emitted = self.take_states()?;
        let settled = BooleanArray::from(vec![false; emitted.touched.len()]);
        self.merge(aggregates, &emitted.keys, &settled, &emitted.columns)?;
        Ok(emitted)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Memory, bytes. Not for hot paths.
    pub fn size(&self) -> usize {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.size());
        let accumulators: usize = self.accumulators.iter().map(|a| a.size()).sum();
        keys + accumulators + self.touched.capacity()
    }
}
