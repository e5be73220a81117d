//! How many records are due by now: a pure function of the time that has passed.

use std::time::Duration;

/// A gap between two questions that is longer than this is a stall: what was missed is not made up
/// for.
const STALL: Duration = Duration::from_secs(1);

/// Paces records to a rate.
///
/// ```
/// use arus_kafka::pacer::Pacer;
/// use std::time::Duration;
///
/// let mut pacer = Pacer::new(100);
/// assert_eq!(pacer.due(Duration::from_millis(500)), Some(50));
/// assert_eq!(pacer.due(Duration::from_millis(505)), Some(0));
/// assert_eq!(pacer.wait(Duration::from_millis(505)), Duration::from_millis(5));
/// assert_eq!(pacer.due(Duration::from_millis(510)), Some(1));
/// assert_eq!(Pacer::new(0).due(Duration::ZERO), None); // no limit
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Records per second; 0 is no limit.
    rate: u64,
    /// From when on records are counted: the start, or the end of the last stall.
    since: Duration,
    /// Records due between `since` and the last question.
    counted: u64,
    asked: Duration,
}

impl Pacer {
    /// A pacer of `rate` records per second that starts at zero; a rate of 0 is no limit.
    pub fn new(rate: u64) -> Self {
        Self { rate, since: Duration::ZERO, counted: 0, asked: Duration::ZERO }
    }

    /// How many records became due since the last question; `None` is as many as you like.
    /// `elapsed` is the time since the start; one that goes back counts as no time at all.
    pub fn due(&mut self, elapsed: Duration) -> Option<u64> {
        if self.rate == 0 {
            return None;
        }
        if elapsed.saturating_sub(self.asked) > STALL {
            self.since = elapsed;
            self.counted = 0;
        }
        self.asked = self.asked.max(elapsed);
        let passed_ns = self.asked.saturating_sub(self.since).as_nanos();
        let all = (passed_ns * u128::from(self.rate) / 1_000_000_000) as u64;
        let due = all - self.counted;
        self.counted = all;
        Some(due)
    }

    /// How long after `elapsed` the next record is due.
    pub fn wait(&self, elapsed: Duration) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let next_ns = (u128::from(self.counted) + 1) * 1_000_000_000;
        let next_ns = next_ns.div_ceil(u128::from(self.rate));
        let next = self.since + Duration::from_nanos(u64::try_from(next_ns).unwrap_or(u64::MAX));
        next.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arus_runtime::clock::{Clock, ManualClock};

    /// Asks every `step` until `end`; gives the sum of what was due.
    fn sum(rate: u64, step: Duration, end: Duration) -> u64 {
        let clock = ManualClock::new(0);
        let mut pacer = Pacer::new(rate);
        let mut sum = 0;
        while clock.monotonic() < end {
            clock.advance(step);
            sum += pacer.due(clock.monotonic()).unwrap();
        }
        sum
    }

    #[test]
    fn the_sum_is_the_rate_however_often_it_is_asked() {
        let cases = [
            (2_000, 1_000, 60, 120_000),
            (2_000, 333, 3, 6_000),
            (1, 700_000, 7, 7),
            (7, 3_000, 3, 21),
            (1_000_000, 50_000, 2, 2_000_000),
            (3_000_000_000, 10, 1, 3_000_000_000),
        ];
        for (rate, step_us, seconds, expected) in cases {
            let (step, end) = (Duration::from_micros(step_us), Duration::from_secs(seconds));
            let got = sum(rate, step, end);
            let last = rate * step_us / 1_000_000 + 1;
            assert!((expected..=expected + last).contains(&got), "{rate} {step_us}: {got}");
        }
    }

    #[test]
    fn a_stall_is_not_made_up_for() {
        let clock = ManualClock::new(0);
        let mut pacer = Pacer::new(1_000);
        clock.advance(Duration::from_millis(900));
        assert_eq!(pacer.due(clock.monotonic()), Some(900));
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(pacer.due(clock.monotonic()), Some(0));
        clock.advance(Duration::from_millis(100));
        assert_eq!(pacer.due(clock.monotonic()), Some(100));
        // A hiccup shorter than a stall is made up for.
        clock.advance(Duration::from_secs(1));
        assert_eq!(pacer.due(clock.monotonic()), Some(1_000));
    }

    #[test]
    fn time_that_goes_back_is_no_time() {
        let mut pacer = Pacer::new(1_000);
        assert_eq!(pacer.due(Duration::from_millis(10)), Some(10));
        assert_eq!(pacer.due(Duration::from_millis(5)), Some(0));
        assert_eq!(pacer.due(Duration::from_millis(11)), Some(1));
    }

    #[test]
    fn after_the_wait_a_record_is_due() {
        for rate in [1, 3, 7, 999, 2_000, 1_234_567] {
            let clock = ManualClock::new(0);
            let mut pacer = Pacer::new(rate);
            for round in 0..100 {
                let wait = pacer.wait(clock.monotonic());
                assert!(wait <= Duration::from_secs(1), "{rate}/{round}: {wait:?}");
                clock.advance(wait);
                assert_eq!(pacer.due(clock.monotonic()), Some(1), "{rate}/{round}");
            }
        }
    }
}
