//! Epochs: what a job's step from one to the next is, and how it is found out whose step it was.

use crate::Error;
use crate::failure::Failure;

/// A job's step from one epoch to the next.
#[derive(Clone, Copy, Debug)]
pub struct EpochStep<'a> {
    /// The job.
    pub job: &'a str,
    /// The epoch that it must stand at; `None` before the first.
    pub previous: Option<u64>,
    /// The epoch that it moves to.
    pub epoch: u64,
    /// Whose epochs these are: a word that is kept at the first, and that those after must bring too.
    pub writer: &'a str,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCommit {
    /// The last epoch.
    pub epoch: u64,
    /// Whose epochs these are.
    pub writer: String,
}

/// A conditional change of a job's epoch, and what its earlier attempts would have left.
pub(crate) struct EpochChange<'a> {
    pub(crate) job: &'a str,
    pub(crate) previous: Option<i64>,
    pub(crate) epoch: i64,
    pub(crate) writer: &'a str,
    /// The marks of attempts whose commit may have happened although its answer was lost. A row
    /// with one of them is ours; a row with the same epoch and another mark is another process's.
    pub(crate) attempts: Vec<String>,
}

/// A job's row in the table of epochs.
pub(crate) struct EpochRow {
    epoch: i64,
    mark: String,
    writer: String,
}

impl EpochRow {
    /// From the columns `epoch`, `commit_mark`, `writer`.
    pub(crate) fn of((epoch, mark, writer): (i64, String, String)) -> Self {
        Self { epoch, mark, writer }
    }

    pub(crate) fn into_last_commit(self) -> LastCommit {
        LastCommit { epoch: self.epoch.unsigned_abs(), writer: self.writer }
    }
}

impl<'a> EpochChange<'a> {
    pub(crate) fn of(step: &EpochStep<'a>) -> Result<Self, Error> {
        check_job(step.job)?;
        let fits = |epoch: u64| {
            i64::try_from(epoch).map_err(|_| Error::InvalidJob {
                job: step.job.to_string(),
                reason: format!("its epoch {epoch} is above {}", i64::MAX),
            })
        };
        Ok(Self {
            job: step.job,
            previous: step.previous.map(fits).transpose()?,
            epoch: fits(step.epoch)?,
            writer: step.writer,
            attempts: Vec::new(),
        })
    }

    /// What it means that the row was not as expected: `Ok` if an earlier attempt of ours changed
    /// it.
    pub(crate) fn judge(&self, found: Option<EpochRow>) -> Result<(), Failure> {
        match found {
            Some(row) if row.epoch == self.epoch && self.attempts.contains(&row.mark) => Ok(()),
            found => Err(Failure::Epoch {
                job: self.job.to_string(),
                found: found.map(EpochRow::into_last_commit),
            }),
        }
    }
}

/// Refuses names that the databases would cut or not take.
pub(crate) fn check_job(job: &str) -> Result<(), Error> {
    let reason = match job {
        "" => "its name is empty",
        _ if job.len() > 200 => "its name has more than 200 bytes",
        _ if job.contains('\0') => "its name has a NUL character",
        _ => return Ok(()),
    };
    Err(Error::InvalidJob { job: job.to_string(), reason: reason.to_string() })
}
