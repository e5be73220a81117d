//! Short texts as words of eight bytes: to compare, hash and copy a few words takes a fraction of the time
//! that calls of the library's functions for bytes take, which are made for long ones.

/// The text as words, never none: each eight bytes, and last the last eight bytes, some of which may have
/// been in the word before. Texts of the same length have the same words only if they are the same.
#[inline]
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = u64> {
    let (whole, _) = text.as_chunks::<8>();
    whole.iter().map(|word| u64::from_le_bytes(*word)).chain(std::iter::once(last_word(text)))
}

/// The last eight bytes; of a shorter text all bytes, some of them twice.
#[inline]
fn last_word(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => match text {
            [first, .., last] => {
                let middle = text[text.len() / 2];
                u64::from(*first) | u64::from(middle) << 8 | u64::from(*last) << 16
            }
            [only] => u64::from(*only),
            [] => 0,
        },
    }
}

/// Whether the texts are the same.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && words(one).zip(words(other)).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Texts that are the same, that differ in one byte, and any.
        #[test]
        fn same_words_are_the_same_text(
            text in proptest::collection::vec(any::<u8>(), 0..40),
            any_other in proptest::collection::vec(0_u8..3, 0..12),
            any_text in proptest::collection::vec(0_u8..3, 0..12),
            place in any::<proptest::sample::Index>(),
        ) {
            prop_assert!(same(&text, &text.clone()));
            prop_assert_eq!(words(&text).count(), text.len() / 8 + 1);
            if !text.is_empty() {
                let mut other = text.clone();
                other[place.index(text.len())] ^= 1;
                prop_assert!(!same(&text, &other));
            }
            prop_assert_eq!(same(&any_text, &any_other), any_text == any_other);
        }
    }
}
