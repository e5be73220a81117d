//! Sends purchase events to Kafka: at a rate, some of them late, some of them unreadable.
//!
//! Flags (`args.rs`) become a generator and a load; `arus_kafka::load` does the rest. The real
//! clock, and the seed if none is given, are made here.

mod args;
mod maker;

use std::process::ExitCode;

use anyhow::Context;
use arus_kafka::load::Load;
use arus_models::{PurchaseGenerator, PurchaseOptions};
use arus_runtime::clock::{Clock, SystemClock};
use arus_runtime::{exit, shutdown};
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
    args.log.init()?;
    if let Some(address) = args.metrics.serve()? {
        tracing::info!(%address, "metrics at /metrics");
    }
    // For the signals only: sending blocks, and stays on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the thread that listens for signals")?;
    let signals = runtime.enter();
    let shutdown = shutdown::on_signals()?;
    drop(signals);

    let clock = SystemClock::new();
    let seed = args.load.seed.unwrap_or_else(|| own_seed(&clock));
    let generator = PurchaseGenerator::new(seed, options)?;
    tracing::info!(topic = args.topic, seed, rate = args.load.rate, "making purchases");
    let load = Load {
        kafka: &args.kafka,
        args: &args.load,
        topic: &args.topic,
        topic_configs: Vec::new(),
        clock: &clock,
        shutdown: &shutdown,
    };
    let closing = load.run(&mut PurchaseMaker::new(generator))?;
    println!("{closing}");
    if let Some(path) = &args.load.summary {
        closing.write_summary(path)?;
    }
    Ok(closing.verdict()?)
}

/// A seed that another process, or another start, does not have.
fn own_seed(clock: &SystemClock) -> u64 {
    clock.wall_ms().unsigned_abs() << 20 ^ u64::from(std::process::id())
}
