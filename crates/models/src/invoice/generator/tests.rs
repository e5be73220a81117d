//! What the made-up invoices are like.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn csv(seed: u64, rows: u64, customers: u32) -> String {
    let mut generator = InvoiceGenerator::new(seed, InvoiceOptions { rows, customers }).unwrap();
    let mut csv = Vec::new();
    while generator.next_row(&mut csv) {}
    String::from_utf8(csv).unwrap()
}

/// The fields of a row, quotes taken away.
fn fields(row: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for letter in row.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                field.push('"');
            }
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(csv(7, 2_000, 100), csv(7, 2_000, 100));
    assert_ne!(csv(7, 2_000, 100), csv(8, 2_000, 100));
}

#[test]
fn nobody_buys_nothing() {
    let options = InvoiceOptions { rows: 1, customers: 0 };
    assert_eq!(InvoiceGenerator::new(1, options).unwrap_err(), Error::NoCustomers);
}

/// The default sample has every quirk of the real data.
#[test]
fn quirks() {
    let InvoiceOptions { rows, customers } = InvoiceOptions::default();
    let csv = csv(2010, rows, customers);
    let rows: Vec<_> = csv.lines().map(fields).collect();
    assert!(rows.iter().all(|row| row.len() == 8));
    let count = |fits: &dyn Fn(&[String]) -> bool| rows.iter().filter(|row| fits(row)).count();
    let cases: [(&str, usize); 11] = [
        ("cancelled", count(&|row| row[0].starts_with('C'))),
        ("cancelled, with a customer", count(&|row| row[0].starts_with('C') && !row[6].is_empty())),
        ("bad debt", count(&|row| row[0].starts_with('A') && row[5] == "-11062.06")),
        ("without a customer", count(&|row| row[6].is_empty())),
        ("negative quantity", count(&|row| row[3].starts_with('-'))),
        ("free", count(&|row| row[5] == "0")),
        ("without a description", count(&|row| row[2].is_empty())),
        ("not ASCII", count(&|row| !row[2].is_ascii())),
        ("comma in quotes", count(&|row| row[2].contains(','))),
        ("doubled quotes", count(&|row| row[2].contains("\"\""))),
        ("space at the end", count(&|row| row[2].ends_with(' '))),
    ];
    for (quirk, found) in cases {
        assert!(found > 0, "{quirk}");
    }
    let distinct: BTreeSet<_> = csv.lines().collect();
    assert!(distinct.len() < rows.len(), "there twice");
}

/// Thirteen months; sales rise towards Christmas; customers come back, but less and less.
#[test]
fn the_year() {
    let csv = csv(1, 40_000, 2_000);
    let mut customers: BTreeMap<(u32, u32), BTreeSet<String>> = BTreeMap::new();
    let mut rows: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for row in csv.lines().map(fields) {
        let date: Vec<u32> =
            row[4].split([' ', '/']).take(3).map(|part| part.parse().unwrap()).collect();
        let month = (date[2], date[0]);
        *rows.entry(month).or_default() += 1;
        if !row[6].is_empty() {
            customers.entry(month).or_default().insert(row[6].clone());
        }
    }
    assert_eq!(rows.len(), 13);
    assert_eq!((rows.keys().next(), rows.keys().last()), (Some(&(2010, 12)), Some(&(2011, 12))));
    assert!(rows[&(2011, 11)] > 2 * rows[&(2011, 2)], "{rows:?}");
    let everyone: BTreeSet<_> = customers.values().flatten().collect();
    assert_eq!(everyone.len(), 2_000);
    let first = &customers[&(2010, 12)];
    let back = |month| first.intersection(&customers[&month]).count() * 100 / first.len();
    let (january, june, october) = (back((2011, 1)), back((2011, 6)), back((2011, 10)));
    assert!(january > june && june > 5, "{january} {june} {october}");
    assert!(january < 80, "{january}");
}

proptest! {
    /// Any number of rows and customers: exactly so many rows, in the order of time, of customers
    /// who are there.
    #[test]
    fn any_size(seed: u64, rows in 0_u64..3_000, customers in 1_u32..5_000) {
        let csv = csv(seed, rows, customers);
        prop_assert_eq!(csv.lines().count() as u64, rows);
        let mut last = (0, 0);
        for row in csv.lines().map(fields) {
            prop_assert_eq!(row.len(), 8);
            let parts = row[4].split(['/', ' ', ':']).map(|part| part.parse().unwrap());
            let parts: Vec<u32> = parts.collect();
            let time = (parts[2] * 10_000 + parts[0] * 100 + parts[1], parts[3] * 60 + parts[4]);
            prop_assert!(time >= last, "{:?} after {:?}", time, last);
            last = time;
            if !row[6].is_empty() {
                let customer: u32 = row[6].parse().unwrap();
                prop_assert!((12_346..12_346 + customers).contains(&customer));
            }
        }
    }
}
