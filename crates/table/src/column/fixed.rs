//! A column of values of one width: numbers, dates, times.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanBufferBuilder,
    PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

use super::{Column, make_room};
use crate::Error;

pub(crate) struct FixedColumn<T: ArrowPrimitiveType> {
    data_type: DataType,
    pub(crate) values: Vec<T::Native>,
    valid: Validity,
}

/// Which slots are not null; takes no memory while none is.
#[derive(Default)]
pub(super) struct Validity(Option<BooleanBufferBuilder>);

impl Validity {
    pub(super) fn grow(&mut self, slots: usize) {
        if let Some(valid) = &mut self.0 {
            valid.append_n(slots - valid.len(), true);
        }
    }

    pub(super) fn write(&mut self, of: usize, array: &dyn Array, rows: &[u32], slots: &[u32]) {
        if self.0.is_none() && array.null_count() == 0 {
            return;
        }
        let valid = self.0.get_or_insert_with(|| {
            let mut valid = BooleanBufferBuilder::new(of);
            valid.append_n(of, true);
            valid
        });
        for (&row, &slot) in rows.iter().zip(slots) {
            valid.set_bit(slot as usize, array.is_valid(row as usize));
        }
    }

    pub(super) fn get(&self, slot: u32) -> bool {
        self.0.as_ref().is_none_or(|valid| valid.get_bit(slot as usize))
    }

    pub(super) fn read(&self, slots: &[u32]) -> Option<NullBuffer> {
        let valid = self.0.as_ref()?;
        let bit = |at: usize| valid.get_bit(slots[at] as usize);
        Some(NullBuffer::new(BooleanBuffer::collect_bool(slots.len(), bit)))
    }

    pub(super) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |valid| valid.capacity() / 8)
    }
}

impl<T: ArrowPrimitiveType> FixedColumn<T> {
    pub(crate) fn new(data_type: DataType) -> Self {
        Self { data_type, values: Vec::new(), valid: Validity::default() }
    }
}

impl<T: ArrowPrimitiveType> Column for FixedColumn<T> {
    fn grow(&mut self, slots: usize) {
        let more = slots - self.values.len();
        make_room(&mut self.values, more);
        self.values.resize(slots, T::default_value());
        self.valid.grow(slots);
    }

    fn write(&mut self, array: &dyn Array, rows: &[u32], slots: &[u32]) -> Result<(), Error> {
        let values = array.as_primitive::<T>().values();
        for (&row, &slot) in rows.iter().zip(slots) {
            self.values[slot as usize] = values[row as usize];
        }
        self.valid.write(self.values.len(), array, rows, slots);
        Ok(())
    }

    fn holds(&self, slot: u32, array: &dyn Array, row: usize) -> bool {
        let valid = array.is_valid(row);
        let same = || self.values[slot as usize].is_eq(array.as_primitive::<T>().value(row));
        valid == self.valid.get(slot) && (!valid || same())
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        let values: Vec<T::Native> = slots.iter().map(|&slot| self.values[slot as usize]).collect();
        let array = PrimitiveArray::<T>::try_new(values.into(), self.valid.read(slots))?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    fn release(&mut self, _slots: &[u32]) {}

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.valid.size()
    }
}
