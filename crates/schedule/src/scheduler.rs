//! Which time is due, and what of those that went by.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::Timetable;

/// A time that is noticed later than this was missed: the machine was off or asleep, the program
/// did not run, or another run took so long. Programs ask more often than that.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);

/// Times that are remembered as dealt with, for a clock that is set back.
const REMEMBERED: usize = 1_024;
/// Missed times are counted up to here.
const COUNTED: usize = 1_000;

/// What to do about times that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Catchup {
    /// Nothing: go on with the next time.
    None,
    /// One run, for the latest of them.
    #[default]
    Last,
    /// A run for each of them, oldest first.
    All,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due: ask again then (`None`: nothing will ever be). The clock may be set
    /// meanwhile, so better ask every half a minute.
    Sleep {
        /// The next time.
        until: Option<DateTime<Utc>>,
    },
    /// These times were missed and will not be made up; worth a line in the log. Ask again.
    Missed {
        /// How many, at most 1000.
        count: usize,
        /// The first of them.
        first: DateTime<Utc>,
        /// The last of them.
        last: DateTime<Utc>,
    },
    /// Make the run of this time, then ask again. It will not be told again.
    Start {
        /// The time.
        scheduled_for: DateTime<Utc>,
    },
}

/// Tells which time is due. Every time of the timetable is told once at the most, however the clock
/// is set.
#[derive(Clone, Debug)]
pub struct Scheduler {
    timetable: Timetable,
    catchup: Catchup,
    /// All times up to here are dealt with.
    done_until: DateTime<Utc>,
    /// The last times that were told, to be known again when the clock was set back.
    told: VecDeque<DateTime<Utc>>,
}

impl Scheduler {
    /// A scheduler that goes on after the time of the last run that came to its end; where there is
    /// none it begins now, and nothing was missed.
    #[must_use]
    pub fn new(
        timetable: Timetable,
        catchup: Catchup,
        last_ended: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let told = last_ended.into_iter().collect();
        Self { timetable, catchup, done_until: last_ended.unwrap_or(now), told }
    }

    /// The timetable.
    #[must_use]
    pub fn timetable(&self) -> &Timetable {
        &self.timetable
    }

    /// What to do at this time of the wall clock.
    pub fn step(&mut self, now: DateTime<Utc>) -> Step {
        // Set back: what comes again on the clock is known by `told`, what is new runs.
        self.done_until = self.done_until.min(now);
        loop {
            let Some(first) = self.timetable.next_after(self.done_until) else {
                return Step::Sleep { until: None };
            };
            if first > now {
                return Step::Sleep { until: self.next_untold(first) };
            }
            if self.told.contains(&first) {
                self.done_until = first;
                continue;
            }
            // The latest is at least the first; never absent, as the first is before now.
            let latest = self.timetable.latest_until(now).unwrap_or(first);
            return match self.catchup {
                Catchup::All => self.start(first),
                Catchup::Last if latest == first => self.start(first),
                Catchup::None if latest == first && !is_missed(first, now) => self.start(first),
                Catchup::None if is_missed(latest, now) => self.miss(first, latest),
                Catchup::None | Catchup::Last => {
                    let before = latest - chrono::TimeDelta::seconds(1);
                    let last = self.timetable.latest_until(before).unwrap_or(first);
                    self.miss(first, last)
                }
            };
        }
    }

    fn start(&mut self, time: DateTime<Utc>) -> Step {
        self.done_until = time;
        if self.told.len() == REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back(time);
        Step::Start { scheduled_for: time }
    }

    fn miss(&mut self, first: DateTime<Utc>, last: DateTime<Utc>) -> Step {
        self.done_until = last;
        let count = self.timetable.between(first, last).take(COUNTED).count();
        Step::Missed { count, first, last }
    }

    /// The first time from this one on that was not told.
    fn next_untold(&self, first: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let times = std::iter::successors(Some(first), |time| self.timetable.next_after(*time));
        times.into_iter().find(|time| !self.told.contains(time))
    }
}

fn is_missed(time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - time).to_std().is_ok_and(|late| late > MISSED_AFTER)
}

impl Catchup {
    /// Its name as a flag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Catchup::None => "none",
            Catchup::Last => "last",
            Catchup::All => "all",
        }
    }
}

impl fmt::Display for Catchup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Catchup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Catchup::None, Catchup::Last, Catchup::All]
            .into_iter()
            .find(|catchup| catchup.as_str() == text)
            .ok_or_else(|| format!("\"{text}\" is none of none, last, all"))
    }
}

#[cfg(test)]
mod tests;
