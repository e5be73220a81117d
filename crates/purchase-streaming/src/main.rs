//! Totals purchases per window of event time: the streaming job, told about purchases.

mod decoder;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arus_runtime::clock::SystemClock;
use arus_runtime::exit;
use arus_runtime::logging::LogArgs;
use arus_runtime::metrics::MetricsArgs;
use arus_runtime::number::group_digits;
use arus_runtime::shutdown::on_signals;
use arus_streaming::options::{Defaults, StreamingArgs};
use arus_streaming::program::{Program, World, run};
use arus_streaming::progress::Progress;
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
/// the job goes on where it stood; the rows in a database or in files are then the same as without
/// the kill.
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
    let matches = DEFAULTS.apply(Args::command()).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    exit::report(start(&args))
}

fn start(args: &Args) -> anyhow::Result<()> {
    start_log(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let guard = runtime.enter();
    let shutdown = on_signals()?;
    if let Some(address) = args.metrics.serve()? {
        tracing::info!(%address, "metrics at /metrics");
    }
    // After the recorder is there: before, the descriptions would go nowhere.
    arus_streaming::metrics::describe();
    drop(guard);
    let program = Program {
        schema: arus_models::purchase_schema(),
        time_column: "ts",
        new_decoder: decoder::new,
    };
    let world = World {
        clock: Arc::new(SystemClock::new()),
        shutdown,
        runtime: runtime.handle().clone(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        terminal: std::io::stdout().is_terminal(),
    };
    let progress = run(&args.streaming, &program, world)?;
    report(&progress);
    Ok(())
}

/// Logs go to standard error, unless the live view has the terminal.
fn start_log(args: &Args) -> anyhow::Result<()> {
    let live = args.streaming.output.is_live(std::io::stdout().is_terminal());
    if !(live && std::io::stderr().is_terminal()) {
        return Ok(args.log.init()?);
    }
    let folder = Path::new(".arus/logs");
    std::fs::create_dir_all(folder).context("cannot make .arus/logs")?;
    let file = folder.join(format!("{}.log", args.streaming.run.job));
    Ok(args.log.init_to_file(&file)?)
}

/// The closing line.
fn report(progress: &Progress) {
    let run = progress.run;
    println!(
        "read {} = counted {} + late {} + rejected {} · windows closed {}, still open {} · epoch {}",
        group_digits(run.read),
        group_digits(run.counted),
        group_digits(run.late),
        group_digits(run.rejected),
        group_digits(progress.closed_windows),
        progress.open_windows,
        progress.epoch,
    );
}
