//! `retail-etl run`: one run, and what it found.

use clap::Args;

use super::World;
use crate::Error;
use crate::args::RunArgs;

/// The flags of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunCommand {
    /// What a run is told.
    #[command(flatten)]
    pub run: RunArgs,

    /// Runs also when the input is as it was at the last run.
    #[arg(long)]
    pub force: bool,
}

/// Makes one run and prints its summary.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &RunCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
