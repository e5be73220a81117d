//! `retail-etl history`: the runs that were made.

use std::time::Duration;

use arus_runtime::{duration, output};
use arus_schedule::RunState;
use arus_store::{Condition, DatabaseArgs, Store};
use chrono_tz::Tz;
use clap::Args;

use super::World;
use super::run::zone;
use crate::Error;
use crate::execution::args::job_name;
use crate::history::{History, RunRecord, StepRecord, show};

/// The flags of `history`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = include_str!("history_help.txt"))]
pub struct HistoryCommand {
    /// Shows one run: all that is known of it, and its steps.
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,

    /// Shows so many runs, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, conflicts_with = "run",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,

    /// Shows runs in these states only, by commas: running, retrying, success, failed, timed_out,
    /// interrupted, skipped.
    #[arg(long, value_name = "STATES", value_delimiter = ',', conflicts_with = "run")]
    pub state: Vec<RunState>,

    /// Prints JSON: an array of runs; with --run one object that has its steps. Times are UTC.
    #[arg(long)]
    pub json: bool,

    /// Time zone of the times that are shown.
    #[arg(long, value_name = "ZONE", value_parser = zone, default_value = "UTC")]
    pub tz: Tz,

    /// Name of the job.
    #[arg(long, value_name = "NAME", default_value = "retail-etl", value_parser = job_name)]
    pub job: String,

    /// What the tables' names in the database begin with, as at the runs.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub table_prefix: String,

    /// How long a database that is away or locked is tried again.
    #[arg(long, env = "ARUS_RETRY_FOR", value_parser = duration::parse, default_value = "5s",
          value_name = "DURATION")]
    pub retry_for: Duration,

    /// The database's address.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Prints them.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(command: &HistoryCommand, world: &World) -> Result<(), Error> {
    let text = world.runtime.block_on(async {
        tokio::select! {
            text = text(command) => text,
            () = world.shutdown.requested() => Err(Error::Stopped),
        }
    })?;
    output::text(text)?;
    Ok(())
}

async fn text(command: &HistoryCommand) -> Result<String, Error> {
    let url = command.database.url();
    let (job, prefix) = (&command.job, &command.table_prefix);
    let (history, place) = match Store::connect_if_there(url, command.retry_for).await? {
        Some(store) => (History::find(store.clone(), job, prefix).await?, store.describe()),
        None => (None, url.replacen("sqlite://", "SQLite file ", 1)),
    };
    let text = match &command.run {
        Some(run_id) => {
            let (run, steps) = one(history.as_ref(), command, run_id).await?;
            match command.json {
                true => show::run_json(&run, &steps),
                false => show::run_text(&run, &steps, command.tz),
            }
        }
        None => {
            let runs = newest(history.as_ref(), command).await?;
            match command.json {
                true => show::runs_json(&runs),
                false if runs.is_empty() => {
                    let such = if command.state.is_empty() { "" } else { "such " };
                    format!("no {such}runs of job {} in {place}\n", command.job)
                }
                false => show::runs_text(&runs, command.tz),
            }
        }
    };
    if let Some(history) = history {
        history.close().await;
    }
    Ok(text)
}

async fn one(
    history: Option<&History>,
    command: &HistoryCommand,
    run_id: &str,
) -> Result<(RunRecord, Vec<StepRecord>), Error> {
    let absent = || Error::NoSuchRun { run: run_id.to_owned(), job: command.job.clone() };
    let history = history.ok_or_else(absent)?;
    let named = Condition::OneOf { column: "run_id", texts: vec![run_id] };
    let run = history.runs(vec![named], Some(1)).await?.pop().ok_or_else(absent)?;
    let steps = history.steps(run_id).await?;
    Ok((run, steps))
}

async fn newest(
    history: Option<&History>,
    command: &HistoryCommand,
) -> Result<Vec<RunRecord>, Error> {
    let Some(history) = history else { return Ok(Vec::new()) };
    let limit = Some(command.limit);
    match command.state.as_slice() {
        [] => history.runs(Vec::new(), limit).await,
        states => history.runs_in(states, limit).await,
    }
}
