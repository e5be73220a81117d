//! The made-up bank: who its customers are, what they have, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};

use arus_models::{
    AccountType, BadKind, BankCustomer, BankGenerated, BankGenerator, BankOptions, BankRecord,
    Error, TimestampUnit,
};

const NOW_MS: i64 = 1_700_000_000_000;

/// A generator, the time, and the record that came last.
struct Bank {
    generator: BankGenerator,
    now_ms: i64,
    payload: Vec<u8>,
}

impl Bank {
    fn new(seed: u64, options: BankOptions) -> Self {
        let generator = BankGenerator::new(seed, options).expect("the options are right");
        Self { generator, now_ms: NOW_MS, payload: Vec::new() }
    }

    fn next(&mut self) -> BankGenerated {
        self.now_ms += 1;
        self.generator.next(self.now_ms, &mut self.payload)
    }

    fn run(&mut self, records: usize) {
        for _ in 0..records {
            self.next();
        }
    }

    /// What the record that came last says.
    fn sent(&self) -> BankCustomer {
        BankCustomer::from_json(&self.payload, TimestampUnit::Milliseconds)
            .unwrap_or_else(|reason| panic!("{reason}: {:?}", self.payload))
    }
}

fn customers(customers: u32) -> BankOptions {
    BankOptions { customers, ..BankOptions::default() }
}

#[test]
fn each_customer_comes_first_and_once() {
    let mut bank = Bank::new(1, customers(5_000));
    let mut numbers = BTreeSet::new();
    for id in 1..=5_000 {
        let generated = bank.next();
        let customer = bank.sent();
        assert_eq!((generated.record, generated.tombstone), (BankRecord::New, false));
        assert_eq!((generated.customer_id, customer.customer_id), (id, id));
        assert_eq!((generated.updated_at, customer.updated_at), (bank.now_ms, bank.now_ms));
        assert!(numbers.insert(customer.account_number.clone()), "{customer:?}");
        assert!(customer.account_number.len() == 10 && customer.name.contains(' '));
        let years = bank.now_ms / 86_400_000 / 365 + 1970 - 11..=2023;
        let year: i64 = customer.opened_on.to_string()[..4].parse().unwrap();
        assert!(years.contains(&year), "{customer:?}");
    }
    assert_eq!(bank.generator.customers().count(), 5_000);
}

#[test]
fn names_and_cities_are_many_and_large_cities_have_more() {
    let mut bank = Bank::new(2, customers(50_000));
    bank.run(50_000);
    let (mut names, mut cities, mut kinds) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for customer in bank.generator.customers() {
        names.insert(customer.name);
        *cities.entry(customer.city).or_insert(0) += 1;
        *kinds.entry(customer.account_type).or_insert(0) += 1;
    }
    assert!(names.len() > 6_000, "{}", names.len());
    assert_eq!(cities.len(), 42, "{cities:?}");
    // Of 53 million people in these cities.
    assert!((9_000..11_500).contains(&cities["Jakarta"]), "{cities:?}");
    assert!((2_300..3_200).contains(&cities["Surabaya"]), "{cities:?}");
    assert!((100..320).contains(&cities["Ternate"]), "{cities:?}");
    let expected = [(AccountType::Savings, 35_000), (AccountType::Current, 10_000)];
    for (kind, expected) in expected {
        assert!((expected - 700..expected + 700).contains(&kinds[&kind]), "{kinds:?}");
    }
}

/// The natural logarithms of the balances of one kind of account, in order.
fn logarithms(bank: &Bank, kind: AccountType) -> Vec<f64> {
    let customers = bank.generator.customers().filter(|it| it.account_type == kind);
    let mut logs: Vec<f64> = customers.map(|it| (it.balance.max(1) as f64).ln()).collect();
    logs.sort_by(f64::total_cmp);
    logs
}

#[test]
fn balances_are_log_normal_at_first_and_stay_as_skewed() {
    let mut bank = Bank::new(3, customers(40_000));
    bank.run(40_000);
    let medians = [
        (AccountType::Savings, 3_000_000.0_f64, 1.2),
        (AccountType::Current, 8_000_000.0, 1.4),
        (AccountType::Deposit, 25_000_000.0, 0.9),
    ];
    for round in 0..2 {
        for (kind, median, deviation) in medians {
            let logs = logarithms(&bank, kind);
            let quantile = |share: f64| logs[(share * logs.len() as f64) as usize];
            let found = quantile(0.5).exp() / median;
            let spread = quantile(0.75) - quantile(0.25);
            // Between these two lies half of a normal distribution.
            let expected = 2.0 * 0.6745 * deviation;
            if round == 0 {
                assert!((0.9..1.1).contains(&found), "{kind:?}: {found}");
                assert!((spread / expected - 1.0).abs() < 0.08, "{kind:?}: {spread} {expected}");
                let tails = (quantile(0.99) - quantile(0.5), quantile(0.5) - quantile(0.01));
                assert!((tails.0 / tails.1 - 1.0).abs() < 0.15, "{kind:?}: {tails:?}");
            } else {
                // Thirty changes each, and more for some: wider, but of the same size.
                assert!((0.5..1.2).contains(&found), "{kind:?}: {found}");
                assert!((0.9..1.6).contains(&(spread / expected)), "{kind:?}: {spread} {expected}");
            }
        }
        if round == 0 {
            bank.run(1_200_000);
        }
    }
}

#[test]
fn every_change_is_what_it_says() {
    let options = BankOptions { closure_fraction: 0.05, move_fraction: 0.1, ..customers(300) };
    let mut bank = Bank::new(4, options);
    bank.run(300);
    let mut known: BTreeMap<i64, BankCustomer> =
        bank.generator.customers().map(|customer| (customer.customer_id, customer)).collect();
    let mut closed: BTreeMap<i64, BankCustomer> = BTreeMap::new();
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    for _ in 0..100_000 {
        let generated = bank.next();
        let id = generated.customer_id;
        *counts.entry(format!("{:?}", generated.record)).or_default() += 1;
        assert_eq!(generated.tombstone, generated.record == BankRecord::Closure);
        assert_eq!(generated.updated_at, bank.now_ms);
        let before = known.remove(&id);
        if generated.tombstone {
            assert!(bank.payload.is_empty());
            assert!(closed.insert(id, before.expect("only open accounts are closed")).is_none());
            continue;
        }
        let after = bank.sent();
        let thousands = after.balance >= 0 && after.balance % 1_000 == 0;
        assert!(thousands && after.updated_at == bank.now_ms, "{after:?}");
        let same_but = |before: &BankCustomer, balance, city: &str| {
            let (city, updated_at) = (city.to_owned(), bank.now_ms);
            assert_eq!(after, BankCustomer { balance, city, updated_at, ..before.clone() });
        };
        match (generated.record, before) {
            (BankRecord::Deposit, Some(before)) => {
                assert!(after.balance > before.balance);
                same_but(&before, after.balance, &before.city);
            }
            (BankRecord::Withdrawal, Some(before)) => {
                assert!(after.balance < before.balance);
                same_but(&before, after.balance, &before.city);
            }
            (BankRecord::Move, Some(before)) => {
                assert_ne!(after.city, before.city);
                same_but(&before, before.balance, &after.city);
            }
            (BankRecord::Reopened, None) => {
                let before = closed.remove(&id).expect("it was closed");
                assert_eq!(
                    (&after.name, &after.account_number),
                    (&before.name, &before.account_number)
                );
                assert!(after.opened_on >= before.opened_on);
            }
            (BankRecord::New, None) => assert!(id > 300 && !closed.contains_key(&id)),
            (record, before) => panic!("{record:?} of {before:?}"),
        }
        known.insert(id, after);
        // One in twenty-one places is closed, on the average.
        assert!((260..=300).contains(&known.len()), "{}", known.len());
    }
    for (name, expected) in [
        ("Closure", 4_762),
        ("Move", 9_524),
        ("Withdrawal", 42_857),
        ("Deposit", 38_095),
        ("New", 2_381),
        ("Reopened", 2_381),
    ] {
        let allowed = expected * 9 / 10..expected * 11 / 10;
        assert!(allowed.contains(&counts[name]), "{name}: {counts:?}");
    }
}

#[test]
fn an_empty_account_gives_nothing_and_no_balance_grows_for_ever() {
    let taking = BankOptions { withdrawal_fraction: 0.96, move_fraction: 0.0, ..customers(2) };
    let mut bank = Bank::new(5, taking);
    let mut lowest = i64::MAX;
    for _ in 0..50_000 {
        if !bank.next().tombstone {
            lowest = lowest.min(bank.sent().balance);
        }
    }
    assert_eq!(lowest, 0);

    let giving = BankOptions {
        withdrawal_fraction: 0.0,
        move_fraction: 0.0,
        closure_fraction: 0.0,
        ..customers(1)
    };
    let mut bank = Bank::new(6, giving);
    bank.run(2_000_000);
    let highest = bank.sent().balance;
    assert!(highest <= BankCustomer::BALANCE_MAX && highest > 10_000_000_000, "{highest}");
}

#[test]
fn the_practice_records_are_what_they_say() {
    let options = BankOptions {
        out_of_order_fraction: 0.1,
        max_lateness_ms: 5_000,
        duplicate_fraction: 0.1,
        bad_fraction: 0.1,
        closure_fraction: 0.05,
        ..customers(200)
    };
    let mut bank = Bank::new(7, options);
    let mut last: BTreeMap<i64, (BankGenerated, Vec<u8>)> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut tombstones_twice = 0;
    for at in 0..50_000 {
        let generated = bank.next();
        let practice = match generated.record {
            BankRecord::OutOfOrder => {
                let known = last[&generated.customer_id].0.updated_at;
                assert!((1..=5_000).contains(&(known - generated.updated_at)), "{generated:?}");
                assert_eq!(bank.sent().updated_at, generated.updated_at);
                "out of order"
            }
            BankRecord::Duplicate => {
                let (before, payload) = &last[&generated.customer_id];
                assert_eq!(*payload, bank.payload);
                assert_eq!(before.tombstone, generated.tombstone);
                assert_eq!(before.updated_at, generated.updated_at);
                tombstones_twice += usize::from(before.tombstone);
                "duplicate"
            }
            BankRecord::Bad(kind) => {
                let unit = TimestampUnit::Milliseconds;
                let reason = BankCustomer::from_json(&bank.payload, unit);
                assert!(reason.is_err(), "{kind:?}: {:?}", String::from_utf8_lossy(&bank.payload));
                *kinds.entry(format!("{kind:?}")).or_default() += 1;
                "bad"
            }
            _ => {
                last.insert(generated.customer_id, (generated, bank.payload.clone()));
                continue;
            }
        };
        assert!(at >= 200, "first come the first states");
        *counts.entry(practice).or_default() += 1;
    }
    assert!(counts.values().all(|count| (4_500..5_400).contains(count)), "{counts:?}");
    assert_eq!(kinds.len(), BadKind::ALL.len(), "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 150), "{kinds:?}");
    assert!(tombstones_twice > 50, "{tombstones_twice}");
}

#[test]
fn a_clock_that_goes_back_makes_no_record_older() {
    let mut generator = BankGenerator::new(8, customers(10)).expect("the options are right");
    let (mut payload, mut known) = (Vec::new(), BTreeMap::new());
    for step in 0..10_000_i64 {
        let generated = generator.next(NOW_MS + (step * 7_919) % 1_000, &mut payload);
        let last = known.insert(generated.customer_id, generated.updated_at);
        assert!(last <= Some(generated.updated_at), "{generated:?}");
    }
}

#[test]
fn a_seed_is_a_log() {
    let log = |seed| {
        let faults = BankOptions {
            out_of_order_fraction: 0.1,
            duplicate_fraction: 0.1,
            bad_fraction: 0.1,
            ..customers(100)
        };
        let mut bank = Bank::new(seed, faults);
        let mut log = Vec::new();
        for _ in 0..2_000 {
            bank.next();
            log.extend_from_slice(&bank.payload);
            log.push(b'\n');
        }
        log
    };
    assert_eq!(log(7), log(7));
    assert_ne!(log(7), log(8));
    // Written down: a log must be the same on every machine and after every update of a library.
    let last_of = |records| {
        let mut bank = Bank::new(7, customers(2));
        bank.run(records);
        String::from_utf8(bank.payload).expect("our own records are text")
    };
    assert_eq!([1, 2, 100].map(last_of), OF_SEED_7);
}

/// Records 1, 2 and 100: two first states and a change.
const OF_SEED_7: [&str; 3] = [
    concat!(
        r#"{"customer_id":1,"name":"Yanti Maharani","account_number":"1618033996","#,
        r#""account_type":"savings","city":"Makassar","balance":2769000,"#,
        r#""opened_on":"2022-04-18","updated_at":1700000000001}"#,
    ),
    concat!(
        r#"{"customer_id":2,"name":"Stefanus Sembiring","account_number":"3236067985","#,
        r#""account_type":"savings","city":"Tegal","balance":890000,"#,
        r#""opened_on":"2020-04-12","updated_at":1700000000002}"#,
    ),
    concat!(
        r#"{"customer_id":2,"name":"Stefanus Sembiring","account_number":"3236067985","#,
        r#""account_type":"savings","city":"Tegal","balance":1000,"#,
        r#""opened_on":"2020-04-12","updated_at":1700000000100}"#,
    ),
];

#[test]
fn options_that_make_no_sense_are_refused() {
    let good = customers(1);
    let cases = [
        (BankOptions { bad_fraction: f64::NAN, ..good.clone() }, "bad fraction"),
        (BankOptions { move_fraction: -0.1, ..good.clone() }, "move fraction"),
        (BankOptions { move_fraction: 0.6, ..good.clone() }, "withdrawal, move and closure"),
        (
            BankOptions { bad_fraction: 0.6, duplicate_fraction: 0.6, ..good.clone() },
            "out-of-order, duplicate and bad",
        ),
        (BankOptions { max_lateness_ms: -1, ..good.clone() }, "must not be negative"),
        (
            BankOptions { max_lateness_ms: 0, out_of_order_fraction: 0.1, ..good.clone() },
            "maximum lateness",
        ),
        (BankOptions { customers: 0, ..good.clone() }, "1 customer or more"),
    ];
    for (options, expected) in cases {
        let error: Error = BankGenerator::new(1, options).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
