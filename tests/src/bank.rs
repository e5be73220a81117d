//! What must come of a log of bank customers, worked out in plain Rust: who is a customer in the
//! end, and what became of the records.

use std::collections::BTreeMap;

use arus_kafka::inspect::FullRecord;
use arus_models::{BankCustomer, TimestampUnit};

/// The records by their fate, and what they leave. As `bank-consumer` must see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The customers whose accounts are open, by number.
    pub customers: BTreeMap<i64, BankCustomer>,
    /// Records that told a customer's new state, or the same state again.
    pub updates: u64,
    /// Records without a value that closed an account.
    pub closures: u64,
    /// Records without a value for a customer who was not there.
    pub unknown_closures: u64,
    /// Records with an older `updated_at` than what was known of the customer: ignored.
    pub older: u64,
    /// Records that cannot be read.
    pub unreadable: u64,
}

/// Reads records in the order of partition and offset. Of one customer all are in one partition.
///
/// # Panics
/// When a record's key is not the number of its customer.
pub fn ledger(records: &[FullRecord]) -> Ledger {
    let mut ledger = Ledger::default();
    for record in records {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let id: i64 = key.and_then(|key| key.parse().ok()).expect("the key is a number");
        let Some(payload) = &record.payload else {
            let known = ledger.customers.remove(&id).is_some();
            *if known { &mut ledger.closures } else { &mut ledger.unknown_closures } += 1;
            continue;
        };
        let Ok(customer) = BankCustomer::from_json(payload, TimestampUnit::Milliseconds) else {
            ledger.unreadable += 1;
            continue;
        };
        assert_eq!(customer.customer_id, id, "the key is the customer's number");
        let known = ledger.customers.get(&id);
        if known.is_some_and(|known| customer.updated_at < known.updated_at) {
            ledger.older += 1;
        } else {
            ledger.updates += 1;
            ledger.customers.insert(id, customer);
        }
    }
    ledger
}
