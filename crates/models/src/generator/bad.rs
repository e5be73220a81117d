//! Unreadable records of many kinds, for practice: each must be rejected with a reason.

use crate::check::Fields;

/// How a record is made unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadKind {
    /// Cut off somewhere.
    Truncated,
    /// Words, not JSON.
    NotJson,
    /// A byte that belongs to no character.
    NotUtf8,
    /// No byte at all.
    Empty,
    /// JSON, but a list.
    List,
    /// Lists in lists in lists.
    DeeplyNested,
    /// No price.
    MissingField,
    /// Two prices.
    DuplicateField,
    /// The price in quotes.
    PriceAsText,
    /// Half a rupiah.
    PriceWithFraction,
    /// Nothing to pay.
    PriceZero,
    /// The price is null.
    PriceNull,
    /// A lamp.
    UnknownFurniture,
    /// A colour of ten thousand letters.
    HugeText,
    /// The order's number is none.
    OrderIdNoUuid,
    /// Seconds in place of milliseconds.
    Seconds,
    /// A time before 1970.
    NegativeTime,
    /// A time after the year 9999.
    FarFuture,
}

impl BadKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Truncated,
        Self::NotJson,
        Self::NotUtf8,
        Self::Empty,
        Self::List,
        Self::DeeplyNested,
        Self::MissingField,
        Self::DuplicateField,
        Self::PriceAsText,
        Self::PriceWithFraction,
        Self::PriceZero,
        Self::PriceNull,
        Self::UnknownFurniture,
        Self::HugeText,
        Self::OrderIdNoUuid,
        Self::Seconds,
        Self::NegativeTime,
        Self::FarFuture,
    ];

    /// Spoils the good record in `payload`; `draw` is a random number.
    pub(super) fn spoil(self, fields: &Fields<'_>, draw: u64, payload: &mut Vec<u8>) {
        match self {
            Self::Truncated => {
                let cut = 1 + draw % (payload.len() as u64 - 1);
                payload.truncate(cut as usize);
            }
            Self::NotJson => set(payload, b"one oak desk, please"),
            Self::NotUtf8 => {
                let place = payload.len() / 2;
                payload[place] = 0xff;
            }
            Self::Empty => payload.clear(),
            Self::List => set(payload, b"[1, 2, 3]"),
            Self::DeeplyNested => {
                payload.pop();
                payload.extend_from_slice(b",\"note\":");
                payload.extend(std::iter::repeat_n(b'[', 1_000));
                payload.extend(std::iter::repeat_n(b']', 1_000));
                payload.push(b'}');
            }
            Self::MissingField => replace(payload, "\"price\":", "\"cost\":"),
            Self::DuplicateField => replace(payload, "\"price\":", "\"price\":1,\"price\":"),
            Self::PriceAsText => {
                let text = format!("\"price\":\"{}\"", fields.price);
                replace(payload, &price(fields), &text);
            }
            Self::PriceWithFraction => {
                replace(payload, &price(fields), &format!("{}.5", price(fields)));
            }
            Self::PriceZero => replace(payload, &price(fields), "\"price\":0"),
            Self::PriceNull => replace(payload, &price(fields), "\"price\":null"),
            Self::UnknownFurniture => replace(payload, fields.furniture.name(), "Lamp"),
            Self::HugeText => {
                let huge = format!("\"color\":\"{}", "o".repeat(10_000));
                replace(payload, "\"color\":\"", &huge);
            }
            Self::OrderIdNoUuid => replace(payload, &fields.order_id.to_string(), "order-1"),
            Self::Seconds => time(payload, fields, fields.ts / 1000),
            Self::NegativeTime => time(payload, fields, -fields.ts),
            Self::FarFuture => time(payload, fields, 253_402_300_800_000 + fields.ts),
        }
    }
}

fn set(payload: &mut Vec<u8>, text: &[u8]) {
    payload.clear();
    payload.extend_from_slice(text);
}

fn price(fields: &Fields<'_>) -> String {
    format!("\"price\":{}", fields.price)
}

fn time(payload: &mut Vec<u8>, fields: &Fields<'_>, ts: i64) {
    replace(payload, &format!("\"ts\":{}", fields.ts), &format!("\"ts\":{ts}"));
}

/// Replaces the first place of `old`; every record that we write has one.
fn replace(payload: &mut Vec<u8>, old: &str, new: &str) {
    let place = payload
        .windows(old.len())
        .position(|window| window == old.as_bytes())
        .expect("our own records hold all their fields");
    payload.splice(place..place + old.len(), new.bytes());
}
