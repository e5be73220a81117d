//! What can be wrong with a schedule, in one sentence each.

/// A schedule, a zone or a range of time that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The cron expression cannot be read.
    #[error(
        "\"{text}\" is no cron expression ({reason}): write minute, hour, day of month, month and \
         day of week, as in '0 2 * * *', or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Cron {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cron expression names no day that exists.
    #[error("\"{text}\" never comes: no day fits its day of month and month")]
    Never {
        /// What was given.
        text: String,
    },
    /// The time zone is not one.
    #[error(
        "\"{name}\" is no time zone{}: write a name of the IANA database, as in Asia/Jakarta, \
         Europe/Berlin or UTC",
        suggestion.map_or_else(String::new, |zone| format!(" (did you mean {zone}?)"))
    )]
    Zone {
        /// What was given.
        name: String,
        /// A zone whose city is spelt so.
        suggestion: Option<&'static str>,
    },
    /// The bound of a range is no time.
    #[error("\"{text}\" is no time: write 2026-11-25, 2026-11-25T02:00 or 2026-11-25T02:00:00Z")]
    Bound {
        /// What was given.
        text: String,
    },
    /// A range that ends before it begins.
    #[error("the range ends before it begins: {from} comes after {to}")]
    Range {
        /// Its begin as given.
        from: String,
        /// Its end as given.
        to: String,
    },
    /// A range with more times than one would want to run.
    #[error("the range has more than {most} scheduled times: choose a shorter one")]
    TooMany {
        /// The most there may be.
        most: usize,
    },
}
