//! Where the commas, line feeds and quotes of a text are.

use wide::u8x16;

/// Bytes that are looked at together.
const WIDTH: usize = 64;
/// Places that are written together, whether there are so many or not: to look after each whether it was the
/// last takes longer. More than 64 bytes of invoices have.
const TOGETHER: usize = 16;

/// The places of the marks, in order.
#[derive(Default)]
pub(crate) struct Marks {
    /// With room for more behind them.
    places: Vec<u32>,
    count: usize,
}

impl Marks {
    /// Those of the text replace those of another.
    ///
    /// # Panics
    /// When the text is longer than 4 GiB; no block is.
    pub(crate) fn find(&mut self, text: &[u8]) {
        assert!(u32::try_from(text.len()).is_ok(), "a block is shorter");
        self.count = 0;
        for base in (0..text.len()).step_by(WIDTH) {
            if self.places.len() < self.count + WIDTH {
                self.places.resize(self.count * 2 + WIDTH, 0);
            }
            let mut found = look(text, base);
            let (places, base) = (&mut self.places[self.count..], base as u32);
            let count = found.count_ones() as usize;
            for some in places.chunks_mut(TOGETHER).take(count.div_ceil(TOGETHER)) {
                for place in some {
                    *place = base + found.trailing_zeros();
                    found &= found.wrapping_sub(1);
                }
            }
            self.count += count;
        }
    }

    /// The places.
    pub(crate) fn places(&self) -> &[u32] {
        &self.places[..self.count]
    }
}

/// Which of the 64 bytes from `base` on are commas, line feeds or quotes.
fn look(text: &[u8], base: usize) -> u64 {
    let mut padded = [0; WIDTH];
    let bytes = match text.get(base..base + WIDTH) {
        Some(bytes) => bytes,
        None => {
            let rest = &text[base..];
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        }
    };
    let [comma, newline, quote] = [b',', b'\n', b'"'].map(u8x16::splat);
    let mut found = 0;
    for (i, sixteen) in bytes.as_chunks::<16>().0.iter().enumerate() {
        let sixteen = u8x16::new(*sixteen);
        let hits = sixteen.simd_eq(comma) | sixteen.simd_eq(newline) | sixteen.simd_eq(quote);
        found |= u64::from(hits.to_bitmask()) << (i * 16);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &[u8]) -> Vec<u32> {
        let mut marks = Marks::default();
        // What was found before is forgotten.
        marks.find(&[b','; 100]);
        marks.find(text);
        marks.places().to_vec()
    }

    #[test]
    fn every_mark_at_every_place() {
        for length in 0..200 {
            assert_eq!(places(&vec![b','; length]).len(), length);
            for mark in [b',', b'\n', b'"'] {
                let text = [vec![b'x'; length], vec![mark], vec![b'x'; 70]].concat();
                assert_eq!(places(&text), [length as u32]);
            }
        }
    }

    #[test]
    fn no_other_byte_is_one() {
        // Each byte in front of each other.
        let pairs = |first: u8| (0..=255_u8).flat_map(move |second| [first, second]);
        let text: Vec<u8> = (0..=255_u8).flat_map(pairs).collect();
        let marks = (0..).zip(&text).filter(|(_, byte)| b",\n\"".contains(byte));
        assert_eq!(places(&text), marks.map(|(place, _)| place).collect::<Vec<u32>>());
    }
}
