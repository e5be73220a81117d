//! The runs that a range of time lacks.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::timetable::instant;
use crate::{Error, RunState, Timetable};

/// The most times in one range.
pub const MOST_TIMES: usize = 10_000;

/// Which times of the range get a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// Those without a run that came to its end.
    #[default]
    Missing,
    /// Those whose last run failed or took too long.
    Failed,
    /// Each.
    All,
}

/// A run as the history knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The time that it was for.
    pub scheduled_for: DateTime<Utc>,
    /// What became of it.
    pub state: RunState,
}

/// A time of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The time.
    pub scheduled_for: DateTime<Utc>,
    /// What is known of it.
    pub recorded: Option<RunState>,
    /// Whether it is to get a run.
    pub is_due: bool,
}

/// All times of the range, both bounds included, and which of them are to run. `recorded` is in the
/// order in which the runs were made.
///
/// A time that has one successful (or skipped) run counts as done, whatever came before or after.
///
/// # Errors
/// [`Error::TooMany`].
pub fn plan(
    timetable: &Timetable,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    only: Only,
    recorded: &[Recorded],
) -> Result<Vec<Planned>, Error> {
    let mut known: HashMap<DateTime<Utc>, RunState> = HashMap::new();
    for run in recorded {
        let state = known.entry(run.scheduled_for).or_insert(run.state);
        if !is_done(*state) {
            *state = run.state;
        }
    }
    let times: Vec<DateTime<Utc>> = timetable.between(from, to).take(MOST_TIMES + 1).collect();
    if times.len() > MOST_TIMES {
        return Err(Error::TooMany { most: MOST_TIMES });
    }
    let planned = times.into_iter().map(|scheduled_for| {
        let recorded = known.get(&scheduled_for).copied();
        Planned { scheduled_for, recorded, is_due: is_due(only, recorded) }
    });
    Ok(planned.collect())
}

fn is_due(only: Only, recorded: Option<RunState>) -> bool {
    match only {
        Only::All => true,
        Only::Missing => recorded.is_none_or(|state| !state.is_final()),
        Only::Failed => matches!(recorded, Some(RunState::Failed | RunState::TimedOut)),
    }
}

fn is_done(state: RunState) -> bool {
    matches!(state, RunState::Success | RunState::Skipped)
}

/// Reads the bounds of a range, both included: a date (the whole day), a date and time on the
/// zone's clock, or an instant with its offset.
///
/// ```
/// use arus_schedule::backfill;
///
/// let zone = arus_schedule::parse_zone("Asia/Jakarta").unwrap();
/// let (from, to) = backfill::range(zone, "2026-11-24", "2026-11-25").unwrap();
/// assert_eq!(from.to_string(), "2026-11-23 17:00:00 UTC");
/// assert_eq!(to.to_string(), "2026-11-25 16:59:59 UTC");
/// ```
///
/// # Errors
/// [`Error::Bound`], [`Error::Range`].
pub fn range(zone: Tz, from: &str, to: &str) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let (begin, _) = bound(zone, from)?;
    let (_, end) = bound(zone, to)?;
    match begin <= end {
        true => Ok((begin, end)),
        false => Err(Error::Range { from: from.to_string(), to: to.to_string() }),
    }
}

/// The first and the last second that a bound names.
///
/// # Errors
/// [`Error::Bound`].
pub fn bound(zone: Tz, text: &str) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let wrong = || Error::Bound { text: text.to_string() };
    let on_clock = |time| instant(time, zone).ok_or_else(wrong);
    if let Ok(date) = text.parse::<NaiveDate>() {
        let next_day = date.succ_opt().ok_or_else(wrong)?;
        let begin = on_clock(date.and_time(chrono::NaiveTime::MIN))?;
        let end = on_clock(next_day.and_time(chrono::NaiveTime::MIN))?;
        return Ok((begin, end - TimeDelta::seconds(1)));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok((time.to_utc(), time.to_utc()));
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let time = on_clock(time.ok_or_else(wrong)?)?;
    Ok((time, time))
}

#[cfg(test)]
mod tests;
