//! Sends purchase events to Kafka: at a rate, some of them late, some of them unreadable.
//!
//! Flags (`args.rs`) become a generator and its maker; `arus_kafka::load` does the rest.

mod args;
mod maker;

use std::process::ExitCode;

use arus_kafka::load::Program;
use arus_models::{PurchaseGenerator, PurchaseOptions};
use arus_runtime::environment::with_variables;
use arus_runtime::exit;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use args::Args;
use maker::PurchaseMaker;

fn main() -> ExitCode {
    let matches = with_variables(Args::command(), &[]).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let options = args.options().unwrap_or_else(|reason| {
        let wrong_use = Args::command().error(ErrorKind::ValueValidation, reason);
        wrong_use.exit()
    });
    exit::report(run(&args, options))
}

fn run(args: &Args, options: PurchaseOptions) -> anyhow::Result<()> {
    if args.common.metrics.ask_health()?.is_some() {
        return Ok(());
    }
    let program = Program::start(&args.common)?;
    let generator = PurchaseGenerator::new(program.seed, options)?;
    Ok(program.send(&args.topic, Vec::new(), &mut PurchaseMaker::new(generator))?)
}
