//! From a key to the slot of its row.

use std::hash::{BuildHasher, Hash};

use arrow::array::StringArray;
use arrow::array::downcast_integer;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{self as types, DataType, Field, TimeUnit};
use datafusion::common::hash_utils::RandomState;
use hashbrown::HashTable;

use crate::Error;
use crate::column::{Column, FixedColumn, PlainText, make_room};

/// Stands for "no slot": the key is unknown.
pub(crate) const ABSENT: u32 = u32::MAX;

/// The keys, and where each has its row.
pub(crate) trait KeyIndex: Send + Sync {
    /// Finds the slots of a batch's keys, in order; makes one where there is none, but for a
    /// deletion.
    fn resolve(
        &mut self,
        keys: &dyn Array,
        deleted: Option<&BooleanArray>,
        slots: &mut Vec<u32>,
    ) -> Result<(), Error>;

    /// The keys of slots.
    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error>;

    /// Forgets the keys of slots; the slots are used again.
    fn release(&mut self, slots: &[u32]);

    /// How many slots were ever made.
    fn slots(&self) -> usize;

    /// Memory, bytes.
    fn size(&self) -> usize;
}

/// An empty index of keys of `field`'s type.
pub(crate) fn index(field: &Field) -> Result<Box<dyn KeyIndex>, Error> {
    let data_type = field.data_type();
    macro_rules! fixed {
        ($t:ty) => {
            Ok(Box::new(Index::new(FixedColumn::<$t>::new(data_type.clone()))))
        };
    }
    downcast_integer! {
        data_type => (fixed),
        DataType::Date32 => fixed!(types::Date32Type),
        DataType::Date64 => fixed!(types::Date64Type),
        DataType::Timestamp(TimeUnit::Second, _) => fixed!(types::TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => fixed!(types::TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fixed!(types::TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => fixed!(types::TimestampNanosecondType),
        DataType::Utf8 => Ok(Box::new(Index::new(PlainText::new(field.name())))),
        other => Err(Error::ColumnType {
            column: field.name().clone(),
            found: other.to_string(),
            part: "key",
            expected: "whole numbers, dates, times or Utf8",
        }),
    }
}

/// A column whose values can be found again.
trait KeyColumn: Send + Sync {
    type Values: Array + 'static;

    fn values(keys: &dyn Array) -> &Self::Values;
    fn hash(values: &Self::Values, row: usize) -> u64;
    fn hash_of(&self, slot: u32) -> u64;
    fn is(&self, slot: u32, values: &Self::Values, row: usize) -> bool;
    /// Writes a key; `slot` is one that is there, or the next.
    fn put(&mut self, slot: u32, values: &Self::Values, row: usize) -> Result<(), Error>;
    fn slots(&self) -> usize;
    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error>;
    fn release(&mut self, slots: &[u32]);
    fn size(&self) -> usize;
}

struct Index<K> {
    keys: K,
    slot_of_key: HashTable<u32>,
    free: Vec<u32>,
    /// Scratch: the hashes of a batch's keys.
    hashes: Vec<u64>,
}

impl<K: KeyColumn> Index<K> {
    fn new(keys: K) -> Self {
        Self { keys, slot_of_key: HashTable::new(), free: Vec::new(), hashes: Vec::new() }
    }
}

impl<K: KeyColumn> KeyIndex for Index<K> {
    fn resolve(
        &mut self,
        keys: &dyn Array,
        deleted: Option<&BooleanArray>,
        slots: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let values = K::values(keys);
        self.hashes.clear();
        self.hashes.extend((0..values.len()).map(|row| K::hash(values, row)));
        slots.clear();
        for (row, &hash) in self.hashes.iter().enumerate() {
            let known = self.slot_of_key.find(hash, |&slot| self.keys.is(slot, values, row));
            let slot = match known {
                Some(&slot) => slot,
                None if deleted.is_some_and(|deleted| deleted.value(row)) => ABSENT,
                None => {
                    let slot = match self.free.pop() {
                        Some(slot) => slot,
                        None => next_slot(self.keys.slots())?,
                    };
                    self.keys.put(slot, values, row)?;
                    let keys = &self.keys;
                    self.slot_of_key.insert_unique(hash, slot, |&slot| keys.hash_of(slot));
                    slot
                }
            };
            slots.push(slot);
        }
        Ok(())
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        self.keys.read(slots)
    }

    fn release(&mut self, slots: &[u32]) {
        for &slot in slots {
            let hash = self.keys.hash_of(slot);
            if let Ok(entry) = self.slot_of_key.find_entry(hash, |&other| other == slot) {
                entry.remove();
                self.free.push(slot);
            }
        }
        self.keys.release(slots);
    }

    fn slots(&self) -> usize {
        self.keys.slots()
    }

    fn size(&self) -> usize {
        self.keys.size()
            + self.slot_of_key.allocation_size()
            + self.free.capacity() * size_of::<u32>()
            + self.hashes.capacity() * size_of::<u64>()
    }
}

fn next_slot(slots: usize) -> Result<u32, Error> {
    u32::try_from(slots)
        .ok()
        .filter(|&slot| slot != ABSENT)
        .ok_or_else(|| Error::TooLarge("more than 4 billion keys of one partition".into()))
}

impl<T> KeyColumn for FixedColumn<T>
where
    T: ArrowPrimitiveType,
    T::Native: Hash + Eq,
{
    type Values = PrimitiveArray<T>;

    fn values(keys: &dyn Array) -> &Self::Values {
        keys.as_primitive::<T>()
    }

    fn hash(values: &Self::Values, row: usize) -> u64 {
        RandomState::default().hash_one(values.value(row))
    }

    fn hash_of(&self, slot: u32) -> u64 {
        RandomState::default().hash_one(self.values[slot as usize])
    }

    fn is(&self, slot: u32, values: &Self::Values, row: usize) -> bool {
        self.values[slot as usize] == values.value(row)
    }

    fn put(&mut self, slot: u32, values: &Self::Values, row: usize) -> Result<(), Error> {
        let slot = slot as usize;
        if slot == self.values.len() {
            make_room(&mut self.values, 1);
            self.values.push(values.value(row));
        } else {
            self.values[slot] = values.value(row);
        }
        Ok(())
    }

    fn slots(&self) -> usize {
        self.values.len()
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        Column::read(self, slots)
    }

    fn release(&mut self, slots: &[u32]) {
        Column::release(self, slots);
    }

    fn size(&self) -> usize {
        Column::size(self)
    }
}

impl KeyColumn for PlainText {
    type Values = StringArray;

    fn values(keys: &dyn Array) -> &Self::Values {
        keys.as_string::<i32>()
    }

    fn hash(values: &Self::Values, row: usize) -> u64 {
        RandomState::default().hash_one(values.value(row).as_bytes())
    }

    fn hash_of(&self, slot: u32) -> u64 {
        RandomState::default().hash_one(self.get(slot).unwrap_or_default())
    }

    fn is(&self, slot: u32, values: &Self::Values, row: usize) -> bool {
        self.get(slot) == Some(values.value(row).as_bytes())
    }

    fn put(&mut self, slot: u32, values: &Self::Values, row: usize) -> Result<(), Error> {
        if slot as usize == self.slots() {
            self.grow(self.slots() + 1);
        }
        self.set(slot, Some(values.value(row).as_bytes()))
    }

    fn slots(&self) -> usize {
        self.slots()
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        self.read(slots)
    }

    fn release(&mut self, slots: &[u32]) {
        self.release(slots);
    }

    fn size(&self) -> usize {
        self.size()
    }
}
