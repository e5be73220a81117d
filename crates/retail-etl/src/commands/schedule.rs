//! `retail-etl schedule`: runs at the times of a cron expression.

use clap::Args;

use super::World;
use crate::Error;

/// The flags of `schedule`.
#[derive(Clone, Debug, Args)]
pub struct ScheduleCommand {}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &ScheduleCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
