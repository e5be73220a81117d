//! Bank customers as the table job decodes them: a record with a value is a customer as they are
//! now, one without is a closed account.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_models::{BankColumns, TimestampUnit, bank_customer_schema, customer_of_key};
use arus_streaming::decode::{Decoder, Record};

/// The column that is true where an account was closed.
pub(crate) const DELETED: &str = "deleted";

/// A customer's columns, which are null in the row of a closure but for `customer_id`, and
/// [`DELETED`].
pub(crate) fn schema() -> SchemaRef {
    let customer = bank_customer_schema();
    let nullable = |field: &Arc<Field>| {
        let is_key = field.name() == "customer_id";
        field.as_ref().clone().with_nullable(!is_key)
    };
    let mut fields: Vec<Field> = customer.fields().iter().map(nullable).collect();
    fields.push(Field::new(DELETED, DataType::Boolean, false));
    Arc::new(Schema::new(fields))
}

struct BankDecoder {
    customers: BankColumns,
    /// Who closed their accounts.
    closed: Vec<i64>,
    /// For every row in order whether it is a closure.
    order: Vec<bool>,
    schema: SchemaRef,
}

/// A decoder of all columns.
pub(crate) fn new() -> Box<dyn Decoder> {
    let customer = bank_customer_schema();
    let all: Vec<&str> = customer.fields().iter().map(|field| field.name().as_str()).collect();
    Box::new(BankDecoder {
        customers: BankColumns::new(TimestampUnit::Milliseconds, &all),
        closed: Vec::new(),
        order: Vec::new(),
        schema: schema(),
    })
}

impl BankDecoder {
    /// A closure has no value that could say when it was: the record's own time does.
    fn push_closure(&mut self, record: &Record<'_>) -> Result<i64, String> {
        let key = record.key.ok_or("the account is closed, but the record has no key")?;
        let id = customer_of_key(key);
        self.closed.push(id.ok_or("the key of a closure must be a customer's number")?);
        self.order.push(true);
        Ok(record.timestamp_ms.unwrap_or(0))
    }

    fn batch(&self, columns: Vec<ArrayRef>, deleted: bool) -> RecordBatch {
        let rows = columns[0].len();
        let mut columns = columns;
        columns.push(Arc::new(BooleanArray::from(vec![deleted; rows])));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("they are of the schema")
    }

    fn closures(&mut self) -> RecordBatch {
        let closed = Int64Array::from(std::mem::take(&mut self.closed));
        let rows = closed.len();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(closed)];
        let others = &self.schema.fields()[1..self.schema.fields().len() - 1];
        columns.extend(others.iter().map(|field| new_null_array(field.data_type(), rows)));
        self.batch(columns, true)
    }
}

impl Decoder for BankDecoder {
    fn push(&mut self, record: &Record<'_>) -> Result<i64, String> {
        let Some(payload) = record.payload else { return self.push_closure(record) };
        let pushed = self.customers.push_keyed(record.key, payload);
        let updated_at = pushed.map_err(|invalid| invalid.to_string())?;
        self.order.push(false);
        Ok(updated_at)
    }

    fn finish(&mut self) -> RecordBatch {
        let customers = self.customers.finish().columns().to_vec();
        let customers = self.batch(customers, false);
        let order = std::mem::take(&mut self.order);
        if self.closed.is_empty() {
            return customers;
        }
        let closures = self.closures();
        let mut next = [0, 0];
        let places: Vec<(usize, usize)> = order
            .into_iter()
            .map(|closed| {
                let from = usize::from(closed);
                next[from] += 1;
                (from, next[from] - 1)
            })
            .collect();
        interleave_record_batch(&[&customers, &closures], &places).expect("of one schema")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn record<'a>(key: Option<&'a [u8]>, payload: Option<&'a [u8]>) -> Record<'a> {
        Record { offset: 0, key, payload, timestamp_ms: Some(7) }
    }

    fn customer(id: i64, balance: i64) -> Vec<u8> {
        format!(
            r#"{{"customer_id":{id},"name":"Siti Wijaya","account_number":"0123456789",
                "account_type":"savings","city":"Bandung","balance":{balance},
                "opened_on":"2019-04-02","updated_at":1700000000000}}"#
        )
        .into_bytes()
    }

    #[test]
    fn closures_keep_their_place_among_the_customers() {
        let mut decoder = new();
        let (one, two) = (customer(1, 10), customer(2, 20));
        assert_eq!(decoder.push(&record(Some(b"1"), Some(&one))), Ok(1_700_000_000_000));
        assert_eq!(decoder.push(&record(Some(b"1"), None)), Ok(7));
        assert_eq!(decoder.push(&record(Some(b"2"), Some(&two))), Ok(1_700_000_000_000));
        let rows = decoder.finish();
        let ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ids, [1, 1, 2]);
        let deleted = rows.column_by_name(DELETED).unwrap().as_boolean();
        assert_eq!(deleted.iter().flatten().collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(rows.column_by_name("balance").unwrap().null_count(), 1);
        assert_eq!(decoder.finish().num_rows(), 0);
    }

    #[test]
    fn what_cannot_be_a_closure_says_why_and_leaves_no_row() {
        let mut decoder = new();
        for (key, reason) in [
            (None, "the account is closed, but the record has no key"),
            (Some(&b"forty-two"[..]), "the key of a closure must be a customer's number"),
            (Some(&b""[..]), "the key of a closure must be a customer's number"),
            (Some(&b"+1"[..]), "the key of a closure must be a customer's number"),
            (Some(&b"01"[..]), "the key of a closure must be a customer's number"),
            (Some(&b"0"[..]), "the key of a closure must be a customer's number"),
            (Some(&b"-5"[..]), "the key of a closure must be a customer's number"),
            (
                Some(&b"99999999999999999999"[..]),
                "the key of a closure must be a customer's number",
            ),
            (Some(&b"\xff"[..]), "the key of a closure must be a customer's number"),
        ] {
            assert_eq!(decoder.push(&record(key, None)).unwrap_err(), reason);
        }
        assert_eq!(decoder.finish().num_rows(), 0);
    }

    #[test]
    fn a_key_that_is_not_the_customers_number_is_rejected() {
        let mut decoder = new();
        let one = customer(1, 10);
        for (key, found) in [
            (None, "absent"),
            (Some(&b"2"[..]), "\"2\""),
            (Some(b"01"), "\"01\""),
            (Some(b"+1"), "\"+1\""),
            (Some(b""), "\"\""),
        ] {
            let reason = decoder.push(&record(key, Some(&one))).unwrap_err();
            let expected =
                format!("the record's key must be the customer's number, 1, but is {found}");
            assert_eq!(reason, expected);
        }
        assert_eq!(decoder.finish().num_rows(), 0);
    }
}
