//! From a command line to a running job: what every streaming program does, told about its own
//! records.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arus_kafka::KafkaOption;
use arus_kafka::admin::{TopicSpec, ensure_topic, wait_for_broker};
use arus_kafka::producer::CountedProducer;
use arus_kafka::source::Source;
use arus_runtime::clock::Clock;
use arus_runtime::shutdown::Shutdown;
use arus_store::Store;
use arus_window::WindowQuery;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::Error;
use crate::aside::AsideTopics;
use crate::decode::{Decoder, NewDecoder};
use crate::job::Job;
use crate::metrics::MetricsWatcher;
use crate::options::{SinkArg, StreamingArgs, TimeUnitArg};
use crate::progress::{Progress, Totals, Watcher};
use crate::sink::console::ConsoleSink;
use crate::sink::csv::CsvSink;
use crate::sink::dashboard::{Dashboard, DashboardOptions};
use crate::sink::database::DatabaseSink;
use crate::sink::kafka::KafkaSink;
use crate::sink::parquet::ParquetSink;
use crate::sink::{OutputTable, Sink};

/// Records that are set aside may be as large as any; Kafka's default limit would refuse one that
/// is just below it once the reason is added.
const LARGEST_ASIDE_BYTES: &str = "16777216";

/// What a program knows about its records.
pub struct Program {
    /// All columns that its decoders can give.
    pub schema: SchemaRef,
    /// The column of event time.
    pub time_column: &'static str,
    /// Makes a decoder that keeps the named columns.
    pub new_decoder: fn(TimeUnitArg, &[String]) -> Box<dyn Decoder>,
}

/// What a program gets from outside.
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The stop signal.
    pub shutdown: Shutdown,
    /// Where the database's futures run.
    pub runtime: Handle,
    /// Cores to spread the work over.
    pub cores: usize,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

/// The closing figures of `--summary`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Since this process started.
    pub run: Totals,
    /// Since the job's first start.
    pub total: Totals,
    /// Windows that this process closed.
    pub closed_windows: u64,
    /// Windows that are open still.
    pub open_windows: usize,
    /// The last committed epoch.
    pub epoch: u64,
}

/// Runs a job as the command line says, until it is done or stopped, and gives its last progress.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(args: &StreamingArgs, program: &Program, world: World) -> Result<Progress, Error> {
    let options = args.job_options(world.cores)?;
    let columns =
        WindowQuery::plan(&program.schema, args.query(program.time_column))?.columns_read();
    let indices: Vec<usize> = columns
        .iter()
        .map(|name| program.schema.index_of(name))
        .collect::<Result<_, _>>()
        .map_err(arus_window::Error::from)?;
    let schema = Arc::new(program.schema.project(&indices).map_err(arus_window::Error::from)?);
    let query = Arc::new(WindowQuery::plan(&schema, args.query(program.time_column))?);

    wait_for_broker(&args.kafka)?;
    let source = Source::new(&args.kafka, &args.input.topic, &args.run.job)?;
    let partitions = source.partitions()?.len() as i32;
    let table = OutputTable {
        name: args.output.table.clone(),
        schema: Arc::clone(query.output_schema()),
        key: query.key_columns(),
        mode: options.mode,
    };
    let (sinks, mut watchers, places) = sinks(args, &table, partitions, &world)?;
    watchers.push(Box::new(MetricsWatcher));
    for place in &places {
        tracing::info!(place, "results go here");
    }
    let (unit, new_decoder) = (args.input.ts_unit, program.new_decoder);
    let new_decoder: Arc<NewDecoder> = Arc::new(move |columns| new_decoder(unit, columns));
    let job = Job {
        aside: Arc::new(aside(args, partitions)?),
        query,
        options,
        brokers: args.kafka.brokers.clone(),
        log: Arc::new(source),
        new_decoder,
        sinks,
        watchers,
        clock: world.clock,
        shutdown: world.shutdown,
    };
    let progress = job.run()?;
    if let Some(path) = &args.output.summary {
        write_summary(path, &progress)?;
    }
    Ok(progress)
}

fn aside(args: &StreamingArgs, partitions: i32) -> Result<AsideTopics, Error> {
    let (late, rejected) = (args.late_topic(), args.rejected_topic());
    for topic in [&late, &rejected] {
        let mut spec = TopicSpec::new(topic.clone(), partitions);
        spec.configs.push(("max.message.bytes".to_owned(), LARGEST_ASIDE_BYTES.to_owned()));
        // Kafka deletes by a record's timestamp. That of a late record is its event time, which may be
        // long ago: it is to be kept for as long as the topic keeps records from now on.
        spec.configs.push(("message.timestamp.type".to_owned(), "LogAppendTime".to_owned()));
        ensure_topic(&args.kafka, &spec)?;
    }
    let mut kafka = args.kafka.clone();
    // The user's own options come after this one, and win.
    let limit =
        KafkaOption { key: "message.max.bytes".to_owned(), value: LARGEST_ASIDE_BYTES.to_owned() };
    kafka.kafka_options.insert(0, limit);
    // As patient as the reading side: a broker that is away is waited for.
    let make = || CountedProducer::with_delivery_timeout(&kafka, args.run.broker_timeout);
    Ok(AsideTopics::new([make()?, make()?], &args.input.topic, &late, &rejected))
}

type Outputs = (Vec<Box<dyn Sink>>, Vec<Box<dyn Watcher>>, Vec<String>);

/// The sinks, who watches, and where the results are, in words.
fn sinks(
    args: &StreamingArgs,
    table: &OutputTable,
    partitions: i32,
    world: &World,
) -> Result<Outputs, Error> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    let mut places = Vec::new();
    for sink in &args.output.sink {
        let sink: Box<dyn Sink> = match sink {
            SinkArg::Console => continue,
            SinkArg::Database => {
                let connecting = Store::connect(args.database.url(), args.kafka.retry_for);
                let store = world.runtime.block_on(connecting)?;
                Box::new(DatabaseSink::new(store, world.runtime.clone(), table.clone()))
            }
            SinkArg::Kafka => {
                let table = OutputTable { name: args.output_topic(), ..table.clone() };
                let patience = args.run.broker_timeout;
                Box::new(KafkaSink::new(&args.kafka, partitions, table, patience)?)
            }
            SinkArg::Csv => Box::new(CsvSink::new(&args.output.output_dir, table.clone())?),
            SinkArg::Parquet => Box::new(ParquetSink::new(&args.output.output_dir, table.clone())?),
        };
        places.push(sink.name());
        sinks.push(sink);
    }
    places.push(format!("topic {} (late records)", args.late_topic()));
    places.push(format!("topic {} (unreadable records)", args.rejected_topic()));
    let mut watchers: Vec<Box<dyn Watcher>> = Vec::new();
    if args.output.sink.contains(&SinkArg::Console) {
        if args.output.is_live(world.terminal) {
            let dashboard = Dashboard::start(DashboardOptions {
                job: format!("{} → {}", args.input.topic, table.name),
                table: table.clone(),
                where_to: places.clone(),
            })?;
            sinks.push(dashboard.sink());
            watchers.push(dashboard.watcher());
        } else {
            sinks.push(Box::new(ConsoleSink::stdout()));
        }
    }
    Ok((sinks, watchers, places))
}

/// Writes the closing figures, whole or not at all.
fn write_summary(path: &Path, progress: &Progress) -> Result<(), Error> {
    let summary = Summary {
        run: progress.run,
        total: progress.total,
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
