//! The flags that all subcommands share that make runs: how a run is made, beside what it does.

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::duration;
use arus_schedule::RetryPolicy;
use clap::Args;

/// How a run is made.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct JobArgs {
    /// Name of the job: in the history, and for the lock that keeps two runs of it from working at
    /// once.
    #[arg(long, value_name = "NAME", default_value = "retail-etl", value_parser = job_name)]
    pub job: String,

    /// Runs also when the input is as it was at the last run that succeeded.
    #[arg(long)]
    pub force: bool,

    /// How often a run that failed is tried again.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub retries: u32,

    /// How long to wait before it is tried again.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", default_value = "5m")]
    pub retry_delay: Duration,

    /// The longest that an attempt may take; then it is stopped, nothing of it is loaded, and it
    /// counts as failed [default: as long as it takes].
    #[arg(long, value_parser = duration::parse_positive, value_name = "DURATION")]
    pub timeout: Option<Duration>,

    /// Command for the shell, run when a run has failed for good: to send a mail, say. In its
    /// environment: ARUS_RUN_ID, ARUS_JOB, ARUS_KIND, ARUS_STATE (failed or timed_out), ARUS_ERROR,
    /// ARUS_ATTEMPT, ARUS_SCHEDULED_FOR (UTC, may be empty) and ARUS_LOG_FILE. It may take five
    /// minutes.
    #[arg(long, value_name = "COMMAND")]
    pub on_failure: Option<String>,

    /// Folder of the logs, one file a run [default: OUTPUT/logs].
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,

    /// How many log files of runs stay in that folder: the newest, that of the run among them.
    #[arg(long, value_name = "NUMBER", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_logs: u32,
}

impl JobArgs {
    /// What the flags say of attempts.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy { retries: self.retries, delay: self.retry_delay, timeout: self.timeout }
    }
}

/// A name that can be a part of a lock's name, in a file name too.
pub fn job_name(text: &str) -> Result<String, String> {
    let plain = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    match text.len() {
        1..=100 if text.chars().all(plain) => Ok(text.to_owned()),
        _ => Err("write 1 to 100 letters, digits, '-', '_' or '.'".to_owned()),
    }
}
