//! Accumulators for many groups at once: one row of intermediate state per distinct group key.

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::aggregate::Inputs;
use crate::{Error, WindowQuery};

/// The groups of one window: their keys and their accumulators.
pub(crate) struct Groups {
    /// `None` where rows are not grouped: all belong to group 0.
    keys: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// How many groups there are.
    count: usize,
    /// Whether a group got a row since the last [`Groups::copy_states`].
    touched: Vec<bool>,
    /// Scratch: the group of each row of the batch.
    group_of_row: Vec<usize>,
}

/// The groups' keys and intermediate state, one entry per group.
pub(crate) struct Emitted {
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) touched: BooleanArray,
    /// The state columns of all aggregates, one after the other; or, when finished, one column per
    /// aggregate.
    pub(crate) columns: Vec<ArrayRef>,
}

impl Groups {
    pub(crate) fn new(query: &WindowQuery) -> Result<Self, Error> {
        let keys = match query.key_schema().fields().is_empty() {
            true => None,
            false => Some(new_group_values(query.key_schema().clone(), &GroupOrdering::None)?),
        };
        let accumulators =
            query.aggregates().iter().map(|a| a.accumulator()).collect::<Result<_, _>>()?;
        Ok(Self { keys, accumulators, count: 0, touched: Vec::new(), group_of_row: Vec::new() })
    }

    /// Adds rows: `keys` are their group columns, `inputs` the computed arguments of each
    /// aggregate.
    pub(crate) fn update(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        inputs: &[Inputs],
    ) -> Result<(), Error> {
        self.assign_groups(keys, rows)?;
        for &group in &self.group_of_row {
            self.touched[group] = true;
        }
        for (accumulator, input) in self.accumulators.iter_mut().zip(inputs) {
            accumulator.update_batch(
                &input.arguments,
                &self.group_of_row,
                input.filter.as_ref(),
                self.count,
            )?;
        }
        Ok(())
    }

    /// Adds rows whose groups the caller knows: `group_of_row` counts from 0 to `count - 1`. For
    /// groups that have no key columns of their own, such as sessions.
    pub(crate) fn update_as(
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
    pub(crate) fn merge(
        &mut self,
        query: &WindowQuery,
        keys: &[ArrayRef],
        touched: &BooleanArray,
        states: &[ArrayRef],
    ) -> Result<(), Error> {
        self.assign_groups(keys, touched.len())?;
        for (&group, touched) in self.group_of_row.iter().zip(touched.values()) {
            self.touched[group] |= touched;
        }
        let group_of_row = std::mem::take(&mut self.group_of_row);
        let merged = self.merge_as(query, &group_of_row, self.count, states);
        self.group_of_row = group_of_row;
        merged
    }

    /// Adds intermediate states whose groups the caller knows.
    pub(crate) fn merge_as(
        &mut self,
        query: &WindowQuery,
        group_of_row: &[usize],
        count: usize,
        states: &[ArrayRef],
    ) -> Result<(), Error> {
        self.count = count;
        let mut states = states;
        for (accumulator, aggregate) in self.accumulators.iter_mut().zip(query.aggregates()) {
            let (own, others) = states.split_at(aggregate.state_fields.len());
            accumulator.merge_batch(own, group_of_row, count)?;
            states = others;
        }
        Ok(())
    }

    /// Fills `group_of_row` and makes room for new groups.
    fn assign_groups(&mut self, keys: &[ArrayRef], rows: usize) -> Result<(), Error> {
        match &mut self.keys {
            Some(groups) => {
                groups.intern(keys, &mut self.group_of_row)?;
                self.count = groups.len();
            }
            None => {
                self.group_of_row.clear();
                self.group_of_row.resize(rows, 0);
                self.count = self.count.max(usize::from(rows > 0));
            }
        }
        self.touched.resize(self.count, false);
        Ok(())
    }

    /// Takes all groups out, their aggregates as intermediate state.
    pub(crate) fn take_states(&mut self) -> Result<Emitted, Error> {
        let mut columns = Vec::new();
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        self.emit(columns)
    }

    /// Takes all groups out, their aggregates finished.
    pub(crate) fn finish(&mut self) -> Result<Emitted, Error> {
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
    pub(crate) fn copy_states(&mut self, query: &WindowQuery) -> Result<Emitted, Error> {
        // Accumulators can only give their state away; what they gave is merged back at once.
        let emitted = self.take_states()?;
        let settled = BooleanArray::from(vec![false; emitted.touched.len()]);
        self.merge(query, &emitted.keys, &settled, &emitted.columns)?;
        Ok(emitted)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Memory, bytes. Not for hot paths.
    pub(crate) fn size(&self) -> usize {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.size());
        let accumulators: usize = self.accumulators.iter().map(|a| a.size()).sum();
        keys + accumulators + self.touched.capacity()
    }
}
