//! The question a job asks, planned once: windows, groups, aggregates, and the shapes of rows in
//! and out.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::prelude::SessionContext;

use crate::aggregate::{Aggregate, Inputs};
use crate::window::LONGEST_MS;
use crate::{AggregateText, Error, PartitionWatermark, Window};

/// What a user chooses.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// The column that holds event time: Timestamp(ms, "UTC").
    pub time_column: String,
    /// How event time is cut.
    pub window: Window,
    /// How far the watermark follows behind the largest event time, ms.
    pub delay_ms: i64,
    /// The columns that rows are grouped by; none: one row per window.
    pub group_by: Vec<String>,
    /// The aggregates, in the order of the output's columns.
    pub aggregates: Vec<AggregateText>,
}

/// A planned query over rows of one schema.
#[derive(Debug)]
pub struct WindowQuery {
    input: SchemaRef,
    window: Window,
    delay_ms: i64,
    time_index: usize,
    key_indices: Vec<usize>,
    key_schema: SchemaRef,
    aggregates: Vec<Aggregate>,
    output_schema: SchemaRef,
    partial_schema: SchemaRef,
}

/// Where the columns of a partial begin: window start, window end, touched, keys …, states ….
pub(crate) const PARTIAL_KEYS: usize = 3;
/// The place of `touched` in a partial.
pub(crate) const TOUCHED: usize = 2;

impl WindowQuery {
    /// Plans a query over rows of `input`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    /// use arus_window::{QueryOptions, Window, WindowQuery};
    ///
    /// let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    /// let rows = Arc::new(Schema::new(vec![
    ///     Field::new("ts", time, false),
    ///     Field::new("city", DataType::Utf8, false),
    ///     Field::new("price", DataType::Int64, false),
    /// ]));
    /// let query = WindowQuery::plan(&rows, QueryOptions {
    ///     time_column: "ts".into(),
    ///     window: Window::Tumbling { size_ms: 30_000 },
    ///     delay_ms: 10_000,
    ///     group_by: vec!["city".into()],
    ///     aggregates: vec!["count(*)".into(), "avg(price) as mean".into()],
    /// })?;
    /// let fields = query.output_schema().fields();
    /// let columns: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    /// assert_eq!(columns, ["window_start", "window_end", "city", "count", "mean"]);
    /// # Ok::<(), arus_window::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a column is unknown, event time is of another type, an aggregate cannot be planned, a
    /// window cannot be.
    pub fn plan(input: &SchemaRef, options: QueryOptions) -> Result<Self, Error> {
        let window = options.window.validate()?;
        if !(0..=LONGEST_MS).contains(&options.delay_ms) {
            return Err(Error::Window(format!(
                "the watermark's delay must be from 0 ms to 366 days, not {} ms",
                options.delay_ms
            )));
        }
        let time_index = column(input, &options.time_column)?;
        let time_type = input.field(time_index).data_type();
        if *time_type != timestamp_type() {
            return Err(Error::TimeType {
                column: options.time_column,
                found: time_type.to_string(),
            });
        }
        let key_indices: Vec<usize> =
            options.group_by.iter().map(|name| column(input, name)).collect::<Result<_, _>>()?;
        let key_schema = Arc::new(input.project(&key_indices)?);
        let session = SessionContext::new().state();
        let aggregates: Vec<Aggregate> = options
            .aggregates
            .iter()
            .map(|text| Aggregate::plan(&session, input, text))
            .collect::<Result<_, _>>()?;
        let output_schema = output_schema(&key_schema, &aggregates)?;
        let partial_schema = partial_schema(&key_schema, &aggregates);
        Ok(Self {
            input: Arc::clone(input),
            window,
            delay_ms: options.delay_ms,
            time_index,
            key_indices,
            key_schema,
            aggregates,
            output_schema,
            partial_schema,
        })
    }

    /// The windows.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The watermark's delay, ms.
    pub fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Output rows: `window_start`, `window_end` (Timestamp ms UTC), the group columns, one column
    /// per aggregate.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.output_schema
    }

    /// Unfinished rows: `window_start`, `window_end`, `touched` (got a row since the last epoch),
    /// the group columns, then the intermediate state of every aggregate.
    pub fn partial_schema(&self) -> &SchemaRef {
        &self.partial_schema
    }

    /// The columns that identify an output row. A session may begin at the same time as another one
    /// of its group ends, never start together, so the start is enough there too.
    pub fn key_columns(&self) -> Vec<String> {
        let groups = self.key_schema.fields().iter().map(|field| field.name().clone());
        std::iter::once("window_start".to_owned()).chain(groups).collect()
    }

    /// The columns of the input that the query reads (event time, groups, the aggregates'
    /// arguments), in the input's order: a reader of wide rows need not keep the others.
    pub fn columns_read(&self) -> Vec<String> {
        let mut read: BTreeSet<usize> =
            self.aggregates.iter().flat_map(Aggregate::columns).collect();
        read.insert(self.time_index);
        read.extend(&self.key_indices);
        read.into_iter().map(|index| self.input.field(index).name().clone()).collect()
    }

    /// What the saved state depends on, as names and values for people: a checkpoint holds it, and
    /// a job whose query says otherwise cannot go on from there.
    pub fn description(&self) -> Vec<(String, String)> {
        let mut lines = vec![("window".to_owned(), self.window.to_string())];
        let keys: Vec<String> = self
            .key_schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        lines.push(("group by".to_owned(), keys.join(", ")));
        let aggregates: Vec<String> = self.aggregates.iter().map(Aggregate::described).collect();
        lines.push(("aggregates".to_owned(), aggregates.join(", ")));
        lines
    }

    /// Whether a row is late for some window of its, given its partition's watermark before it and
    /// the job's: exactly the rows that [`crate::PartitionState::update`] will name. For readers
    /// that keep the raw form of such rows only.
    pub fn misses_a_window(
        &self,
        event_ms: i64,
        watermark: PartitionWatermark,
        closed_ms: Option<i64>,
    ) -> bool {
        let passed_ms = watermark.floor_ms().max(closed_ms.unwrap_or(i64::MIN));
        passed_ms >= self.window.earliest_end_ms(event_ms)
    }

    pub(crate) fn key_schema(&self) -> &SchemaRef {
        &self.key_schema
    }

    pub(crate) fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    pub(crate) fn time_index(&self) -> usize {
        self.time_index
    }

    pub(crate) fn keys_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key_indices.iter().map(|&index| Arc::clone(rows.column(index))).collect()
    }

    pub(crate) fn inputs_of(&self, rows: &RecordBatch) -> Result<Vec<Inputs>, Error> {
        self.aggregates.iter().map(|aggregate| aggregate.inputs(rows)).collect()
    }

    /// The place of the first state column of a partial.
    pub(crate) fn partial_states(&self) -> usize {
        PARTIAL_KEYS + self.key_indices.len()
    }
}

/// Event time everywhere: ms, UTC.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn column(schema: &SchemaRef, name: &str) -> Result<usize, Error> {
    schema.index_of(name).map_err(|_| Error::UnknownColumn {
        column: name.to_owned(),
        available: schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn window_fields() -> [FieldRef; 2] {
    ["window_start", "window_end"].map(|name| Arc::new(Field::new(name, timestamp_type(), false)))
}

fn output_schema(keys: &SchemaRef, aggregates: &[Aggregate]) -> Result<SchemaRef, Error> {
    let mut fields: Vec<FieldRef> = window_fields().to_vec();
    fields.extend(keys.fields().iter().cloned());
    for aggregate in aggregates {
        fields.push(Arc::clone(&aggregate.output_field));
    }
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|earlier| earlier.name() == field.name()) {
            return Err(Error::DuplicateColumn { name: field.name().clone() });
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn partial_schema(keys: &SchemaRef, aggregates: &[Aggregate]) -> SchemaRef {
    let mut fields: Vec<FieldRef> = window_fields().to_vec();
    fields.push(Arc::new(Field::new("touched", DataType::Boolean, false)));
    fields.extend(keys.fields().iter().cloned());
    for (at, aggregate) in aggregates.iter().enumerate() {
        for (part, state) in aggregate.state_fields.iter().enumerate() {
            // Names by place: two aggregates may call their parts alike. Any part may be null.
            let name = format!("state_{at}_{part}");
            let field = state.as_ref().clone().with_name(name).with_nullable(true);
            fields.push(Arc::new(field));
        }
    }
    Arc::new(Schema::new(fields))
}
