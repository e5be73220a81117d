//! From bytes to fields that are believed: the one way in, for single events and for columns alike.

use std::borrow::Cow;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::{Furniture, PurchaseEvent};
use crate::invalid::quoted;
use crate::json::{self, Raw, Slot, present};
use crate::scan::Rest;
use crate::{Invalid, TimestampUnit, check};

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
    let fields = match scan(json) {
        Some(fields) => fields,
        // Any other form, valid or not: the general parser knows, and can say why.
        None => Fields::from_raw(json::parse(json)?)?,
    };
    fields.checked(unit)
}

/// The fields of a record in our own producers' form; nothing when it has another.
fn scan(json: &[u8]) -> Option<Fields<'_>> {
    let mut rest = Rest(json);
    rest.key(b"{", b"\"order_id\":")?;
    let order_id = Uuid::try_parse_ascii(rest.text()?).ok()?;
    rest.key(b",", b"\"customer_id\":")?;
    let customer_id = rest.number()?;
    rest.key(b",", b"\"furniture\":")?;
    let furniture = match rest.text()? {
        b"Chair" => Furniture::Chair,
        b"Table" => Furniture::Table,
        b"Desk" => Furniture::Desk,
        b"Sofa" => Furniture::Sofa,
        b"Bed" => Furniture::Bed,
        _ => return None,
    };
    rest.key(b",", b"\"color\":")?;
    let color = std::str::from_utf8(rest.text()?).ok()?;
    rest.key(b",", b"\"price\":")?;
    let price = rest.number()?;
    rest.key(b",", b"\"ts\":")?;
    let ts = rest.number()?;
    (rest.0 == b"}").then_some(Fields {
        order_id,
        customer_id,
        furniture,
        color: Cow::Borrowed(color),
        price,
        ts,
    })
}

/// The fields as any other form has them.
#[derive(Debug, Default)]
struct RawPurchase<'a> {
    order_id: Option<Cow<'a, str>>,
    customer_id: Option<i64>,
    furniture: Option<Cow<'a, str>>,
    color: Option<Cow<'a, str>>,
    price: Option<i64>,
    ts: Option<i64>,
}

impl<'a> Raw<'a> for RawPurchase<'a> {
    fn slot(&mut self, name: &str) -> Option<(&'static str, Slot<'_, 'a>)> {
        Some(match name {
            "order_id" => ("order_id", Slot::Text(&mut self.order_id)),
            "customer_id" => ("customer_id", Slot::Whole(&mut self.customer_id)),
            "furniture" => ("furniture", Slot::Text(&mut self.furniture)),
            "color" => ("color", Slot::Text(&mut self.color)),
            "price" => ("price", Slot::Whole(&mut self.price)),
            "ts" => ("ts", Slot::Whole(&mut self.ts)),
            _ => return None,
        })
    }
}

impl<'a> Fields<'a> {
    fn from_raw(raw: RawPurchase<'a>) -> Result<Self, Invalid> {
        let order_id = present("order_id", raw.order_id)?;
        let customer_id = present("customer_id", raw.customer_id)?;
        let furniture = present("furniture", raw.furniture)?;
        let color = present("color", raw.color)?;
        let price = present("price", raw.price)?;
        let ts = present("ts", raw.ts)?;
        let order_id = Uuid::try_parse(&order_id)
            .map_err(|_| Invalid::OrderId { found: quoted(&order_id) })?;
        let furniture = Furniture::from_name(&furniture).ok_or_else(|| Invalid::NotOneOf {
            field: "furniture",
            allowed: Furniture::NAMES,
            found: quoted(&furniture),
        })?;
        Ok(Self { order_id, customer_id, furniture, color, price, ts })
    }

    fn checked(mut self, unit: TimestampUnit) -> Result<Self, Invalid> {
        check::customer_id(self.customer_id)?;
        check::text("color", &self.color, PurchaseEvent::COLOR_BYTES_MAX)?;
        check::rupiah("price", self.price, 1..=PurchaseEvent::PRICE_MAX)?;
        self.ts = unit.to_ms("ts", self.ts)?;
        Ok(self)
    }

    /// Appends the fields as one JSON object, in the form that [`scan`] reads fastest.
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
        let fields = scan(GOOD.as_bytes()).expect("our own form");
        fields.write_json(&mut written);
        assert_eq!(written, GOOD.as_bytes());
        let spaced = GOOD.replace(':', ": ").replace(',', ", ");
        assert_eq!(scan(spaced.as_bytes()), Some(fields));
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
            if let Some(quick) = scan(&json) {
                let general = json::parse(&json).and_then(Fields::from_raw);
                prop_assert_eq!(Ok(quick), general);
            }
        }
    }
}
