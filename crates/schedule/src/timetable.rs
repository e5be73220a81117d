//! A cron expression in a time zone.
//!
//! What daylight saving does, and what this does about it:
//!
//! | the expression | a time that the clock skips | a time that the clock shows twice |
//! |---|---|---|
//! | names hours: `30 2 * * *`, `0 */2 * * *` | comes once, right after the gap | comes once, the first time |
//! | has every hour: `0 * * * *`, `*/5 * * * *` | left out: the hour does not exist | comes both times: both hours exist |
//!
//! So a nightly job runs once every night, and an hourly one once in every hour that there is.
//! Several times in one gap come as one.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Year};

use crate::Error;

/// The times at which something is due.
///
/// ```
/// use arus_schedule::Timetable;
/// use chrono::{DateTime, Utc};
///
/// let nightly = Timetable::parse("30 2 * * *", "Europe/Berlin").unwrap();
/// let evening: DateTime<Utc> = "2026-03-28T20:00:00Z".parse().unwrap();
/// // In that night the clock goes from 02:00 to 03:00, so 02:30 does not exist.
/// let next = nightly.next_after(evening).unwrap();
/// assert_eq!(nightly.local(next).to_string(), "2026-03-29 03:00:00 CEST");
/// ```
#[derive(Clone, Debug)]
pub struct Timetable {
    text: String,
    cron: Cron,
    zone: Tz,
    /// Whether it has all 24 hours.
    every_hour: bool,
}

impl Timetable {
    /// Reads a cron expression (five fields; six with seconds first; or `@daily` and the like) and
    /// the name of a time zone.
    ///
    /// # Errors
    /// [`Error::Cron`], [`Error::Never`], [`Error::Zone`].
    pub fn parse(cron: &str, zone: &str) -> Result<Self, Error> {
        let zone = parse_zone(zone)?;
        let text = cron.trim().to_string();
        let wrong = |reason: String| Error::Cron { text: text.clone(), reason };
        check_fields(&text).map_err(wrong)?;
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| wrong(reason(error)))?;
        let every_hour = cron.pattern.hours.values().len() == 24;
        let timetable = Self { text: text.clone(), cron, zone, every_hour };
        match timetable.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(timetable),
            None => Err(Error::Never { text }),
        }
    }

    /// The zone whose clock it follows.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The instant on the clock of its zone.
    #[must_use]
    pub fn local(&self, instant: DateTime<Utc>) -> DateTime<Tz> {
        instant.with_timezone(&self.zone)
    }

    /// The first time after the instant.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Times are whole seconds, so one is after the instant if it is after its second's begin.
        let second = instant.trunc_subsecs(0);
        if self.every_hour {
            let found = self.cron.find_next_occurrence(&self.local(second), false);
            return found.ok().map(|found| found.to_utc());
        }
        let mut on_clock = self.local(second).naive_local();
        loop {
            on_clock = self.cron.find_next_occurrence(&on_clock, false).ok()?;
            let found = self::instant(on_clock, self.zone)?;
            // While the clock shows an hour for the second time, its times are behind us.
            if found > second {
                return Some(found);
            }
        }
    }

    /// The last time up to the instant, itself included.
    #[must_use]
    pub fn latest_until(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = instant.trunc_subsecs(0);
        let local = self.local(second);
        if self.every_hour {
            let found = self.cron.find_previous_occurrence(&local, true);
            return found.ok().map(|found| found.to_utc());
        }
        let mut on_clock = local.naive_local();
        if let LocalResult::Ambiguous(first, again) = self.zone.from_local_datetime(&on_clock)
            && again == local
        {
            // All of this hour came when the clock showed it first, also what it will show again.
            on_clock += again - first;
        }
        let mut inclusive = true;
        loop {
            on_clock = self.cron.find_previous_occurrence(&on_clock, inclusive).ok()?;
            inclusive = false;
            let found = self::instant(on_clock, self.zone)?;
            if found <= second {
                return Some(found);
            }
        }
    }

    /// The times from the first instant to the second, both included.
    pub fn between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        let before = from - TimeDelta::seconds(1);
        std::iter::successors(self.next_after(before), |time| self.next_after(*time))
            .skip_while(move |time| *time < from)
            .take_while(move |time| *time <= to)
    }
}

/// The instant at which a run is due for what the clock shows.
pub(crate) fn instant(on_clock: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let instant = match zone.from_local_datetime(&on_clock) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant,
        LocalResult::None => GapInfo::new(&on_clock, &zone)?.end?,
    };
    Some(instant.to_utc())
}

impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone)
    }
}

/// Reads the name of a time zone.
///
/// # Errors
/// [`Error::Zone`].
pub fn parse_zone(name: &str) -> Result<Tz, Error> {
    name.trim().parse().map_err(|_| {
        let wanted = name.trim().replace(' ', "_");
        let city = wanted.rsplit('/').next().unwrap_or_default();
        let suggestion = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|zone| {
            let last = zone.rsplit('/').next().unwrap_or_default();
            zone.eq_ignore_ascii_case(&wanted) || last.eq_ignore_ascii_case(city)
        });
        Error::Zone { name: name.to_string(), suggestion }
    })
}

/// What croner would take or refuse in words of its own.
fn check_fields(text: &str) -> Result<(), String> {
    if text.starts_with('@') {
        let known = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];
        return match known.iter().any(|name| name.eq_ignore_ascii_case(text)) {
            true => Ok(()),
            false => Err("no name of that kind".to_string()),
        };
    }
    match text.split_whitespace().count() {
        5 | 6 => Ok(()),
        1 => Err("it has 1 field".to_string()),
        count => Err(format!("it has {count} fields")),
    }
}

/// croner's words without its names for things.
fn reason(error: CronError) -> String {
    let words = match error {
        CronError::InvalidPattern(words)
        | CronError::IllegalCharacters(words)
        | CronError::ComponentError(words) => words,
        other => other.to_string(),
    };
    let words = words.trim_end_matches('.').replace("CronPattern contains", "it has");
    words.replace("in part", "in")
}

#[cfg(test)]
mod tests;
