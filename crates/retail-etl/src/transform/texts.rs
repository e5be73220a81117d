//! Numbers for texts that come again and again.

use arrow::array::{StringArray, StringBuilder};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::words::{first_word, same, words};

/// All texts so far; each has the number of different ones that came before it.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashTable<Known>,
    texts: StringBuilder,
    last: Known,
}

/// A text, told by its first eight bytes if it has no more.
#[derive(Clone, Copy, Default)]
struct Known {
    first: u64,
    length: usize,
    number: u32,
}

impl Known {
    /// Whether this is the text.
    #[inline]
    fn is(&self, text: &[u8], first: u64, texts: &StringBuilder) -> bool {
        self.first == first
            && self.length == text.len()
            && (text.len() <= 8 || bytes(texts, self.number).is_some_and(|known| same(known, text)))
    }
}

impl Texts {
    /// The text's number. Quickest for the text that was asked for last, as most are.
    #[inline]
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let text_bytes = text.as_bytes();
        let first = first_word(text_bytes);
        // The first of all is not there yet, and looks like an empty text.
        let is_last = self.last.is(text_bytes, first, &self.texts) && !self.numbers.is_empty();
        if !is_last {
            self.last = self.find(text, first);
        }
        self.last.number
    }

    /// Whether the text has this number.
    #[inline]
    pub(super) fn is(&self, number: u32, text: &str) -> bool {
        bytes(&self.texts, number).is_some_and(|bytes| same(bytes, text.as_bytes()))
    }

    fn find(&mut self, text: &str, first: u64) -> Known {
        let Self { numbers, texts, .. } = self;
        let entry = numbers.entry(
            hash(text.as_bytes()),
            |known| known.is(text.as_bytes(), first, texts),
            |known| hash(bytes(texts, known.number).unwrap_or_default()),
        );
        match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = next_number(texts.offsets_slice().len() - 1);
                let known = Known { first, length: text.len(), number };
                entry.insert(known);
                texts.append_value(text);
                known
            }
        }
    }

    /// The texts, each at its number.
    pub(super) fn into_array(mut self) -> StringArray {
        self.texts.finish()
    }
}

/// What comes after so many.
pub(super) fn next_number(count: usize) -> u32 {
    u32::try_from(count).expect("less than four thousand million different ones")
}

#[inline]
fn hash(text: &[u8]) -> u64 {
    /// An odd number with as many ones as zeros, from the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = words(text).fold(text.len() as u64, |hash, word| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    });
    mixed.wrapping_mul(FACTOR)
}

/// The text of this number; `None` if there is none yet.
#[inline]
fn bytes(texts: &StringBuilder, number: u32) -> Option<&[u8]> {
    let offsets = texts.offsets_slice().get(number as usize..number as usize + 2)?;
    texts.values_slice().get(offsets[0] as usize..offsets[1] as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number() {
        let mut texts = Texts::default();
        assert_eq!(Texts::default().number(""), 0);
        let asked = ["a", "b", "b", "a", "c", "", "b", "", "a longer text than the others"];
        let numbers = asked.map(|text| texts.number(text));
        assert_eq!(numbers, [0, 1, 1, 0, 2, 3, 1, 3, 4]);
        assert!(texts.is(2, "c") && !texts.is(2, "a") && !texts.is(5, ""));
        // So many that the table grows, some of them twice.
        for text in (0..1_000).chain(0..10).map(|number| number.to_string()) {
            let number = texts.number(&text);
            assert!(texts.is(number, &text));
        }
        let array = texts.into_array();
        let all: Vec<_> = array.iter().flatten().collect();
        assert_eq!(all[..5], ["a", "b", "c", "", "a longer text than the others"]);
        assert_eq!(all.len(), 5 + 1_000);
    }
}
