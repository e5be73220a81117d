//! What is a bank customer and what is not: cases, and properties that hold the two readers and
//! arrow-json together. A failing property prints the input that broke it.

mod support;

use arrow::record_batch::RecordBatch;
use arus_models::{
    AccountType, BankColumns, BankCustomer, BankGenerator, BankOptions, Invalid, TimestampUnit,
    bank_customer_schema,
};
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

const MS: TimestampUnit = TimestampUnit::Milliseconds;
const NOW_MS: i64 = 1_700_000_000_000;
const ALL: [&str; 8] = [
    "customer_id",
    "name",
    "account_number",
    "account_type",
    "city",
    "balance",
    "opened_on",
    "updated_at",
];
const GOOD: &str = concat!(
    r#"{"customer_id":42,"name":"Siti Wijaya","account_number":"0123456789","#,
    r#""account_type":"savings","city":"Bandung","balance":3250000,"#,
    r#""opened_on":"2019-04-02","updated_at":1700000000000}"#,
);

fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

/// Both readers' answer, which must be one and the same.
fn read(json: &[u8], unit: TimestampUnit) -> Result<BankCustomer, Invalid> {
    let one = BankCustomer::from_json(json, unit);
    let mut columns = BankColumns::new(unit, &ALL);
    let row = columns.push_json(json);
    assert_eq!(one.as_ref().map(|customer| customer.updated_at), row.as_ref().copied());
    assert_eq!(columns.len(), usize::from(row.is_ok()));
    if let Ok(customer) = &one {
        assert_eq!(columns.finish(), arrow_json(std::slice::from_ref(customer)));
    }
    one
}

/// The customers as arrow-json decodes their JSON.
fn arrow_json(customers: &[BankCustomer]) -> RecordBatch {
    let mut lines = Vec::new();
    for customer in customers {
        customer.write_json(&mut lines);
        lines.push(b'\n');
    }
    support::arrow_json(bank_customer_schema(), &lines)
}

fn reason(json: impl AsRef<[u8]>) -> String {
    let reason = read(json.as_ref(), MS).unwrap_err().to_string();
    assert!(reason.len() < 300, "{reason}");
    reason
}

#[test]
fn every_fault_of_a_text_has_its_reason() {
    let cases = [
        ("".to_owned(), "the record is empty"),
        ("null".to_owned(), "not a JSON object but null"),
        ("[1]".to_owned(), "not a JSON object but a list"),
        ("{}".to_owned(), "the field \"customer_id\" is missing"),
        (format!("{GOOD}x"), "not JSON: trailing characters at line 1 column 182"),
        (with("\"name\"", "\"nama\""), "the field \"name\" is missing"),
        (with("\"account_number\"", "\"number\""), "the field \"account_number\" is missing"),
        (with("\"account_type\"", "\"type\""), "the field \"account_type\" is missing"),
        (with("\"city\"", "\"kota\""), "the field \"city\" is missing"),
        (with("\"balance\"", "\"money\""), "the field \"balance\" is missing"),
        (with("\"opened_on\"", "\"since\""), "the field \"opened_on\" is missing"),
        (with("\"updated_at\"", "\"ts\""), "the field \"updated_at\" is missing"),
        (with("\"city\"", "\"name\":\"x\",\"city\""), "the field \"name\" is there twice"),
        (with(":42", ":0"), "customer_id must be 1 or more, not 0"),
        (with(":42", ":\"42\""), "customer_id must be a whole number, not \"42\""),
        (with("Siti Wijaya", ""), "name is empty"),
        (with("Siti Wijaya", r"Siti\nWijaya"), "name holds a control character"),
        (with("Siti Wijaya", &"S".repeat(101)), "name is 101 bytes long; 100 is the most"),
        (with("\"Siti Wijaya\"", "7"), "name must be text, not 7"),
        (with("0123456789", "1234"), "account_number must be 5 to 20 digits, not \"1234\""),
        (
            with("0123456789", "123-456-789"),
            "account_number must be 5 to 20 digits, not \"123-456-789\"",
        ),
        (
            with("0123456789", &"1".repeat(21)),
            "account_number must be 5 to 20 digits, not \"111111111111111111111\"",
        ),
        (with("\"0123456789\"", "123456789"), "account_number must be text, not 123456789"),
        (
            with("savings", "tabungan"),
            "account_type must be one of savings, current, deposit, not \"tabungan\"",
        ),
        (
            with("savings", "Savings"),
            "account_type must be one of savings, current, deposit, not \"Savings\"",
        ),
        (with("Bandung", ""), "city is empty"),
        (with("Bandung", r"\u0000"), "city holds a control character"),
        (with("Bandung", &"B".repeat(65)), "city is 65 bytes long; 64 is the most"),
    ];
    for (json, expected) in cases {
        assert_eq!(reason(&json), expected, "{json}");
    }
    let mut not_utf8 = GOOD.as_bytes().to_vec();
    not_utf8[30] = 0xff;
    assert_eq!(reason(&not_utf8), "not UTF-8: the byte at position 30 belongs to no character");
}

#[test]
fn every_fault_of_a_number_a_date_or_a_time_has_its_reason() {
    let cases = [
        (with("3250000", "-1"), "balance must be from 0 to 1000000000000 rupiah, not -1"),
        (
            with("3250000", "1000000000001"),
            "balance must be from 0 to 1000000000000 rupiah, not 1000000000001",
        ),
        (with("3250000", "1.5"), "balance must be a whole number, not 1.5"),
        (with("3250000", "1e6"), "balance must be a whole number, not 1000000.0"),
        (with("3250000", "null"), "balance must be a whole number, not null"),
        (
            with("3250000", "9223372036854775808"),
            "balance must be a whole number, not 9223372036854775808",
        ),
        (with("\"2019-04-02\"", "17988"), "opened_on must be text, not 17988"),
        (with("1700000000000", "-1"), "updated_at -1 is negative"),
        (
            with("1700000000000", "1700000000"),
            "updated_at 1700000000 looks like seconds, not milliseconds (see --ts-unit s)",
        ),
        (with("1700000000000", "0"), "updated_at 0 is before the year 2000"),
        (
            with("1700000000000", "253402300800000"),
            "updated_at 253402300800000 is after the year 9999",
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(reason(&json), expected, "{json}");
    }
    for date in ["02/04/2019", "2019-4-2", "2019-02-29", "1899-12-31", "2019-04-02T00:00:00Z"] {
        let expected = format!(
            "opened_on must be a date written YYYY-MM-DD, from the year 1900 on, not \"{date}\""
        );
        assert_eq!(reason(with("2019-04-02", date)), expected);
    }
}

#[test]
fn the_bounds_themselves_are_good() {
    let cases = [
        with("3250000", "0"),
        with("3250000", "1000000000000"),
        with("Siti Wijaya", &"é".repeat(50)),
        with("Siti Wijaya", "S"),
        with("Bandung", &"B".repeat(64)),
        with("0123456789", "00000"),
        with("0123456789", &"9".repeat(20)),
        with("2019-04-02", "1900-01-01"),
        with("2019-04-02", "9999-12-31"),
        with("2019-04-02", "2000-02-29"),
        with(":42", ":9223372036854775807"),
        with("1700000000000", "946684800000"),
        with("1700000000000", "253402300799999"),
    ];
    for json in cases {
        assert!(read(json.as_bytes(), MS).is_ok(), "{json}");
    }
}

#[test]
fn other_forms_of_the_same_customer_are_read() {
    let customer = read(GOOD.as_bytes(), MS).unwrap();
    let forms = [
        GOOD.replace(':', ": ").replace(',', ", "),
        GOOD.replace(':', " :  ").replace(',', "\n,\t"),
        format!(" {GOOD}\n"),
        with("{", "{\"bank\":{\"branch\":[1,2]},\"note\":null,"),
        with("Siti", "S\\u0069ti"),
        with("\"city\"", "\"c\\u0069ty\""),
        with("2019-04-02", "2019\\u002d04-02"),
        concat!(
            r#"{"updated_at":1700000000000,"opened_on":"2019-04-02","balance":3250000,"#,
            r#""city":"Bandung","account_type":"savings","account_number":"0123456789","#,
            r#""name":"Siti Wijaya","customer_id":42}"#,
        )
        .to_owned(),
    ];
    for form in forms {
        assert_eq!(read(form.as_bytes(), MS).as_ref(), Ok(&customer), "{form}");
    }
    let seconds = with("1700000000000", "1700000000");
    assert_eq!(read(seconds.as_bytes(), TimestampUnit::Seconds), Ok(customer));
}

#[test]
fn only_what_is_needed_is_kept_and_everything_is_checked() {
    let whole = bank_customer_schema();
    for needed in [&["customer_id", "city", "balance"][..], &["opened_on", "name"], &["x"], &[]] {
        let mut columns = BankColumns::new(MS, needed);
        for _ in 0..2 {
            for round in 0..3 {
                assert_eq!(columns.push_json(GOOD.as_bytes()), Ok(NOW_MS));
                assert!(columns.push_json(with("Bandung", "").as_bytes()).is_err());
                assert_eq!(columns.len(), round + 1);
            }
            let batch = columns.finish();
            let places: Vec<usize> =
                (0..ALL.len()).filter(|&place| needed.contains(&ALL[place])).collect();
            assert_eq!(batch.schema().as_ref(), &whole.project(&places).unwrap());
            assert_eq!((batch.num_rows(), columns.is_empty()), (3, true));
            assert_eq!(columns.finish().num_rows(), 0);
        }
    }
}

fn customers() -> impl Strategy<Value = BankCustomer> {
    let first_day = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
    let last_day = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
    let days = (last_day - first_day).num_days() as u64;
    (
        1..=i64::MAX,
        "\\PC{1,25}|[\\x20-\\x7e]{1,100}",
        "[0-9]{5,20}",
        0..AccountType::ALL.len(),
        "\\PC{1,16}|[\\x20-\\x7e]{1,64}",
        0..=BankCustomer::BALANCE_MAX,
        0..=days,
        BankCustomer::UPDATED_AT_MIN..=BankCustomer::UPDATED_AT_MAX,
    )
        .prop_map(move |(customer_id, name, number, kind, city, balance, day, updated_at)| {
            BankCustomer {
                customer_id,
                name,
                account_number: number,
                account_type: AccountType::ALL[kind],
                city,
                balance,
                opened_on: first_day + Days::new(day),
                updated_at,
            }
        })
}

/// A record, good or bad, with bytes changed, taken away, put in or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (any::<u64>(), support::changes()).prop_map(|(seed, changes)| {
        let options = BankOptions { customers: 1, bad_fraction: 0.2, ..BankOptions::default() };
        let mut generator = BankGenerator::new(seed, options).unwrap();
        let mut json = Vec::new();
        for at in 0..2 {
            generator.next(NOW_MS + at, &mut json);
        }
        support::changed(json, changes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn json_goes_both_ways(customer in customers()) {
        let mut json = Vec::new();
        customer.write_json(&mut json);
        prop_assert_eq!(read(&json, MS), Ok(customer));
    }

    #[test]
    fn batches_are_those_of_arrow_json(batch in prop::collection::vec(customers(), 1..40)) {
        let mut columns = BankColumns::new(MS, &ALL);
        let mut json = Vec::new();
        for customer in &batch {
            json.clear();
            customer.write_json(&mut json);
            prop_assert_eq!(columns.push_json(&json), Ok(customer.updated_at));
        }
        prop_assert_eq!(columns.finish(), arrow_json(&batch));
    }

    #[test]
    fn any_bytes_are_accepted_by_both_readers_or_by_none(
        json in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = read(&json, MS);
    }

    #[test]
    fn spoilt_records_are_accepted_by_both_readers_or_by_none(json in mutated()) {
        let _ = read(&json, MS);
        let _ = read(&json, TimestampUnit::Seconds);
    }
}
