//! The command line of a streaming job: what is read, how event time is cut, where rows go.
//!
//! The flags are the same for every job; a program gives its own defaults (topic, columns,
//! aggregates) by [`Defaults::apply`].

mod run;
mod tables;

use std::path::PathBuf;
use std::time::Duration;

use arus_kafka::KafkaArgs;
use arus_runtime::duration;
use arus_store::DatabaseArgs;
use arus_window::{QueryOptions, Window};
use clap::{Args, Command, ValueEnum};

use crate::Error;
use crate::job::{JobOptions, Start};
use crate::sink::OutputMode;

pub use run::RunArgs;
pub use tables::{RowArgs, TableArgs, TableDefaults, TableOutputArgs, TableSinkArg};

/// Everything that a streaming job can be told.
#[derive(Args, Clone, Debug)]
pub struct StreamingArgs {
    /// Kafka's address and options.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The database's address.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// How event time is cut.
    #[command(flatten)]
    pub time: TimeArgs,
    /// Where rows go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How the job runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What is read.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Topic to read.
    #[arg(long, env = "ARUS_TOPIC")]
    pub topic: String,

    /// Where to begin when there is no checkpoint: at the first record, at those that come from now
    /// on, or where the consumer group stood. With a checkpoint the job always goes on from there.
    #[arg(long, value_enum, default_value_t = StartArg::Earliest)]
    pub start: StartArg,

    /// Topic that unreadable records are kept in, with the reason in the headers [default:
    /// TOPIC.rejected].
    #[arg(long, value_name = "TOPIC")]
    pub rejected_topic: Option<String>,
}

/// How event time is cut.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Windows and event time")]
pub struct TimeArgs {
    /// Unit of the event-time field `ts`.
    #[arg(long, value_enum, default_value_t = TimeUnitArg::Ms)]
    pub ts_unit: TimeUnitArg,

    /// Length of a window. Windows are half-open, [start, end), and aligned to the epoch in UTC.
    #[arg(long, value_parser = duration::parse, default_value = "30s", value_name = "DURATION")]
    pub window: Duration,

    /// A window begins every so often (hopping windows); without it one begins where the last one
    /// ends (tumbling).
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub slide: Option<Duration>,

    /// Session windows instead: per group, as long as there is no gap of this length.
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", conflicts_with_all = ["slide", "window"])]
    pub gap: Option<Duration>,

    /// How long rows may come out of order: the watermark of a partition follows this far behind
    /// the largest event time read there. A window closes when the watermark of all partitions has
    /// passed its end.
    #[arg(long, value_parser = duration::parse, default_value = "10s", value_name = "DURATION")]
    pub watermark: Duration,

    /// A partition that delivers nothing for this long, and has nothing to deliver, no longer holds
    /// the watermark.
    #[arg(long, value_parser = duration::parse, default_value = "10s", value_name = "DURATION")]
    pub idle_timeout: Duration,

    /// A row further ahead of the wall clock than this is rejected and does not move the watermark.
    #[arg(long, value_parser = duration::parse, default_value = "5m", value_name = "DURATION")]
    pub max_skew: Duration,

    /// While all partitions are idle the watermark follows the wall clock, so that the last windows
    /// close too.
    #[arg(long)]
    pub close_idle_windows: bool,

    /// Topic that late records are kept in, whole, with lateness and watermark in the headers
    /// [default: TOPIC.late].
    #[arg(long, value_name = "TOPIC")]
    pub late_topic: Option<String>,

    /// At the end (a stop signal, or all read with once and available-now), first reads what is
    /// there, then closes all windows as if nothing more were to come.
    #[arg(long)]
    pub drain: bool,

    /// Columns to group by, by commas; an empty text for one row per window.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    pub group_by: Vec<String>,

    /// An aggregate, as in SQL: 'sum(price)', 'avg(price) as mean', 'count(*) filter (where color =
    /// ''red'')'. Repeat it for more. Any aggregate function of DataFusion will do that needs no order
    /// of its rows. Arithmetic that overflows ends the job; a sum of integers wraps at 2^63, which
    /// 'sum(cast(price as decimal(38, 0)))' does not.
    #[arg(long = "agg", value_name = "SQL")]
    pub aggregates: Vec<String>,
}

/// Where rows go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// append: a window once, when it closes. update: the rows that changed since the last trigger.
    /// complete: all rows, every time (memory grows with the number of windows).
    #[arg(long, value_enum, default_value_t = ModeArg::Append)]
    pub output_mode: ModeArg,

    /// Where rows go, by commas. database, csv, parquet and kafka are exactly-once: no row is lost or
    /// doubled by a kill (kafka: for readers with isolation.level=read_committed, if the broker has
    /// transactions). console is at-least-once: the rows of the last epoch may come again after a
    /// kill.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "console,database")]
    pub sink: Vec<SinkArg>,

    /// Table in the database; also the name of the files, and of the topic with '-' for '_'.
    #[arg(long)]
    pub table: String,

    /// Topic of the kafka sink [default: the table's name with '-' for '_'].
    #[arg(long, value_name = "TOPIC")]
    pub output_topic: Option<String>,

    /// Folder of the csv and parquet sinks.
    #[arg(long, value_name = "DIR", default_value = ".arus/output")]
    pub output_dir: PathBuf,

    /// How the console shows rows: a live view, plain lines, or what fits the terminal.
    #[arg(long, value_enum, default_value_t = ConsoleArg::Auto)]
    pub console: ConsoleArg,

    /// Writes the closing figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

/// `--start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StartArg {
    /// The first record.
    Earliest,
    /// Records from now on.
    Latest,
    /// Where the group stood.
    Committed,
}

/// `--ts-unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeUnitArg {
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

/// `--output-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// A window once.
    Append,
    /// Changed rows.
    Update,
    /// All rows.
    Complete,
}

/// `--sink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SinkArg {
    /// The terminal.
    Console,
    /// PostgreSQL or SQLite.
    Database,
    /// A topic.
    Kafka,
    /// One CSV file.
    Csv,
    /// A folder of Parquet files.
    Parquet,
}

/// `--console`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsoleArg {
    /// Live on a terminal, else plain.
    Auto,
    /// The live view.
    Live,
    /// Lines.
    Plain,
}

impl ConsoleArg {
    fn is_live(self, terminal: bool) -> bool {
        match self {
            ConsoleArg::Auto => terminal,
            ConsoleArg::Live => true,
            ConsoleArg::Plain => false,
        }
    }
}

impl OutputArgs {
    /// Whether the live view takes the terminal, given whether standard output is one.
    pub fn is_live(&self, terminal: bool) -> bool {
        self.console.is_live(terminal) && self.sink.contains(&SinkArg::Console)
    }
}

/// A program's own defaults.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The job's name.
    pub job: &'static str,
    /// The topic.
    pub topic: &'static str,
    /// The table.
    pub table: &'static str,
    /// The group columns, by commas.
    pub group_by: &'static str,
    /// The aggregates.
    pub aggregates: &'static [&'static str],
}

impl Defaults {
    /// Puts the defaults into the command, so that `--help` shows them.
    pub fn apply(self, command: Command) -> Command {
        command
            .mut_arg("job", |arg| arg.default_value(self.job).required(false))
            .mut_arg("topic", |arg| arg.default_value(self.topic).required(false))
            .mut_arg("table", |arg| arg.default_value(self.table).required(false))
            .mut_arg("group_by", |arg| arg.default_value(self.group_by))
            .mut_arg("aggregates", |arg| arg.default_values(self.aggregates))
    }
}

impl InputArgs {
    /// The topic of rejected records.
    pub fn rejected_topic(&self) -> String {
        let default = || format!("{}.rejected", self.topic);
        self.rejected_topic.clone().unwrap_or_else(default)
    }

    /// Where to begin without a checkpoint.
    pub fn start(&self) -> Start {
        match self.start {
            StartArg::Earliest => Start::Earliest,
            StartArg::Latest => Start::Latest,
            StartArg::Committed => Start::Committed,
        }
    }
}

impl StreamingArgs {
    /// What is asked of rows whose event time is in `time_column`.
    pub fn query(&self, time_column: &str) -> QueryOptions {
        let window = match (self.time.gap, self.time.slide) {
            (Some(gap), _) => Window::Session { gap_ms: millis(gap) },
            (None, Some(slide)) => {
                Window::Hopping { size_ms: millis(self.time.window), slide_ms: millis(slide) }
            }
            (None, None) => Window::Tumbling { size_ms: millis(self.time.window) },
        };
        let columns = self.time.group_by.iter().map(|column| column.trim().to_owned());
        QueryOptions {
            time_column: time_column.to_owned(),
            window,
            delay_ms: millis(self.time.watermark),
            group_by: columns.filter(|column| !column.is_empty()).collect(),
            aggregates: self.time.aggregates.iter().map(|text| text.as_str().into()).collect(),
        }
    }

    /// Which rows epochs give.
    pub fn mode(&self) -> OutputMode {
        match self.output.output_mode {
            ModeArg::Append => OutputMode::Append,
            ModeArg::Update => OutputMode::Update,
            ModeArg::Complete => OutputMode::Complete,
        }
    }

    /// How the job is to run, on a machine with `cores`.
    ///
    /// # Errors
    /// When choices do not go together.
    pub fn job_options(&self, cores: usize) -> Result<JobOptions, Error> {
        check_sinks(&self.output.sink)?;
        self.run.check(self.input.start)?;
        let others = [SinkArg::Kafka, SinkArg::Csv, SinkArg::Parquet];
        let has_database = self.output.sink.contains(&SinkArg::Database);
        let has_others = others.iter().any(|sink| self.output.sink.contains(sink));
        self.run.check_sharing(has_database, has_others)?;
        self.check_topics()?;
        Ok(JobOptions {
            name: self.run.job.clone(),
            identity: vec![
                ("topic".to_owned(), self.input.topic.clone()),
                ("unit of ts".to_owned(), format!("{:?}", self.time.ts_unit).to_lowercase()),
            ],
            start: self.input.start(),
            trigger: self.run.trigger,
            threads: self.run.threads.map_or(cores, usize::from),
            idle_timeout: self.time.idle_timeout,
            max_skew: self.time.max_skew,
            close_idle_windows: self.time.close_idle_windows,
            drain: self.time.drain,
            checkpoint: self.run.checkpoint(),
            reset: self.run.reset,
            broker_timeout: self.run.broker_timeout,
        })
    }

    /// A job that wrote to the topic it reads would read its own rows for ever; and results are no
    /// place for records that were set aside.
    fn check_topics(&self) -> Result<(), Error> {
        let topic = &self.input.topic;
        let mut written = vec![
            ("--late-topic", self.late_topic()),
            ("--rejected-topic", self.input.rejected_topic()),
        ];
        for (flag, other) in &written {
            if self.output.sink.contains(&SinkArg::Kafka) && *other == self.output_topic() {
                return Err(Error::Unsupported(format!(
                    "{flag} must be another topic than {other}, which takes the results"
                )));
            }
        }
        if self.output.sink.contains(&SinkArg::Kafka) {
            written.push(("--output-topic", self.output_topic()));
        }
        match written.iter().find(|(_, other)| other == topic) {
            None => Ok(()),
            Some((flag, _)) => Err(Error::Unsupported(format!(
                "{flag} must be another topic than {topic}: the job would read what it writes"
            ))),
        }
    }

    /// The topic of late records.
    pub fn late_topic(&self) -> String {
        self.time.late_topic.clone().unwrap_or_else(|| format!("{}.late", self.input.topic))
    }

    /// The topic of the kafka sink.
    pub fn output_topic(&self) -> String {
        self.output.output_topic.clone().unwrap_or_else(|| self.output.table.replace('_', "-"))
    }
}

/// There must be a sink, and none twice: it would have each epoch already.
pub(crate) fn check_sinks<S: ValueEnum + PartialEq>(sinks: &[S]) -> Result<(), Error> {
    if sinks.is_empty() {
        return Err(Error::Unsupported("--sink names no sink".into()));
    }
    let twice = sinks.iter().enumerate().find(|(at, sink)| sinks[..*at].contains(sink));
    match twice.and_then(|(_, sink)| sink.to_possible_value()) {
        None => Ok(()),
        Some(sink) => Err(Error::Unsupported(format!("--sink names {} twice", sink.get_name()))),
    }
}

/// A length in ms; one beyond all reason is the largest there is.
pub(crate) fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
