//! The metrics' address: every figure that the design names is there, and right.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use arus_tests::{LIMIT, World, wait_until};

/// What a scraper gets; `None` while nobody listens.
pub(crate) fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: arus\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The figure of that name.
pub(crate) fn figure(text: &str, name: &str) -> Option<f64> {
    let line = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// An address that is free.
fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    free.expect("a port").to_string()
}

#[test]
fn every_figure_of_a_table_is_there_and_right() {
    const RECORDS: f64 = 20_000.0;
    let world = World::named("metrics_of_a_table").in_memory().start();
    let _ = world.bank_producer().run().well();
    let address = free_address();
    let mut job = world.bank_consumer().with("--metrics-addr", &address).start();
    let text = wait_until("all records to be read", LIMIT, || {
        assert!(job.is_running(), "{}", job.stderr());
        let read = |text: &String| figure(text, "arus_rows_read_total") == Some(RECORDS);
        scrape(&address).filter(read)
    });
    let of = |name: &str| figure(&text, name).unwrap_or_else(|| panic!("{name}:\n{text}"));
    let changes = |fate: &str| {
        let name = format!("arus_changes_total{{fate=\"{fate}\"}}");
        let value = text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} is missing:\n{text}"))
    };
    let fates: [f64; 4] = ["changed", "stale", "duplicates", "unknown_deletes"].map(changes);
    assert!(fates[..3].iter().all(|&count| count > 100.0), "{fates:?}");
    assert_eq!(fates.iter().sum::<f64>() + of("arus_rows_rejected_total"), RECORDS);
    let rows = of("arus_table_rows");
    assert!((300.0..=500.0).contains(&rows), "{rows}");
    assert!(of("arus_state_bytes") > 0.0 && of("arus_epoch") > 0.0);
    for of_windows in ["arus_rows_late", "arus_windows", "arus_open_windows", "arus_open_rows"] {
        assert!(!text.contains(of_windows), "{of_windows}:\n{text}");
    }
    let _ = job.stopped_by(rustix::process::Signal::TERM).well();
}

#[test]
fn every_figure_is_there_and_right() {
    let world = World::named("metrics").in_memory().start();
    let _ = world.producer().run().well();
    let address = free_address();
    let mut job = world.streaming().with("--metrics-addr", &address).start();
    let read = |text: &str| figure(text, "arus_rows_read_total") == Some(20_000.0);
    let text = wait_until("all records to be read", LIMIT, || {
        assert!(job.is_running(), "{}", job.stderr());
        scrape(&address).filter(|text| read(text))
    });
    let lag = wait_until("the lag to be seen", LIMIT, || {
        figure(&scrape(&address)?, "arus_consumer_lag_records")
    });
    assert_eq!(lag, 0.0);
    for name in [
        "arus_rows_counted_total",
        "arus_rows_late_total",
        "arus_rows_rejected_total",
        "arus_windows_closed_total",
        "arus_open_windows",
        "arus_state_bytes",
        "arus_watermark_lag_seconds",
        "arus_end_to_end_latency_seconds_count",
        "arus_epoch_duration_seconds_count",
        "arus_epoch",
    ] {
        let value = figure(&text, name).unwrap_or_else(|| panic!("{name} is missing:\n{text}"));
        assert!(value > 0.0, "{name} is {value}");
    }
    assert!(text.contains("# HELP arus_rows_read_total") && text.contains("_bucket{le="), "{text}");
    let of = |name| figure(&text, name).expect("looked up above");
    let sum = of("arus_rows_counted_total") + of("arus_rows_late_total");
    assert_eq!(sum + of("arus_rows_rejected_total"), 20_000.0);
    let _ = job.stopped_by(rustix::process::Signal::TERM).well();
}
