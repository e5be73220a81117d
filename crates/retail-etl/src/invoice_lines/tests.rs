//! What is built says the same as the lines that it was built of.

use std::collections::HashMap;

use proptest::prelude::*;

use super::rows::{Row, build, rows};
use super::*;

/// Rows that often say what one before them said, in part or as a whole.
fn any_row() -> impl Strategy<Value = Row> {
    let text = || prop_oneof!["[ab]{0,2}", "[ab]{7,9}", Just("C1".to_owned())];
    let texts = (text(), text(), text(), text());
    let numbers = (0_i64..2, 0_i64..2, 0_i64..2, proptest::option::of(0_i64..2));
    (texts, numbers).prop_map(|(texts, numbers)| Row {
        cancelled: texts.0.starts_with('C'),
        invoice_no: texts.0,
        stock_code: texts.1,
        description: texts.2,
        country: texts.3,
        quantity: numbers.0,
        unit_price: numbers.1,
        date_ms: numbers.2,
        month: numbers.2 as i32,
        customer_id: numbers.3,
    })
}

proptest! {
    /// Blocks of several builders, in any order: the same rows, and the same hash for the same row only.
    #[test]
    fn lines_say_what_they_were_built_of(
        blocks in proptest::collection::vec(
            (0_usize..3, proptest::collection::vec((any_row(), 1_usize..3), 0..12)),
            0..8,
        ),
    ) {
        let mut builders = [0, 1, 2].map(LinesBuilder::new);
        let mut expected = Vec::new();
        let mut built = Vec::new();
        for (builder, said) in &blocks {
            let said = said.iter().flat_map(|(row, times)| vec![row.clone(); *times]);
            let said: Vec<Row> = said.collect();
            built.push(build(&mut builders[*builder], &said));
            expected.extend(said);
        }
        prop_assert_eq!(&rows(&built), &expected);
        let hashes: Vec<u128> = built.iter().flat_map(|lines| lines.hash.clone()).collect();
        let mut hash_of = HashMap::new();
        for (row, hash) in expected.iter().zip(hashes) {
            prop_assert_eq!(*hash_of.entry(row).or_insert(hash), hash, "{:?}", row);
        }
        let different: std::collections::HashSet<_> = hash_of.values().collect();
        prop_assert_eq!(different.len(), hash_of.len());
    }
}

#[test]
fn what_lines_say_again_is_there_once() {
    let mut builder = LinesBuilder::new(0);
    let row = Row { invoice_no: "1".into(), stock_code: "A".into(), ..Row::default() };
    let other_product = Row { stock_code: "B".into(), ..row.clone() };
    let other_invoice = Row { invoice_no: "2".into(), ..row.clone() };
    let said = [row.clone(), other_product, row.clone(), other_invoice, row.clone()];
    let lines = build(&mut builder, &said);
    assert_eq!(lines.headers.lines, [3, 1, 1]);
    assert_eq!(lines.label, [0, 1, 0, 0, 0]);
    let lines = build(&mut builder, &[row]);
    assert_eq!((lines.headers.lines, lines.new_labels.stock_code.len()), (vec![1], 0));
}

/// However many names there are, a builder keeps some megabytes of them.
#[test]
fn labels_are_forgotten_when_there_are_too_many() {
    let mut builder = LinesBuilder::new(0);
    let expected: Vec<Row> = (0..10)
        .map(|product| Row {
            stock_code: product.to_string(),
            description: "x".repeat(1 << 20),
            ..Row::default()
        })
        .collect();
    let mut built = Vec::new();
    for row in &expected {
        built.push(build(&mut builder, &[row.clone(), expected[0].clone()]));
    }
    let first: Vec<usize> = built.iter().map(|lines| lines.new_labels.first).collect();
    assert_eq!(first, [0, 1, 2, 3, 0, 2, 3, 0, 2, 3]);
    let found = rows(&built);
    assert!(found.iter().step_by(2).eq(&expected));
    assert!(found.iter().skip(1).step_by(2).all(|row| *row == expected[0]));
}
