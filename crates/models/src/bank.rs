//! A customer of a bank, as one state of their account: each change is a whole new state.

mod columns;
mod fields;
mod generator;
mod options;

use std::borrow::Cow;

use chrono::NaiveDate;

pub use columns::{BankColumns, bank_customer_schema, customer_of_key};
pub use generator::{BankGenerated, BankGenerator, BankRecord};
pub use options::BankOptions;

use crate::timestamp::PLAUSIBLE_MS;
use crate::{Invalid, TimestampUnit};
use fields::Fields;

/// What kind of account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountType {
    /// To save with.
    Savings,
    /// To pay from.
    Current,
    /// For a fixed term.
    Deposit,
}

impl AccountType {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Savings, Self::Current, Self::Deposit];

    /// All names, for a person.
    const NAMES: &str = "savings, current, deposit";

    /// Its name as it is written in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Savings => "savings",
            Self::Current => "current",
            Self::Deposit => "deposit",
        }
    }

    /// The kind of this name; capitals count.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "savings" => Some(Self::Savings),
            "current" => Some(Self::Current),
            "deposit" => Some(Self::Deposit),
            _ => None,
        }
    }
}

/// One customer with one account. It cannot be overdrawn: a balance is never negative.
///
/// ```
/// use arus_models::{AccountType, BankCustomer, TimestampUnit};
///
/// let json = r#"{"customer_id":42,"name":"Siti Wijaya","account_number":"0123456789",
///                "account_type":"savings","city":"Bandung","balance":3250000,
///                "opened_on":"2019-04-02","updated_at":1700000000000}"#;
/// let customer = BankCustomer::from_json(json.as_bytes(), TimestampUnit::Milliseconds)?;
/// assert_eq!((customer.account_type, customer.balance), (AccountType::Savings, 3_250_000));
///
/// let mut again = Vec::new();
/// customer.write_json(&mut again);
/// assert_eq!(BankCustomer::from_json(&again, TimestampUnit::Milliseconds)?, customer);
///
/// let overdrawn = json.replace("3250000", "-1");
/// let read = BankCustomer::from_json(overdrawn.as_bytes(), TimestampUnit::Milliseconds);
/// assert_eq!(
///     read.unwrap_err().to_string(),
///     "balance must be from 0 to 1000000000000 rupiah, not -1"
/// );
/// # Ok::<(), arus_models::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankCustomer {
    /// Who: 1 or more. The record's key is this number as text.
    pub customer_id: i64,
    /// The customer's name: 1 to 100 bytes.
    pub name: String,
    /// The account's number: 5 to 20 digits, which may begin with zeros.
    pub account_number: String,
    /// What kind of account it is.
    pub account_type: AccountType,
    /// Where the customer lives: 1 to 64 bytes.
    pub city: String,
    /// What is in the account, in whole rupiah: 0 to 1,000,000,000,000.
    pub balance: i64,
    /// The day on which the account was opened, from 1900-01-01 to 9999-12-31.
    pub opened_on: NaiveDate,
    /// When this state began: event time, milliseconds since the Unix epoch, from the year 2000 to
    /// the year 9999.
    pub updated_at: i64,
}

impl BankCustomer {
    /// The longest name, bytes.
    pub const NAME_BYTES_MAX: usize = 100;
    /// The longest name of a city, bytes.
    pub const CITY_BYTES_MAX: usize = 64;
    /// The largest believable balance, rupiah. The sum over nine million customers fits 64 bits.
    pub const BALANCE_MAX: i64 = 1_000_000_000_000;
    /// The earliest event time, 2000-01-01T00:00:00Z, ms since the Unix epoch.
    pub const UPDATED_AT_MIN: i64 = *PLAUSIBLE_MS.start();
    /// The latest event time, the last millisecond of the year 9999, ms since the Unix epoch.
    pub const UPDATED_AT_MAX: i64 = *PLAUSIBLE_MS.end();

    /// Reads a JSON object. Fields may come in any order; fields it does not know are skipped.
    ///
    /// # Errors
    /// The reason, when the bytes are not a valid customer.
    pub fn from_json(json: &[u8], unit: TimestampUnit) -> Result<Self, Invalid> {
        fields::read(json, unit).map(Self::from)
    }

    /// Appends the customer to `json` as one JSON object without white space, `updated_at` in
    /// milliseconds.
    pub fn write_json(&self, json: &mut Vec<u8>) {
        let fields = Fields {
            customer_id: self.customer_id,
            name: Cow::Borrowed(&self.name),
            account_number: Cow::Borrowed(&self.account_number),
            account_type: self.account_type,
            city: Cow::Borrowed(&self.city),
            balance: self.balance,
            opened_on: self.opened_on,
            updated_at: self.updated_at,
        };
        fields.write_json(json);
    }
}

impl From<Fields<'_>> for BankCustomer {
    fn from(fields: Fields<'_>) -> Self {
        Self {
            customer_id: fields.customer_id,
            name: fields.name.into_owned(),
            account_number: fields.account_number.into_owned(),
            account_type: fields.account_type,
            city: fields.city.into_owned(),
            balance: fields.balance,
            opened_on: fields.opened_on,
            updated_at: fields.updated_at,
        }
    }
}
