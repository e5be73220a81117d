//! Rows that are there twice.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Counts rows whose every column is as in a row before, over all files.
///
/// What is kept of a row is the 128-bit xxh3 of its columns: 17 to 35 bytes for each *distinct*
/// row. This is the one thing in a run that grows with the input.
#[derive(Default)]
pub(crate) struct Duplicates {
    seen: HashSet<u128, BuildHasherDefault<Low64>>,
    count: u64,
}

impl Duplicates {
    /// Takes the hashes of more rows in.
    pub(crate) fn add(&mut self, hashes: &[u128]) {
        for &hash in hashes {
            if !self.seen.insert(hash) {
                self.count += 1;
            }
        }
    }

    /// How many rows were there before.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

/// What is hashed is a hash: its lower half will do.
#[derive(Default)]
struct Low64(u64);

impl Hasher for Low64 {
    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_but_the_first_counts() {
        let mut duplicates = Duplicates::default();
        // The same lower half is not the same row.
        duplicates.add(&[1, 2, 1, 1 << 64 | 1]);
        assert_eq!(duplicates.count(), 1);
        duplicates.add(&[2, 2, 3]);
        assert_eq!(duplicates.count(), 3);
    }
}
