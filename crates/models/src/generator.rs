//! Purchases made up from a seed: the same seed, options and times give the same bytes, on every
//! machine.
//!
//! Numbers are drawn from ChaCha8 and mapped to their ranges here, not by a library whose mapping
//! may change: a log that was generated once can be generated again.

mod bad;

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Builder;

pub use bad::BadKind;

use crate::Furniture;
use crate::check::Fields;

/// The colours on offer.
const COLORS: [&str; 10] =
    ["white", "black", "grey", "brown", "oak", "walnut", "teak", "blue", "green", "red"];

/// What may be set about the purchases.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseOptions {
    /// How many of all records are late, 0 to 1: their event time lies 1 to `max_lateness_ms` in
    /// the past.
    pub late_fraction: f64,
    /// How far back a late record's event time may lie, ms.
    pub max_lateness_ms: i64,
    /// How far back the event time of a record that is not late may lie, ms: phones send in no
    /// strict order.
    pub out_of_order_ms: i64,
    /// How many of all records are unreadable, 0 to 1.
    pub bad_fraction: f64,
    /// How many customers there are; a few of them buy a lot.
    pub customers: u32,
}

impl Default for PurchaseOptions {
    fn default() -> Self {
        Self {
            late_fraction: 0.0,
            max_lateness_ms: 0,
            out_of_order_ms: 0,
            bad_fraction: 0.0,
            customers: 10_000,
        }
    }
}

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A fraction that is none.
    #[error("the {name} fraction must be from 0 to 1, not {value}")]
    Fraction {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// More than all records would be special.
    #[error("the late and bad fractions are more than 1 together: {sum}")]
    FractionSum {
        /// Their sum.
        sum: f64,
    },
    /// A time span below zero.
    #[error("the {name} must not be negative, but is {value_ms} ms")]
    Negative {
        /// Which one.
        name: &'static str,
        /// What was given, ms.
        value_ms: i64,
    },
    /// Late by how much?
    #[error("late records need a maximum lateness of 1 ms or more")]
    NoLateness,
    /// Nobody buys.
    #[error("there must be 1 customer or more")]
    NoCustomers,
}

/// What was generated, beside the record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Who bought: the record's key.
    pub customer_id: i64,
    /// Event time, ms since the Unix epoch; of a bad record the one it would have had.
    pub ts: i64,
    /// Made late on purpose. A bad record never is.
    pub late: bool,
    /// Made unreadable on purpose, and how.
    pub bad: Option<BadKind>,
}

/// Makes purchases, one after the other.
///
/// ```
/// use arus_models::{PurchaseEvent, PurchaseGenerator, PurchaseOptions, TimestampUnit};
///
/// let mut generator = PurchaseGenerator::new(7, PurchaseOptions::default())?;
/// let mut payload = Vec::new();
/// let generated = generator.next(1_700_000_000_000, &mut payload);
/// let event = PurchaseEvent::from_json(&payload, TimestampUnit::Milliseconds).unwrap();
/// assert_eq!((event.customer_id, event.ts), (generated.customer_id, 1_700_000_000_000));
/// # Ok::<(), arus_models::Error>(())
/// ```
#[derive(Debug)]
pub struct PurchaseGenerator {
    rng: ChaCha8Rng,
    options: PurchaseOptions,
    /// A draw below this makes a bad record …
    bad_below: u64,
    /// … and one that is not, but below this, a late one.
    late_below: u64,
}

impl PurchaseGenerator {
    /// A generator that starts from `seed`.
    ///
    /// # Errors
    /// When the options contradict themselves.
    pub fn new(seed: u64, options: PurchaseOptions) -> Result<Self, Error> {
        options.check()?;
        Ok(Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            bad_below: share(options.bad_fraction),
            late_below: share(options.bad_fraction + options.late_fraction),
            options,
        })
    }

    /// Replaces `payload` by the bytes of the next record, made as if it happened at `now_ms` (ms
    /// since the epoch).
    pub fn next(&mut self, now_ms: i64, payload: &mut Vec<u8>) -> Generated {
        let fate = self.rng.next_u64();
        let is_bad = fate < self.bad_below;
        let late = !is_bad && fate < self.late_below;
        let back_ms = if late {
            1 + self.below(self.options.max_lateness_ms.unsigned_abs())
        } else {
            self.below(self.options.out_of_order_ms.unsigned_abs() + 1)
        };
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let (furniture, price) = self.purchase();
        let color = COLORS[self.below(COLORS.len() as u64) as usize];
        let fields = Fields {
            order_id: Builder::from_random_bytes(id).into_uuid(),
            customer_id: self.customer(),
            furniture,
            color: Cow::Borrowed(color),
            price,
            ts: now_ms - back_ms as i64,
        };
        payload.clear();
        fields.write_json(payload);
        let bad = is_bad.then(|| {
            let kind = BadKind::ALL[self.below(BadKind::ALL.len() as u64) as usize];
            kind.spoil(&fields, self.rng.next_u64(), payload);
            kind
        });
        Generated { customer_id: fields.customer_id, ts: fields.ts, late, bad }
    }

    /// What is bought, and for how much: whole thousands of rupiah.
    fn purchase(&mut self) -> (Furniture, i64) {
        let furniture = Furniture::ALL[self.below(Furniture::ALL.len() as u64) as usize];
        let (from, to) = match furniture {
            Furniture::Chair => (250, 2_500),
            Furniture::Table => (500, 7_500),
            Furniture::Desk => (750, 6_000),
            Furniture::Sofa => (2_000, 25_000),
            Furniture::Bed => (1_500, 20_000),
        };
        let thousands = from + self.below(to - from + 1);
        (furniture, thousands as i64 * 1_000)
    }

    /// Who buys: 1 to the number of customers. The share of the first `x` of them is the square
    /// root of `x`'s share, so the first hundredth of the customers buys a tenth.
    fn customer(&mut self) -> i64 {
        let draw = self.rng.next_u64() >> 32;
        let squared = u128::from(draw * draw);
        1 + ((squared * u128::from(self.options.customers)) >> 64) as i64
    }

    /// A number from 0 to below `bound`; 0 when `bound` is 0.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.rng.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl PurchaseOptions {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), Error> {
        for (name, value) in [("late", self.late_fraction), ("bad", self.bad_fraction)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Fraction { name, value });
            }
        }
        let sum = self.late_fraction + self.bad_fraction;
        if sum > 1.0 {
            return Err(Error::FractionSum { sum });
        }
        let spans =
            [("maximum lateness", self.max_lateness_ms), ("disorder", self.out_of_order_ms)];
        for (name, value_ms) in spans {
            if value_ms < 0 {
                return Err(Error::Negative { name, value_ms });
            }
        }
        if self.late_fraction > 0.0 && self.max_lateness_ms == 0 {
            return Err(Error::NoLateness);
        }
        if self.customers == 0 {
            return Err(Error::NoCustomers);
        }
        Ok(())
    }
}

/// Below which number this share of all 64-bit numbers lies; casts saturate, so 1.0 is all of them
/// but one.
fn share(fraction: f64) -> u64 {
    (fraction * 2_f64.powi(64)) as u64
}
