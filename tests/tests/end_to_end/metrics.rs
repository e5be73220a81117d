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

#[test]
fn every_figure_is_there_and_right() {
    let world = World::named("metrics").in_memory().start();
    let _ = world.producer().run().well();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let address = free.to_string();
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
