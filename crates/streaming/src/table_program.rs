//! A program that keeps tables, told about its own records.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arus_store::Store;
use arus_table::{Grouping, TableOptions, TableQuery};

use crate::Error;
use crate::decode::Decoder;
use crate::metrics::{MetricsWatcher, Subject};
use crate::options::{TableArgs, TableSinkArg};
use crate::program::{Outputs, Parts, World, check_summary, open_source, run_job, tell_places};
use crate::progress::{Progress, Watcher};
use crate::sink::board::{Board, BoardOptions};
use crate::sink::console::ConsoleSink;
use crate::sink::database::{DatabaseSink, OutputTables};
use crate::sink::{OutputMode, OutputTable, Sink};
use crate::tables::{Tables, grouping_table};

/// What a program knows about its records and tables.
pub struct TableProgram {
    /// The columns of its decoder's rows.
    pub schema: SchemaRef,
    /// The column that says whose row it is.
    pub key: &'static str,
    /// The column that tells a newer row from an older one: event time.
    pub version: &'static str,
    /// The column that is true where a key is deleted.
    pub deleted: &'static str,
    /// The table of the latest rows.
    pub table: &'static str,
    /// The tables of aggregates: their names and the columns they are grouped by.
    pub groupings: &'static [(&'static str, &'static [&'static str])],
    /// The aggregates; the second list those that have to see every row of a group again, which
    /// cannot be had over messages.
    pub aggregates: (&'static [&'static str], &'static [&'static str]),
    /// Makes a decoder.
    pub new_decoder: fn() -> Box<dyn Decoder>,
}

impl TableProgram {
    fn query(&self, args: &TableArgs) -> Result<TableQuery, Error> {
        let prefix = &args.output.table_prefix;
        let grouping = |(name, columns): &(&str, &[&str])| Grouping {
            name: format!("{prefix}{name}"),
            group_by: columns.iter().map(ToString::to_string).collect(),
        };
        let (bounded, unbounded) = self.aggregates;
        let unbounded = if args.rows.per_message { &[] } else { unbounded };
        let options = TableOptions {
            key: self.key.to_owned(),
            version: self.version.to_owned(),
            deleted: self.deleted.to_owned(),
            groupings: self.groupings.iter().map(grouping).collect(),
            aggregates: bounded.iter().chain(unbounded).map(|text| (*text).into()).collect(),
        };
        Ok(TableQuery::plan(&self.schema, options)?)
    }

    /// The output tables: the latest rows, then the aggregates.
    fn tables(&self, args: &TableArgs, query: &TableQuery) -> Vec<OutputTable> {
        let mut tables = vec![OutputTable {
            name: format!("{}{}", args.output.table_prefix, self.table),
            schema: Arc::clone(query.row_schema()),
            key: vec![self.key.to_owned()],
            mode: OutputMode::Update,
        }];
        for (at, grouping) in query.groupings().enumerate() {
            let (schema, key) = grouping_table(query, at);
            let (name, mode) = (grouping.name.clone(), OutputMode::Update);
            tables.push(OutputTable { name, schema, key, mode });
        }
        tables
    }
}

/// Runs a job as the command line says, until it is done or stopped, and gives its last progress.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(args: &TableArgs, program: &TableProgram, world: World) -> Result<Progress, Error> {
    let options = args.job_options(world.cores)?;
    check_summary(args.output.summary.as_deref())?;
    let query = Arc::new(program.query(args)?);
    let (source, partitions) = open_source(&args.kafka, &args.input.topic, &args.run.job)?;
    let outputs = sinks(args, program.tables(args, &query), &world)?;
    let Outputs { sinks, shared, mut watchers, places } = outputs;
    watchers.push(Box::new(MetricsWatcher::new(Subject::Table, shared.is_some())));
    for place in &places {
        tracing::info!(place, "results go here");
    }
    let new_decoder = program.new_decoder;
    let parts = Parts {
        operator: Tables::new(query, args.rows.per_message)?,
        options,
        source,
        partitions,
        new_decoder: Arc::new(move |_| new_decoder()),
        late_topic: None,
        sinks,
        shared,
        watchers,
    };
    let live = args.output.is_live(world.terminal);
    let progress = run_job(parts, &args.kafka, &args.input, args.output.summary.as_deref(), world)?;
    tell_places(live, &places)?;
    Ok(progress)
}

fn sinks(args: &TableArgs, tables: Vec<OutputTable>, world: &World) -> Result<Outputs, Error> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    let mut watchers: Vec<Box<dyn Watcher>> = Vec::new();
    let mut shared = None;
    let mut places = Vec::new();
    if args.output.sink.contains(&TableSinkArg::Database) {
        let connecting = Store::connect(args.database.url(), args.kafka.retry_for);
        let store = world.runtime.block_on(connecting)?;
        let tables = OutputTables::new(store, world.runtime.clone(), tables.clone());
        places.push(tables.name());
        match args.run.shared {
            true => shared = Some(tables),
            false => sinks.push(Box::new(DatabaseSink::new(tables))),
        }
    }
    places.push(format!("topic {} (unreadable records)", args.input.rejected_topic()));
    if args.output.sink.contains(&TableSinkArg::Console) {
        // All but the table of the latest rows, which no screen can hold.
        let shown = tables.iter().cloned().enumerate().skip(1);
        if args.output.is_live(world.terminal) {
            let board = Board::start(BoardOptions {
                job: format!("{} → {}", args.input.topic, tables[0].name),
                tables: shown.collect(),
                where_to: places.clone(),
            })?;
            sinks.push(board.sink());
            watchers.push(board.watcher());
        } else {
            let named = shown.map(|(at, table)| (at, table.name)).collect();
            sinks.push(Box::new(ConsoleSink::stdout().with_tables(named)));
        }
    }
    Ok(Outputs { sinks, shared, watchers, places })
}
