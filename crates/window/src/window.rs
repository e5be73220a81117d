//! Which windows a row belongs to.
//!
//! Windows are half-open, `[start, end)`, and aligned to the Unix epoch in UTC, as in Spark, Flink
//! and ksqlDB. A session has no grid: it is the union of `[time, time + gap)` over rows that
//! overlap; two rows exactly a gap apart are two sessions.

use std::fmt;

use crate::Error;

/// One window's bounds, ms since the Unix epoch: `[start_ms, end_ms)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first ms that belongs to it.
    pub start_ms: i64,
    /// The first ms after it.
    pub end_ms: i64,
}

impl Span {
    /// Whether a watermark has passed the end: nothing more is awaited.
    ///
    /// ```
    /// use arus_window::Span;
    /// let window = Span { start_ms: 0, end_ms: 30_000 };
    /// assert!(!window.is_passed_by(29_999));
    /// assert!(window.is_passed_by(30_000)); // 30 000 itself belongs to the next window
    /// ```
    pub fn is_passed_by(&self, watermark_ms: i64) -> bool {
        watermark_ms >= self.end_ms
    }
}

/// The longest window, gap and delay: sums of a few of them and an event time never overflow.
pub(crate) const LONGEST_MS: i64 = 366 * 24 * 3_600_000;

/// How event time is cut into windows. Lengths are in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// One after the other, each row in one.
    Tumbling {
        /// Length of a window.
        size_ms: i64,
    },
    /// Overlapping: a window of `size_ms` begins every `slide_ms`.
    Hopping {
        /// Length of a window.
        size_ms: i64,
        /// From one window's start to the next one's.
        slide_ms: i64,
    },
    /// Per group: as long as no gap is this long.
    Session {
        /// A silence of this length ends the session.
        gap_ms: i64,
    },
}

impl Window {
    /// Refuses lengths that make no window.
    ///
    /// # Errors
    /// A sentence that says which length is wrong.
    pub fn validate(self) -> Result<Self, Error> {
        const MOST_WINDOWS_OF_A_ROW: i64 = 1000;
        let check = |name: &str, length_ms: i64| match length_ms {
            1..=LONGEST_MS => Ok(()),
            _ => Err(Error::Window(format!(
                "{name} must be from 1 ms to 366 days, not {length_ms} ms"
            ))),
        };
        match self {
            Window::Tumbling { size_ms } => check("the window", size_ms)?,
            Window::Session { gap_ms } => check("the session gap", gap_ms)?,
            Window::Hopping { size_ms, slide_ms } => {
                check("the window", size_ms)?;
                check("the slide", slide_ms)?;
                if size_ms / slide_ms > MOST_WINDOWS_OF_A_ROW {
                    return Err(Error::Window(format!(
                        "a window of {size_ms} ms every {slide_ms} ms puts each row into more than \
                         {MOST_WINDOWS_OF_A_ROW} windows: use a longer slide"
                    )));
                }
                if slide_ms > size_ms {
                    return Err(Error::Window(format!(
                        "a slide of {slide_ms} ms is longer than the window of {size_ms} ms: rows \
                         would fall between"
                    )));
                }
            }
        }
        Ok(self)
    }

    /// The windows that a row at `event_ms` belongs to, the latest first. Of a session: the span
    /// that the row alone would make.
    ///
    /// ```
    /// use arus_window::{Span, Window};
    /// let hopping = Window::Hopping { size_ms: 30, slide_ms: 10 };
    /// let starts: Vec<i64> = hopping.spans(25).map(|window| window.start_ms).collect();
    /// assert_eq!(starts, [20, 10, 0]);
    /// let tumbling = Window::Tumbling { size_ms: 30 };
    /// assert_eq!(tumbling.spans(-1).next(), Some(Span { start_ms: -30, end_ms: 0 }));
    /// ```
    pub fn spans(self, event_ms: i64) -> impl Iterator<Item = Span> {
        let (size_ms, slide_ms, latest_ms) = match self {
            Window::Tumbling { size_ms } => (size_ms, size_ms, floor_to(event_ms, size_ms)),
            Window::Hopping { size_ms, slide_ms } => {
                (size_ms, slide_ms, floor_to(event_ms, slide_ms))
            }
            Window::Session { gap_ms } => (gap_ms, gap_ms, event_ms),
        };
        std::iter::successors(Some(latest_ms), move |start_ms| start_ms.checked_sub(slide_ms))
            .map(move |start_ms| Span { start_ms, end_ms: start_ms.saturating_add(size_ms) })
            .take_while(move |span| event_ms < span.end_ms)
    }

    /// The earliest end of a window that a row at `event_ms` could belong to. The row is late for
    /// one of its windows if and only if the watermark has reached this.
    ///
    /// For a session this is the ms after the row: an open session may end that early, and once the
    /// watermark is beyond the row such a session may be closed. Were the row's own `event_ms +
    /// gap` the measure, as in Flink and Spark, the same row would join a session or miss it by the
    /// luck of which partition was read first.
    pub(crate) fn earliest_end_ms(self, event_ms: i64) -> i64 {
        match self {
            Window::Tumbling { size_ms } => floor_to(event_ms, size_ms).saturating_add(size_ms),
            Window::Hopping { size_ms, slide_ms } => {
                // The earliest start is the first grid point after `event_ms - size_ms`.
                floor_to(event_ms.saturating_sub(size_ms), slide_ms)
                    .saturating_add(slide_ms)
                    .saturating_add(size_ms)
            }
            Window::Session { .. } => event_ms.saturating_add(1),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Tumbling { size_ms } => write!(f, "tumbling {size_ms} ms"),
            Window::Hopping { size_ms, slide_ms } => {
                write!(f, "hopping {size_ms} ms every {slide_ms} ms")
            }
            Window::Session { gap_ms } => write!(f, "session gap {gap_ms} ms"),
        }
    }
}

/// The largest multiple of `step_ms` that is not after `event_ms`.
fn floor_to(event_ms: i64, step_ms: i64) -> i64 {
    event_ms.saturating_sub(event_ms.rem_euclid(step_ms))
}
