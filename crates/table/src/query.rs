//! What a table holds and what is asked of it, planned once: key, version, groups, aggregates, and
//! the shapes of rows in and out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arus_window::AggregateText;
use arus_window::aggregate::{Aggregate, Inputs};
use datafusion::prelude::SessionContext;

use crate::column::column;
use crate::index::index;
use crate::{Error, KeyedTable};

/// What a user chooses.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The column that says whose row it is: whole numbers, dates, times or Utf8, never null.
    pub key: String,
    /// The column that says which of two rows of a key is the newer: Int64 or a timestamp; null in
    /// deletions only.
    pub version: String,
    /// The Boolean column that is true for a deletion; of such a row the key alone is looked at,
    /// its other columns may hold anything. Null is false.
    pub deleted: String,
    /// By what the aggregates are asked for.
    pub groupings: Vec<Grouping>,
    /// The aggregates, in the order of the output's columns; the same for every grouping.
    pub aggregates: Vec<AggregateText>,
}

/// One way to group the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Its name, such as `by_city`.
    pub name: String,
    /// The columns that rows are grouped by; none: one row over all, which is there even when the
    /// table is empty.
    pub group_by: Vec<String>,
}

/// A planned table over rows of one schema.
#[derive(Debug)]
pub struct TableQuery {
    input: SchemaRef,
    row_schema: SchemaRef,
    key_schema: SchemaRef,
    /// Places in the input.
    pub(crate) key: usize,
    pub(crate) version: usize,
    pub(crate) deleted: usize,
    /// Per column of a row: its place in the input.
    pub(crate) row_columns: Vec<usize>,
    groupings: Vec<PlannedGrouping>,
    aggregates: Vec<Aggregate>,
    /// The columns of a row that the aggregates read, and their schema.
    pub(crate) read: Vec<usize>,
    read_schema: SchemaRef,
    stamps: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct PlannedGrouping {
    pub(crate) grouping: Grouping,
    /// Places in a row.
    pub(crate) columns: Vec<usize>,
    pub(crate) key_schema: SchemaRef,
    pub(crate) output_schema: SchemaRef,
    pub(crate) partial_schema: SchemaRef,
}

impl TableQuery {
    /// Plans a table over rows of `input`. The table holds all columns but `deleted`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use arrow::datatypes::{DataType, Field, Schema};
    /// use arus_table::{Grouping, TableOptions, TableQuery};
    ///
    /// let input = Arc::new(Schema::new(vec![
    ///     Field::new("id", DataType::Int64, false),
    ///     Field::new("city", DataType::Utf8, true),
    ///     Field::new("balance", DataType::Int64, true),
    ///     Field::new("version", DataType::Int64, true),
    ///     Field::new("deleted", DataType::Boolean, false),
    /// ]));
    /// let query = TableQuery::plan(&input, TableOptions {
    ///     key: "id".into(),
    ///     version: "version".into(),
    ///     deleted: "deleted".into(),
    ///     groupings: vec![Grouping { name: "by_city".into(), group_by: vec!["city".into()] }],
    ///     aggregates: vec!["count(*) as customers".into(), "median(balance)".into()],
    /// })?;
    /// let fields = query.output_schema(0).fields();
    /// let columns: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    /// assert_eq!(columns, ["city", "customers", "median_balance"]);
    /// assert_eq!(query.key_columns(0), ["city"]);
    /// assert_eq!(query.row_schema().fields().len(), 4);
    /// assert_eq!(query.description()[0], ("key".into(), "id Int64".into()));
    /// assert_eq!(query.groupings().count(), 1);
    /// # Ok::<(), arus_table::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a column is unknown, or of a type that its part or a table does not allow; when an
    /// aggregate cannot be planned; when two groupings or two output columns have one name.
    pub fn plan(input: &SchemaRef, options: TableOptions) -> Result<Self, Error> {
        let key = place(input, &options.key)?;
        let version = place(input, &options.version)?;
        let deleted = place(input, &options.deleted)?;
        check_parts(input, key, version, deleted)?;
        let row_columns: Vec<usize> =
            (0..input.fields().len()).filter(|&at| at != deleted).collect();
        let fields = row_columns.iter().map(|&at| {
            let field = input.field(at).clone();
            // A row has both; only in deletions may they be null.
            if at == key || at == version { field.with_nullable(false) } else { field }
        });
        let row_schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        for field in row_schema.fields() {
            column(field)?;
        }
        let session = SessionContext::new().state();
        let plan = |schema: &SchemaRef| -> Result<Vec<Aggregate>, Error> {
            let texts = options.aggregates.iter();
            Ok(texts
                .map(|text| Aggregate::plan(&session, schema, text))
                .collect::<Result<_, _>>()?)
        };
        let read: BTreeSet<usize> =
            plan(&row_schema)?.iter().flat_map(Aggregate::columns).collect();
        let read: Vec<usize> = read.into_iter().collect();
        let read_schema = Arc::new(row_schema.project(&read)?);
        let aggregates = plan(&read_schema)?;
        Ok(Self {
            key_schema: Arc::new(input.project(&[key])?),
            groupings: plan_groupings(&row_schema, options.groupings, &aggregates)?,
            input: Arc::clone(input),
            row_schema,
            key,
            version,
            deleted,
            row_columns,
            aggregates,
            read,
            read_schema,
            stamps: AtomicU64::new(0),
        })
    }

    /// Rows that come in.
    pub fn input_schema(&self) -> &SchemaRef {
        &self.input
    }

    /// Rows that the table holds and gives: the input without the mark of deletions.
    pub fn row_schema(&self) -> &SchemaRef {
        &self.row_schema
    }

    /// The place of the version among the columns that come in.
    pub fn version_index(&self) -> usize {
        self.version
    }

    /// The key column alone.
    pub fn key_schema(&self) -> &SchemaRef {
        &self.key_schema
    }

    /// The groupings, in the order of [`TableOptions::groupings`]; other calls take their place.
    pub fn groupings(&self) -> impl Iterator<Item = &Grouping> {
        self.groupings.iter().map(|planned| &planned.grouping)
    }

    /// Rows of a grouping: the group columns, one column per aggregate.
    ///
    /// # Panics
    /// When there is no such grouping.
    pub fn output_schema(&self, grouping: usize) -> &SchemaRef {
        &self.groupings[grouping].output_schema
    }

    /// The columns that identify a row of a grouping; none where it has one row in all.
    ///
    /// # Panics
    /// When there is no such grouping.
    pub fn key_columns(&self, grouping: usize) -> &[String] {
        &self.groupings[grouping].grouping.group_by
    }

    /// Unfinished rows of a grouping ([`crate::MessageTotals::partials`]): the group columns, then
    /// the intermediate state of every aggregate.
    ///
    /// # Panics
    /// When there is no such grouping.
    pub fn partial_schema(&self, grouping: usize) -> &SchemaRef {
        &self.groupings[grouping].partial_schema
    }

    /// What the saved state and the output depend on, as names and values for people: a checkpoint
    /// holds it, and a job whose query says otherwise cannot go on from there.
    pub fn description(&self) -> Vec<(String, String)> {
        let of = |at: usize| {
            let field = self.input.field(at);
            format!("{} {}", field.name(), field.data_type())
        };
        let columns: Vec<String> = self.row_columns.iter().map(|&at| of(at)).collect();
        let mut lines = vec![
            ("key".to_owned(), of(self.key)),
            ("version".to_owned(), of(self.version)),
            ("deleted".to_owned(), of(self.deleted)),
            ("columns".to_owned(), columns.join(", ")),
        ];
        for planned in &self.groupings {
            let Grouping { name, group_by } = &planned.grouping;
            lines.push((format!("grouping {name}"), group_by.join(", ")));
        }
        let aggregates: Vec<String> = self.aggregates.iter().map(Aggregate::described).collect();
        lines.push(("aggregates".to_owned(), aggregates.join(", ")));
        lines
    }

    /// An empty table of this query.
    pub fn table(self: &Arc<Self>) -> KeyedTable {
        KeyedTable::new(Arc::clone(self))
    }

    pub(crate) fn planned(&self) -> &[PlannedGrouping] {
        &self.groupings
    }

    pub(crate) fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// A number that no other state of any table of this query has.
    pub(crate) fn next_stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::Relaxed)
    }

    /// The aggregates' arguments for rows of the columns `read`.
    pub(crate) fn inputs_of(
        &self,
        columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<Vec<Inputs>, Error> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.read_schema);
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(self
            .aggregates
            .iter()
            .map(|aggregate| aggregate.inputs(&rows))
            .collect::<Result<_, _>>()?)
    }
}

fn place(schema: &SchemaRef, name: &str) -> Result<usize, Error> {
    let available = || {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    Ok(schema.index_of(name).map_err(|_| arus_window::Error::UnknownColumn {
        column: name.to_owned(),
        available: available(),
    })?)
}

fn check_parts(input: &SchemaRef, key: usize, version: usize, deleted: usize) -> Result<(), Error> {
    for (one, other) in [(key, version), (key, deleted), (version, deleted)] {
        if one == other {
            return Err(Error::SameColumn { column: input.field(one).name().clone() });
        }
    }
    index(input.field(key))?;
    let refuse = |at: usize, part, expected| Error::ColumnType {
        column: input.field(at).name().clone(),
        found: input.field(at).data_type().to_string(),
        part,
        expected,
    };
    if !matches!(input.field(version).data_type(), DataType::Int64 | DataType::Timestamp(..)) {
        return Err(refuse(version, "version", "Int64 or a timestamp"));
    }
    if *input.field(deleted).data_type() != DataType::Boolean {
        return Err(refuse(deleted, "mark of deletions", "Boolean"));
    }
    Ok(())
}

fn plan_groupings(
    row_schema: &SchemaRef,
    groupings: Vec<Grouping>,
    aggregates: &[Aggregate],
) -> Result<Vec<PlannedGrouping>, Error> {
    if !groupings.is_empty() && aggregates.is_empty() {
        return Err(Error::NoAggregates);
    }
    let mut planned: Vec<PlannedGrouping> = Vec::with_capacity(groupings.len());
    for grouping in groupings {
        if planned.iter().any(|earlier| earlier.grouping.name == grouping.name) {
            return Err(Error::DuplicateGrouping { name: grouping.name });
        }
        let columns: Vec<usize> = grouping
            .group_by
            .iter()
            .map(|name| place(row_schema, name))
            .collect::<Result<_, _>>()?;
        let key_schema = Arc::new(row_schema.project(&columns)?);
        let outputs = aggregates.iter().map(|aggregate| Arc::clone(&aggregate.output_field));
        let output_schema = schema_of(&key_schema, outputs)?;
        let states = aggregates.iter().enumerate().flat_map(|(at, aggregate)| {
            // Names by place: two aggregates may call their parts alike. Any part may be null.
            aggregate.state_fields.iter().enumerate().map(move |(part, state)| -> FieldRef {
                let field: Field = state.as_ref().clone();
                Arc::new(field.with_name(format!("state_{at}_{part}")).with_nullable(true))
            })
        });
        let partial_schema = schema_of(&key_schema, states)?;
        planned.push(PlannedGrouping {
            grouping,
            columns,
            key_schema,
            output_schema,
            partial_schema,
        });
    }
    Ok(planned)
}

fn schema_of(keys: &SchemaRef, others: impl Iterator<Item = FieldRef>) -> Result<SchemaRef, Error> {
    let fields: Vec<FieldRef> = keys.fields().iter().cloned().chain(others).collect();
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|earlier| earlier.name() == field.name()) {
            let name = field.name().clone();
            return Err(arus_window::Error::DuplicateColumn { name }.into());
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}
