//! `retail-etl run`: one run, and what it found.

use arus_runtime::output;
use arus_schedule::{RunState, backfill, parse_zone};
use chrono_tz::Tz;
use clap::Args;

use super::World;
use crate::Error;
use crate::args::RunArgs;
use crate::execution::args::JobArgs;
use crate::execution::{self, Ended, Occasion};
use crate::history::RunKind;
use crate::run::RunOutcome;
use crate::summary::{UNCHANGED, summary};

/// The flags of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunCommand {
    /// What a run is told.
    #[command(flatten)]
    pub run: RunArgs,
    /// How a run is made.
    #[command(flatten)]
    pub job: JobArgs,

    /// Waits for the end of a run that is at work, rather than fail.
    #[arg(long, help_heading = "Running")]
    pub wait_for_lock: bool,

    /// The time that the run is for, where something else than `retail-etl schedule` keeps the
    /// schedule: it fills %Y-%m-%d and the like in INPUT, and stands in the history. With an offset
    /// (2026-11-25T02:00:00+07:00), or on the clock of --tz.
    #[arg(long, value_name = "TIME", value_parser = time_text, help_heading = "Running")]
    pub scheduled_for: Option<String>,

    /// Time zone of %Y-%m-%d and the like in INPUT.
    #[arg(long, value_name = "ZONE", value_parser = zone, default_value = "UTC",
          help_heading = "Running")]
    pub tz: Tz,
}

/// Makes one run and prints its summary.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(command: &RunCommand, world: &World) -> Result<(), Error> {
    let time = command.scheduled_for.as_deref().map(|text| backfill::bound(command.tz, text));
    let occasion = Occasion {
        kind: RunKind::Manual,
        scheduled_for: time.transpose()?.map(|(time, _)| time),
        zone: command.tz,
        waits_for_lock: command.wait_for_lock,
    };
    let options = command.run.options(world);
    let surroundings = world.surroundings();
    let made = execution::execute(&surroundings, &options, &command.job, &occasion);
    let Ended { state, outcome, error, .. } = world.runtime.block_on(made)?;
    match (outcome, error) {
        (Some(RunOutcome::Done(result)), _) => output::text(summary(&result))?,
        (Some(RunOutcome::Unchanged { .. }), _) => output::line(UNCHANGED)?,
        (None, _) if state == RunState::Interrupted => return Err(Error::Stopped),
        (None, Some(error)) => return Err(error),
        (None, None) => {}
    }
    Ok(())
}

/// For clap: a time zone by name.
pub(super) fn zone(text: &str) -> Result<Tz, String> {
    parse_zone(text).map_err(|error| error.to_string())
}

/// For clap: a time or a date, to be read again on the clock of `--tz`.
pub(super) fn time_text(text: &str) -> Result<String, String> {
    let read = backfill::bound(Tz::UTC, text);
    read.map(|_| text.to_owned()).map_err(|error| error.to_string())
}
