//! Numbers as data, and against another way to read them.

use proptest::prelude::*;

use super::*;

const NOT: &str = "is not a number";
const LONG: &str = "has too many digits";

#[test]
fn whole_numbers() {
    let cases: [(&str, Result<i64, &str>); 22] = [
        ("6", Ok(6)),
        ("-6", Ok(-6)),
        ("0", Ok(0)),
        ("-0", Ok(0)),
        ("007", Ok(7)),
        ("6.0", Ok(6)),
        ("-80995.000", Ok(-80_995)),
        ("999999999999999999", Ok(999_999_999_999_999_999)),
        ("-999999999999999999", Ok(-999_999_999_999_999_999)),
        ("1000000000000000000", Err(LONG)),
        ("6.5", Err("is not a whole number")),
        ("6.", Err("is not a whole number")),
        ("6.x", Err("is not a whole number")),
        ("", Err(NOT)),
        ("-", Err(NOT)),
        ("--6", Err(NOT)),
        ("+6", Err(NOT)),
        (" 6", Err(NOT)),
        ("6 ", Err(NOT)),
        (".0", Err(NOT)),
        ("six", Err(NOT)),
        ("1e3", Err(NOT)),
    ];
    for (text, expected) in cases {
        assert_eq!(whole(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn quantities() {
    let cases = [
        ("999999999", Ok(999_999_999)),
        ("-999999999.0", Ok(-999_999_999)),
        ("1000000000", Err(LONG)),
        ("-1000000000", Err(LONG)),
        ("0000000000001", Ok(1)),
        ("six", Err(NOT)),
    ];
    for (text, expected) in cases {
        assert_eq!(quantity(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn prices() {
    let cases: [(&str, Result<i64, &str>); 23] = [
        ("2.55", Ok(25_500)),
        ("3", Ok(30_000)),
        ("0.0", Ok(0)),
        ("-0.00", Ok(0)),
        ("0.001", Ok(10)),
        ("0.0001", Ok(1)),
        ("-11062.06", Ok(-110_620_600)),
        ("-0.5", Ok(-5_000)),
        ("38970", Ok(389_700_000)),
        ("1.50000000", Ok(15_000)),
        ("99999999999999.9999", Ok(999_999_999_999_999_999)),
        ("100000000000000", Err(LONG)),
        ("0.00001", Err("has more than 4 digits after the point")),
        ("1.23456", Err("has more than 4 digits after the point")),
        ("", Err(NOT)),
        (".55", Err(NOT)),
        ("5.", Err(NOT)),
        ("1.2.3", Err(NOT)),
        ("1.2345x", Err(NOT)),
        ("2,55", Err(NOT)),
        ("£2.55", Err(NOT)),
        ("NaN", Err(NOT)),
        ("1e-3", Err(NOT)),
    ];
    for (text, expected) in cases {
        assert_eq!(price(text.as_bytes()), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn whole_numbers_are_read_as_the_standard_library_reads_them(
        value in -999_999_999_999_999_999_i64..=999_999_999_999_999_999,
    ) {
        prop_assert_eq!(whole(value.to_string().as_bytes()), Ok(value));
        prop_assert_eq!(whole(format!("{value}.0").as_bytes()), Ok(value));
    }

    /// The judge is Arrow's own parser of decimals.
    #[test]
    fn prices_are_read_as_arrow_reads_decimals(text in "-?[0-9]{1,14}(\\.[0-9]{1,4})?") {
        use arrow::compute::kernels::cast_utils::parse_decimal;
        use arrow::datatypes::Decimal128Type;
        let judged = parse_decimal::<Decimal128Type>(&text, 18, 4).unwrap();
        prop_assert_eq!(price(text.as_bytes()).map(i128::from), Ok(judged));
    }

    #[test]
    fn nothing_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..24)) {
        let digits = |part: &[u8]| part.iter().any(u8::is_ascii_digit);
        prop_assert!(whole(&text).is_err() || digits(&text));
        prop_assert!(price(&text).is_err() || digits(&text));
    }
}
