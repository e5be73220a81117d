//! Random numbers for the generators: drawn from ChaCha8 and mapped to their ranges here, not by a
//! library whose mapping may change. A log that was generated once can be generated again, on every
//! machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws numbers; a seed says which.
#[derive(Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Sixteen bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number from 0 to below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// One of them, each as often.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number from 0 to below `bound`, small ones more often: the share of the first `x` of them
    /// is the square root of `x`'s share, so the first hundredth comes in a tenth of the draws.
    pub(crate) fn small_below(&mut self, bound: u64) -> u64 {
        let draw = self.number() >> 32;
        let squared = u128::from(draw * draw);
        ((squared * u128::from(bound)) >> 64) as u64
    }
}

/// Below which number this share of all 64-bit numbers lies; casts saturate, so 1.0 is all of them
/// but one.
pub(crate) fn share(fraction: f64) -> u64 {
    (fraction * 2_f64.powi(64)) as u64
}
