//! Time as an argument: the real clock is made once, in `main`; tests move a [`ManualClock`] by
//! hand.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Wall-clock time, milliseconds since the Unix epoch; may jump, also back.
    fn wall_ms(&self) -> i64;

    /// Time since some fixed start; never goes back.
    fn monotonic(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn wall_ms(&self) -> i64 {
        (**self).wall_ms()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The machine's clocks. The only place that reads them.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose [`Clock::monotonic`] starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the real clock is made")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn wall_ms(&self) -> i64 {
        // A machine set before 1970 gives negative milliseconds rather than a panic.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved; share it in an `Arc`.
///
/// ```
/// use arus_runtime::clock::{Clock, ManualClock};
/// use std::{sync::Arc, time::Duration};
///
/// let clock = Arc::new(ManualClock::new(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.wall_ms(), 3_000);
/// assert_eq!(clock.monotonic(), Duration::from_secs(2));
/// clock.set_wall_ms(500); // somebody set the wall clock back
/// assert_eq!((clock.wall_ms(), clock.monotonic()), (500, Duration::from_secs(2)));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Now>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    wall_ms: i64,
    /// What is left of the advances below one millisecond.
    wall_rest: Duration,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `wall_ms` (milliseconds since the Unix epoch) and a monotonic time of
    /// zero.
    pub fn new(wall_ms: i64) -> Self {
        let now = Now { wall_ms, wall_rest: Duration::ZERO, monotonic: Duration::ZERO };
        Self { now: Mutex::new(now) }
    }

    /// Sets the wall clock; the monotonic time stays.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        let mut now = self.lock();
        now.wall_ms = wall_ms;
        now.wall_rest = Duration::ZERO;
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        now.monotonic += by;
        let wall = now.wall_rest + by;
        let whole_ms =
            i64::try_from(wall.as_millis()).expect("tests stay within the ages of the world");
        now.wall_ms += whole_ms;
        now.wall_rest = wall - Duration::from_millis(whole_ms.unsigned_abs());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics while holding the clock")
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.lock().wall_ms
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_clock_is_of_this_century_and_goes_forward() {
        let clock = SystemClock::new();
        let (first, wall) = (clock.monotonic(), clock.wall_ms());
        assert!(clock.monotonic() >= first);
        assert!((1_600_000_000_000..4_000_000_000_000).contains(&wall), "{wall}");
    }

    #[test]
    fn parts_of_a_millisecond_add_up() {
        let clock = ManualClock::new(-1);
        for _ in 0..10 {
            clock.advance(Duration::from_micros(300));
        }
        assert_eq!((clock.wall_ms(), clock.monotonic()), (2, Duration::from_millis(3)));
    }
}
