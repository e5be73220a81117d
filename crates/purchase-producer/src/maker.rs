//! Purchases as records: the customer is the key, the event time is the record's timestamp.

use std::io::Write;

use arus_kafka::load::{Draft, Maker};
use arus_models::PurchaseGenerator;

/// Makes purchases, and counts the late and the unreadable ones.
pub(crate) struct PurchaseMaker {
    generator: PurchaseGenerator,
    late: u64,
    bad: u64,
}

impl PurchaseMaker {
    pub(crate) fn new(generator: PurchaseGenerator) -> Self {
        Self { generator, late: 0, bad: 0 }
    }
}

impl Maker for PurchaseMaker {
    fn make(&mut self, now_ms: i64, draft: &mut Draft) {
        let generated = self.generator.next(now_ms, &mut draft.payload);
        draft.key.clear();
        write!(draft.key, "{}", generated.customer_id).expect("a Vec takes everything");
        draft.timestamp_ms = generated.ts;
        self.late += u64::from(generated.late);
        self.bad += u64::from(generated.bad.is_some());
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("late", self.late), ("bad", self.bad)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arus_models::{PurchaseEvent, PurchaseOptions, TimestampUnit};

    #[test]
    fn key_timestamp_and_value_agree_and_the_counts_are_right() {
        let options = PurchaseOptions {
            late_fraction: 0.1,
            max_lateness_ms: 60_000,
            bad_fraction: 0.1,
            ..PurchaseOptions::default()
        };
        let mut maker = PurchaseMaker::new(PurchaseGenerator::new(1, options).unwrap());
        let mut draft = Draft::default();
        let now_ms = 1_700_000_000_000;
        let (mut late, mut bad) = (0, 0);
        for _ in 0..2_000 {
            maker.make(now_ms, &mut draft);
            match PurchaseEvent::from_json(&draft.payload, TimestampUnit::Milliseconds) {
                Ok(event) => {
                    assert_eq!(draft.key, event.customer_id.to_string().into_bytes());
                    assert_eq!(draft.timestamp_ms, event.ts);
                    late += u64::from(event.ts < now_ms);
                }
                Err(_) => bad += 1,
            }
            assert!(!draft.tombstone);
        }
        assert_eq!(maker.tallies(), [("late", late), ("bad", bad)]);
        assert!(late > 100 && bad > 100, "{late} {bad}");
    }
}
