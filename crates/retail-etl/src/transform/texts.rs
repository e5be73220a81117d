//! Numbers for texts that come again and again.

use arrow::array::{StringArray, StringBuilder};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use twox_hash::XxHash3_128;

/// All texts so far; each has the number of different ones that came before it.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashTable<u32>,
    texts: StringBuilder,
    last: u32,
}

impl Texts {
    /// The text's number. Quickest for the text that was asked for last, as most are.
    #[inline]
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if !self.is(self.last, text) {
            self.last = self.find(text);
        }
        self.last
    }

    /// Whether the text has this number.
    #[inline]
    pub(super) fn is(&self, number: u32, text: &str) -> bool {
        bytes(&self.texts, number).is_some_and(|bytes| same(bytes, text.as_bytes()))
    }

    fn find(&mut self, text: &str) -> u32 {
        let Self { numbers, texts, .. } = self;
        let entry = numbers.entry(
            hash(text.as_bytes()),
            |&number| bytes(texts, number) == Some(text.as_bytes()),
            |&number| hash(bytes(texts, number).unwrap_or_default()),
        );
        match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = next_number(texts.offsets_slice().len() - 1);
                entry.insert(number);
                texts.append_value(text);
                number
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

fn hash(text: &[u8]) -> u64 {
    XxHash3_128::oneshot(text) as u64
}

/// Whether the bytes are the same. They are short, so a call of `memcmp` would take longer.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    let ((words, rest), (other_words, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let is_word_same = |(word, other): (&[u8; 8], &[u8; 8])| {
        u64::from_ne_bytes(*word) == u64::from_ne_bytes(*other)
    };
    one.len() == other.len()
        && words.iter().zip(other_words).all(is_word_same)
        && rest.iter().zip(other_rest).all(|(byte, other)| byte == other)
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
