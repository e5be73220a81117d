//! Whose epochs a place holds.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// A job from its first start on, or from its last reset. It is kept in the checkpoint and, beside
/// the epoch, in every output that can: by the numbers of epochs alone a job could go on with the
/// rows of another that happens to be as far.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

const SINCE: &str = " since ";

impl Origin {
    /// A job that starts for the first time.
    pub fn new(job: &str, wall_ms: i64) -> Self {
        let began = DateTime::from_timestamp_millis(wall_ms).unwrap_or_default();
        Self(format!("{job}{SINCE}{}", began.to_rfc3339_opts(SecondsFormat::Millis, true)))
    }

    /// A job that several processes share: its state is in the database, beside its epochs.
    pub fn shared(job: &str) -> Self {
        Self(format!("{job}{SINCE}it was shared"))
    }

    /// What [`Origin::text`] gave; empty where an older version kept none.
    pub fn read(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is kept: the job's name and the time, in one line.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The job's name; `None` where an older version kept none.
    pub fn job(&self) -> Option<&str> {
        self.0.rsplit_once(SINCE).map(|(job, _)| job)
    }

    /// Whether this is, or may be, another job by its name.
    pub(crate) fn is_another_job(&self, own: &Self) -> bool {
        self.job().is_some_and(|job| own.job() != Some(job))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => f.write_str("a job of an older version"),
            text => write!(f, "job {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_tells_the_job_and_when_it_began() {
        let origin = Origin::new("totals since then", 1_700_000_000_123);
        assert_eq!(origin.text(), "totals since then since 2023-11-14T22:13:20.123Z");
        assert_eq!(origin.job(), Some("totals since then"));
        assert_eq!(Origin::read(origin.text()), origin);
        assert_eq!(Origin::shared("totals").job(), Some("totals"));
        assert_eq!(Origin::default().job(), None);
        let is_another = |job: &str| Origin::new(job, 0).is_another_job(&Origin::new("totals", 7));
        assert!(is_another("averages") && !is_another("totals"));
        assert!(!Origin::default().is_another_job(&origin));
        assert_eq!(Origin::default().to_string(), "a job of an older version");
    }
}
