//! `retail-etl backfill`: runs for times that went by without one.

use clap::Args;

use super::World;
use crate::Error;

/// The flags of `backfill`.
#[derive(Clone, Debug, Args)]
pub struct BackfillCommand {}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &BackfillCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
