//! The command line of a job that keeps tables: the blocks of all jobs, and what is its own.

use std::path::PathBuf;
use std::time::Duration;

use arus_kafka::KafkaArgs;
use arus_runtime::duration;
use arus_store::DatabaseArgs;
use clap::{Args, Command, ValueEnum};

use super::{ConsoleArg, InputArgs, RunArgs, check_sinks};
use crate::Error;
use crate::job::JobOptions;

/// Everything that a job that keeps tables can be told.
#[derive(Args, Clone, Debug)]
pub struct TableArgs {
    /// Kafka's address and options.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The database's address.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// What counts.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Where rows go.
    #[command(flatten)]
    pub output: TableOutputArgs,
    /// How the job runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What counts in a table.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rows")]
pub struct RowArgs {
    /// Aggregates over every message that ever came, instead of over the latest row of each key:
    /// what one gets by averaging a topic. For comparison.
    #[arg(long)]
    pub per_message: bool,

    /// A row further ahead of the wall clock than this is rejected: it would make all later rows of
    /// its key look old.
    #[arg(long, value_parser = duration::parse, default_value = "5m", value_name = "DURATION")]
    pub max_skew: Duration,
}

/// Where a table job's rows go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct TableOutputArgs {
    /// Where rows go, by commas. The database is exactly-once: no row is lost or doubled by a kill.
    /// The console is at-least-once: the rows of the last epoch may come again after a kill.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "console,database")]
    pub sink: Vec<TableSinkArg>,

    /// Goes before the tables' names, so that several jobs can use one database.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub table_prefix: String,

    /// How the console shows the tables: a live view, plain lines, or what fits the terminal.
    #[arg(long, value_enum, default_value_t = ConsoleArg::Auto)]
    pub console: ConsoleArg,

    /// Writes the closing figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

/// `--sink` of a table job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableSinkArg {
    /// The terminal.
    Console,
    /// PostgreSQL or SQLite.
    Database,
}

impl TableOutputArgs {
    /// Whether the live view takes the terminal, given whether standard output is one.
    pub fn is_live(&self, terminal: bool) -> bool {
        self.console.is_live(terminal) && self.sink.contains(&TableSinkArg::Console)
    }
}

impl TableArgs {
    /// How the job is to run, on a machine with `cores`.
    ///
    /// # Errors
    /// When choices do not go together.
    pub fn job_options(&self, cores: usize) -> Result<JobOptions, Error> {
        check_sinks(&self.output.sink)?;
        self.run.check(self.input.start)?;
        self.run.check_sharing(self.output.sink.contains(&TableSinkArg::Database), false)?;
        if self.input.rejected_topic() == self.input.topic {
            return Err(Error::Unsupported(format!(
                "--rejected-topic must be another topic than {}: the job would read what it writes",
                self.input.topic
            )));
        }
        Ok(JobOptions {
            name: self.run.job.clone(),
            identity: vec![("topic".to_owned(), self.input.topic.clone())],
            start: self.input.start(),
            trigger: self.run.trigger,
            threads: self.run.threads.map_or(cores, usize::from),
            // A table waits for nobody: this is only for those who look on.
            idle_timeout: Duration::from_secs(10),
            max_skew: self.rows.max_skew,
            close_idle_windows: false,
            drain: false,
            checkpoint: self.run.checkpoint(),
            reset: self.run.reset,
            broker_timeout: self.run.broker_timeout,
        })
    }
}

/// A table program's own defaults.
#[derive(Clone, Copy, Debug)]
pub struct TableDefaults {
    /// The job's name.
    pub job: &'static str,
    /// The topic.
    pub topic: &'static str,
}

impl TableDefaults {
    /// Puts the defaults into the command, so that `--help` shows them.
    pub fn apply(self, command: Command) -> Command {
        command
            .mut_arg("job", |arg| arg.default_value(self.job).required(false))
            .mut_arg("topic", |arg| arg.default_value(self.topic).required(false))
    }
}
