//! Sends bank customers to Kafka: each one's first state, then changes, closures among them.
//!
//! Flags (`args.rs`) become a generator and its maker; `arus_kafka::load` does the rest.

mod args;
mod maker;

use std::process::ExitCode;

use arus_kafka::load::Program;
use arus_models::{BankGenerator, BankOptions};
use arus_runtime::environment::with_variables;
use arus_runtime::exit;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use args::Args;
use maker::BankMaker;

fn main() -> ExitCode {
    let matches = with_variables(Args::command(), &[]).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let options = args.options().unwrap_or_else(|reason| {
        let wrong_use = Args::command().error(ErrorKind::ValueValidation, reason);
        wrong_use.exit()
    });
    exit::report(run(&args, options))
}

fn run(args: &Args, options: BankOptions) -> anyhow::Result<()> {
    if args.common.metrics.ask_health()?.is_some() {
        return Ok(());
    }
    let program = Program::start(&args.common)?;
    let generator = BankGenerator::new(program.seed, options)?;
    Ok(program.send(&args.topic, args.topic_configs(), &mut BankMaker::new(generator))?)
}
