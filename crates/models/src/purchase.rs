//! A purchase: somebody bought a piece of furniture.

mod columns;
mod fields;
mod generator;

use std::borrow::Cow;

use uuid::Uuid;

pub use columns::{PurchaseColumns, purchase_schema};
pub use generator::{Generated, PurchaseGenerator, PurchaseOptions};

use crate::timestamp::PLAUSIBLE_MS;
use crate::{Invalid, TimestampUnit};
use fields::Fields;

/// What the shop sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Furniture {
    /// To sit on.
    Chair,
    /// To eat at.
    Table,
    /// To work at.
    Desk,
    /// To rest on.
    Sofa,
    /// To sleep in.
    Bed,
}

impl Furniture {
    /// Everything the shop sells.
    pub const ALL: [Self; 5] = [Self::Chair, Self::Table, Self::Desk, Self::Sofa, Self::Bed];

    /// All names, for a person.
    const NAMES: &str = "Chair, Table, Desk, Sofa, Bed";

    /// Its name as it is written in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chair => "Chair",
            Self::Table => "Table",
            Self::Desk => "Desk",
            Self::Sofa => "Sofa",
            Self::Bed => "Bed",
        }
    }

    /// The piece of this name; capitals count.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Chair" => Some(Self::Chair),
            "Table" => Some(Self::Table),
            "Desk" => Some(Self::Desk),
            "Sofa" => Some(Self::Sofa),
            "Bed" => Some(Self::Bed),
            _ => None,
        }
    }
}

/// One purchase.
///
/// ```
/// use arus_models::{Furniture, PurchaseEvent, TimestampUnit};
///
/// let json = r#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":42,
///                "furniture":"Desk","color":"oak","price":1250000,"ts":1700000000000}"#;
/// let event = PurchaseEvent::from_json(json.as_bytes(), TimestampUnit::Milliseconds)?;
/// assert_eq!((event.furniture, event.price), (Furniture::Desk, 1_250_000));
///
/// let mut again = Vec::new();
/// event.write_json(&mut again);
/// assert_eq!(PurchaseEvent::from_json(&again, TimestampUnit::Milliseconds)?, event);
///
/// let seconds = json.replace("1700000000000", "1700000000");
/// let read = PurchaseEvent::from_json(seconds.as_bytes(), TimestampUnit::Milliseconds);
/// assert_eq!(
///     read.unwrap_err().to_string(),
///     "ts 1700000000 looks like seconds, not milliseconds (see --ts-unit s)"
/// );
/// # Ok::<(), arus_models::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseEvent {
    /// The order's own number.
    pub order_id: Uuid,
    /// Who bought, 1 or more.
    pub customer_id: i64,
    /// What was bought.
    pub furniture: Furniture,
    /// In which colour: 1 to 64 bytes.
    pub color: String,
    /// For how much, in whole rupiah: 1 to 1,000,000,000,000.
    pub price: i64,
    /// When: event time, milliseconds since the Unix epoch, from the year 2000 to the year 9999.
    pub ts: i64,
}

impl PurchaseEvent {
    /// The largest believable price, rupiah.
    pub const PRICE_MAX: i64 = 1_000_000_000_000;
    /// The longest colour, bytes.
    pub const COLOR_BYTES_MAX: usize = 64;
    /// The earliest event time, 2000-01-01T00:00:00Z, ms since the Unix epoch.
    pub const TS_MIN: i64 = *PLAUSIBLE_MS.start();
    /// The latest event time, the last millisecond of the year 9999, ms since the Unix epoch.
    pub const TS_MAX: i64 = *PLAUSIBLE_MS.end();

    /// Reads a JSON object. Fields may come in any order; fields it does not know are skipped.
    ///
    /// # Errors
    /// The reason, when the bytes are not a valid purchase.
    pub fn from_json(json: &[u8], unit: TimestampUnit) -> Result<Self, Invalid> {
        let fields = fields::read(json, unit)?;
        Ok(Self {
            order_id: fields.order_id,
            customer_id: fields.customer_id,
            furniture: fields.furniture,
            color: fields.color.into_owned(),
            price: fields.price,
            ts: fields.ts,
        })
    }

    /// Appends the event to `json` as one JSON object without white space, `ts` in milliseconds.
    pub fn write_json(&self, json: &mut Vec<u8>) {
        let fields = Fields {
            order_id: self.order_id,
            customer_id: self.customer_id,
            furniture: self.furniture,
            color: Cow::Borrowed(&self.color),
            price: self.price,
            ts: self.ts,
        };
        fields.write_json(json);
    }
}
