//! From bytes to fields that are believed: the one way in, for single events and for columns alike.

use std::borrow::Cow;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::invalid::quoted;
use crate::json::{self, Raw};
use crate::{Furniture, Invalid, PurchaseEvent, TimestampUnit, scan};

/// A purchase's fields, borrowed from the record where possible.
#[derive(Debug, PartialEq)]
pub(crate) struct Fields<'a> {
    pub(crate) order_id: Uuid,
    pub(crate) customer_id: i64,
    pub(crate) furniture: Furniture,
    pub(crate) color: Cow<'a, str>,
    pub(crate) price: i64,
    /// As written until [`read`] has made it milliseconds.
    pub(crate) ts: i64,
}

/// Reads and checks one record.
pub(crate) fn read(json: &[u8], unit: TimestampUnit) -> Result<Fields<'_>, Invalid> {
    let fields = match scan::scan(json) {
        Some(fields) => fields,
        // Any other form, valid or not: the general parser knows, and can say why.
        None => Fields::from_raw(json::parse(json)?)?,
    };
    fields.checked(unit)
}

impl<'a> Fields<'a> {
    pub(crate) fn from_raw(raw: Raw<'a>) -> Result<Self, Invalid> {
        let order_id = Uuid::try_parse(&raw.order_id)
            .map_err(|_| Invalid::OrderId { found: quoted(&raw.order_id) })?;
        let furniture = Furniture::from_name(&raw.furniture)
            .ok_or_else(|| Invalid::Furniture { found: quoted(&raw.furniture) })?;
        Ok(Self {
            order_id,
            customer_id: raw.customer_id,
            furniture,
            color: raw.color,
            price: raw.price,
            ts: raw.ts,
        })
    }

    fn checked(mut self, unit: TimestampUnit) -> Result<Self, Invalid> {
        if self.customer_id < 1 {
            return Err(Invalid::CustomerId { found: self.customer_id });
        }
        if self.color.is_empty() {
            return Err(Invalid::ColorEmpty);
        }
        if self.color.len() > PurchaseEvent::COLOR_BYTES_MAX {
            return Err(Invalid::ColorTooLong {
                bytes: self.color.len(),
                limit: PurchaseEvent::COLOR_BYTES_MAX,
            });
        }
        // PostgreSQL cannot hold a NUL in a text, and no colour has a line end.
        if self.color.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Invalid::ColorControl);
        }
        if !(1..=PurchaseEvent::PRICE_MAX).contains(&self.price) {
            return Err(Invalid::Price { found: self.price, limit: PurchaseEvent::PRICE_MAX });
        }
        self.ts = timestamp_ms(self.ts, unit)?;
        Ok(self)
    }

    /// Appends the fields as one JSON object, in the form that [`scan::scan`] reads fastest.
    pub(crate) fn write_json(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"order_id\":\"");
        let mut hyphenated = [0; Hyphenated::LENGTH];
        json.extend_from_slice(self.order_id.hyphenated().encode_lower(&mut hyphenated).as_bytes());
        json.extend_from_slice(b"\",\"customer_id\":");
        json::write_number(self.customer_id, json);
        json.extend_from_slice(b",\"furniture\":\"");
        json.extend_from_slice(self.furniture.name().as_bytes());
        json.extend_from_slice(b"\",\"color\":");
        json::write_text(&self.color, json);
        json.extend_from_slice(b",\"price\":");
        json::write_number(self.price, json);
        json.extend_from_slice(b",\"ts\":");
        json::write_number(self.ts, json);
        json.push(b'}');
    }
}

/// The time in milliseconds, when it is one that can be believed.
fn timestamp_ms(ts: i64, unit: TimestampUnit) -> Result<i64, Invalid> {
    const PLAUSIBLE: std::ops::RangeInclusive<i64> = PurchaseEvent::TS_MIN..=PurchaseEvent::TS_MAX;
    let as_seconds = ts.saturating_mul(1000);
    let (ms, in_milliseconds) = match unit {
        TimestampUnit::Milliseconds => (ts, true),
        TimestampUnit::Seconds => (as_seconds, false),
    };
    if PLAUSIBLE.contains(&ms) {
        return Ok(ms);
    }
    Err(if ts < 0 {
        Invalid::TimestampNegative { found: ts }
    } else if in_milliseconds && PLAUSIBLE.contains(&as_seconds) {
        Invalid::TimestampInSeconds { found: ts }
    } else if !in_milliseconds && PLAUSIBLE.contains(&ts) {
        Invalid::TimestampInMilliseconds { found: ts }
    } else if ms < PurchaseEvent::TS_MIN {
        Invalid::TimestampTooOld { found: ts }
    } else {
        Invalid::TimestampTooNew { found: ts }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = concat!(
        r#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":42,"#,
        r#""furniture":"Desk","color":"oak","price":1250000,"ts":1700000000000}"#
    );

    #[test]
    fn our_own_form_takes_the_quick_way() {
        let mut written = Vec::new();
        let fields = scan::scan(GOOD.as_bytes()).expect("our own form");
        fields.write_json(&mut written);
        assert_eq!(written, GOOD.as_bytes());
        let spaced = GOOD.replace(':', ": ").replace(',', ", ");
        assert_eq!(scan::scan(spaced.as_bytes()), Some(fields));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever the quick way accepts, the general parser accepts, with the same values.
        #[test]
        fn the_quick_way_never_disagrees(
            place in 0..GOOD.len(),
            length in 0..4_usize,
            new in prop::sample::select(vec![
                "", "0", "7", "-", "1e3", ".", " ", "  ", "\"", "\\", "\\u0041", "\u{7f}", "\u{0}", "é",
                "}", "{", ",", ":", "\n", "9999999999", "00", "null", "x",
            ]),
        ) {
            let mut json = GOOD.as_bytes().to_vec();
            let end = (place + length).min(json.len());
            json.splice(place..end, new.bytes());
            if let Some(quick) = scan::scan(&json) {
                let general = json::parse(&json).and_then(Fields::from_raw);
                prop_assert_eq!(Ok(quick), general);
            }
        }
    }
}
