//! `retail-etl schedule`: runs at the times of a cron expression.

use std::time::Duration;

use arus_runtime::duration;
use arus_runtime::metrics::{MetricsArgs, at_work};
use arus_schedule::{Catchup, RunState, Scheduler, Step, Timetable};
use arus_store::Store;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;

use super::World;
use super::run::zone;
use crate::args::RunArgs;
use crate::execution::args::JobArgs;
use crate::execution::{self, Occasion, Surroundings, metrics};
use crate::history::{History, RunKind};
use crate::run::RunOptions;
use crate::{Error, placeholders};

/// The clock may be set while nothing is due, so it is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The flags of `schedule`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = include_str!("schedule_help.txt"))]
pub struct ScheduleCommand {
    /// When.
    #[command(flatten)]
    pub times: TimesArgs,

    /// What to do, when the program starts or the machine wakes up, about times that went by:
    /// nothing, one run for the last of them, or a run for each, oldest first. A schedule that never
    /// ran has missed nothing.
    #[arg(long, value_name = "none|last|all", default_value_t, help_heading = "Schedule")]
    pub catchup: Catchup,

    /// Make a run when the program starts, too, whatever the time is: so the first tables need not
    /// wait for the first time. While the input is the same, it does nothing.
    #[arg(long, help_heading = "Schedule")]
    pub now: bool,

    /// How a run is made.
    #[command(flatten)]
    pub job: JobArgs,
    /// What a run is told.
    #[command(flatten)]
    pub run: RunArgs,
    /// Metrics.
    #[command(flatten)]
    pub metrics: MetricsArgs,
}

/// When runs are due.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Schedule")]
pub struct TimesArgs {
    /// When: minute, hour, day of month, month and day of week, as in '0 2 * * *' or '30 6 * * MON';
    /// or @hourly, @daily, @weekly, @monthly, @yearly. Six fields begin with the second.
    #[arg(long, value_name = "EXPRESSION", value_parser = cron)]
    pub cron: String,

    /// Time zone of --cron, and of %Y-%m-%d and the like in INPUT: Asia/Jakarta, Europe/Berlin, …
    #[arg(long, value_name = "ZONE", value_parser = zone, default_value = "UTC")]
    pub tz: Tz,
}

impl TimesArgs {
    /// The timetable that they name.
    ///
    /// # Errors
    /// When the expression is none; clap has looked at it already.
    pub fn timetable(&self) -> Result<Timetable, Error> {
        Ok(Timetable::parse(&self.cron, self.tz.name())?)
    }
}

/// Makes runs until it is stopped.
///
/// # Errors
/// When the schedule cannot be begun: the database is away, another program has the port of the
/// metrics. A run that fails does not end it.
pub fn run(command: &ScheduleCommand, world: &World) -> Result<(), Error> {
    if command.metrics.ask_health()?.is_some() {
        return Ok(());
    }
    if let Some(address) = command.metrics.serve()? {
        tracing::info!(%address, "metrics at /metrics");
    }
    // After the recorder is there: before, the descriptions would go nowhere.
    metrics::describe();
    let options = RunOptions { progress_bar: false, ..command.run.options(world) };
    world.runtime.block_on(keep(command, &options, &world.surroundings()))
}

async fn keep(
    command: &ScheduleCommand,
    options: &RunOptions,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    let last = tokio::select! {
        last = last_ended(command, options) => last?,
        () = surroundings.shutdown.requested() => return Ok(()),
    };
    let timetable = command.times.timetable()?;
    // Told now, and not by each run.
    placeholders::fill(
        &options.extract.inputs,
        surroundings.now().with_timezone(&command.times.tz),
    )?;
    tracing::info!(job = %command.job.job, cron = %timetable, catchup = %command.catchup, "schedule started");
    let mut scheduler = Scheduler::new(timetable, command.catchup, last, surroundings.now());
    at_work();
    if command.now {
        make(command, options, surroundings, None).await;
    }
    let mut told = None;
    while !surroundings.shutdown.is_requested() {
        let now = surroundings.now();
        match scheduler.step(now) {
            Step::Sleep { until: None } => {
                tracing::warn!("the schedule has no more times");
                surroundings.shutdown.requested().await;
            }
            Step::Sleep { until: Some(until) } => {
                if told.replace(until) != Some(until) {
                    announce(&scheduler, &command.job.job, until, now);
                }
                surroundings.wait(until_then(now, until)).await;
            }
            Step::Missed { count, first, last } => {
                let local = |time| scheduler.timetable().local(time).to_string();
                let (first, last) = (local(first), local(last));
                tracing::warn!(count, %first, %last, catchup = %command.catchup, "missed times are not made up");
            }
            Step::Start { scheduled_for } => {
                make(command, options, surroundings, Some(scheduled_for)).await;
            }
        }
    }
    tracing::info!("schedule stopped");
    Ok(())
}

/// The time from which on runs are due: that of the last scheduled run that came to its end; before any
/// did, a moment before the first that was begun, so that it is made up like any other.
async fn last_ended(
    command: &ScheduleCommand,
    options: &RunOptions,
) -> Result<Option<DateTime<Utc>>, Error> {
    let load = &options.load;
    let store = Store::connect(load.database.url(), load.retry_for).await?;
    let history = History::open(store, &command.job.job, &load.table_prefix).await?;
    if let Some(ended) = history.last_success().await?.and_then(|run| run.ended) {
        metrics::succeeded(&command.job.job, ended);
    }
    let last = history.last_scheduled().await?;
    history.close().await;
    Ok(last)
}

fn announce(scheduler: &Scheduler, job: &str, until: DateTime<Utc>, now: DateTime<Utc>) {
    metrics::next_run(job, until);
    let left = (until - now).to_std().unwrap_or_default();
    let left = duration::display(Duration::from_secs(left.as_secs()));
    tracing::info!(at = %scheduler.timetable().local(until), r#in = %left, "next run");
}

fn until_then(now: DateTime<Utc>, until: DateTime<Utc>) -> Duration {
    (until - now).to_std().unwrap_or_default().min(LOOK_AGAIN)
}

/// Makes the run of one time, or one that is for none. What goes wrong is told in the log and the history.
async fn make(
    command: &ScheduleCommand,
    options: &RunOptions,
    surroundings: &Surroundings,
    scheduled_for: Option<DateTime<Utc>>,
) {
    let occasion = Occasion {
        kind: if scheduled_for.is_some() { RunKind::Scheduled } else { RunKind::Manual },
        scheduled_for,
        zone: command.times.tz,
        waits_for_lock: true,
    };
    let at = scheduled_for.unwrap_or_else(|| surroundings.now()).with_timezone(&command.times.tz);
    match execution::execute(surroundings, options, &command.job, &occasion).await {
        Ok(ended) if ended.outcome.is_none() && ended.error.is_none() => {
            tracing::info!(run = %ended.run_id, state = %ended.state, %at, "run was made already");
        }
        Ok(ended) if ended.state == RunState::Interrupted => {}
        Ok(execution::Ended { run_id, state, error: Some(error), .. }) => {
            tracing::error!(run = %run_id, %state, %at, %error, "run failed");
        }
        Ok(ended) => tracing::info!(run = %ended.run_id, state = %ended.state, %at, "run over"),
        Err(error) => tracing::error!(%at, %error, "run could not begin"),
    }
}

/// For clap: a cron expression, to be read again with its zone.
fn cron(text: &str) -> Result<String, String> {
    let read = Timetable::parse(text, "UTC");
    read.map(|_| text.to_owned()).map_err(|error| error.to_string())
}
