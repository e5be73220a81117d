//! Idempotent producers: each numbers its records per partition, so a batch that is sent again
//! after a lost answer is recognised, and a missing one is noticed.

use std::collections::{HashMap, VecDeque};

use crate::header::Header;

/// A producer has at most this many batches under way, so a repeated one is among the last five.
const REMEMBERED: usize = 5;

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one, or not numbered at all: append it.
    Next,
    /// It was appended before, at this offset.
    Duplicate(i64),
    /// One before it is missing.
    OutOfOrder,
    /// A newer producer took over the id.
    OldEpoch,
}

#[derive(Debug)]
struct Seen {
    first: i32,
    last: i32,
    offset: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Seen>,
}

/// All producers of one partition.
#[derive(Debug, Default)]
pub(crate) struct Producers(HashMap<i64, Producer>);

impl Producers {
    /// Compares a batch with what its producer sent before.
    pub(crate) fn judge(&self, header: &Header) -> Verdict {
        if !header.is_numbered() {
            return Verdict::Next;
        }
        // A producer that this partition has not seen may start anywhere: its earlier batches
        // may have gone with a topic that was deleted since.
        let Some(producer) = self.0.get(&header.producer_id) else {
            return Verdict::Next;
        };
        if header.producer_epoch < producer.epoch {
            return Verdict::OldEpoch;
        }
        if header.producer_epoch > producer.epoch {
            let fresh = header.base_sequence == 0;
            return if fresh { Verdict::Next } else { Verdict::OutOfOrder };
        }
        let last = last_sequence(header);
        let repeated = producer
            .batches
            .iter()
            .find(|seen| seen.first == header.base_sequence && seen.last == last);
        match (repeated, producer.batches.back()) {
            (Some(seen), _) => Verdict::Duplicate(seen.offset),
            (None, Some(seen)) if advance(seen.last, 1) != header.base_sequence => {
                Verdict::OutOfOrder
            }
            _ => Verdict::Next,
        }
    }

    /// Notes a batch that was appended.
    pub(crate) fn accept(&mut self, header: &Header) {
        if !header.is_numbered() {
            return;
        }
        let epoch = header.producer_epoch;
        let fresh = || Producer { epoch, batches: VecDeque::with_capacity(REMEMBERED) };
        let producer = self.0.entry(header.producer_id).or_insert_with(fresh);
        if producer.epoch != epoch {
            *producer = fresh();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Seen {
            first: header.base_sequence,
            last: last_sequence(header),
            offset: header.base_offset,
        });
    }
}

fn last_sequence(header: &Header) -> i32 {
    advance(header.base_sequence, header.last_offset_delta)
}

/// Sequence numbers go on with 0 after the largest.
fn advance(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, first: i32, records: i32, offset: i64) -> Header {
        Header {
            bytes: 100,
            base_offset: offset,
            last_offset_delta: records - 1,
            max_timestamp: 0,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence: first,
        }
    }

    #[test]
    fn repeats_gaps_and_old_epochs() {
        let mut producers = Producers::default();
        for (first, offset) in [(0, 0), (10, 10), (20, 20)] {
            let header = batch(1, first, 10, offset);
            assert_eq!(producers.judge(&header), Verdict::Next, "{first}");
            producers.accept(&header);
        }
        let cases = [
            (batch(1, 30, 5, 99), Verdict::Next),
            (batch(1, 10, 10, 99), Verdict::Duplicate(10)),
            (batch(1, 20, 10, 99), Verdict::Duplicate(20)),
            // Part of a batch seen before is no repeat.
            (batch(1, 20, 5, 99), Verdict::OutOfOrder),
            (batch(1, 40, 5, 99), Verdict::OutOfOrder),
            (batch(0, 30, 5, 99), Verdict::OldEpoch),
            (batch(2, 0, 5, 99), Verdict::Next),
            (batch(2, 30, 5, 99), Verdict::OutOfOrder),
            // Not numbered.
            (batch(1, -1, 5, 99), Verdict::Next),
        ];
        for (header, expected) in cases {
            assert_eq!(producers.judge(&header), expected, "{header:?}");
        }
    }

    #[test]
    fn numbers_go_on_with_zero_after_the_largest() {
        let mut producers = Producers::default();
        producers.accept(&batch(0, i32::MAX - 1, 2, 0));
        assert_eq!(producers.judge(&batch(0, 0, 1, 2)), Verdict::Next);
        assert_eq!(producers.judge(&batch(0, i32::MAX, 1, 2)), Verdict::OutOfOrder);
    }
}
