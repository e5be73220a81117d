//! `retail-etl generate`: a sample of invoices, from a seed.

use clap::Args;

use super::World;
use crate::Error;

/// The flags of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateCommand {}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(_command: &GenerateCommand, _world: &World) -> Result<(), Error> {
    Ok(())
}
