//! The values of a table's rows, column by column.
//!
//! A row lives in a *slot*, a number that is the same in every column. Loops run along one column
//! at a time: its slots are far apart in memory, and a short loop of independent reads lets the
//! processor wait for many of them at once.

mod boolean;
mod fixed;
mod text;

use arrow::array::downcast_primitive;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field};

use crate::Error;
pub(crate) use boolean::BooleanColumn;
pub(crate) use fixed::FixedColumn;
pub(crate) use text::{PlainText, TextColumn};

/// One column of all rows.
pub(crate) trait Column: Send + Sync {
    /// Makes room for `slots` slots in all; new ones are of no use before they are written.
    fn grow(&mut self, slots: usize);

    /// Writes rows of `array` to slots, in this order: of two for one slot the later stays.
    fn write(&mut self, array: &dyn Array, rows: &[u32], slots: &[u32]) -> Result<(), Error>;

    /// Whether a slot holds what the row of the array does.
    fn holds(&self, slot: u32, array: &dyn Array, row: usize) -> bool;

    /// The values of slots.
    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error>;

    /// Tells that slots hold nothing of use any more.
    fn release(&mut self, slots: &[u32]);

    /// A small number for each slot's value, if the column has them.
    fn codes(&self) -> Option<Codes<'_>> {
        None
    }

    /// Memory, bytes.
    fn size(&self) -> usize;
}

/// A column of few different values, each known by a code.
pub(crate) struct Codes<'a> {
    /// By slot; anything from `values.len() - 1` on is null.
    pub(crate) of_slot: &'a [u16],
    /// By code, and a null at the end.
    pub(crate) values: ArrayRef,
}

/// An empty column for values of `field`'s type.
pub(crate) fn column(field: &Field) -> Result<Box<dyn Column>, Error> {
    let data_type = field.data_type();
    macro_rules! fixed {
        ($t:ty) => {
            Ok(Box::new(FixedColumn::<$t>::new(data_type.clone())))
        };
    }
    downcast_primitive! {
        data_type => (fixed),
        DataType::Boolean => Ok(Box::new(BooleanColumn::default())),
        DataType::Utf8 => Ok(Box::new(TextColumn::new(field.name()))),
        other => Err(Error::UnsupportedType {
            column: field.name().clone(),
            found: other.to_string(),
        }),
    }
}

/// Makes room for `more` entries without doubling: a vector of a million entries that gets one more
/// would keep a million in reserve.
pub(crate) fn make_room<T>(entries: &mut Vec<T>, more: usize) {
    if entries.capacity() - entries.len() < more {
        entries.reserve_exact(more.max(entries.len() / 8).max(64));
    }
}
