//! Measures. Machines are noisy, so what counts are ratios of things measured in turn in one run.

mod end_to_end;
mod engine;
mod open_keys;
mod programs;

use std::process::ExitCode;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use arus_runtime::exit;
use clap::Parser;

use programs::World;

/// Measures the engine alone, the streaming job from a broker beside a consumer that only counts,
/// and the job's memory by open keys
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Purchases that the engine is given
    #[arg(long, default_value_t = 2_000_000)]
    engine_events: usize,

    /// Purchases that go through the broker
    #[arg(long, default_value_t = 2_000_000)]
    broker_events: usize,

    /// How often each thing is measured: of the engine the best is told, end to end the median
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    rounds: usize,

    /// Measures the engine only
    #[arg(long)]
    engine_only: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let run = || -> anyhow::Result<()> {
        let clock = SystemClock::new();
        engine::measure(args.engine_events, args.rounds, &clock)?;
        if !args.engine_only {
            let mut world = World::new(&clock)?;
            end_to_end::measure(&mut world, args.broker_events, args.rounds)?;
            open_keys::measure(&mut world)?;
        }
        Ok(())
    };
    exit::report(run())
}

/// For clap.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().map_err(|error| error.to_string())?;
    if number == 0 { Err("one or more".into()) } else { Ok(number) }
}

/// Runs something and says how long it took.
fn timed<T>(
    clock: &dyn Clock,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration)> {
    let before = clock.monotonic();
    let result = work()?;
    Ok((result, clock.monotonic().saturating_sub(before)))
}

/// `2.41 M/s`.
fn rate(events: usize, time: Duration) -> String {
    format!("{:.2} M/s", events as f64 / time.as_secs_f64() / 1e6)
}
