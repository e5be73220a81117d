//! A look at the log from aside, once a second: where its partitions end, whether it answers,
//! whether it grew.
//!
//! Lag comes from here, and so does the proof that a partition is idle: that it delivered nothing
//! is not enough, since a slow or absent broker delivers nothing either. The broker itself must
//! have said, after the silence was long enough, that there is nothing to deliver.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::source::Log;

/// What the broker last said of a partition. Times are the job's monotonic ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) end_offset: i64,
    /// Since when the end has been there.
    pub(crate) unchanged_since_ms: i64,
    /// When it was last seen to be another.
    pub(crate) other_seen_ms: Option<i64>,
    /// When the broker said so.
    pub(crate) seen_ms: i64,
}

/// What is known of the log.
#[derive(Default)]
pub(crate) struct Watch {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    partitions: BTreeMap<i32, Sighting>,
    answered_ms: Option<i64>,
    grew: bool,
    /// The last look had no answer.
    away: bool,
    /// Where the next look begins, among the partitions.
    next: usize,
    /// Rows are being written to the broker, in a call that waits for as long as it is away.
    commits_to_broker: bool,
    /// When a stop was first seen to be asked for.
    stopping_since_ms: Option<i64>,
}

impl Known {
    /// Notes an answer, of a partition's end if there is one; says whether it is the first after a
    /// time without.
    fn note(&mut self, end: Option<(i32, i64)>, now_ms: i64) -> bool {
        self.answered_ms = Some(now_ms);
        if let Some((partition, end_offset)) = end {
            self.sight(partition, end_offset, now_ms);
        }
        std::mem::take(&mut self.away)
    }

    fn sight(&mut self, partition: i32, end_offset: i64, now_ms: i64) {
        let sighting = self.partitions.entry(partition).or_insert(Sighting {
            end_offset,
            unchanged_since_ms: now_ms,
            other_seen_ms: None,
            seen_ms: now_ms,
        });
        if sighting.end_offset != end_offset {
            sighting.unchanged_since_ms = now_ms;
            sighting.other_seen_ms = Some(sighting.seen_ms);
        }
        sighting.end_offset = end_offset;
        sighting.seen_ms = now_ms;
    }
}

impl Watch {
    /// Asks the log about every partition. A failure is not reported here: it shows as an answer
    /// that grows old. It takes a while, so it ends the look; the next one begins behind it, that no
    /// partition hides another.
    pub(crate) fn look(&self, log: &dyn Log, partitions: &[i32], now_ms: impl Fn() -> i64) {
        if partitions.is_empty() {
            // A member of a group that got none still has to know whether the broker is there.
            let answer = log.partitions().map(|_| None);
            self.hear(answer, &now_ms);
        }
        let from = self.known.lock().unwrap().next;
        for at in (from..from + partitions.len()).map(|at| at % partitions.len()) {
            let partition = partitions[at];
            let answer = log.bounds(partition).map(|bounds| Some((partition, bounds.high)));
            if !self.hear(answer, &now_ms) {
                self.known.lock().unwrap().next = at + 1;
                return;
            }
        }
    }

    /// Takes the log's answer: a partition and its end, or just that it is there. Says whether it
    /// is.
    fn hear(
        &self,
        answer: Result<Option<(i32, i64)>, crate::Error>,
        now_ms: &impl Fn() -> i64,
    ) -> bool {
        let mut known = self.known.lock().unwrap();
        match answer {
            Ok(end) => {
                if known.note(end, now_ms()) {
                    tracing::info!("the broker answers again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut known.away, true) {
                    tracing::warn!(%error, "the broker does not answer; waiting for it");
                }
                false
            }
        }
    }

    /// Asks whether the log has partitions that the job does not read.
    pub(crate) fn look_for_growth(
        &self,
        log: &dyn Log,
        partitions: &[i32],
        now_ms: impl Fn() -> i64,
    ) {
        if let Ok(now) = log.partitions() {
            let mut known = self.known.lock().unwrap();
            known.grew = now.iter().any(|partition| !partitions.contains(partition));
            // Though the partitions' leaders may be away, the broker is not.
            known.answered_ms = Some(now_ms());
        }
    }

    pub(crate) fn of(&self, partition: i32) -> Option<Sighting> {
        self.known.lock().unwrap().partitions.get(&partition).copied()
    }

    /// Which of these partitions was answered for the longest time ago, and when; those that never
    /// were, at `since_ms`.
    pub(crate) fn longest_unanswered<'a>(
        &self,
        partitions: impl Iterator<Item = &'a i32>,
        since_ms: i64,
    ) -> Option<(i64, i32)> {
        let known = self.known.lock().unwrap();
        let seen = |&partition| {
            let sighting = known.partitions.get(&partition);
            (sighting.map_or(since_ms, |sighting| sighting.seen_ms), partition)
        };
        partitions.map(seen).min()
    }

    /// Notes that the broker told somebody else where a partition ends.
    pub(crate) fn saw(&self, partition: i32, end_offset: i64, now_ms: i64) {
        if self.known.lock().unwrap().note(Some((partition, end_offset)), now_ms) {
            tracing::info!("the broker answers again");
        }
    }

    /// Notes that the broker answered somebody else.
    pub(crate) fn answered(&self, now_ms: i64) {
        self.known.lock().unwrap().answered_ms = Some(now_ms);
    }

    /// Whether rows are being written to the broker.
    pub(crate) fn commits_to_broker(&self, commits: bool) {
        self.known.lock().unwrap().commits_to_broker = commits;
    }

    /// Called again and again once a stop is asked for: whether it waits in vain, for a broker that has
    /// been away for longer than `patience_ms`, to take rows.
    pub(crate) fn stop_hangs(&self, now_ms: i64, patience_ms: i64) -> bool {
        let mut known = self.known.lock().unwrap();
        let since_ms = *known.stopping_since_ms.get_or_insert(now_ms);
        let waited_ms = now_ms - since_ms.max(known.answered_ms.unwrap_or(since_ms));
        known.commits_to_broker && waited_ms > patience_ms
    }

    /// When the broker last answered.
    pub(crate) fn answered_ms(&self) -> Option<i64> {
        self.known.lock().unwrap().answered_ms
    }

    /// Whether there are partitions that the job does not read.
    pub(crate) fn grew(&self) -> bool {
        self.known.lock().unwrap().grew
    }
}

impl Sighting {
    /// Whether all records before this end have been read, although the last offsets held none: the
    /// client met it, and it has been there for some looks since.
    pub(crate) fn nothing_left(&self, at_end_ms: Option<i64>) -> bool {
        /// Longer than a record is under way.
        const SETTLED_MS: i64 = 2_000;
        self.is_met_at(at_end_ms) && self.seen_ms - self.unchanged_since_ms >= SETTLED_MS
    }

    /// Whether the client met this end and not an earlier one: since the end was last seen to be
    /// another.
    pub(crate) fn is_met_at(&self, at_end_ms: Option<i64>) -> bool {
        at_end_ms.is_some_and(|met_ms| self.other_seen_ms.is_none_or(|other_ms| met_ms > other_ms))
    }
}

/// How a partition's silence is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) next_offset: i64,
    pub(crate) at_end_ms: Option<i64>,
    pub(crate) last_record_ms: i64,
}

impl Silence {
    /// Whether the partition is idle: silent for `timeout_ms`, and the broker said after that, not
    /// long ago, that there is nothing to read.
    pub(crate) fn is_idle(self, sighting: Option<Sighting>, timeout_ms: i64, now_ms: i64) -> bool {
        /// The watch looks every second; three missed looks are an absent broker.
        const FRESH_MS: i64 = 3_000;
        let Some(sighting) = sighting else { return false };
        let long_enough = sighting.seen_ms - self.last_record_ms >= timeout_ms;
        let fresh = now_ms - sighting.seen_ms <= FRESH_MS;
        // In a topic with transactions the last offsets are markers, which are never delivered:
        // then the end is not reached by counting, but the client met it and it has not moved
        // since.
        let nothing_left = sighting.end_offset <= self.next_offset
            || (sighting.is_met_at(self.at_end_ms)
                && sighting.seen_ms - sighting.unchanged_since_ms >= timeout_ms);
        long_enough && fresh && nothing_left
    }
}

#[cfg(test)]
mod tests {
    use arus_kafka::source::Bounds;

    use super::*;
    use crate::source::{Reader, Wake};

    const TIMEOUT_MS: i64 = 5_000;

    fn silence(next_offset: i64, last_record_ms: i64) -> Silence {
        Silence { next_offset, at_end_ms: Some(last_record_ms), last_record_ms }
    }

    fn sighting(end_offset: i64, unchanged_since_ms: i64, seen_ms: i64) -> Option<Sighting> {
        Some(Sighting { end_offset, unchanged_since_ms, other_seen_ms: None, seen_ms })
    }

    #[test]
    fn a_partition_is_idle_only_when_the_broker_says_so_after_the_silence() {
        // (what, silence, sighting, now, idle)
        let cases = [
            ("never asked", silence(10, 0), None, 20_000, false),
            ("silent, and confirmed", silence(10, 0), sighting(10, 0, 6_000), 6_500, true),
            ("confirmed too early", silence(10, 2_000), sighting(10, 0, 6_000), 8_000, false),
            ("broker away since", silence(10, 0), sighting(10, 0, 6_000), 30_000, false),
            ("records not delivered yet", silence(10, 0), sighting(12, 5_500, 6_000), 6_500, false),
            (
                "transaction markers at the end",
                silence(10, 0),
                sighting(12, 500, 6_000),
                6_500,
                true,
            ),
        ];
        for (what, silence, sighting, now_ms, idle) in cases {
            assert_eq!(silence.is_idle(sighting, TIMEOUT_MS, now_ms), idle, "{what}");
        }
    }

    /// A log of which some partitions never answer.
    struct Deaf(Vec<i32>);

    impl Log for Deaf {
        fn partitions(&self) -> Result<Vec<i32>, crate::Error> {
            unreachable!("nobody asks")
        }

        fn bounds(&self, partition: i32) -> Result<Bounds, crate::Error> {
            match self.0.contains(&partition) {
                true => Err(crate::Error::Unsupported("no leader".into())),
                false => Ok(Bounds { low: 0, high: 7 }),
            }
        }

        fn has_records(&self, _: i32, _: i64, _: i64) -> Result<bool, crate::Error> {
            unreachable!("nobody asks")
        }

        fn committed(&self, _: &[i32]) -> Result<BTreeMap<i32, i64>, crate::Error> {
            unreachable!("nobody asks")
        }

        fn open(
            &self,
            _: &[BTreeMap<i32, i64>],
            _: &Wake,
        ) -> Result<Vec<Vec<Box<dyn Reader>>>, crate::Error> {
            unreachable!("nobody reads")
        }

        fn commit(&self, _: &BTreeMap<i32, i64>, _: bool) -> Result<(), crate::Error> {
            unreachable!("nothing is committed")
        }

        fn serve(&self) -> Result<(), crate::Error> {
            Ok(())
        }
    }

    #[test]
    fn a_partition_without_an_answer_hides_no_other_and_is_found() {
        let partitions = [0, 1, 2, 3, 4];
        for deaf in [vec![0], vec![4], vec![1, 3], vec![0, 1, 2, 3]] {
            let (watch, log) = (Watch::default(), Deaf(deaf.clone()));
            for now_ms in 1..=10 {
                watch.look(&log, &partitions, || now_ms * 1_000);
            }
            for partition in partitions {
                let is_deaf = deaf.contains(&partition);
                assert_eq!(watch.of(partition).is_none(), is_deaf, "{partition} of {deaf:?}");
            }
            let unanswered = watch.longest_unanswered(partitions.iter(), 500);
            assert_eq!(unanswered, Some((500, deaf[0])));
            assert!(watch.answered_ms().is_some_and(|ms| ms >= 5_000), "{deaf:?}");
        }
    }

    #[test]
    fn a_stop_waits_briefly_for_a_broker_that_is_away_and_no_longer() {
        let watch = Watch::default();
        watch.answered(1_000);
        watch.commits_to_broker(true);
        // Asked for at 20 s.
        assert!(!watch.stop_hangs(20_000, 5_000));
        assert!(!watch.stop_hangs(25_000, 5_000));
        assert!(watch.stop_hangs(25_001, 5_000));
        // A broker that answers takes its time.
        watch.answered(24_000);
        assert!(!watch.stop_hangs(29_000, 5_000));
        assert!(watch.stop_hangs(29_001, 5_000));
        watch.commits_to_broker(false);
        assert!(!watch.stop_hangs(90_000, 5_000));
    }

    #[test]
    fn a_changed_end_starts_its_rest_anew() {
        let watch = Watch::default();
        watch.known.lock().unwrap().note(Some((0, 10)), 1_000);
        watch.known.lock().unwrap().note(Some((0, 10)), 2_000);
        assert_eq!(watch.of(0), sighting(10, 1_000, 2_000));
        watch.known.lock().unwrap().note(Some((0, 11)), 3_000);
        let changed = Sighting {
            end_offset: 11,
            unchanged_since_ms: 3_000,
            other_seen_ms: Some(2_000),
            seen_ms: 3_000,
        };
        assert_eq!(watch.of(0), Some(changed));
        // The client met an end before and after: only the later one can be this.
        assert!(!changed.is_met_at(Some(1_500)) && changed.is_met_at(Some(2_500)));
        // Nor is it sure yet that all before it has been read.
        assert!(!changed.nothing_left(Some(2_500)));
        assert!(Sighting { seen_ms: 5_000, ..changed }.nothing_left(Some(2_500)));
        assert_eq!(watch.of(1), None);
        assert_eq!(watch.answered_ms(), Some(3_000));
    }
}
