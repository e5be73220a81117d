//! Tables as an operator of the job loop: of each key the latest row, and aggregates over these.
//!
//! The state may be large and change little, so checkpoints hold the changes of an epoch, and all
//! rows again now and then: see [`crate::chain`].

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMillisecondType, UInt64Type};
use arus_table::{
    Aggregates, Applied, Changes, GroupingRows, KeyedTable, MessageTotals, TableQuery,
};
use arus_window::{PartitionTime, Updated};

use crate::Error;
use crate::chain::{Chain, LIMITS};
use crate::operator::{
    Beyond, Cut, Epoch, Extent, Foresight, Operator, Partition, Saved, TableRows,
};

/// The latest row of each key, and aggregates over these or over all messages.
pub struct Tables {
    query: Arc<TableQuery>,
    /// Aggregates are over messages, not over keys.
    per_message: bool,
    aggregates: Aggregates,
    /// Since the last checkpoint that held all rows; `None` before the first one.
    chain: Option<Chain>,
    /// Whether the next epoch gives all groups, changed or not: after a restart, for those who look
    /// on.
    all_groups: bool,
    /// After so many changes, and so many epochs, a checkpoint holds all rows again.
    limits: Chain,
    sharing: Sharing,
}

/// Whose partitions the job's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// All are this process's, always.
    Alone,
    /// All are this process's now.
    All,
    /// Some are.
    Some,
}

/// The table of one partition.
pub struct TablePartition {
    table: KeyedTable,
    messages: Option<MessageTotals>,
    /// The largest version so far, if versions are times, ms.
    largest_ms: Option<i64>,
    tallies: Tallies,
    version_index: usize,
}

/// What became of rows, since the job's first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tallies {
    changed: u64,
    stale: u64,
    duplicates: u64,
    unknown_deletes: u64,
}

/// What is taken out of the partitions at a cut.
pub struct TableCut {
    changes: Vec<Changes>,
    groupings: Option<Vec<GroupingRows>>,
}

/// The column, and its only value, that tells the one row of a table of aggregates that are not
/// grouped: a table has a key.
const SCOPE: (&str, &str) = ("scope", "all");

/// The shape of a table of aggregates, and its key.
pub fn grouping_table(query: &TableQuery, grouping: usize) -> (SchemaRef, Vec<String>) {
    let (schema, key) = (query.output_schema(grouping), query.key_columns(grouping));
    if key.is_empty() {
        return (of_all_schema(schema), vec![SCOPE.0.to_owned()]);
    }
    (Arc::clone(schema), key.to_vec())
}

fn of_all_schema(schema: &SchemaRef) -> SchemaRef {
    let mut fields = vec![Arc::new(Field::new(SCOPE.0, DataType::Utf8, false))];
    fields.extend(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

fn with_scope(rows: &RecordBatch) -> Result<RecordBatch, Error> {
    let scope = StringArray::from(vec![SCOPE.1; rows.num_rows()]);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(scope)];
    columns.extend(rows.columns().iter().cloned());
    let schema = of_all_schema(rows.schema_ref());
    Ok(RecordBatch::try_new(schema, columns).map_err(arus_window::Error::from)?)
}

impl Tables {
    /// The operator of a query; with `per_message` its aggregates are over all messages.
    ///
    /// # Errors
    /// When an aggregate over messages would have to keep every one of them.
    pub fn new(query: Arc<TableQuery>, per_message: bool) -> Result<Self, Error> {
        if per_message {
            MessageTotals::new(Arc::clone(&query))?;
        }
        let aggregates = Aggregates::new(Arc::clone(&query));
        Ok(Self {
            query,
            per_message,
            aggregates,
            chain: None,
            all_groups: false,
            limits: LIMITS,
            sharing: Sharing::Alone,
        })
    }

    /// Writes all rows again after as many changes as there are rows, but not before there are
    /// `changes`, and after `epochs` epochs at the latest.
    #[must_use]
    pub fn with_chain_limits(self, changes: u64, epochs: u64) -> Self {
        Self { limits: Chain { epochs, changes }, ..self }
    }

    /// The aggregates of all partitions, if any changed.
    fn groupings(
        &mut self,
        partitions: &mut [&mut TablePartition],
    ) -> Result<Option<Vec<GroupingRows>>, Error> {
        if self.sharing == Sharing::Some {
            return Ok(None);
        }
        if !self.per_message {
            let tables: Vec<&KeyedTable> = partitions.iter().map(|part| &part.table).collect();
            return Ok(self.aggregates.compute(&tables)?);
        }
        let mut partials = Vec::with_capacity(partitions.len());
        for partition in partitions {
            partials.push(partition.message_partials()?);
        }
        Ok(Some(self.aggregates.of_messages(&partials)?))
    }

    /// The aggregates of all partitions, from the rows that all had given before, and the changes of
    /// this process's.
    fn groupings_beyond(
        &mut self,
        rows: RecordBatch,
        changes: &[Changes],
    ) -> Result<Option<Vec<GroupingRows>>, Error> {
        let mut table = KeyedTable::restore(Arc::clone(&self.query), vec![rows])?;
        for changes in changes {
            table.restore_changes(changes)?;
        }
        // Compared with the last groups, but not taken for the table that they came from.
        let last = self.aggregates.last().to_vec();
        self.aggregates = Aggregates::restore(Arc::clone(&self.query), last)?;
        Ok(self.aggregates.compute(&[&table])?)
    }
}

impl TablePartition {
    fn message_partials(&mut self) -> Result<Vec<RecordBatch>, Error> {
        Ok(match &mut self.messages {
            Some(messages) => messages.partials()?,
            None => Vec::new(),
        })
    }

    /// First the deleted keys, the tallies, and the messages' totals; then rows.
    fn save(&mut self, extent: Extent, changes: &Changes) -> Result<Saved, Error> {
        let mut batches = vec![changes.deleted_keys.clone(), self.tallies.batch()?];
        batches.extend(self.message_partials()?);
        match extent {
            Extent::Changes => batches.push(changes.upserts.clone()),
            Extent::Whole => {
                batches[0] = changes.deleted_keys.slice(0, 0);
                for rows in self.table.rows() {
                    batches.push(rows?);
                }
            }
        }
        Ok(Saved { batches })
    }
}

impl Tallies {
    const NAMES: [&str; 4] = ["changed", "stale", "duplicates", "unknown_deletes"];

    fn values(self) -> [u64; 4] {
        [self.changed, self.stale, self.duplicates, self.unknown_deletes]
    }

    fn add(&mut self, applied: Applied) {
        self.changed += applied.changed as u64;
        self.stale += applied.stale as u64;
        self.duplicates += applied.duplicates as u64;
        self.unknown_deletes += applied.unknown_deletes as u64;
    }

    fn batch(self) -> Result<RecordBatch, Error> {
        numbers(&Self::NAMES, &self.values())
    }

    fn from(batch: &RecordBatch) -> Result<Self, Error> {
        let [changed, stale, duplicates, unknown_deletes] = read_numbers(&Self::NAMES, batch)?;
        Ok(Self { changed, stale, duplicates, unknown_deletes })
    }
}

/// Numbers as a batch of one row.
fn numbers(names: &[&str], values: &[u64]) -> Result<RecordBatch, Error> {
    let column = |value: &u64| Arc::new(UInt64Array::from(vec![*value])) as ArrayRef;
    let columns = values.iter().map(column).collect();
    Ok(RecordBatch::try_new(numbers_schema(names), columns).map_err(arus_window::Error::from)?)
}

fn numbers_schema(names: &[&str]) -> SchemaRef {
    let field = |name: &&str| Field::new(*name, DataType::UInt64, false);
    Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()))
}

fn read_numbers<const N: usize>(names: &[&str; N], batch: &RecordBatch) -> Result<[u64; N], Error> {
    if batch.schema() != numbers_schema(names) || batch.num_rows() != 1 {
        return Err(foreign());
    }
    Ok(std::array::from_fn(|at| batch.column(at).as_primitive::<UInt64Type>().value(0)))
}

/// A checkpoint whose batches are not those of tables.
fn foreign() -> Error {
    arus_window::Error::Snapshot("its parts are of another kind of job".into()).into()
}

impl Partition for TablePartition {
    fn update(&mut self, rows: &RecordBatch, _: Option<i64>) -> Result<Updated, Error> {
        let applied = self.table.apply(rows)?;
        if let Some(messages) = &mut self.messages {
            messages.apply(rows)?;
        }
        let versions = rows.column(self.version_index);
        let versions = versions.as_primitive_opt::<TimestampMillisecondType>();
        self.largest_ms = self.largest_ms.max(versions.and_then(arrow::compute::max));
        self.tallies.add(applied);
        Ok(Updated { counted: rows.num_rows(), late: 0, late_rows: Vec::new() })
    }

    fn foresight(&self, _: Option<i64>) -> Foresight {
        Foresight::none()
    }

    fn largest_ms(&self) -> Option<i64> {
        self.largest_ms
    }

    fn watermark_ms(&self) -> Option<i64> {
        None
    }

    fn latest_end_ms(&self) -> Option<i64> {
        None
    }

    fn rows(&self) -> usize {
        self.table.len()
    }

    fn size(&self) -> usize {
        self.table.size() + self.messages.as_ref().map_or(0, MessageTotals::size)
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        Tallies::NAMES.into_iter().zip(self.tallies.values()).collect()
    }
}

impl Operator for Tables {
    type Partition = TablePartition;
    type Taken = TableCut;

    fn description(&self) -> Vec<(String, String)> {
        let over = if self.per_message { "messages" } else { "the latest row of each key" };
        // First: where this differs, so do the aggregates, and this tells the reason.
        let mut lines = vec![("aggregates over".to_owned(), over.to_owned())];
        lines.extend(self.query.description());
        lines
    }

    fn needs_keys_in_place(&self) -> bool {
        // The latest of a key is looked for among the rows of one partition.
        !self.per_message
    }

    fn columns_read(&self) -> Vec<String> {
        self.query.input_schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn partition(&self) -> Result<TablePartition, Error> {
        let query = Arc::clone(&self.query);
        let messages = self.per_message.then(|| MessageTotals::new(query)).transpose()?;
        Ok(TablePartition {
            table: KeyedTable::new(Arc::clone(&self.query)),
            messages,
            largest_ms: None,
            tallies: Tallies::default(),
            version_index: self.query.version_index(),
        })
    }

    fn restore_partition(
        &self,
        largest_ms: Option<i64>,
        saved: Vec<Saved>,
    ) -> Result<TablePartition, Error> {
        let mut partition = self.partition()?;
        partition.largest_ms = largest_ms;
        for (at, Saved { mut batches }) in saved.into_iter().enumerate() {
            let totals = if self.per_message { self.query.groupings().count() } else { 0 };
            if batches.len() < 2 + totals {
                return Err(foreign());
            }
            let rows = batches.split_off(2 + totals);
            let partials = batches.split_off(2);
            partition.tallies = Tallies::from(&batches[1])?;
            if self.per_message {
                let totals = MessageTotals::restore(Arc::clone(&self.query), &partials)?;
                partition.messages = Some(totals);
            }
            if at == 0 {
                partition.table = KeyedTable::restore(Arc::clone(&self.query), rows)?;
                continue;
            }
            let deleted_keys = batches.swap_remove(0);
            let [upserts] = <[RecordBatch; 1]>::try_from(rows).map_err(|_| foreign())?;
            partition.table.restore_changes(&Changes { upserts, deleted_keys })?;
        }
        Ok(partition)
    }

    fn restore(&mut self, _: Option<i64>, saved: Saved) -> Result<(), Error> {
        let mut batches = saved.batches;
        let chain = batches.pop().ok_or_else(foreign)?;
        let [epochs, changes] = read_numbers(&["epochs", "changes"], &chain)?;
        // A shared job is brought up to date again and again, which is no restart; and the chains of its
        // partitions have different beginnings: see `share`.
        if self.sharing == Sharing::Alone {
            self.chain = Some(Chain { epochs, changes });
            self.all_groups = true;
        }
        self.aggregates = Aggregates::restore(Arc::clone(&self.query), batches)?;
        Ok(())
    }

    fn save(&self) -> Result<Saved, Error> {
        let Chain { epochs, changes } = self.chain.unwrap_or_default();
        let mut batches = self.aggregates.last().to_vec();
        batches.push(numbers(&["epochs", "changes"], &[epochs, changes])?);
        Ok(Saved { batches })
    }

    fn share(&mut self, all: bool) -> Result<(), Error> {
        if self.per_message {
            return Err(Error::Unsupported(
                "--per-message cannot be shared: its totals are of messages that no table keeps; leave \
                 out --shared"
                    .into(),
            ));
        }
        self.sharing = if all { Sharing::All } else { Sharing::Some };
        // The partitions come from several processes: all of their rows are written first.
        self.chain = None;
        self.all_groups = true;
        Ok(())
    }

    fn reads_back(&self, taken: &TableCut) -> bool {
        self.sharing == Sharing::Some && taken.changes.iter().any(|changes| !changes.is_empty())
    }

    fn delay_ms(&self) -> i64 {
        0
    }

    fn watermark_ms(&self) -> Option<i64> {
        None
    }

    fn advance(&mut self, _: &[PartitionTime]) {}

    fn raise_to(&mut self, _: i64) {}

    fn cut(
        &mut self,
        partitions: &mut [&mut TablePartition],
        needed: bool,
    ) -> Result<Option<Cut<TableCut>>, Error> {
        if !needed && !self.all_groups {
            return Ok(None);
        }
        let groupings = self.groupings(partitions)?;
        let mut changes = Vec::with_capacity(partitions.len());
        for partition in partitions.iter_mut() {
            changes.push(partition.table.take_changes()?);
        }
        let changed: usize = changes.iter().map(Changes::len).sum();
        let rows: usize = partitions.iter().map(|partition| partition.table.len()).sum();
        let extent = Chain::extent(&mut self.chain, self.limits, changed as u64, rows as u64);
        let mut saved = Vec::with_capacity(partitions.len());
        for (partition, changes) in partitions.iter_mut().zip(&changes) {
            saved.push(partition.save(extent, changes)?);
        }
        Ok(Some(Cut { extent, saved, taken: TableCut { changes, groupings } }))
    }

    fn finish(&mut self, taken: &TableCut, beyond: Option<Beyond>) -> Result<Epoch, Error> {
        let of_all = match beyond.and_then(|beyond| beyond.rows) {
            Some(rows) => self.groupings_beyond(rows, &taken.changes)?,
            None => None,
        };
        let groupings = taken.groupings.as_ref().or(of_all.as_ref());
        let concat = |schema: &SchemaRef, pick: fn(&Changes) -> &RecordBatch| {
            concat_batches(schema, taken.changes.iter().map(pick)).map_err(arus_window::Error::from)
        };
        let mut tables = vec![TableRows {
            rows: concat(self.query.row_schema(), |changes| &changes.upserts)?,
            deleted: concat(self.query.key_schema(), |changes| &changes.deleted_keys)?,
        }];
        for (at, rows) in self.aggregates.last().iter().enumerate() {
            let grouping = groupings.map(|groupings| &groupings[at]);
            let mut change = TableRows::new(match grouping {
                _ if self.all_groups => rows.clone(),
                Some(grouping) => grouping.changed.clone(),
                None => rows.slice(0, 0),
            });
            if let Some(grouping) = grouping {
                change.deleted = grouping.gone.clone();
            }
            if self.query.key_columns(at).is_empty() {
                change = TableRows::new(with_scope(&change.rows)?);
            }
            tables.push(change);
        }
        self.all_groups = false;
        Ok(Epoch { tables, saved: self.save()?, closed_windows: 0, open_windows: 0 })
    }

    fn open_rows(&self, _: &TableCut) -> Result<Option<RecordBatch>, Error> {
        Ok(None)
    }
}
