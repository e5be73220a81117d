//! Purchases made up from a seed: the same seed, options and times give the same bytes, on every
//! machine.

use std::borrow::Cow;

use uuid::Builder;

use super::Furniture;
use super::fields::Fields;
use crate::BadKind;
use crate::bad::Sample;
use crate::options::{Error, check_fractions};
use crate::random::{Random, share};

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
    random: Random,
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
            random: Random::new(seed),
            bad_below: share(options.bad_fraction),
            late_below: share(options.bad_fraction + options.late_fraction),
            options,
        })
    }

    /// Replaces `payload` by the bytes of the next record, made as if it happened at `now_ms` (ms
    /// since the epoch).
    pub fn next(&mut self, now_ms: i64, payload: &mut Vec<u8>) -> Generated {
        let fate = self.random.number();
        let is_bad = fate < self.bad_below;
        let late = !is_bad && fate < self.late_below;
        let back_ms = if late {
            1 + self.random.below(self.options.max_lateness_ms.unsigned_abs())
        } else {
            self.random.below(self.options.out_of_order_ms.unsigned_abs() + 1)
        };
        let id = self.random.bytes();
        let (furniture, price) = self.purchase();
        let color = self.random.one_of(&COLORS);
        let fields = Fields {
            order_id: Builder::from_random_bytes(id).into_uuid(),
            customer_id: 1 + self.random.small_below(self.options.customers.into()) as i64,
            furniture,
            color: Cow::Borrowed(color),
            price,
            ts: now_ms - back_ms as i64,
        };
        payload.clear();
        fields.write_json(payload);
        let bad = is_bad.then(|| {
            let kind = self.random.one_of(&BadKind::ALL);
            kind.spoil(&sample(&fields), self.random.number(), payload);
            kind
        });
        Generated { customer_id: fields.customer_id, ts: fields.ts, late, bad }
    }

    /// What is bought, and for how much: whole thousands of rupiah.
    fn purchase(&mut self) -> (Furniture, i64) {
        let furniture = self.random.one_of(&Furniture::ALL);
        let (from, to) = match furniture {
            Furniture::Chair => (250, 2_500),
            Furniture::Table => (500, 7_500),
            Furniture::Desk => (750, 6_000),
            Furniture::Sofa => (2_000, 25_000),
            Furniture::Bed => (1_500, 20_000),
        };
        let thousands = from + self.random.below(to - from + 1);
        (furniture, thousands as i64 * 1_000)
    }
}

/// Where a purchase can be spoilt.
fn sample(fields: &Fields<'_>) -> Sample {
    Sample {
        words: "one oak desk, please",
        amount_field: "price",
        amount_field_misnamed: "cost",
        amount: fields.price,
        amount_too_low: 0,
        known_name: fields.furniture.name(),
        unknown_name: "Lamp",
        text_field: "color",
        formed: fields.order_id.to_string(),
        unformed: "order-1",
        time_field: "ts",
        time_ms: fields.ts,
    }
}

impl PurchaseOptions {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), Error> {
        check_fractions(
            "late and bad",
            &[("late", self.late_fraction), ("bad", self.bad_fraction)],
        )?;
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
