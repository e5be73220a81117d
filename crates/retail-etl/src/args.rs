//! The command line: the flags that several subcommands share. Those of one subcommand stand in its
//! own file under [`crate::commands`].

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::duration;
use arus_runtime::logging::LogArgs;
use arus_runtime::shutdown::Shutdown;
use arus_store::DatabaseArgs;
use clap::{Args as ClapArgs, Parser};

use crate::commands::Command;
use crate::extract::{ExtractOptions, MaxRejects};
use crate::load::{LoadOptions, Sink};
use crate::run::RunOptions;
use crate::transform::TransformOptions;

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
    pub input: InputArgs,
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

/// What is read.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Files of invoice lines: CSV, plain or compressed with gzip or zstd; a folder; or a pattern
    /// like 'invoices/2011-*.csv'.
    #[arg(value_name = "INPUT", default_value = "data/online-retail-dataset.csv")]
    pub input: Vec<String>,

    /// Fails the run, before anything is loaded, when more rows than this are rejected: a number,
    /// or a share like 0.5%. Without it any number may be.
    #[arg(long, value_name = "NUMBER|SHARE")]
    pub max_rejects: Option<MaxRejects>,

    /// File that rejected rows are kept in, with file, line, column and reason [default:
    /// OUTPUT/rejects.csv].
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
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
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SINKS",
          default_value = "database,csv,parquet,report")]
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
    /// What the flags ask for, as a run takes it; `stop` ends it early.
    #[must_use]
    pub fn options(&self, stop: Shutdown) -> RunOptions {
        let rejects = || self.output.output.join("rejects.csv");
        RunOptions {
            extract: ExtractOptions {
                inputs: self.input.input.clone(),
                rejects: self.input.rejects.clone().unwrap_or_else(rejects),
                max_rejects: self.input.max_rejects,
            },
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
            last_fingerprint: None,
            progress_bar: false,
            stop,
        }
    }
}
