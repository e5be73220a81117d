//! A program that aggregates per window of event time, told about its own records.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arus_store::Store;
use arus_window::WindowQuery;

use crate::Error;
use crate::decode::{Decoder, NewDecoder};
use crate::metrics::{MetricsWatcher, Subject};
use crate::options::{SinkArg, StreamingArgs, TimeUnitArg};
use crate::program::{Outputs, Parts, World, check_summary, open_source, run_job, tell_places};
use crate::progress::{Progress, Watcher};
use crate::sink::console::ConsoleSink;
use crate::sink::csv::CsvSink;
use crate::sink::dashboard::{Dashboard, DashboardOptions};
use crate::sink::database::{DatabaseSink, OutputTables};
use crate::sink::kafka::{KafkaPlace, KafkaSink};
use crate::sink::parquet::ParquetSink;
use crate::sink::{OutputTable, Sink};
use crate::windows::Windows;

/// What a program knows about its records.
pub struct WindowProgram {
    /// All columns that its decoders can give.
    pub schema: SchemaRef,
    /// The column of event time.
    pub time_column: &'static str,
    /// Makes a decoder that keeps the named columns.
    pub new_decoder: fn(TimeUnitArg, &[String]) -> Box<dyn Decoder>,
}

/// Runs a job as the command line says, until it is done or stopped, and gives its last progress.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(args: &StreamingArgs, program: &WindowProgram, world: World) -> Result<Progress, Error> {
    let options = args.job_options(world.cores)?;
    check_summary(args.output.summary.as_deref())?;
    let columns =
        WindowQuery::plan(&program.schema, args.query(program.time_column))?.columns_read();
    let indices: Vec<usize> = columns
        .iter()
        .map(|name| program.schema.index_of(name))
        .collect::<Result<_, _>>()
        .map_err(arus_window::Error::from)?;
    let schema = Arc::new(program.schema.project(&indices).map_err(arus_window::Error::from)?);
    let query = Arc::new(WindowQuery::plan(&schema, args.query(program.time_column))?);

    let (source, partitions) = open_source(&args.kafka, &args.input.topic, &args.run.job)?;
    let table = OutputTable {
        name: args.output.table.clone(),
        schema: Arc::clone(query.output_schema()),
        key: query.key_columns(),
        mode: args.mode(),
    };
    let Outputs { sinks, shared, mut watchers, places } = sinks(args, &table, partitions, &world)?;
    watchers.push(Box::new(MetricsWatcher::new(Subject::Windows, shared.is_some())));
    for place in &places {
        tracing::info!(place, "results go here");
    }
    let (unit, new_decoder) = (args.time.ts_unit, program.new_decoder);
    let new_decoder: Arc<NewDecoder> = Arc::new(move |columns| new_decoder(unit, columns));
    let parts = Parts {
        operator: Windows::new(query, args.mode())?,
        options,
        source,
        partitions,
        new_decoder,
        late_topic: Some(args.late_topic()),
        sinks,
        shared,
        watchers,
    };
    let live = args.output.is_live(world.terminal);
    let progress = run_job(parts, &args.kafka, &args.input, args.output.summary.as_deref(), world)?;
    tell_places(live, &places)?;
    Ok(progress)
}

fn sinks(
    args: &StreamingArgs,
    table: &OutputTable,
    partitions: i32,
    world: &World,
) -> Result<Outputs, Error> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    let mut shared = None;
    let mut places = Vec::new();
    for sink in &args.output.sink {
        let sink: Box<dyn Sink> = match sink {
            SinkArg::Console => continue,
            SinkArg::Database => {
                let connecting = Store::connect(args.database.url(), args.kafka.retry_for);
                let store = world.runtime.block_on(connecting)?;
                let tables = OutputTables::new(store, world.runtime.clone(), vec![table.clone()]);
                if args.run.shared {
                    places.push(tables.name());
                    shared = Some(tables);
                    continue;
                }
                Box::new(DatabaseSink::new(tables))
            }
            SinkArg::Kafka => {
                let table = OutputTable { name: args.output_topic(), ..table.clone() };
                let place = KafkaPlace {
                    kafka: &args.kafka,
                    partitions,
                    job: &args.run.job,
                    source: &args.input.topic,
                    patience: args.run.broker_timeout,
                };
                Box::new(KafkaSink::new(place, table)?)
            }
            SinkArg::Csv => Box::new(CsvSink::new(&args.output.output_dir, table.clone())?),
            SinkArg::Parquet => Box::new(ParquetSink::new(&args.output.output_dir, table.clone())?),
        };
        places.push(sink.name());
        sinks.push(sink);
    }
    places.push(format!("topic {} (late records)", args.late_topic()));
    places.push(format!("topic {} (unreadable records)", args.input.rejected_topic()));
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
    Ok(Outputs { sinks, shared, watchers, places })
}
