//! What a user types: one file a subcommand, each with its flags and what it does.

pub mod backfill;
pub mod generate;
pub mod history;
pub mod report;
pub mod run;
pub mod schedule;

use std::sync::Arc;

use arus_runtime::clock::Clock;
use arus_runtime::logging::LogCopy;
use arus_runtime::shutdown::Shutdown;
use clap::Subcommand;
use tokio::runtime::Handle;

use crate::Error;
use crate::execution::Surroundings;

/// What a command gets from outside.
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The stop signal.
    pub shutdown: Shutdown,
    /// Where the database's futures run.
    pub runtime: Handle,
    /// Whether standard error is a terminal: then there is a progress bar.
    pub terminal: bool,
    /// Cores to spread the work over.
    pub cores: usize,
    /// The log's copy, one file a run.
    pub log_copy: LogCopy,
}

impl World {
    /// What executions need of it.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            clock: Arc::clone(&self.clock),
            shutdown: self.shutdown.clone(),
            log_copy: self.log_copy.clone(),
        }
    }
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Reads the invoices and writes all tables and the report
    ///
    /// Every row is checked; one that cannot be read goes to the reject file with its line and the
    /// reason, and always: rows = loaded + rejected. Then the tables are computed, and written to
    /// all places: rows that are no longer in the result go, and run twice it is the same. A run
    /// that fails leaves all earlier results as they were. One that finds the input as it was at
    /// the last run does nothing.
    #[command(after_long_help = include_str!("commands/run_help.txt"))]
    Run(run::RunCommand),
    /// Runs at the times of a cron expression, until it is stopped
    Schedule(schedule::ScheduleCommand),
    /// Makes the runs of times that went by without one
    Backfill(backfill::BackfillCommand),
    /// Prints the runs that were made
    History(history::HistoryCommand),
    /// Draws the report of the last run again, from the files that it left
    Report(report::ReportCommand),
    /// Writes a sample of invoices, always the same for the same seed
    Generate(generate::GenerateCommand),
}

/// Does what was typed.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(command: &Command, world: &World) -> Result<(), Error> {
    let done = match command {
        Command::Run(command) => run::run(command, world),
        Command::Schedule(command) => schedule::run(command, world),
        Command::Backfill(command) => backfill::run(command, world),
        Command::History(command) => history::run(command, world),
        Command::Report(command) => report::run(command, world),
        Command::Generate(command) => generate::run(command, world),
    };
    match done {
        // Whoever sends the signal wants no error from it.
        Err(stopped @ (Error::Stopped | Error::BackfillStopped { .. }))
            if world.shutdown.is_requested() =>
        {
            eprintln!("{stopped}");
            Ok(())
        }
        done => done,
    }
}
