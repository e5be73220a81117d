//! From bytes to fields that are believed: the one way in, for single customers and for columns
//! alike.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate};

use super::{AccountType, BankCustomer};
use crate::invalid::quoted;
use crate::json::{self, Raw, Slot, present};
use crate::scan::Rest;
use crate::{Invalid, TimestampUnit, check};

/// A customer's fields, borrowed from the record where possible.
#[derive(Debug, PartialEq)]
pub(crate) struct Fields<'a> {
    pub(crate) customer_id: i64,
    pub(crate) name: Cow<'a, str>,
    pub(crate) account_number: Cow<'a, str>,
    pub(crate) account_type: AccountType,
    pub(crate) city: Cow<'a, str>,
    pub(crate) balance: i64,
    pub(crate) opened_on: NaiveDate,
    /// As written until [`read`] has made it milliseconds.
    pub(crate) updated_at: i64,
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
    let as_text = |bytes| std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    rest.key(b"{", b"\"customer_id\":")?;
    let customer_id = rest.number()?;
    rest.key(b",", b"\"name\":")?;
    let name = as_text(rest.text()?)?;
    rest.key(b",", b"\"account_number\":")?;
    let account_number = as_text(rest.text()?)?;
    rest.key(b",", b"\"account_type\":")?;
    let account_type = match rest.text()? {
        b"savings" => AccountType::Savings,
        b"current" => AccountType::Current,
        b"deposit" => AccountType::Deposit,
        _ => return None,
    };
    rest.key(b",", b"\"city\":")?;
    let city = as_text(rest.text()?)?;
    rest.key(b",", b"\"balance\":")?;
    let balance = rest.number()?;
    rest.key(b",", b"\"opened_on\":")?;
    let opened_on = date(rest.text()?)?;
    rest.key(b",", b"\"updated_at\":")?;
    let updated_at = rest.number()?;
    (rest.0 == b"}").then_some(Fields {
        customer_id,
        name,
        account_number,
        account_type,
        city,
        balance,
        opened_on,
        updated_at,
    })
}

/// The fields as any other form has them.
#[derive(Debug, Default)]
struct RawCustomer<'a> {
    customer_id: Option<i64>,
    name: Option<Cow<'a, str>>,
    account_number: Option<Cow<'a, str>>,
    account_type: Option<Cow<'a, str>>,
    city: Option<Cow<'a, str>>,
    balance: Option<i64>,
    opened_on: Option<Cow<'a, str>>,
    updated_at: Option<i64>,
}

impl<'a> Raw<'a> for RawCustomer<'a> {
    fn slot(&mut self, name: &str) -> Option<(&'static str, Slot<'_, 'a>)> {
        Some(match name {
            "customer_id" => ("customer_id", Slot::Whole(&mut self.customer_id)),
            "name" => ("name", Slot::Text(&mut self.name)),
            "account_number" => ("account_number", Slot::Text(&mut self.account_number)),
            "account_type" => ("account_type", Slot::Text(&mut self.account_type)),
            "city" => ("city", Slot::Text(&mut self.city)),
            "balance" => ("balance", Slot::Whole(&mut self.balance)),
            "opened_on" => ("opened_on", Slot::Text(&mut self.opened_on)),
            "updated_at" => ("updated_at", Slot::Whole(&mut self.updated_at)),
            _ => return None,
        })
    }
}

impl<'a> Fields<'a> {
    fn from_raw(raw: RawCustomer<'a>) -> Result<Self, Invalid> {
        let customer_id = present("customer_id", raw.customer_id)?;
        let name = present("name", raw.name)?;
        let account_number = present("account_number", raw.account_number)?;
        let account_type = present("account_type", raw.account_type)?;
        let city = present("city", raw.city)?;
        let balance = present("balance", raw.balance)?;
        let opened_on = present("opened_on", raw.opened_on)?;
        let updated_at = present("updated_at", raw.updated_at)?;
        let account_type =
            AccountType::from_name(&account_type).ok_or_else(|| Invalid::NotOneOf {
                field: "account_type",
                allowed: AccountType::NAMES,
                found: quoted(&account_type),
            })?;
        let opened_on = date(opened_on.as_bytes())
            .ok_or_else(|| Invalid::Date { field: "opened_on", found: quoted(&opened_on) })?;
        Ok(Self {
            customer_id,
            name,
            account_number,
            account_type,
            city,
            balance,
            opened_on,
            updated_at,
        })
    }

    fn checked(mut self, unit: TimestampUnit) -> Result<Self, Invalid> {
        check::customer_id(self.customer_id)?;
        check::text("name", &self.name, BankCustomer::NAME_BYTES_MAX)?;
        let number = self.account_number.as_bytes();
        if !(5..=20).contains(&number.len()) || !number.iter().all(u8::is_ascii_digit) {
            return Err(Invalid::AccountNumber { found: quoted(&self.account_number) });
        }
        check::text("city", &self.city, BankCustomer::CITY_BYTES_MAX)?;
        check::rupiah("balance", self.balance, 0..=BankCustomer::BALANCE_MAX)?;
        self.updated_at = unit.to_ms("updated_at", self.updated_at)?;
        Ok(self)
    }

    /// Appends the fields as one JSON object, in the form that [`scan`] reads fastest.
    pub(crate) fn write_json(&self, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"customer_id\":");
        json::write_number(self.customer_id, json);
        json.extend_from_slice(b",\"name\":");
        json::write_text(&self.name, json);
        json.extend_from_slice(b",\"account_number\":");
        json::write_text(&self.account_number, json);
        json.extend_from_slice(b",\"account_type\":\"");
        json.extend_from_slice(self.account_type.name().as_bytes());
        json.extend_from_slice(b"\",\"city\":");
        json::write_text(&self.city, json);
        json.extend_from_slice(b",\"balance\":");
        json::write_number(self.balance, json);
        json.extend_from_slice(b",\"opened_on\":\"");
        write_date(self.opened_on, json);
        json.extend_from_slice(b"\",\"updated_at\":");
        json::write_number(self.updated_at, json);
        json.push(b'}');
    }
}

/// The day that is written as YYYY-MM-DD, from the year 1900 on.
fn date(text: &[u8]) -> Option<NaiveDate> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let (year, month, day) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?);
    NaiveDate::from_ymd_opt(year as i32, month, day).filter(|_| year >= 1900)
}

/// Appends YYYY-MM-DD; the years of [`date`] have four digits.
fn write_date(date: NaiveDate, json: &mut Vec<u8>) {
    let pair = |number: u32| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
    let [[y0, y1], [y2, y3]] = [date.year() as u32 / 100, date.year() as u32].map(pair);
    let [[m0, m1], [d0, d1]] = [date.month(), date.day()].map(pair);
    json.extend_from_slice(&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = concat!(
        r#"{"customer_id":42,"name":"Siti Wijaya","account_number":"0123456789","#,
        r#""account_type":"savings","city":"Bandung","balance":3250000,"#,
        r#""opened_on":"2019-04-02","updated_at":1700000000000}"#
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

    #[test]
    fn dates_are_days_of_the_calendar() {
        for good in ["1900-01-01", "2000-02-29", "2024-12-31", "9999-12-31"] {
            let mut written = Vec::new();
            write_date(date(good.as_bytes()).expect(good), &mut written);
            assert_eq!(written, good.as_bytes());
        }
        for bad in [
            "",
            "2024-1-01",
            "2024-01-1",
            "02024-01-01",
            "2024/01/01",
            "20240101",
            "1899-12-31",
            "0000-01-01",
            "1900-02-29",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-01-32",
            "2024-04-31",
            "+024-01-01",
            "2024-01-01T",
            " 2024-01-0",
            "２024-01-0",
        ] {
            assert_eq!(date(bad.as_bytes()), None, "{bad}");
        }
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
                "}", "{", ",", ":", "\n", "9999999999", "00", "null", "x", "29", "31",
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
