//! Short texts as words of eight bytes: to compare and hash a few words takes a fraction of the time that
//! calls of functions for bytes take, which are made for long ones. Up to 32 bytes go without a loop, for
//! a processor would have to guess where it ends.

/// Odd numbers with about as many ones as zeros. No text holds the bytes of one, which are not UTF-8: so no
/// word of a text becomes zero by one, which times any other is the same.
const FACTORS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// Whether the texts are the same.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    if length <= 8 {
        return last_word(one) == last_word(other);
    }
    let ends = differ(one, other, 0) | differ(one, other, length - 8);
    if length <= 16 {
        return ends == 0;
    }
    let ends = ends | differ(one, other, 8) | differ(one, other, length - 16);
    ends == 0 && (length <= 32 || one[16..length - 16] == other[16..length - 16])
}

/// A hash of the text. Texts that follow one another are hashed together by giving the hash of those
/// before as `seed`.
#[inline]
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let text = text.as_bytes();
    let length = text.len();
    let [first, second, third] = FACTORS;
    let seed = seed ^ length as u64;
    if length <= 8 {
        return fold(last_word(text) ^ first, seed ^ second);
    }
    if length <= 16 {
        return fold(word(text, 0) ^ first, word(text, length - 8) ^ seed);
    }
    let begin = fold(word(text, 0) ^ first, word(text, 8) ^ seed);
    let end = fold(word(text, length - 16) ^ third, word(text, length - 8) ^ second);
    if length <= 32 {
        return begin ^ end;
    }
    let middle = text[16..length - 16].chunks(8).map(last_word);
    middle.fold(begin ^ end, |hash, word| fold(hash ^ word, first))
}

/// The eight bytes at this place.
#[inline]
fn word(text: &[u8], place: usize) -> u64 {
    text[place..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The bits in which the eight bytes at this place differ.
#[inline]
fn differ(one: &[u8], other: &[u8], place: usize) -> u64 {
    word(one, place) ^ word(other, place)
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

/// Both halves of the product.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any bytes, and one bit changed.
        #[test]
        fn same_bytes(
            text in proptest::collection::vec(any::<u8>(), 0..70),
            place in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            prop_assert!(same(&text, &text.clone()));
            if !text.is_empty() {
                let mut other = text.clone();
                other[place.index(text.len())] ^= 1_u8 << bit;
                prop_assert!(!same(&text, &other));
            }
        }

        /// Texts that are the same, that differ in one letter, and any.
        #[test]
        fn told_apart_and_known_again(
            text in "[a-c]{0,70}",
            other in "[a-c]{0,3}",
            one_more in "[a-c]{0,3}",
            letter in any::<proptest::sample::Index>(),
        ) {
            let copy = text.clone();
            prop_assert!(same(text.as_bytes(), copy.as_bytes()));
            prop_assert_eq!(hash(7, &text), hash(7, &copy));
            prop_assert_ne!(hash(7, &text), hash(8, &text));
            if !text.is_empty() {
                let mut changed = text.clone();
                let place = letter.index(text.len());
                changed.replace_range(place..=place, "d");
                prop_assert!(!same(text.as_bytes(), changed.as_bytes()));
                prop_assert_ne!(hash(7, &text), hash(7, &changed));
            }
            prop_assert_eq!(same(other.as_bytes(), one_more.as_bytes()), other == one_more);
            prop_assert_eq!(hash(0, &other) == hash(0, &one_more), other == one_more);
        }
    }
}
