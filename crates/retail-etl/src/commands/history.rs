//! `retail-etl history`: the runs that were made.

use clap::Args;

use super::World;
use crate::Error;

/// The flags of `history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryCommand {}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &HistoryCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
