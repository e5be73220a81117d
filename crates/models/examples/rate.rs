//! How many purchases per second one core makes, and how many it decodes into Arrow columns:
//! `cargo run -p arus-models --example rate`.

use std::time::Duration;

use arus_models::{PurchaseColumns, PurchaseGenerator, PurchaseOptions, TimestampUnit};
use arus_runtime::clock::{Clock, SystemClock};

const EVENTS: usize = 1_000_000;
const BATCH_ROWS: usize = 8_192;

fn main() {
    let clock = SystemClock::new();
    let mut generator =
        PurchaseGenerator::new(42, PurchaseOptions::default()).expect("the defaults are valid");
    let mut payload = Vec::new();
    let mut log = Vec::new();
    let mut ends = Vec::with_capacity(EVENTS);
    let start = clock.monotonic();
    for index in 0..EVENTS {
        generator.next(1_700_000_000_000 + index as i64, &mut payload);
        log.extend_from_slice(&payload);
        ends.push(log.len());
    }
    say("made", clock.monotonic() - start);
    println!("{} bytes an event", log.len() / EVENTS);

    let spaced = String::from_utf8(log.clone()).expect("JSON is text");
    let spaced = spaced.replace("\"order_id\"", " \"order_id\"").into_bytes();
    let spaced_ends: Vec<_> = (1..).zip(&ends).map(|(index, end)| end + index).collect();
    let swapped = String::from_utf8(log.clone()).expect("JSON is text");
    let swapped = swapped.replace(",\"price\"", "\n,\"price\"").into_bytes();
    let forms = [
        ("our own form", &log, &ends),
        ("with a space", &spaced, &spaced_ends),
        ("general JSON", &swapped, &spaced_ends),
    ];
    for (form, log, ends) in forms {
        for needed in [
            &["furniture", "price", "ts"][..],
            &["order_id", "customer_id", "furniture", "color", "price", "ts"],
        ] {
            let took = decode(&clock, log, ends, needed);
            say(&format!("decoded, {form}, {} columns", needed.len()), took);
        }
    }
}

fn decode(clock: &SystemClock, log: &[u8], ends: &[usize], needed: &[&str]) -> Duration {
    let mut columns = PurchaseColumns::new(TimestampUnit::Milliseconds, needed);
    let mut rows = 0;
    let start = clock.monotonic();
    let mut from = 0;
    for &end in ends {
        columns.push_json(&log[from..end]).expect("every event is good");
        from = end;
        if columns.len() == BATCH_ROWS {
            rows += columns.finish().num_rows();
        }
    }
    rows += columns.finish().num_rows();
    assert_eq!(rows, ends.len());
    clock.monotonic() - start
}

fn say(what: &str, took: Duration) {
    println!("{what}: {:.2} million/s", EVENTS as f64 / took.as_secs_f64() / 1e6);
}
