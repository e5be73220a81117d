//! The command line: the flags that several subcommands share. Those of one subcommand stand in its
//! own file under [`crate::commands`].

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::duration;
use arus_runtime::logging::LogArgs;
use arus_store::DatabaseArgs;
use clap::{Args as ClapArgs, Parser};

use crate::commands::{Command, World};
use crate::extract::ExtractArgs;
use crate::load::{LoadOptions, Sink};
use crate::run::RunOptions;
use crate::transform::TransformOptions;

/// Threads that decode, at the most. To take in what they give, which one thread does, takes a third of
/// the time that decoding takes: more would only take memory.
const MOST_DECODERS: usize = 8;

/// How many different customers bought in each month, and whether they come back
///
/// Reads the invoices of the Online Retail data set, checks every row, and writes tables by month:
/// customers (new and returning), retention by cohort, sales, the best products and countries. They
/// go to a database, to one CSV and one Parquet file a table, and into a report for the browser.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = include_str!("after_help.txt"))]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What a run is told: the flags of `run`, and of the subcommands that make runs.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
    /// What is read.
    #[command(flatten)]
    pub input: ExtractArgs,
    /// What is computed.
    #[command(flatten)]
    pub tables: TablesArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The database's address.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// What is computed.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Tables")]
pub struct TablesArgs {
    /// Leaves out cancelled invoices (their numbers begin with C), in every table: who only
    /// cancelled in a month did not buy in it.
    #[arg(long)]
    pub exclude_cancelled: bool,

    /// Products and countries in the two tables of the best.
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub top: u32,
}

/// Where results go.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Folder of the files: TABLE.csv and TABLE.parquet for each table, and report.html.
    #[arg(long, value_name = "DIR", default_value = ".arus/etl")]
    pub output: PathBuf,

    /// Where results go, by commas. The tables of a database change in one transaction; each file
    /// takes its name when it is whole.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "SINKS",
        default_value = "database,csv,parquet,report"
    )]
    pub sink: Vec<Sink>,

    /// Put before every table's name in the database: retail_ gives retail_monthly_customers, and
    /// on PostgreSQL a dot at its end names a schema.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub table_prefix: String,

    /// How long a database that is away or locked is tried again.
    #[arg(long, env = "ARUS_RETRY_FOR", value_parser = duration::parse, default_value = "30s",
          value_name = "DURATION")]
    pub retry_for: Duration,
}

impl RunArgs {
    /// What the flags ask for, as a run takes it: whatever the input was at the last run.
    #[must_use]
    pub fn options(&self, world: &World) -> RunOptions {
        RunOptions {
            // A decoder that waits leaves its core to the plans.
            extract: self.input.options(&self.output.output, world.cores.min(MOST_DECODERS)),
            transform: TransformOptions {
                exclude_cancelled: self.tables.exclude_cancelled,
                top: self.tables.top,
            },
            load: LoadOptions {
                output: self.output.output.clone(),
                sinks: self.output.sink.iter().copied().collect(),
                database: self.database.clone(),
                table_prefix: self.output.table_prefix.clone(),
                retry_for: self.output.retry_for,
            },
            allow_empty: self.input.allow_empty,
            mark: String::new(),
            last_fingerprint: None,
            progress_bar: world.terminal,
            stop: world.shutdown.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_to_log_is_said_before_the_subcommand_or_after() {
        for words in [
            &["retail-etl", "--log", "debug", "--log-format", "json", "run"][..],
            &["retail-etl", "run", "--log", "debug", "--log-format", "json"],
            &["retail-etl", "--log", "trace", "run", "--log=debug", "--log-format=json"],
        ] {
            let args = Args::try_parse_from(words).unwrap();
            let told = (args.log.log.as_str(), format!("{:?}", args.log.log_format));
            assert_eq!(told, ("debug", "Json".to_owned()), "{words:?}");
        }
    }
}
