//! Customers as records: the customer is the key, the time of the change is the record's timestamp,
//! a closure is a record without a value.

use std::io::Write;

use arus_kafka::load::{Draft, Maker};
use arus_models::{BankGenerator, BankRecord};

/// Makes customers and their changes, and counts what the records tell.
pub(crate) struct BankMaker {
    generator: BankGenerator,
    tallies: Tallies,
}

#[derive(Debug, Default)]
struct Tallies {
    new: u64,
    reopened: u64,
    deposits: u64,
    withdrawals: u64,
    moves: u64,
    closures: u64,
    out_of_order: u64,
    duplicates: u64,
    bad: u64,
}

impl BankMaker {
    pub(crate) fn new(generator: BankGenerator) -> Self {
        Self { generator, tallies: Tallies::default() }
    }
}

impl Maker for BankMaker {
    fn make(&mut self, now_ms: i64, draft: &mut Draft) {
        let generated = self.generator.next(now_ms, &mut draft.payload);
        draft.key.clear();
        write!(draft.key, "{}", generated.customer_id).expect("a Vec takes everything");
        draft.timestamp_ms = generated.updated_at;
        draft.tombstone = generated.tombstone;
        let tallies = &mut self.tallies;
        let tally = match generated.record {
            BankRecord::New => &mut tallies.new,
            BankRecord::Reopened => &mut tallies.reopened,
            BankRecord::Deposit => &mut tallies.deposits,
            BankRecord::Withdrawal => &mut tallies.withdrawals,
            BankRecord::Move => &mut tallies.moves,
            BankRecord::Closure => &mut tallies.closures,
            BankRecord::OutOfOrder => &mut tallies.out_of_order,
            BankRecord::Duplicate => &mut tallies.duplicates,
            BankRecord::Bad(_) => &mut tallies.bad,
        };
        *tally += 1;
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        let tallies = &self.tallies;
        vec![
            ("new", tallies.new),
            ("reopened", tallies.reopened),
            ("deposits", tallies.deposits),
            ("withdrawals", tallies.withdrawals),
            ("moves", tallies.moves),
            ("closures", tallies.closures),
            ("out_of_order", tallies.out_of_order),
            ("duplicates", tallies.duplicates),
            ("bad", tallies.bad),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use arus_models::{BankCustomer, BankOptions, TimestampUnit};

    /// Last records win, but for those that are older or unreadable: then the log tells what the
    /// generator knows.
    #[test]
    fn the_records_tell_the_state_and_the_counts_are_right() {
        let options = BankOptions {
            customers: 500,
            closure_fraction: 0.1,
            out_of_order_fraction: 0.1,
            duplicate_fraction: 0.1,
            bad_fraction: 0.1,
            ..BankOptions::default()
        };
        let mut maker = BankMaker::new(BankGenerator::new(1, options).unwrap());
        let mut draft = Draft::default();
        let mut known: BTreeMap<Vec<u8>, (i64, Option<BankCustomer>)> = BTreeMap::new();
        let (mut tombstones, mut bad, mut older) = (0, 0, 0);
        for at in 0..20_000 {
            maker.make(1_700_000_000_000 + at, &mut draft);
            let customer = if draft.tombstone {
                tombstones += 1;
                assert!(draft.payload.is_empty());
                None
            } else {
                match BankCustomer::from_json(&draft.payload, TimestampUnit::Milliseconds) {
                    Ok(customer) => Some(customer),
                    Err(_) => {
                        bad += 1;
                        continue;
                    }
                }
            };
            if let Some(customer) = &customer {
                assert_eq!(draft.key, customer.customer_id.to_string().into_bytes());
                assert_eq!(draft.timestamp_ms, customer.updated_at);
            }
            let known = known.entry(draft.key.clone()).or_insert((i64::MIN, None));
            if draft.timestamp_ms < known.0 {
                older += 1;
            } else {
                *known = (draft.timestamp_ms, customer);
            }
        }
        let mut open: Vec<_> = known.into_values().filter_map(|(_, customer)| customer).collect();
        open.sort_by_key(|customer| customer.customer_id);
        let mut expected: Vec<_> = maker.generator.customers().collect();
        expected.sort_by_key(|customer| customer.customer_id);
        assert_eq!(open, expected);

        let tallies: BTreeMap<_, _> = maker.tallies().into_iter().collect();
        assert_eq!((tallies["bad"], tallies["out_of_order"]), (bad, older));
        assert_eq!(tallies.values().sum::<u64>(), 20_000);
        assert!(tombstones > tallies["closures"], "some are sent twice: {tallies:?}");
        assert!(tallies.values().all(|&count| count > 100), "{tallies:?}");
    }
}
