//! What can go wrong in a run of the batch job.

use std::path::PathBuf;

/// A run's failure, in one sentence: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to read.
    #[error("there is no input at {pattern}: {reason}")]
    NoInput {
        /// What was asked for: a file, a folder or a glob.
        pattern: String,
        /// What was found instead, and what would do.
        reason: String,
    },
    /// A file that is not the CSV that is asked for.
    #[error("{}: {reason}", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// The column and what was found.
        reason: String,
    },
    /// A file that cannot be read to its end.
    #[error("{}, line {line}: {reason}", file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// The line that an editor shows, from 1.
        line: u64,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file that was written to meanwhile.
    #[error(
        "{} changed while it was read ({expected} bytes at first, then {found}): run again when it \
         is complete",
        file.display()
    )]
    Changed {
        /// The file.
        file: PathBuf,
        /// Its size when it was opened, bytes.
        expected: u64,
        /// What was read, bytes.
        found: u64,
    },
    /// More bad rows than are allowed.
    #[error(
        "{rejected} of {rows} rows were rejected, more than --max-rejects {limit} allows, so nothing \
         was loaded: see {} for each row and its reason",
        rejects.display()
    )]
    TooManyRejects {
        /// How many.
        rejected: u64,
        /// How many rows were read by then.
        rows: u64,
        /// As it was given.
        limit: String,
        /// The reject file.
        rejects: PathBuf,
    },
    /// Not one good row.
    #[error(
        "all {rejected} rows were rejected, so nothing was loaded: see {} for each row and its \
         reason",
        rejects.display()
    )]
    AllRejected {
        /// How many.
        rejected: u64,
        /// The reject file.
        rejects: PathBuf,
    },
    /// A file or folder that could not be worked with.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, `rename`, …
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A report that cannot be made of what there is.
    #[error("cannot make the report: {reason}")]
    Report {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A plan that cannot be computed.
    #[error("the tables cannot be computed: {0}")]
    Compute(#[from] datafusion::error::DataFusionError),
    /// Threads that the system does not give.
    #[error("cannot start the threads of the run: {0}")]
    Threads(std::io::Error),
    /// A table that cannot be coded as a file.
    #[error("table {table} cannot be written as {form}: {reason}")]
    Encode {
        /// The table.
        table: &'static str,
        /// CSV, Parquet.
        form: &'static str,
        /// The writer's word.
        reason: String,
    },
    /// The database, in its own sentence.
    #[error(transparent)]
    Database(#[from] arus_store::Error),
    /// A table of that name that is not one of ours.
    #[error(
        "table {table} in {database} is not one that this program wrote ({difference}): drop or \
         rename it, or choose other names by --table-prefix"
    )]
    OtherTable {
        /// Its name.
        table: String,
        /// Where it is.
        database: String,
        /// What is there and what was expected.
        difference: String,
    },
    /// Another run of the job is at work.
    #[error(
        "job {job} is at work already: {holder}; wait for its end, or start with --wait-for-lock"
    )]
    Busy {
        /// The job's name.
        job: String,
        /// Which run, by whom, since when.
        holder: String,
    },
    /// Another run has the output folder.
    #[error(
        "another run loads its results into {} and does not come to an end: wait for it, or choose \
         another folder by --output",
        folder.display()
    )]
    FolderBusy {
        /// The folder.
        folder: PathBuf,
    },
    /// The job's lock went with the database's session, and somebody else has it.
    #[error(
        "the lock of job {job} was lost with the connection to the database, and another run has, or had, it \
         since: nothing was loaded"
    )]
    LockLost {
        /// The job's name.
        job: String,
    },
    /// A file that is read, and would be overwritten.
    #[error(
        "{} is read, and the results would be written over it: choose another folder by --output, or keep \
         the invoices elsewhere",
        file.display()
    )]
    OwnInput {
        /// The file.
        file: PathBuf,
    },
    /// Not one row, good or bad.
    #[error(
        "there is no row in {files}, only the header, so nothing was loaded: is the export whole? \
         --allow-empty loads empty tables"
    )]
    NoRows {
        /// The file, or how many.
        files: String,
    },
    /// An attempt took too long and was stopped.
    #[error("it took longer than --timeout {timeout}, so it was stopped and nothing was loaded")]
    TimedOut {
        /// As it was given.
        timeout: String,
    },
    /// A mistake of ours.
    #[error("the run's thread panicked, see the log for where: please report it")]
    Panicked,
    /// A schedule that cannot be followed.
    #[error(transparent)]
    Schedule(#[from] arus_schedule::Error),
    /// The log file, in the runtime's own sentence.
    #[error(transparent)]
    Runtime(#[from] arus_runtime::Error),
    /// Runs that failed, each told in the log.
    #[error("{failed} of {made} runs failed: see \"retail-etl history\" for why")]
    RunsFailed {
        /// How many.
        failed: usize,
        /// How many there were.
        made: usize,
    },
    /// No run of that name.
    #[error("there is no run {run:?} in the history of job {job}: see \"retail-etl history\"")]
    NoSuchRun {
        /// What was asked for.
        run: String,
        /// The job's name.
        job: String,
    },
    /// A stop signal came between or in runs of a backfill.
    #[error("stopped after {made} of {due} runs")]
    BackfillStopped {
        /// How many were made.
        made: usize,
        /// How many were to be made.
        due: usize,
    },
    /// A stop signal came before the load.
    #[error("stopped before anything was loaded")]
    Stopped,
    /// Choices that do not go together.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Whether what was asked for cannot be, whatever there is to read: trying again does not help.
    #[must_use]
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Schedule(_) | Self::OwnInput { .. } => true,
            Self::Database(error) => matches!(error, arus_store::Error::Url { .. }),
            _ => false,
        }
    }

    /// A file's or folder's trouble.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: std::io::Error,
    ) -> Self {
        Self::File { action, path: path.into(), source }
    }
}
