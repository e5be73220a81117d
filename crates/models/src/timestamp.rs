//! Event times on the wire: an integer, in a unit that is told, and of years that can be believed.

use std::ops::RangeInclusive;

use crate::Invalid;

/// From the first millisecond of the year 2000 to the last one of the year 9999, ms since the Unix
/// epoch.
pub(crate) const PLAUSIBLE_MS: RangeInclusive<i64> = 946_684_800_000..=253_402_300_799_999;

/// What the integer time of a record counts, always since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Milliseconds: what our producers write.
    #[default]
    Milliseconds,
    /// Seconds: what some other producers write.
    Seconds,
}

impl TimestampUnit {
    /// The time in milliseconds, when it is one that can be believed.
    pub(crate) fn to_ms(self, field: &'static str, found: i64) -> Result<i64, Invalid> {
        let as_seconds = found.saturating_mul(1000);
        let (ms, in_milliseconds) = match self {
            Self::Milliseconds => (found, true),
            Self::Seconds => (as_seconds, false),
        };
        if PLAUSIBLE_MS.contains(&ms) {
            return Ok(ms);
        }
        Err(if found < 0 {
            Invalid::TimestampNegative { field, found }
        } else if in_milliseconds && PLAUSIBLE_MS.contains(&as_seconds) {
            Invalid::TimestampInSeconds { field, found }
        } else if !in_milliseconds && PLAUSIBLE_MS.contains(&found) {
            Invalid::TimestampInMilliseconds { field, found }
        } else if ms < *PLAUSIBLE_MS.start() {
            Invalid::TimestampTooOld { field, found }
        } else {
            Invalid::TimestampTooNew { field, found }
        })
    }
}
