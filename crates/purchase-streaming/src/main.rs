//! Totals purchases per window of event time: the streaming job, told about purchases.

mod decoder;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use arus_runtime::environment::with_variables;
use arus_runtime::exit::{self, WrongUse};
use arus_runtime::logging::LogArgs;
use arus_runtime::metrics::MetricsArgs;
use arus_runtime::number::group_digits;
use arus_runtime::output;
use arus_streaming::Error;
use arus_streaming::options::{Defaults, StreamingArgs};
use arus_streaming::program::{World, start_log};
use arus_streaming::progress::Progress;
use arus_streaming::window_program::{WindowProgram, run};
use clap::{CommandFactory, FromArgMatches, Parser};

const DEFAULTS: Defaults = Defaults {
    job: "purchase-streaming",
    topic: "purchases",
    table: "purchase_windows",
    group_by: "furniture",
    aggregates: &[
        "count(*) as purchases",
        "sum(price) as total_price",
        "avg(price) as avg_price",
        "min(price) as min_price",
        "max(price) as max_price",
    ],
};

/// Totals purchases per window of event time
///
/// Reads purchase events from a Kafka topic, sums them up per window (30 seconds unless told
/// otherwise) and group (furniture) under a watermark, and writes one row per window and group when
/// the window is over. A row that comes after its window closed is kept on the late topic, one that
/// cannot be read on the rejected topic, and always: read = counted + late + rejected.
///
/// Progress is kept in a folder of checkpoints. Started again after a stop or a kill at any moment,
/// the job goes on where it stood; the rows in a database, in files, and on a topic of a broker with
/// transactions are then the same as without the kill.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = include_str!("after_help.txt"))]
struct Args {
    #[command(flatten)]
    streaming: StreamingArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
}

fn main() -> ExitCode {
    let command = with_variables(DEFAULTS.apply(Args::command()), &["reset"]);
    let matches = command.get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    exit::report(start(&args))
}

fn start(args: &Args) -> anyhow::Result<()> {
    if args.metrics.ask_health()?.is_some() {
        return Ok(());
    }
    let live = args.streaming.output.is_live(std::io::stdout().is_terminal());
    start_log(&args.log, &args.streaming.run.job, live)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let world = World::real(&runtime, &args.metrics)?;
    let program = WindowProgram {
        schema: arus_models::purchase_schema(),
        time_column: "ts",
        new_decoder: decoder::new,
    };
    let done = run(&args.streaming, &program, world);
    report(&done.map_err(WrongUse::if_so(Error::is_wrong_use))?)
}

/// The closing line.
fn report(progress: &Progress) -> anyhow::Result<()> {
    let run = progress.run;
    output::line(format_args!(
        "read {} = counted {} + late {} + rejected {} · windows closed {}, still open {} · epoch {}",
        group_digits(run.read),
        group_digits(run.counted),
        group_digits(run.late),
        group_digits(run.rejected),
        group_digits(progress.closed_windows),
        progress.open_windows,
        progress.epoch,
    ))?;
    Ok(())
}
