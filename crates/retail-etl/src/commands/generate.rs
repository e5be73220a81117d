//! `retail-etl generate`: a sample of invoices, from a seed.

use clap::Args;

use super::World;
use crate::Error;
use crate::generate::{self, GenerateArgs};

/// The flags of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateCommand {
    /// What is made.
    #[command(flatten)]
    pub generate: GenerateArgs,
}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(command: &GenerateCommand, _world: &World) -> Result<(), Error> {
    generate::generate(&command.generate)
}
