//! Sends purchase events to Kafka: at a rate, some of them late, some of them unreadable.
//!
//! Flags (`args.rs`) become a generator and its maker; `arus_kafka::load` does the rest.

mod args;
mod maker;

use std::process::ExitCode;

use arus_kafka::load::Program;
use arus_models::{PurchaseGenerator, PurchaseOptions};
use arus_runtime::exit;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::Args;
use maker::PurchaseMaker;

fn main() -> ExitCode {
    let args = Args::parse();
    let options = args.options().unwrap_or_else(|reason| {
        let wrong_use = Args::command().error(ErrorKind::ValueValidation, reason);
        wrong_use.exit()
    });
    exit::report(run(&args, options))
}

fn run(args: &Args, options: PurchaseOptions) -> anyhow::Result<()> {
    let program = Program::start(&args.common)?;
    let generator = PurchaseGenerator::new(program.seed, options)?;
    Ok(program.send(&args.topic, Vec::new(), &mut PurchaseMaker::new(generator))?)
}
