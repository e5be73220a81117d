//! The batch job over the Online Retail CSV, as a program.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arus_runtime::clock::SystemClock;
use arus_runtime::environment::with_variables;
use arus_runtime::exit::{self, WrongUse};
use arus_runtime::shutdown::on_signals;
use clap::{CommandFactory, FromArgMatches};
use retail_etl::Error;
use retail_etl::args::Args;
use retail_etl::commands::{self, Command, World};

fn main() -> ExitCode {
    // The one that runs in containers. What --on-failure starts has variables of its own, which the
    // other subcommands must not take for flags.
    let schedule = |command| with_variables(command, &["force"]);
    let matches = Args::command().mut_subcommand("schedule", schedule).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    exit::report(start(&args))
}

fn start(args: &Args) -> anyhow::Result<()> {
    // A schedule talks by its log; the other commands print what they have to say.
    let warnings_only = !matches!(args.command, Command::Schedule(_));
    let log_copy = args.log.init_with_copy(warnings_only)?;
    // For the database and for signals; the work itself has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let guard = runtime.enter();
    let shutdown = on_signals()?;
    drop(guard);
    let world = World {
        clock: Arc::new(SystemClock::new()),
        shutdown,
        runtime: runtime.handle().clone(),
        terminal: std::io::stderr().is_terminal(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        log_copy,
    };
    commands::run(&args.command, &world).map_err(WrongUse::if_so(Error::is_wrong_use))
}
