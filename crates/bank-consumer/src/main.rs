//! Keeps the bank's customers and the averages of their balances: a table job, told about bank
//! customers.

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
use arus_streaming::options::{TableArgs, TableDefaults};
use arus_streaming::program::{World, start_log};
use arus_streaming::progress::Progress;
use arus_streaming::table_program::{TableProgram, run};
use clap::{CommandFactory, FromArgMatches, Parser};

const DEFAULTS: TableDefaults = TableDefaults { job: "bank-consumer", topic: "nasabah_bank" };

/// Keeps the bank's customers and the averages of their balances
///
/// Reads customers and their changes from a Kafka topic and keeps, continuously and exactly, how
/// many customers there are and the sum, average, minimum, maximum and median of their balances:
/// of all, by city, by account type. A change takes the place of what was known of the customer,
/// and a closed account is taken away, so that averages are over customers, not over messages.
///
/// Progress is kept in a folder of checkpoints. Started again after a stop or a kill at any moment,
/// the job goes on where it stood; the tables in the database are then the same as without the
/// kill.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = include_str!("after_help.txt"))]
struct Args {
    #[command(flatten)]
    table: TableArgs,
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
    let live = args.table.output.is_live(std::io::stdout().is_terminal());
    start_log(&args.log, &args.table.run.job, live)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let world = World::real(&runtime, &args.metrics)?;
    let program = TableProgram {
        schema: decoder::schema(),
        key: "customer_id",
        version: "updated_at",
        deleted: decoder::DELETED,
        table: "bank_customers",
        groupings: &[
            ("bank_balance", &[]),
            ("bank_balance_by_account_type", &["account_type"]),
            ("bank_balance_by_city", &["city"]),
        ],
        aggregates: (
            &[
                "count(*) as customers",
                "sum(balance) as total_balance",
                "avg(balance) as avg_balance",
                "min(balance) as min_balance",
                "max(balance) as max_balance",
            ],
            &["median(cast(balance as double)) as median_balance"],
        ),
        new_decoder: decoder::new,
    };
    let done = run(&args.table, &program, world);
    report(&done.map_err(WrongUse::if_so(Error::is_wrong_use))?, args.table.run.shared)
}

/// The closing line.
fn report(progress: &Progress, shared: bool) -> anyhow::Result<()> {
    let whose = if shared { " in this process's partitions" } else { "" };
    let tally = |name: &str| group_digits(progress.tallies.get(name).copied().unwrap_or(0));
    output::line(format_args!(
        "read {} = changed {} + stale {} + duplicates {} + unknown closures {} + rejected {} · {} customers{whose} · epoch {}",
        group_digits(progress.run.read),
        tally("changed"),
        tally("stale"),
        tally("duplicates"),
        tally("unknown_deletes"),
        group_digits(progress.run.rejected),
        group_digits(progress.open_rows as u64),
        progress.epoch,
    ))?;
    Ok(())
}
