//! Rows that are there twice.

use std::hint::black_box;

/// The upper bits of a hash choose one of so many tables.
const TABLE_BITS: u32 = 10;
/// Slots of a table that holds its first hash.
const FIRST_SLOTS: usize = 16;
/// Room is made beforehand for so many rows at the most.
const MOST_EXPECTED: usize = 1 << 20;
/// So many rows are looked up together.
const TOGETHER: usize = 16;

/// Counts rows whose every column is as in a row before, over all files.
///
/// What is kept of a row are 74 bits of the xxh3-128 of its values, in 11 to 22 bytes for each
/// *distinct* row. This is the one thing in a run that grows with the input. Among a thousand
/// million different rows the chance that even one is taken for another's copy is 1 in 30 000.
///
/// A set of the standard library takes twice the memory, and two cache misses a row instead of one.
pub(crate) struct Duplicates {
    tables: Vec<Table>,
    count: u64,
}

/// Numbers by open addressing; zero is a free slot.
#[derive(Default)]
struct Table {
    slots: Vec<u64>,
    used: usize,
}

impl Default for Duplicates {
    fn default() -> Self {
        let tables = (0..1 << TABLE_BITS).map(|_| Table::default()).collect();
        Self { tables, count: 0 }
    }
}

impl Duplicates {
    /// Makes room for so many rows, if there are none yet: to grow again and again takes a quarter of the
    /// time. Only up to some 16 MB, for nobody knows how many of them are different.
    pub(crate) fn expect(&mut self, rows: usize) {
        let used_of_table = rows.min(MOST_EXPECTED) >> TABLE_BITS;
        if self.tables.iter().all(|table| table.slots.is_empty()) && used_of_table > 0 {
            let slots = (used_of_table * 4 / 3 + 1).next_power_of_two();
            self.tables.iter_mut().for_each(|table| table.slots = vec![0; slots]);
        }
    }

    /// Takes the hashes of more rows in.
    pub(crate) fn add(&mut self, hashes: &[u128]) {
        for some in hashes.chunks(TOGETHER) {
            // All slots are looked at before the first is searched: so the processor waits for all
            // of them at once, and not for one after the other.
            let first_slots = some.iter().map(|&hash| {
                let (table, number) = place(hash);
                self.tables[table].first_slot(number)
            });
            black_box(first_slots.fold(0, |all, slot| all ^ slot));
            for &hash in some {
                let (table, number) = place(hash);
                self.count += u64::from(!self.tables[table].insert(number));
            }
        }
    }

    /// How many rows were there before.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

/// The table for a hash, and the number that stands for it there.
fn place(hash: u128) -> (usize, u64) {
    ((hash >> (u128::BITS - TABLE_BITS)) as usize, (hash as u64).max(1))
}

impl Table {
    /// What is where the number is looked for first.
    fn first_slot(&self, number: u64) -> u64 {
        let mask = self.slots.len().wrapping_sub(1);
        self.slots.get(number as usize & mask).copied().unwrap_or_default()
    }

    /// Whether the number was not there before.
    fn insert(&mut self, number: u64) -> bool {
        if self.used * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot_of(number);
        let is_new = self.slots[slot] == 0;
        if is_new {
            self.slots[slot] = number;
            self.used += 1;
        }
        is_new
    }

    /// Where the number is, or has to be.
    fn slot_of(&self, number: u64) -> usize {
        // The number of slots is a power of two.
        let mask = self.slots.len() - 1;
        let mut slot = number as usize & mask;
        while self.slots[slot] != 0 && self.slots[slot] != number {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![0; (self.slots.len() * 2).max(FIRST_SLOTS)];
        let numbers = std::mem::replace(&mut self.slots, larger);
        for number in numbers.into_iter().filter(|&number| number != 0) {
            let slot = self.slot_of(number);
            self.slots[slot] = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_copy_but_the_first_counts() {
        let mut duplicates = Duplicates::default();
        let other_table = 1 | 1 << 127;
        duplicates.add(&[1, 2, 1, other_table]);
        assert_eq!(duplicates.count(), 1);
        duplicates.add(&[2, 2, 3, other_table]);
        assert_eq!(duplicates.count(), 4);
    }

    proptest! {
        /// A set is the judge: of numbers that share tables and slots, and of any.
        #[test]
        fn as_many_as_a_set_says(
            close in proptest::collection::vec((0_u128..4, 1_u128..200), 0..500),
            any in proptest::collection::vec(any::<u128>(), 0..500),
            expected in prop_oneof![Just(0), 0_usize..20_000],
        ) {
            let hashes: Vec<u128> =
                close.iter().map(|(table, number)| table << 126 | number << 4).chain(any).collect();
            let mut duplicates = Duplicates::default();
            duplicates.expect(expected);
            for some in hashes.chunks(7) {
                duplicates.add(some);
            }
            let distinct: HashSet<_> = hashes.iter().collect();
            prop_assert_eq!(duplicates.count() as usize, hashes.len() - distinct.len());
        }
    }
}
