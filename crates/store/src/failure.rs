//! Which failures pass by themselves, and how long to wait for that.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, LastCommit};

const FIRST_DELAY: Duration = Duration::from_millis(20);
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// Far longer than the rows of an epoch or of a batch run take.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(5 * 60);

/// Why an attempt at the database did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The driver's or the database's error.
    Sql(sqlx::Error),
    /// A job's epoch is not the expected one.
    Epoch { job: String, found: Option<LastCommit> },
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Sql(error)
    }
}

/// What kind of trouble an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No server, a broken connection, a server that starts or stops, a deadlock: may pass.
    Unreachable,
    /// Another writer holds the database: may pass.
    Locked,
    /// User, password or database name: will not pass.
    Refused,
    /// A certificate did not pass, or one side does not speak TLS: will not pass.
    Tls,
    /// The SQLite file cannot be opened or is no database: will not pass.
    File,
    /// Two processes made the same table in the same moment: looking again finds it.
    MadeMeanwhile,
    /// Anything else: will not pass.
    Permanent,
}

impl Trouble {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            // That is how rustls tells what is wrong with the other side; a broken connection is
            // told in other ways.
            sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => Trouble::Tls,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Trouble::Unreachable,
            sqlx::Error::Tls(_) => Trouble::Tls,
            // No answer at all, for the connection was closed before it.
            sqlx::Error::Protocol(text) if text.ends_with("from SSLRequest: 0x00") => {
                Trouble::Unreachable
            }
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                // PostgreSQL's codes have five characters, SQLite's are small numbers.
                match code.parse::<u32>() {
                    Ok(number) if code.len() < 5 => Self::of_sqlite(number, database.message()),
                    _ => Self::of_postgres(&code),
                }
            }
            _ => Trouble::Permanent,
        }
    }

    fn of_postgres(code: &str) -> Self {
        match code {
            // It starts or stops, gave an idle session up, or a transaction that stood still or took
            // too long; a conflict or a deadlock; no connection left.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "40001" | "40P01"
            | "53300" => Trouble::Unreachable,
            "55P03" => Trouble::Locked,
            "42P06" | "42P07" | "42710" | "23505" => Trouble::MadeMeanwhile,
            "3D000" => Trouble::Refused,
            _ if code.starts_with("08") => Trouble::Unreachable,
            _ if code.starts_with("28") => Trouble::Refused,
            _ => Trouble::Permanent,
        }
    }

    fn of_sqlite(code: u32, message: &str) -> Self {
        match code & 0xff {
            5 | 6 => Trouble::Locked,
            // SQLITE_CANTOPEN, SQLITE_NOTADB
            14 | 26 => Trouble::File,
            1 if message.ends_with("already exists")
                || message.starts_with("duplicate column name") =>
            {
                Trouble::MadeMeanwhile
            }
            _ => Trouble::Permanent,
        }
    }

    fn may_pass(self) -> bool {
        matches!(self, Trouble::Unreachable | Trouble::Locked)
    }
}

/// One attempt, cut off after a long time: a server whose machine vanished says nothing at all.
pub(crate) async fn bounded<T, E: From<sqlx::Error>>(
    attempt: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let cut_off = |_| Err(sqlx::Error::from(std::io::Error::from(ErrorKind::TimedOut)).into());
    tokio::time::timeout(LONGEST_ATTEMPT, attempt).await.unwrap_or_else(cut_off)
}

/// Bounded waiting through one call's failures.
pub(crate) struct Patience<'a> {
    database: &'a str,
    action: &'a str,
    retry_for: Duration,
    delay: Duration,
    deadline: Option<Instant>,
    /// The reason that was logged last.
    told: Option<String>,
}

/// When a wait from now on ends. One beyond all reason ends in a year.
fn after(length: Duration) -> Instant {
    Instant::now() + length.min(Duration::from_secs(365 * 24 * 60 * 60))
}

impl<'a> Patience<'a> {
    /// Counts from the first failure: work itself is not timed.
    pub(crate) fn new(database: &'a str, action: &'a str, retry_for: Duration) -> Self {
        Self { database, action, retry_for, delay: FIRST_DELAY, deadline: None, told: None }
    }

    /// Counts from now, for work that is itself mostly waiting.
    pub(crate) fn from_now(database: &'a str, action: &'a str, retry_for: Duration) -> Self {
        let deadline = Some(after(retry_for));
        Self { deadline, ..Self::new(database, action, retry_for) }
    }

    /// Waits a moment if trying again may help; otherwise the error to return.
    pub(crate) async fn wait(&mut self, error: sqlx::Error) -> Result<(), Error> {
        let trouble = Trouble::of(&error);
        let deadline = *self.deadline.get_or_insert_with(|| after(self.retry_for));
        if !trouble.may_pass() || Instant::now() + self.delay > deadline {
            return Err(self.explain(trouble, &error));
        }
        let (database, action) = (self.database, self.action);
        let told = reason(&error);
        // Once for each trouble: it may last for minutes.
        if self.told.as_ref() == Some(&told) {
            tracing::debug!(database, action, reason = told, "database unavailable still");
        } else {
            tracing::warn!(database, action, reason = told, "database unavailable, trying again");
            self.told = Some(told);
        }
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
        Ok(())
    }

    fn explain(&self, trouble: Trouble, error: &sqlx::Error) -> Error {
        let database = self.database.to_string();
        let waited = self.retry_for;
        let reason = reason(error);
        match trouble {
            Trouble::Unreachable => Error::Unreachable { database, waited, reason },
            Trouble::Locked => Error::Locked { database, waited },
            Trouble::Refused => Error::Refused { database, reason },
            Trouble::Tls => Error::Tls { database, reason },
            Trouble::File => Error::File { database, reason },
            Trouble::MadeMeanwhile | Trouble::Permanent => {
                Error::Database { database, action: self.action.to_string(), reason }
            }
        }
    }
}

/// The driver's words without its preambles.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "no connection became free or could be made".to_string(),
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("{} (code {code})", error.message()),
            None => error.message().to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_says_of_itself_passes_and_what_it_says_of_us_stays() {
        let cases = [
            ("57P03", Trouble::Unreachable),
            // A process that stood still in its transaction goes on.
            ("25P03", Trouble::Unreachable),
            ("08006", Trouble::Unreachable),
            ("55P03", Trouble::Locked),
            ("28P01", Trouble::Refused),
            ("42P01", Trouble::Permanent),
        ];
        for (code, trouble) in cases {
            assert_eq!(Trouble::of_postgres(code), trouble, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_without_any_answer_ends_and_counts_as_out_of_reach() {
        let error = bounded::<(), sqlx::Error>(std::future::pending()).await.unwrap_err();
        assert_eq!(Trouble::of(&error), Trouble::Unreachable, "{error}");
    }
}
