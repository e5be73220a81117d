//! `retail-etl report`: the report of tables that are there already.

use clap::Args;

use super::World;
use crate::Error;

/// The flags of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportCommand {}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &ReportCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
