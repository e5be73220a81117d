//! What must come of a log, worked out anew: one record after the other, in plain Rust.
//!
//! The judge shares nothing with the streaming job but the reading of one JSON record. It knows
//! the rules of the design only: a partition's watermark is its largest event time so far less the
//! delay; a row misses a window whose end that watermark had reached before the row; everything
//! else is counted; at the end all windows close.

use std::collections::BTreeMap;

use arus_kafka::inspect::FullRecord;
use arus_models::{PurchaseEvent, TimestampUnit};

use crate::rows::Row;

/// What is asked of the log.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Length of a window, ms.
    pub size_ms: i64,
    /// A window begins every so often, ms; of tumbling windows the same as their length.
    pub slide_ms: i64,
    /// How far the watermark follows behind, ms.
    pub delay_ms: i64,
    /// The columns that rows are grouped by.
    pub group_by: &'static [&'static str],
}

impl Question {
    /// Tumbling windows per kind of furniture.
    pub fn tumbling(size_ms: i64, delay_ms: i64) -> Self {
        Self { size_ms, slide_ms: size_ms, delay_ms, group_by: &["furniture"] }
    }
}

/// A record's place in its topic: partition and offset.
pub type Place = (i32, i64);

/// How late a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// The watermark that had passed a window of its.
    pub watermark_ms: i64,
    /// How far the record's time lies behind it.
    pub lateness_ms: i64,
    /// Whether another window did take it.
    pub counted: bool,
}

/// What must come of a log.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The rows of all windows, by window start and then group.
    pub rows: Vec<Row>,
    /// How many records some window took.
    pub counted: u64,
    /// The records that missed a window.
    pub late: BTreeMap<Place, Lateness>,
    /// The records that cannot be read, with the reason.
    pub rejected: BTreeMap<Place, String>,
}

impl Verdict {
    /// How many records no window took although they can be read.
    pub fn late_for_all(&self) -> u64 {
        self.late.values().filter(|late| !late.counted).count() as u64
    }
}

/// Prices of one window and group.
#[derive(Clone, Copy, Debug)]
struct Prices {
    count: i64,
    sum: i64,
    min: i64,
    max: i64,
}

/// Judges records in the order of partition and offset, as a job that drains must.
pub fn expected(records: &[FullRecord], question: &Question) -> Verdict {
    let mut verdict = Verdict::default();
    let mut totals: BTreeMap<(i64, Vec<String>), Prices> = BTreeMap::new();
    let mut largest_ms: BTreeMap<i32, i64> = BTreeMap::new();
    for record in records {
        let place = (record.partition, record.offset);
        let Some(payload) = &record.payload else {
            verdict.rejected.insert(place, "null".to_owned());
            continue;
        };
        let event = match PurchaseEvent::from_json(payload, TimestampUnit::Milliseconds) {
            Ok(event) => event,
            Err(reason) => {
                verdict.rejected.insert(place, reason.to_string());
                continue;
            }
        };
        let watermark_ms = largest_ms.get(&record.partition).map(|ms| ms - question.delay_ms);
        let (taken, missed): (Vec<i64>, Vec<i64>) = starts(event.ts, question)
            .partition(|start| watermark_ms.is_none_or(|ms| ms < start + question.size_ms));
        for &start in &taken {
            let prices = totals.entry((start, group(&event, question))).or_insert(Prices {
                count: 0,
                sum: 0,
                min: i64::MAX,
                max: i64::MIN,
            });
            prices.count += 1;
            prices.sum += event.price;
            prices.min = prices.min.min(event.price);
            prices.max = prices.max.max(event.price);
        }
        verdict.counted += u64::from(!taken.is_empty());
        if let (Some(watermark_ms), false) = (watermark_ms, missed.is_empty()) {
            let lateness_ms = watermark_ms - event.ts;
            let late = Lateness { watermark_ms, lateness_ms, counted: !taken.is_empty() };
            verdict.late.insert(place, late);
        }
        let largest = largest_ms.entry(record.partition).or_insert(event.ts);
        *largest = event.ts.max(*largest);
    }
    verdict.rows = totals.into_iter().map(|(key, prices)| row(key, prices, question)).collect();
    verdict
}

/// The starts of the windows that a time belongs to.
fn starts(event_ms: i64, question: &Question) -> impl Iterator<Item = i64> {
    let Question { size_ms, slide_ms, .. } = *question;
    let latest = event_ms - event_ms.rem_euclid(slide_ms);
    (0..).map(move |back| latest - back * slide_ms).take_while(move |s| event_ms < s + size_ms)
}

fn group(event: &PurchaseEvent, question: &Question) -> Vec<String> {
    let value = |column: &&str| match *column {
        "furniture" => event.furniture.name().to_owned(),
        "color" => event.color.clone(),
        other => panic!("the judge does not group by {other}"),
    };
    question.group_by.iter().map(value).collect()
}

fn row((start, group): (i64, Vec<String>), prices: Prices, question: &Question) -> Row {
    Row {
        window_start_ms: start,
        window_end_ms: start + question.size_ms,
        group,
        purchases: prices.count,
        total_price: prices.sum,
        avg_price: prices.sum as f64 / prices.count as f64,
        min_price: prices.min,
        max_price: prices.max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11";
    const BASE_MS: i64 = 1_700_000_000_000;

    fn record(partition: i32, offset: i64, price: i64, at_ms: i64) -> FullRecord {
        let ts = BASE_MS + at_ms;
        let json = format!(
            "{{\"order_id\":\"{ID}\",\"customer_id\":1,\"furniture\":\"Bed\",\"color\":\"oak\",\
             \"price\":{price},\"ts\":{ts}}}"
        );
        let payload = Some(json.into_bytes());
        FullRecord { partition, offset, timestamp_ms: None, key: None, payload, headers: vec![] }
    }

    /// The judge itself, by hand: it must not be wrong in the way that the job is.
    #[test]
    fn a_log_of_six_records() {
        let mut broken = record(0, 2, 1, 0);
        broken.payload = None;
        let log = [
            record(0, 0, 10, 900),
            record(0, 1, 20, 1_500), // the watermark is now 1000, the end of the first window
            broken,
            record(0, 3, 40, 999), // late by 1
            record(0, 4, 80, 1_000),
            record(1, 0, 160, 100), // another partition has its own watermark
        ];
        let verdict = expected(&log, &Question::tumbling(1_000, 500));
        let rows: Vec<_> = verdict
            .rows
            .iter()
            .map(|r| (r.window_start_ms - BASE_MS, r.purchases, r.total_price, r.avg_price))
            .collect();
        assert_eq!(rows, [(0, 2, 170, 85.0), (1_000, 2, 100, 50.0)]);
        let late = Lateness { watermark_ms: BASE_MS + 1_000, lateness_ms: 1, counted: false };
        assert_eq!(verdict.late, BTreeMap::from([((0, 3), late)]));
        assert_eq!(verdict.rejected.keys().collect::<Vec<_>>(), [&(0, 2)]);
        assert_eq!((verdict.counted, verdict.late_for_all()), (4, 1));
    }

    #[test]
    fn a_record_may_miss_one_hopping_window_and_reach_another() {
        let log = [record(0, 0, 10, 2_000), record(0, 1, 20, 600)];
        let question =
            Question { size_ms: 1_000, slide_ms: 500, delay_ms: 900, group_by: &["color"] };
        let verdict = expected(&log, &question);
        let starts: Vec<_> =
            verdict.rows.iter().map(|r| (r.window_start_ms - BASE_MS, r.total_price)).collect();
        // The watermark is 1100: the window [0, 1000) has ended, [500, 1500) has not.
        assert_eq!(starts, [(500, 20), (1_500, 10), (2_000, 10)]);
        assert!(verdict.late[&(0, 1)].counted);
        assert_eq!((verdict.counted, verdict.late_for_all()), (2, 0));
    }
}
