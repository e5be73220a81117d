//! How a job runs: the block of flags that all jobs share.

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::duration;
use clap::Args;

use super::StartArg;
use crate::Error;
use crate::job::Trigger;

/// How the job runs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Running")]
pub struct RunArgs {
    /// The job's name: its consumer group, and (after "arus.") its transactional id.
    #[arg(long)]
    pub job: String,

    /// When to write results: every so often (1s, 250ms, …), once (all that is there now as one
    /// epoch, then end) or available-now (the same in several epochs).
    #[arg(long, value_parser = parse_trigger, default_value = "1s")]
    pub trigger: Trigger,

    /// Folder of the checkpoints [default: .arus/checkpoints/JOB].
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,

    /// Shares the topic's partitions with all processes that run the same --job with this flag, as a
    /// consumer group. State and rows are kept in the database, so any process goes on where
    /// another one stood that left, was killed or fell behind. Takes the sinks database and console.
    #[arg(long, conflicts_with = "checkpoint")]
    pub shared: bool,

    /// Forgets the checkpoint and the rows in the sinks before starting: everything is computed
    /// anew.
    #[arg(long, visible_alias = "from-beginning")]
    pub reset: bool,

    /// Threads that read and aggregate; the work is spread over them by partition [default: the
    /// number of cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,

    /// Gives up when the broker has been away for this long, 2s or more. Until then the job waits, and
    /// goes on by itself.
    #[arg(long, value_parser = broker_timeout, default_value = "5m", value_name = "DURATION")]
    pub broker_timeout: Duration,
}

impl RunArgs {
    /// The folder of checkpoints.
    pub fn checkpoint(&self) -> PathBuf {
        let default = || PathBuf::from(".arus/checkpoints").join(&self.job);
        self.checkpoint.clone().unwrap_or_else(default)
    }

    /// Refuses choices that do not go together.
    ///
    /// # Errors
    /// A sentence that says which.
    pub fn check(&self, start: StartArg) -> Result<(), Error> {
        if self.trigger == Trigger::Every(Duration::ZERO) {
            return Err(Error::Unsupported("--trigger must be longer than 0".into()));
        }
        if self.shared && start == StartArg::Committed {
            return Err(Error::Unsupported(
                "--shared keeps its offsets in the database, where every process finds them: leave out \
                 --start committed"
                    .into(),
            ));
        }
        if self.reset && start == StartArg::Committed {
            return Err(Error::Unsupported(
                "--reset computes all anew, so it cannot begin where the group stood: leave out \
                 --start committed"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Refuses sinks that a shared job cannot have.
    pub(crate) fn check_sharing(&self, has_database: bool, has_others: bool) -> Result<(), Error> {
        match self.shared && (!has_database || has_others) {
            true => Err(Error::Unsupported(
                "--shared keeps state and rows together in the database: use --sink database or \
                 console,database"
                    .into(),
            )),
            false => Ok(()),
        }
    }
}

/// Reads `--broker-timeout`.
fn broker_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration::parse(text)?;
    // It is looked for every second.
    if timeout < Duration::from_secs(2) {
        return Err(format!("{} is too short: write 2s or more", text.trim()));
    }
    Ok(timeout)
}

/// Reads `--trigger`.
fn parse_trigger(text: &str) -> Result<Trigger, String> {
    match text {
        "once" => Ok(Trigger::Once),
        "available-now" => Ok(Trigger::AvailableNow),
        every => duration::parse(every)
            .map(Trigger::Every)
            .map_err(|error| format!("{error}; or once, or available-now")),
    }
}
