//! `retail-etl backfill`: runs for times that went by without one.

use arus_runtime::output;
use arus_schedule::RunState;
use arus_schedule::backfill::{self, Only, Planned, Recorded};
use arus_store::Store;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::{Args, ValueEnum};

use super::World;
use super::run::time_text;
use super::schedule::TimesArgs;
use crate::Error;
use crate::args::RunArgs;
use crate::execution::args::JobArgs;
use crate::execution::{self, Occasion, Surroundings};
use crate::history::{History, RunKind};
use crate::run::RunOptions;

/// The flags of `backfill`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = include_str!("backfill_help.txt"))]
pub struct BackfillCommand {
    /// When runs were due.
    #[command(flatten)]
    pub times: TimesArgs,

    /// Begin of the range: a date, a date and time on the clock of --tz, or with an offset.
    #[arg(long, value_name = "TIME", value_parser = time_text, help_heading = "Schedule")]
    pub from: String,

    /// End of the range, itself included; of a date all of the day. Times that have not come yet get no
    /// run.
    #[arg(long, value_name = "TIME", value_parser = time_text, help_heading = "Schedule")]
    pub to: String,

    /// Which times get a run.
    #[arg(long, value_enum, default_value_t = OnlyArg::Missing, help_heading = "Schedule")]
    pub only: OnlyArg,

    /// Prints the times and what is known of them, and does nothing.
    #[arg(long, help_heading = "Schedule")]
    pub dry_run: bool,

    /// Waits for the end of a run that is at work, rather than fail.
    #[arg(long, help_heading = "Running")]
    pub wait_for_lock: bool,

    /// How a run is made.
    #[command(flatten)]
    pub job: JobArgs,
    /// What a run is told.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnlyArg {
    /// Without a run that came to its end
    Missing,
    /// Whose run failed or took too long
    Failed,
    /// Each, also those that succeeded
    All,
}

/// Makes the runs, oldest first.
///
/// # Errors
/// One sentence: what is wrong, where, what to do; also when a run failed.
pub fn run(command: &BackfillCommand, world: &World) -> Result<(), Error> {
    let options = RunOptions { progress_bar: false, ..command.run.options(world) };
    world.runtime.block_on(fill(command, &options, &world.surroundings()))
}

async fn fill(
    command: &BackfillCommand,
    options: &RunOptions,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    let planned = tokio::select! {
        planned = plan(command, options, surroundings.now()) => planned?,
        () = surroundings.shutdown.requested() => return Err(Error::Stopped),
    };
    if command.dry_run {
        output::text(shown(&planned, command.times.tz))?;
        return Ok(());
    }
    let due: Vec<&Planned> = planned.iter().filter(|it| it.is_due).collect();
    output::line(format_args!("{} of {} scheduled times are to run", due.len(), planned.len()))?;
    let (mut made, mut failed) = (0, 0);
    let all = due.len();
    for planned in due {
        if surroundings.shutdown.is_requested() {
            return Err(Error::BackfillStopped { made, due: all });
        }
        let occasion = Occasion {
            kind: RunKind::Backfill,
            scheduled_for: Some(planned.scheduled_for),
            zone: command.times.tz,
            waits_for_lock: command.wait_for_lock,
        };
        let ended = execution::execute(surroundings, options, &command.job, &occasion).await?;
        let at = planned.scheduled_for.with_timezone(&command.times.tz);
        match (&ended.error, ended.state) {
            (_, RunState::Interrupted) => {
                return Err(Error::BackfillStopped { made, due: all });
            }
            (Some(error), state) => output::line(format_args!("{at}  {state}: {error}"))?,
            (None, state) => output::line(format_args!("{at}  {state}"))?,
        }
        made += 1;
        failed += usize::from(ended.error.is_some());
    }
    match failed {
        0 => Ok(()),
        failed => Err(Error::RunsFailed { failed, made }),
    }
}

/// All times of the range that have come, with what the history knows of them.
async fn plan(
    command: &BackfillCommand,
    options: &RunOptions,
    now: DateTime<Utc>,
) -> Result<Vec<Planned>, Error> {
    let timetable = command.times.timetable()?;
    let (from, to) = backfill::range(command.times.tz, &command.from, &command.to)?;
    if from > now {
        let from = &command.from;
        return Err(Error::Usage(format!(
            "the range begins in the future ({from}): backfill is for times that went by"
        )));
    }
    let to = to.min(now);
    let load = &options.load;
    let mut recorded = Vec::new();
    let store = Store::connect_if_there(load.database.url(), load.retry_for).await?;
    let history = match store {
        Some(store) => History::find(store, &command.job.job, &load.table_prefix).await?,
        None => None,
    };
    if let Some(history) = history {
        let runs = history.runs_for(from, to).await?;
        // The newest come first; planning wants them in order.
        let known = runs.iter().rev().filter_map(|run| {
            Some(Recorded { scheduled_for: run.scheduled_for?, state: run.state })
        });
        recorded.extend(known);
        history.close().await;
    }
    let only = match command.only {
        OnlyArg::Missing => Only::Missing,
        OnlyArg::Failed => Only::Failed,
        OnlyArg::All => Only::All,
    };
    Ok(backfill::plan(&timetable, (from, to), only, &recorded)?)
}

/// What `--dry-run` prints.
fn shown(planned: &[Planned], zone: Tz) -> String {
    let mut text = String::new();
    for time in planned {
        let at = time.scheduled_for.with_timezone(&zone);
        let known = time.recorded.map_or("no run", RunState::as_str);
        let plan = if time.is_due { "would run" } else { "-" };
        text.push_str(&format!("{:<26} {known:<12} {plan}\n", at.to_string()));
    }
    let due = planned.iter().filter(|time| time.is_due).count();
    text.push_str(&format!("{due} of {} scheduled times would run\n", planned.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_as_it_is_printed() {
        let time = |text: &str, recorded, is_due| Planned {
            scheduled_for: text.parse().unwrap(),
            recorded,
            is_due,
        };
        let planned = [
            time("2026-11-23T19:00:00Z", Some(RunState::Success), false),
            time("2026-11-24T19:00:00Z", None, true),
        ];
        assert_eq!(
            shown(&planned, chrono_tz::Asia::Jakarta),
            "2026-11-24 02:00:00 WIB    success      -\n\
             2026-11-25 02:00:00 WIB    no run       would run\n\
             1 of 2 scheduled times would run\n"
        );
    }
}
