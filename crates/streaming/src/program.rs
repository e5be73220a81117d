//! From a command line to a running job: what every streaming program does, whatever it computes.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use arus_kafka::admin::{self, TopicSpec, ensure_topic};
use arus_kafka::producer::CountedProducer;
use arus_kafka::source::Source;
use arus_kafka::{KafkaArgs, KafkaOption};
use arus_runtime::clock::{Clock, SystemClock};
use arus_runtime::logging::LogArgs;
use arus_runtime::metrics::MetricsArgs;
use arus_runtime::output;
use arus_runtime::shutdown::{AtOnce, Shutdown, on_signals};
use serde::Serialize;
use tokio::runtime::{Handle, Runtime};

use crate::Error;
use crate::aside::{AsideOptions, AsideTopics};
use crate::decode::NewDecoder;
use crate::job::{Job, JobOptions};
use crate::operator::Operator;
use crate::options::InputArgs;
use crate::progress::{Progress, Totals, Watcher};
use crate::sink::Sink;
use crate::sink::database::OutputTables;

/// Records that are set aside may be as large as any; Kafka's default limit would refuse one that
/// is just below it once the reason is added.
const LARGEST_ASIDE_BYTES: &str = "16777216";

/// What a program gets from outside.
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The stop signal.
    pub shutdown: Shutdown,
    /// Until the job runs, a signal ends the process.
    starting: AtOnce,
    /// Where the database's futures run.
    pub runtime: Handle,
    /// Cores to spread the work over.
    pub cores: usize,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

impl World {
    /// The real one, whose futures run on `runtime`. Serves the metrics, if they are wanted.
    ///
    /// # Errors
    /// When the signals cannot be heard or the metrics not served.
    pub fn real(runtime: &Runtime, metrics: &MetricsArgs) -> Result<Self, arus_runtime::Error> {
        let _guard = runtime.enter();
        let shutdown = on_signals()?;
        if let Some(address) = metrics.serve()? {
            tracing::info!(%address, "metrics at /metrics");
        }
        // After the recorder is there: before, the descriptions would go nowhere.
        crate::metrics::describe();
        Ok(Self {
            clock: Arc::new(SystemClock::new()),
            starting: shutdown.at_once(),
            shutdown,
            runtime: runtime.handle().clone(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            terminal: std::io::stdout().is_terminal(),
        })
    }
}

/// Starts the logs of a job: on standard error, unless the live view has the terminal.
///
/// # Errors
/// When the file that takes the live view's logs cannot be written.
pub fn start_log(log: &LogArgs, job: &str, live: bool) -> Result<(), Error> {
    if !(live && std::io::stderr().is_terminal()) {
        return Ok(log.init()?);
    }
    let folder = Path::new(".arus/logs");
    let failed = |source| Error::File { action: "make", path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    Ok(log.init_to_file(&folder.join(format!("{job}.log")))?)
}

/// The closing figures of `--summary`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Since this process started.
    pub run: Totals,
    /// Since the job's first start.
    pub total: Totals,
    /// What else was counted, since this process started.
    pub tallies: BTreeMap<&'static str, u64>,
    /// Rows (of open windows, or of the table) that the job keeps.
    pub rows_kept: usize,
    /// Windows that this process closed.
    pub closed_windows: u64,
    /// Windows that are open still.
    pub open_windows: usize,
    /// The last committed epoch.
    pub epoch: u64,
}

/// Opens the job's topic, once the broker is there, and tells how many partitions it has.
///
/// # Errors
/// When no broker answers, or it has no such topic.
pub(crate) fn open_source(
    kafka: &KafkaArgs,
    topic: &str,
    job: &str,
) -> Result<(Source, i32), Error> {
    admin::wait_for_broker(kafka)?;
    let source = Source::new(kafka, topic, job)?;
    let partitions = admin::answered(kafka, || source.partitions())?.len() as i32;
    Ok((source, partitions))
}

/// Where a program's rows go.
pub(crate) struct Outputs {
    pub(crate) sinks: Vec<Box<dyn Sink>>,
    /// The tables, if the job is shared.
    pub(crate) shared: Option<OutputTables>,
    pub(crate) watchers: Vec<Box<dyn Watcher>>,
    /// Where the results are, in words.
    pub(crate) places: Vec<String>,
}

/// What a program brings to [`run_job`].
pub(crate) struct Parts<O> {
    pub(crate) operator: O,
    pub(crate) options: JobOptions,
    pub(crate) source: Source,
    /// How many the source has.
    pub(crate) partitions: i32,
    pub(crate) new_decoder: Arc<NewDecoder>,
    /// The topic of late records, if any can be late.
    pub(crate) late_topic: Option<String>,
    pub(crate) sinks: Vec<Box<dyn Sink>>,
    /// Where the tables are, if the job is shared.
    pub(crate) shared: Option<OutputTables>,
    pub(crate) watchers: Vec<Box<dyn Watcher>>,
}

/// Runs a job until it is done or stopped, and gives its last progress.
pub(crate) fn run_job<O: Operator>(
    parts: Parts<O>,
    kafka: &KafkaArgs,
    input: &InputArgs,
    summary: Option<&Path>,
    world: World,
) -> Result<Progress, Error> {
    let (late_topic, partitions) = (parts.late_topic, parts.partitions);
    let aside = aside(kafka, input, late_topic, partitions, &parts.options, &world.shutdown)?;
    let source = if parts.shared.is_some() { parts.source.join()? } else { parts.source };
    let job = Job {
        aside: Arc::new(aside),
        operator: parts.operator,
        options: parts.options,
        brokers: kafka.brokers.clone(),
        log: Arc::new(source),
        new_decoder: parts.new_decoder,
        sinks: parts.sinks,
        shared: parts.shared,
        watchers: parts.watchers,
        clock: world.clock,
        shutdown: world.shutdown,
    };
    drop(world.starting);
    let progress = job.run()?;
    if let Some(path) = summary {
        write_summary(path, &progress)?;
    }
    Ok(progress)
}

/// After a live view, which takes its screen with it: where the results are. Without one the log has
/// told.
pub(crate) fn tell_places(live: bool, places: &[String]) -> Result<(), Error> {
    if live {
        output::line(format_args!("results: {}", places.join(" · ")))?;
    }
    Ok(())
}

fn aside(
    kafka: &KafkaArgs,
    input: &InputArgs,
    late_topic: Option<String>,
    partitions: i32,
    job: &JobOptions,
    shutdown: &Shutdown,
) -> Result<AsideTopics, Error> {
    let rejected_topic = input.rejected_topic();
    let make_topic = |topic: &String| {
        let mut spec = TopicSpec::new(topic.clone(), partitions);
        spec.configs.push(("max.message.bytes".to_owned(), LARGEST_ASIDE_BYTES.to_owned()));
        // Kafka deletes by a record's timestamp. That of a late record is its event time, which may be
        // long ago: it is to be kept for as long as the topic keeps records from now on.
        spec.configs.push(("message.timestamp.type".to_owned(), "LogAppendTime".to_owned()));
        ensure_topic(kafka, &spec)
    };
    // Each waits for answers of the broker, so both at once.
    thread::scope(|scope| {
        let late = late_topic.as_ref().map(|topic| scope.spawn(|| make_topic(topic)));
        make_topic(&rejected_topic)?;
        late.map(|late| late.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .transpose()
    })?;
    let mut kafka = kafka.clone();
    // The user's own options come after these, and win. What waits here is bounded closer than what a
    // producer of events may hold: a job that catches up on hours of late records would else hold
    // hundreds of megabytes of them. Each takes about a kilobyte beside its own: with 20,000 a replay that
    // finds a tenth late took 18 MB more, and no less time.
    let own = [
        ("message.max.bytes", LARGEST_ASIDE_BYTES),
        ("queue.buffering.max.messages", "5000"),
        ("queue.buffering.max.kbytes", "32768"),
    ];
    let own = own.map(|(key, value)| KafkaOption { key: key.to_owned(), value: value.to_owned() });
    kafka.kafka_options.splice(0..0, own);
    // As patient as the reading side: a broker that is away is waited for.
    let make = || CountedProducer::with_delivery_timeout(&kafka, job.broker_timeout);
    Ok(AsideTopics::new(AsideOptions {
        producers: vec![make()?, make()?],
        job: job.name.clone(),
        source_topic: input.topic.clone(),
        late_topic,
        rejected_topic,
        shutdown: shutdown.clone(),
    }))
}

/// Whether the closing figures will find room, asked before any work is done.
///
/// # Errors
/// When the file's folder is not there or cannot be written.
pub(crate) fn check_summary(path: Option<&Path>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    if path.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, "").map_err(failed)?;
    std::fs::remove_file(&temporary).map_err(failed)
}

/// Writes the closing figures, whole or not at all.
fn write_summary(path: &Path, progress: &Progress) -> Result<(), Error> {
    let summary = Summary {
        run: progress.run,
        total: progress.total,
        tallies: progress.tallies.clone(),
        rows_kept: progress.open_rows,
        closed_windows: progress.closed_windows,
        open_windows: progress.open_windows,
        epoch: progress.epoch,
    };
    let failed = |action| move |source| Error::File { action, path: path.to_owned(), source };
    let temporary = path.with_extension("tmp");
    let text = serde_json::to_vec_pretty(&summary).map_err(std::io::Error::from);
    std::fs::write(&temporary, text.map_err(failed("write"))?).map_err(failed("write"))?;
    std::fs::rename(&temporary, path).map_err(failed("rename"))
}
