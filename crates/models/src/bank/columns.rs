//! Bank customers as Arrow columns, filled record by record: a bad record leaves no trace, a good
//! one costs no allocation.

use std::sync::Arc;

use arrow::datatypes::{DataType, Date32Type, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::fields::{self, Fields};
use crate::columns::{self, Dates, Numbers, Texts, Times};
use crate::invalid::quoted;
use crate::{Invalid, TimestampUnit};

/// The columns of bank customers: `customer_id` Int64, `name` Utf8, `account_number` Utf8,
/// `account_type` Utf8, `city` Utf8, `balance` Int64 (rupiah), `opened_on` Date32, `updated_at`
/// Timestamp(Millisecond, "UTC"). No column has nulls.
pub fn bank_customer_schema() -> SchemaRef {
    columns::schema(&[
        ("customer_id", DataType::Int64),
        ("name", DataType::Utf8),
        ("account_number", DataType::Utf8),
        ("account_type", DataType::Utf8),
        ("city", DataType::Utf8),
        ("balance", DataType::Int64),
        ("opened_on", DataType::Date32),
        ("updated_at", columns::event_time()),
    ])
}

/// The customer that a record's key names, as a table needs it: a positive number, written in the
/// one way that a number has, for the same customer under two keys would be in two partitions.
pub fn customer_of_key(key: &[u8]) -> Option<i64> {
    let is_plain = key.iter().all(u8::is_ascii_digit) && key.first() != Some(&b'0');
    std::str::from_utf8(key).ok().filter(|_| is_plain)?.parse().ok()
}

/// Decodes JSON records straight into Arrow columns. A record without a value (a tombstone) is none
/// of its rows: whoever reads the topic handles it.
///
/// ```
/// use arus_models::{BankColumns, TimestampUnit};
///
/// let needed = ["customer_id", "city", "balance"];
/// let mut columns = BankColumns::new(TimestampUnit::Milliseconds, &needed);
/// let good = br#"{"customer_id":42,"name":"Siti Wijaya","account_number":"0123456789",
///                 "account_type":"savings","city":"Bandung","balance":3250000,
///                 "opened_on":"2019-04-02","updated_at":1700000000000}"#;
/// assert_eq!(columns.push_json(good)?, 1_700_000_000_000);
/// assert_eq!(columns.push_json(b"").unwrap_err().to_string(), "the record is empty");
///
/// let batch = columns.finish();
/// assert_eq!((batch.num_rows(), batch.num_columns()), (1, 3));
/// assert!(columns.is_empty());
/// # Ok::<(), arus_models::Invalid>(())
/// ```
#[derive(Debug)]
pub struct BankColumns {
    unit: TimestampUnit,
    schema: SchemaRef,
    rows: usize,
    customer_id: Option<Numbers>,
    name: Option<Texts>,
    account_number: Option<Texts>,
    account_type: Option<Texts>,
    city: Option<Texts>,
    balance: Option<Numbers>,
    opened_on: Option<Dates>,
    updated_at: Option<Times>,
}

impl BankColumns {
    /// Keeps the columns named in `needed`, in the order of [`bank_customer_schema`]; the others
    /// are checked, not kept. A name that is no column adds nothing: [`Self::schema`] says what is
    /// kept. `unit` is that of `updated_at`.
    pub fn new(unit: TimestampUnit, needed: &[&str]) -> Self {
        let schema = columns::part(&bank_customer_schema(), needed);
        Self {
            unit,
            rows: 0,
            customer_id: columns::keep(&schema, "customer_id"),
            name: columns::keep(&schema, "name"),
            account_number: columns::keep(&schema, "account_number"),
            account_type: columns::keep(&schema, "account_type"),
            city: columns::keep(&schema, "city"),
            balance: columns::keep(&schema, "balance"),
            opened_on: columns::keep(&schema, "opened_on"),
            updated_at: columns::keep(&schema, "updated_at"),
            schema,
        }
    }

    /// The schema of the batches: the part of [`bank_customer_schema`] that is kept.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row since the last batch.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends the record as one row and gives its `updated_at` (ms since the epoch), or appends
    /// nothing.
    ///
    /// # Errors
    /// The reason, when the record is not a valid customer.
    ///
    /// # Panics
    /// When a batch grows over 2 GiB in one text column: [`Self::finish`] must be called before 21
    /// million rows.
    pub fn push_json(&mut self, json: &[u8]) -> Result<i64, Invalid> {
        let fields = fields::read(json, self.unit)?;
        Ok(self.push(fields))
    }

    /// The same for a record of a topic whose key is the customer's number, as a table needs it: of
    /// one customer all records must be in one partition.
    ///
    /// # Errors
    /// The reason, when the record is not a valid customer, or its key is another.
    ///
    /// # Panics
    /// As [`Self::push_json`].
    pub fn push_keyed(&mut self, key: Option<&[u8]>, json: &[u8]) -> Result<i64, Invalid> {
        let fields = fields::read(json, self.unit)?;
        if key.and_then(customer_of_key) == Some(fields.customer_id) {
            return Ok(self.push(fields));
        }
        Err(Invalid::Key {
            customer_id: fields.customer_id,
            found: key.map_or("absent".into(), |key| quoted(&String::from_utf8_lossy(key))),
        })
    }

    fn push(&mut self, fields: Fields<'_>) -> i64 {
        if let Some(column) = &mut self.customer_id {
            column.push(fields.customer_id);
        }
        if let Some(column) = &mut self.name {
            column.push(&fields.name);
        }
        if let Some(column) = &mut self.account_number {
            column.push(&fields.account_number);
        }
        if let Some(column) = &mut self.account_type {
            column.push(fields.account_type.name());
        }
        if let Some(column) = &mut self.city {
            column.push(&fields.city);
        }
        if let Some(column) = &mut self.balance {
            column.push(fields.balance);
        }
        if let Some(column) = &mut self.opened_on {
            column.push(Date32Type::from_naive_date(fields.opened_on));
        }
        if let Some(column) = &mut self.updated_at {
            column.push(fields.updated_at);
        }
        self.rows += 1;
        fields.updated_at
    }

    /// The rows since the last call as one batch; the next one begins empty, with room for as many.
    pub fn finish(&mut self) -> RecordBatch {
        let columns = [
            self.customer_id.as_mut().map(Numbers::finish),
            self.name.as_mut().map(Texts::finish),
            self.account_number.as_mut().map(Texts::finish),
            self.account_type.as_mut().map(Texts::finish),
            self.city.as_mut().map(Texts::finish),
            self.balance.as_mut().map(Numbers::finish),
            self.opened_on.as_mut().map(Dates::finish),
            self.updated_at.as_mut().map(Times::finish),
        ];
        columns::batch(self.schema(), std::mem::take(&mut self.rows), columns)
    }
}
