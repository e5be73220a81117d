//! One run of the batch job, from files to loaded tables: extract, transform, report, load.
//!
//! Nothing that an earlier run wrote is touched before the load, and the load comes last. So a run
//! that fails on its way (too many rejected rows, a full disk, a stop signal) leaves the old tables
//! and files as they were.

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::clock::Clock;
use arus_runtime::shutdown::Shutdown;

use crate::Error;
use crate::extract::ExtractOptions;
use crate::load::LoadOptions;
use crate::quality::Quality;
use crate::tables::Tables;
use crate::transform::TransformOptions;

/// Everything that a run is told.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What is read, and how strictly.
    pub extract: ExtractOptions,
    /// What is computed.
    pub transform: TransformOptions,
    /// Where results go.
    pub load: LoadOptions,
    /// The fingerprint of the last run that came to its end, as [`RunOutcome::fingerprint`] gave
    /// it. While the input is as it was then, and the same is asked of it, there is nothing to do.
    /// `None`: the run is made whatever the input (`--force`).
    pub last_fingerprint: Option<String>,
    /// Whether a progress bar may be drawn on standard error.
    pub progress_bar: bool,
    /// The stop signal: looked at between batches, and a last time before the load.
    pub stop: Shutdown,
}

/// What is told while a run goes on. The names are those of [`STEPS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// A step begins.
    Started {
        /// Its name.
        name: &'static str,
    },
    /// A step has come to its end. A step that fails has no end: the run returns the error.
    Ended {
        /// Its name.
        name: &'static str,
        /// Rows that went into it.
        rows_in: u64,
        /// Rows that came out of it.
        rows_out: u64,
        /// Rows that it set aside.
        rows_rejected: u64,
    },
}

/// The steps of a run, in order. Extract and transform work at the same time: rows go from one to
/// the other in batches.
pub const STEPS: [&str; 4] = ["extract", "transform", "report", "load"];

/// How a run ended that did not fail.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// All tables are where they were asked for.
    Done(Box<RunResult>),
    /// The input is as it was at the last run, so nothing was done.
    Unchanged {
        /// The fingerprint, as it was kept.
        fingerprint: String,
    },
}

/// What a run made.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The input: files, rows read, loaded and rejected, warnings.
    pub quality: Quality,
    /// The tables.
    pub tables: Tables,
    /// Where the results are, in words: `CSV files .arus/etl/*.csv`.
    pub places: Vec<String>,
    /// The report, where one was asked for.
    pub report: Option<PathBuf>,
    /// The rejected rows' file, where there are any.
    pub rejects: Option<PathBuf>,
    /// What to keep, to tell at the next run whether there is something to do.
    pub fingerprint: String,
    /// How long it took.
    pub took: Duration,
}

impl RunOutcome {
    /// What to keep, to tell at the next run whether there is something to do.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            RunOutcome::Done(result) => &result.fingerprint,
            RunOutcome::Unchanged { fingerprint } => fingerprint,
        }
    }
}

/// Makes one run. For synchronous code: it blocks, and drives futures of its own.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(
    options: &RunOptions,
    clock: &dyn Clock,
    on_step: &mut dyn FnMut(StepEvent),
) -> Result<RunOutcome, Error> {
    let _ = (options, clock, on_step);
    unreachable!("written next")
}
