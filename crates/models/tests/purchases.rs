//! What is a purchase and what is not: cases, and properties that hold the two readers, arrow-json
//! and the generator together. A failing property prints the input that broke it.

mod support;

use std::collections::BTreeMap;

use arus_models::{
    BadKind, Error, Furniture, Invalid, PurchaseColumns, PurchaseEvent, PurchaseGenerator,
    PurchaseOptions, TimestampUnit, purchase_schema,
};
use proptest::prelude::*;
use uuid::Uuid;

const MS: TimestampUnit = TimestampUnit::Milliseconds;
const NOW_MS: i64 = 1_700_000_000_000;
const ALL: [&str; 6] = ["order_id", "customer_id", "furniture", "color", "price", "ts"];
const GOOD: &str = concat!(
    r#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":42,"furniture":"Desk","#,
    r#""color":"oak","price":1250000,"ts":1700000000000}"#,
);

fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

/// Both readers' answer, which must be one and the same.
fn read(json: &[u8], unit: TimestampUnit) -> Result<PurchaseEvent, Invalid> {
    let one = PurchaseEvent::from_json(json, unit);
    let mut columns = PurchaseColumns::new(unit, &ALL);
    let row = columns.push_json(json);
    assert_eq!(one.as_ref().err(), row.as_ref().err());
    assert_eq!(columns.len(), usize::from(row.is_ok()));
    if let Ok(event) = &one {
        let expected = arrow_json(std::slice::from_ref(event));
        assert_eq!(columns.finish(), expected);
    }
    one
}

/// The events as arrow-json decodes their JSON.
fn arrow_json(events: &[PurchaseEvent]) -> arrow::record_batch::RecordBatch {
    let mut lines = Vec::new();
    for event in events {
        event.write_json(&mut lines);
        lines.push(b'\n');
    }
    support::arrow_json(purchase_schema(), &lines)
}

fn reason(json: impl AsRef<[u8]>) -> String {
    let reason = read(json.as_ref(), MS).unwrap_err().to_string();
    assert!(reason.len() < 300, "{reason}");
    reason
}

#[test]
fn every_fault_has_its_reason() {
    let cases = [
        ("".to_owned(), "the record is empty"),
        (" \n".to_owned(), "the record is empty"),
        ("hello".to_owned(), "not JSON: expected value at line 1 column 1"),
        (GOOD[..40].to_owned(), "not JSON: EOF while parsing a string at line 1 column 40"),
        (format!("{GOOD}x"), "not JSON: trailing characters at line 1 column 137"),
        ("null".to_owned(), "not a JSON object but null"),
        ("[1]".to_owned(), "not a JSON object but a list"),
        ("\"desk\"".to_owned(), "not a JSON object but \"desk\""),
        ("{}".to_owned(), "the field \"order_id\" is missing"),
        (with("\"price\"", "\"cost\""), "the field \"price\" is missing"),
        (with("\"ts\"", "\"price\""), "the field \"price\" is there twice"),
        (with("1250000", "\"100\""), "price must be a whole number, not \"100\""),
        (with("1250000", "1.5"), "price must be a whole number, not 1.5"),
        (with("1250000", "null"), "price must be a whole number, not null"),
        (with("1250000", "true"), "price must be a whole number, not true"),
        (with("1250000", "[[1]]"), "price must be a whole number, not a list"),
        (with("1250000", "{}"), "price must be a whole number, not an object"),
        (
            with("1250000", "9223372036854775808"),
            "price must be a whole number, not 9223372036854775808",
        ),
        (with("1250000", "0"), "price must be from 1 to 1000000000000 rupiah, not 0"),
        (with("1250000", "-5"), "price must be from 1 to 1000000000000 rupiah, not -5"),
        (
            with("1250000", "1000000000001"),
            "price must be from 1 to 1000000000000 rupiah, not 1000000000001",
        ),
        (with("1250000", "0100"), "not JSON: invalid number at line 1 column 111"),
        (with(":42", ":0"), "customer_id must be 1 or more, not 0"),
        (with(":42", ":\"42\""), "customer_id must be a whole number, not \"42\""),
        (with("\"oak\"", "\"\""), "color is empty"),
        (with("\"oak\"", "7"), "color must be text, not 7"),
        (with("oak", r"o\u0000k"), "color holds a control character"),
        (with("oak", &"o".repeat(65)), "color is 65 bytes long; 64 is the most"),
        (
            with("Desk", "desk"),
            "furniture must be one of Chair, Table, Desk, Sofa, Bed, not \"desk\"",
        ),
        (
            with("7f2c1f52-", "7f2c1f52"),
            "order_id must be a UUID, not \"7f2c1f520b5e-4c1d-9a57-1d2f6a0c9e11\"",
        ),
        (with("1700000000000", "\"today\""), "ts must be a whole number, not \"today\""),
        (with("1700000000000", "-1"), "ts -1 is negative"),
        (
            with("1700000000000", "1700000000"),
            "ts 1700000000 looks like seconds, not milliseconds (see --ts-unit s)",
        ),
        (with("1700000000000", "0"), "ts 0 is before the year 2000"),
        (with("1700000000000", "946684799999"), "ts 946684799999 is before the year 2000"),
        (with("1700000000000", "253402300800000"), "ts 253402300800000 is after the year 9999"),
    ];
    for (json, expected) in cases {
        assert_eq!(reason(&json), expected, "{json}");
    }
}

#[test]
fn bytes_that_are_no_text_are_found() {
    let mut json = GOOD.as_bytes().to_vec();
    json[100] = 0xff;
    assert_eq!(reason(&json), "not UTF-8: the byte at position 100 belongs to no character");
    let mut extra = b"{\"note\":\"\xc3\x28\",".to_vec();
    extra.extend_from_slice(&GOOD.as_bytes()[1..]);
    assert!(reason(&extra).starts_with("not UTF-8"));
}

#[test]
fn depth_and_size_do_no_harm() {
    let nested = |levels: usize| {
        let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        with("{", &format!("{{\"note\":{lists},"))
    };
    assert!(read(nested(63).as_bytes(), MS).is_ok());
    for levels in [64, 127, 1_000, 1_000_000] {
        assert_eq!(reason(nested(levels)), "nested deeper than 64 levels", "{levels}");
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(500_000), "}".repeat(500_000));
    assert_eq!(
        reason(with("{", &format!("{{\"note\":{objects},"))),
        "nested deeper than 64 levels"
    );
    assert_eq!(reason("[".repeat(1_000_000)), "not a JSON object but a list");

    let megabyte = "x".repeat(1_000_000);
    for (old, field) in [("oak", "color"), ("Desk", "furniture"), ("7f2c1f52", "order_id")] {
        assert!(reason(with(old, &megabyte)).starts_with(field));
    }
    assert!(reason(with("1250000", &format!("\"{megabyte}\""))).starts_with("price must be"));
    assert!(reason(&megabyte).starts_with("not JSON"));
    let huge_note = with("{", &format!("{{\"note\":\"{megabyte}\","));
    assert!(read(huge_note.as_bytes(), MS).is_ok());
}

#[test]
fn other_forms_of_the_same_event_are_read() {
    let event = read(GOOD.as_bytes(), MS).unwrap();
    let forms = [
        GOOD.replace(':', ": ").replace(',', ", "),
        GOOD.replace(':', " :  ").replace(',', "\n,\t"),
        format!(" {GOOD}\n"),
        with("{", "{\"version\":2,\"price_old\":null,\"notes\":[{\"a\":1.5}],"),
        with("oak", "\\u006fak"),
        with("\"color\"", "\"c\\u006flor\""),
        with("7f2c1f52-0b5e", "7F2C1F52-0B5E"),
        with("7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11", "7f2c1f520b5e4c1d9a571d2f6a0c9e11"),
        concat!(
            r#"{"ts":1700000000000,"price":1250000,"color":"oak","furniture":"Desk","#,
            r#""customer_id":42,"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11"}"#,
        )
        .to_owned(),
    ];
    for form in forms {
        assert_eq!(read(form.as_bytes(), MS).as_ref(), Ok(&event), "{form}");
    }
}

#[test]
fn seconds_are_read_when_told_so() {
    let unit = TimestampUnit::Seconds;
    let seconds = with("1700000000000", "1700000000");
    assert_eq!(read(seconds.as_bytes(), unit).unwrap().ts, NOW_MS);
    let cases = [
        (NOW_MS, "ts 1700000000000 looks like milliseconds, not seconds (see --ts-unit ms)"),
        (-1, "ts -1 is negative"),
        (5, "ts 5 is before the year 2000"),
        (i64::MAX, "ts 9223372036854775807 is after the year 9999"),
        (i64::MIN, "ts -9223372036854775808 is negative"),
    ];
    for (ts, expected) in cases {
        let json = with("1700000000000", &ts.to_string());
        let reason = read(json.as_bytes(), unit).unwrap_err().to_string();
        assert_eq!(reason, expected);
    }
}

#[test]
fn only_what_is_needed_is_kept_and_everything_is_checked() {
    let whole = purchase_schema();
    for needed in [
        &["furniture", "price", "ts"][..],
        &["ts", "color"],
        &["order_id"],
        &["no such column"],
        &[],
    ] {
        let mut columns = PurchaseColumns::new(MS, needed);
        for _ in 0..2 {
            for round in 0..3 {
                columns.push_json(GOOD.as_bytes()).unwrap();
                assert!(columns.push_json(with("oak", "").as_bytes()).is_err());
                assert_eq!(columns.len(), round + 1);
            }
            let batch = columns.finish();
            let names: Vec<_> = ALL.into_iter().filter(|name| needed.contains(name)).collect();
            let kept = whole.project(
                &names.iter().map(|name| whole.index_of(name).unwrap()).collect::<Vec<_>>(),
            );
            assert_eq!(batch.schema().as_ref(), &kept.unwrap());
            assert_eq!((batch.num_rows(), columns.is_empty()), (3, true));
            assert_eq!(columns.finish().num_rows(), 0);
        }
    }
}

fn options(late: f64, bad: f64) -> PurchaseOptions {
    PurchaseOptions {
        late_fraction: late,
        max_lateness_ms: 60_000,
        out_of_order_ms: 2_000,
        bad_fraction: bad,
        customers: 1_000,
    }
}

#[test]
fn every_kind_of_bad_record_is_rejected() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut generator = PurchaseGenerator::new(1, options(0.0, 1.0)).unwrap();
    let mut payload = Vec::new();
    for _ in 0..5_000 {
        let generated = generator.next(NOW_MS, &mut payload);
        let kind = generated.bad.expect("all are bad");
        let reason = read(&payload, MS);
        assert!(reason.is_err(), "{kind:?}: {}", String::from_utf8_lossy(&payload));
        *seen.entry(format!("{kind:?}")).or_default() += 1;
    }
    assert_eq!(seen.len(), BadKind::ALL.len(), "{seen:?}");
    assert!(seen.values().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn the_generator_keeps_to_its_options() {
    let mut generator = PurchaseGenerator::new(2, options(0.1, 0.01)).unwrap();
    let (mut late, mut bad, mut of_first_hundredth) = (0, 0, 0);
    let mut payload = Vec::new();
    let mut furniture: BTreeMap<Furniture, usize> = BTreeMap::new();
    for index in 0..100_000 {
        let now_ms = NOW_MS + index;
        let generated = generator.next(now_ms, &mut payload);
        late += i32::from(generated.late);
        bad += i32::from(generated.bad.is_some());
        of_first_hundredth += i32::from(generated.customer_id <= 10);
        assert!((1..=1_000).contains(&generated.customer_id));
        let back = if generated.late { 1..=60_000 } else { 0..=2_000 };
        assert!(back.contains(&(now_ms - generated.ts)), "{generated:?}");
        if generated.bad.is_none() {
            let event = PurchaseEvent::from_json(&payload, MS).unwrap();
            assert_eq!((event.customer_id, event.ts), (generated.customer_id, generated.ts));
            assert!(event.price % 1_000 == 0 && event.price <= 25_000_000);
            *furniture.entry(event.furniture).or_default() += 1;
        }
    }
    assert!((9_500..10_500).contains(&late), "{late}");
    assert!((850..1_150).contains(&bad), "{bad}");
    assert!((9_000..11_000).contains(&of_first_hundredth), "{of_first_hundredth}");
    assert!(
        furniture.len() == 5 && furniture.values().all(|count| *count > 19_000),
        "{furniture:?}"
    );
}

#[test]
fn a_seed_is_a_log() {
    let log = |seed| {
        let mut generator = PurchaseGenerator::new(seed, options(0.1, 0.1)).unwrap();
        let (mut log, mut payload) = (Vec::new(), Vec::new());
        for index in 0..1_000 {
            generator.next(NOW_MS + index, &mut payload);
            log.extend_from_slice(&payload);
        }
        log
    };
    assert_eq!(log(7), log(7));
    assert_ne!(log(7), log(8));
    let mut first = Vec::new();
    let plain = PurchaseOptions::default();
    PurchaseGenerator::new(7, plain).unwrap().next(NOW_MS, &mut first);
    // Written down: a log must be the same on every machine and after every update of a library.
    assert_eq!(String::from_utf8(first).unwrap(), FIRST_OF_SEED_7);
}

const FIRST_OF_SEED_7: &str = concat!(
    r#"{"order_id":"31952445-b970-4bb4-a33a-3e09b6b70bba","customer_id":7213,"furniture":"Sofa","#,
    r#""color":"white","price":10265000,"ts":1700000000000}"#,
);

#[test]
fn options_that_make_no_sense_are_refused() {
    let good = options(0.5, 0.5);
    assert!(PurchaseGenerator::new(1, good.clone()).is_ok());
    let cases = [
        PurchaseOptions { late_fraction: 1.5, ..good.clone() },
        PurchaseOptions { bad_fraction: -0.1, ..good.clone() },
        PurchaseOptions { bad_fraction: f64::NAN, ..good.clone() },
        PurchaseOptions { bad_fraction: 0.6, ..good.clone() },
        PurchaseOptions { max_lateness_ms: 0, ..good.clone() },
        PurchaseOptions { out_of_order_ms: -1, ..good.clone() },
        PurchaseOptions { customers: 0, ..good.clone() },
    ];
    let mut told: Vec<Error> = Vec::new();
    for options in cases {
        told.push(PurchaseGenerator::new(1, options).unwrap_err());
    }
    assert_eq!(told[3].to_string(), "the late and bad fractions are more than 1 together: 1.1");
}

fn events() -> impl Strategy<Value = PurchaseEvent> {
    (
        any::<u128>(),
        1..=i64::MAX,
        0..Furniture::ALL.len(),
        "\\PC{1,16}|[\\x20-\\x7e]{1,64}",
        1..=PurchaseEvent::PRICE_MAX,
        PurchaseEvent::TS_MIN..=PurchaseEvent::TS_MAX,
    )
        .prop_map(|(order_id, customer_id, furniture, color, price, ts)| PurchaseEvent {
            order_id: Uuid::from_u128(order_id),
            customer_id,
            furniture: Furniture::ALL[furniture],
            color,
            price,
            ts,
        })
}

/// A record, good or bad, with bytes changed, taken away, put in or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (any::<u64>(), support::changes()).prop_map(|(seed, changes)| {
        let mut json = Vec::new();
        let mut generator = PurchaseGenerator::new(seed, options(0.0, 0.2)).unwrap();
        generator.next(NOW_MS, &mut json);
        support::changed(json, changes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn json_goes_both_ways(event in events()) {
        let mut json = Vec::new();
        event.write_json(&mut json);
        prop_assert_eq!(read(&json, MS), Ok(event));
    }

    #[test]
    fn batches_are_those_of_arrow_json(batch in prop::collection::vec(events(), 1..40)) {
        let mut columns = PurchaseColumns::new(MS, &ALL);
        let mut json = Vec::new();
        for event in &batch {
            json.clear();
            event.write_json(&mut json);
            columns.push_json(&json).unwrap();
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
