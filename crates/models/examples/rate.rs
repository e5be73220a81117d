//! How many records per second one core makes, and how many it decodes into Arrow columns:
//! `cargo run --workspace --example rate`.

use std::time::Duration;

use arus_models::{
    BankColumns, BankGenerator, BankOptions, Invalid, PurchaseColumns, PurchaseGenerator,
    PurchaseOptions, TimestampUnit,
};
use arus_runtime::clock::{Clock, SystemClock};

const RECORDS: usize = 1_000_000;
const BATCH_ROWS: usize = 8_192;
const START_MS: i64 = 1_700_000_000_000;
const UNIT: TimestampUnit = TimestampUnit::Milliseconds;

fn main() {
    let clock = SystemClock::new();

    println!("purchases");
    let mut purchases =
        PurchaseGenerator::new(42, PurchaseOptions::default()).expect("the defaults are valid");
    let log = Log::made(&clock, |now_ms, payload| {
        purchases.next(now_ms, payload);
    });
    let all = ["order_id", "customer_id", "furniture", "color", "price", "ts"];
    for (form, log) in log.forms("\"price\"") {
        for needed in [&["furniture", "price", "ts"][..], &all] {
            let mut columns = PurchaseColumns::new(UNIT, needed);
            let took = log.decoded(&clock, |json| {
                let pushed = columns.push_json(json);
                if columns.len() == BATCH_ROWS {
                    columns.finish();
                }
                pushed
            });
            say(&format!("decoded, {form}, {} columns", needed.len()), log.ends.len(), took);
        }
    }

    println!("bank customers, a tenth of the records being first states");
    let customers = RECORDS as u32 / 10;
    let options = BankOptions { customers, closure_fraction: 0.0, ..BankOptions::default() };
    let mut bank = BankGenerator::new(42, options).expect("the options are valid");
    let log = Log::made(&clock, |now_ms, payload| {
        bank.next(now_ms, payload);
    });
    let all = bank_columns();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (form, log) in log.forms("\"balance\"") {
        for needed in [&["customer_id", "account_type", "city", "balance"][..], &all] {
            let mut columns = BankColumns::new(UNIT, needed);
            let took = log.decoded(&clock, |json| {
                let pushed = columns.push_json(json);
                if columns.len() == BATCH_ROWS {
                    columns.finish();
                }
                pushed
            });
            say(&format!("decoded, {form}, {} columns", needed.len()), log.ends.len(), took);
        }
    }
}

/// The names of all columns of a bank customer.
fn bank_columns() -> Vec<String> {
    let schema = arus_models::bank_customer_schema();
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// Records end to end, and where each ends.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Log {
    /// Makes the records, and says how fast that was.
    fn made(clock: &SystemClock, mut make: impl FnMut(i64, &mut Vec<u8>)) -> Self {
        let mut log = Self::default();
        let mut payload = Vec::new();
        let start = clock.monotonic();
        for index in 0..RECORDS {
            make(START_MS + index as i64, &mut payload);
            log.push(&payload);
        }
        say("made", RECORDS, clock.monotonic() - start);
        println!("{} bytes a record", log.bytes.len() / RECORDS);
        log
    }

    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// The same records as our own producers write them, with one space more, and in a form that
    /// the quick way does not read, a line end before the field of that name.
    fn forms(self, field: &str) -> [(&'static str, Self); 3] {
        let changed = |old: &str, new: &str| {
            let mut log = Self::default();
            for record in self.records() {
                let text = std::str::from_utf8(record).expect("JSON is text");
                log.push(text.replacen(old, new, 1).as_bytes());
            }
            log
        };
        let spaced = changed(field, &format!(" {field}"));
        let broken = changed(field, &format!("\n{field}"));
        [("our own form", self), ("with a space", spaced), ("general JSON", broken)]
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// How long it takes to decode all of it.
    fn decoded(
        &self,
        clock: &SystemClock,
        mut push: impl FnMut(&[u8]) -> Result<i64, Invalid>,
    ) -> Duration {
        let start = clock.monotonic();
        for record in self.records() {
            push(record).expect("every record is good");
        }
        clock.monotonic() - start
    }
}

fn say(what: &str, records: usize, took: Duration) {
    println!("  {what}: {:.2} million/s", records as f64 / took.as_secs_f64() / 1e6);
}
