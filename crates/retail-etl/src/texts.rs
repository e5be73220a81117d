//! Numbers for texts that come again and again.

use arrow::array::{StringArray, StringBuilder};
use hashbrown::HashTable;

use crate::words::{hash, same};

/// All texts so far, `N` of which belong together; each such has the number of different ones that
/// came before it.
#[derive(Default)]
pub(crate) struct Texts<const N: usize> {
    numbers: HashTable<Known>,
    texts: StringBuilder,
}

#[derive(Clone, Copy)]
struct Known {
    hash: u64,
    number: u32,
}

impl<const N: usize> Texts<N> {
    /// The number of these.
    #[inline]
    pub(crate) fn number(&mut self, of: [&str; N]) -> u32 {
        let hash = of.iter().fold(0, |before, text| hash(before, text));
        let is_it = |known: &Known| known.hash == hash && self.is(known.number as usize, of);
        match self.numbers.find(hash, is_it) {
            Some(known) => known.number,
            None => self.insert(hash, of),
        }
    }

    /// Whether these have this number, which is one that was given.
    #[inline]
    fn is(&self, number: usize, of: [&str; N]) -> bool {
        let offsets = &self.texts.offsets_slice()[number * N..=number * N + N];
        let places = offsets.array_windows().map(|&[start, end]| start as usize..end as usize);
        let bytes = self.texts.values_slice();
        places.zip(of).all(|(place, text)| same(&bytes[place], text.as_bytes()))
    }

    #[cold]
    fn insert(&mut self, hash: u64, of: [&str; N]) -> u32 {
        let number = next_number((self.texts.offsets_slice().len() - 1) / N);
        self.numbers.insert_unique(hash, Known { hash, number }, |known| known.hash);
        of.iter().for_each(|text| self.texts.append_value(text));
        number
    }

    /// Bytes of all texts.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.values_slice().len()
    }
}

/// What comes after so many.
pub(crate) fn next_number(count: usize) -> u32 {
    u32::try_from(count).expect("less than four thousand million different ones")
}

impl Texts<1> {
    /// The texts, each at its number.
    pub(crate) fn into_array(mut self) -> StringArray {
        self.texts.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number() {
        let mut texts = Texts::default();
        let asked = ["a", "b", "b", "a", "c", "", "b", "", "a longer text than the others"];
        let numbers = asked.map(|text| texts.number([text]));
        assert_eq!(numbers, [0, 1, 1, 0, 2, 3, 1, 3, 4]);
        // So many that the table grows, some of them twice.
        for number in (0..1_000).chain(0..10) {
            assert_eq!(texts.number([&number.to_string()]), 5 + number);
        }
        let array = texts.into_array();
        let all: Vec<_> = array.iter().flatten().collect();
        assert_eq!(all[..5], ["a", "b", "c", "", "a longer text than the others"]);
        assert_eq!(all.len(), 5 + 1_000);
    }

    #[test]
    fn texts_that_belong_together_are_told_apart() {
        let mut texts = Texts::default();
        let asked = [["a", "bc"], ["ab", "c"], ["abc", ""], ["", "abc"], ["a", "bc"], ["", ""]];
        assert_eq!(asked.map(|pair| texts.number(pair)), [0, 1, 2, 3, 0, 4]);
        assert_eq!(texts.bytes(), 12);
    }
}
