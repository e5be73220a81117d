//! A column of true and false, a bit each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;

use super::Column;
use super::fixed::Validity;
use crate::Error;

pub(crate) struct BooleanColumn {
    values: BooleanBufferBuilder,
    valid: Validity,
}

impl Default for BooleanColumn {
    fn default() -> Self {
        Self { values: BooleanBufferBuilder::new(0), valid: Validity::default() }
    }
}

impl Column for BooleanColumn {
    fn grow(&mut self, slots: usize) {
        self.values.append_n(slots - self.values.len(), false);
        self.valid.grow(slots);
    }

    fn write(&mut self, array: &dyn Array, rows: &[u32], slots: &[u32]) -> Result<(), Error> {
        let values = array.as_boolean().values();
        for (&row, &slot) in rows.iter().zip(slots) {
            self.values.set_bit(slot as usize, values.value(row as usize));
        }
        self.valid.write(self.values.len(), array, rows, slots);
        Ok(())
    }

    fn holds(&self, slot: u32, array: &dyn Array, row: usize) -> bool {
        let valid = array.is_valid(row);
        let same = || self.values.get_bit(slot as usize) == array.as_boolean().value(row);
        valid == self.valid.get(slot) && (!valid || same())
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        let bit = |at: usize| self.values.get_bit(slots[at] as usize);
        let values = BooleanBuffer::collect_bool(slots.len(), bit);
        Ok(Arc::new(BooleanArray::new(values, self.valid.read(slots))))
    }

    fn release(&mut self, _slots: &[u32]) {}

    fn size(&self) -> usize {
        self.values.capacity() / 8 + self.valid.size()
    }
}
