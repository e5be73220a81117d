//! The database of a shared job: what is read there, and the one transaction of a commit.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arus_store::{Condition, EpochStep, Selection, TableSpec, TableWrite};

use super::records::{PartitionRow, Records, StateRow};
use crate::Error;
use crate::operator::TableRows;
use crate::origin::Origin;
use crate::recovery::refuse_another_job;
use crate::sink::database::OutputTables;

/// A job's tables, and those in which it keeps itself.
pub(super) struct Database {
    tables: OutputTables,
    origin: Origin,
    records: Records,
}

/// What one commit writes.
pub(super) struct Commit<'a> {
    /// The job's epoch before.
    pub(super) previous: Option<u64>,
    pub(super) epoch: u64,
    /// The held partitions.
    pub(super) rows: &'a BTreeMap<i32, PartitionRow>,
    pub(super) states: &'a [StateRow],
    /// States that these make needless.
    pub(super) outdated: &'a [(String, u64)],
    pub(super) tables: &'a [TableRows],
}

impl Database {
    pub(super) fn new(tables: OutputTables, origin: Origin) -> Self {
        Self { records: Records::new(tables.owner()), tables, origin }
    }

    /// What the job's epoch and its own state are kept under.
    pub(super) fn job(&self) -> &str {
        self.tables.owner()
    }

    /// What a partition's epoch and states are kept under.
    pub(super) fn shard(&self, partition: i32) -> String {
        self.records.shard(partition)
    }

    /// What to call the tables in messages.
    pub(super) fn name(&self) -> String {
        self.tables.name()
    }

    /// What to call the database in messages.
    pub(super) fn describe(&self) -> String {
        self.tables.store.describe()
    }

    /// Makes the tables that are absent, unless those that are there are another job's.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        self.refuse_another_job()?;
        self.tables.prepare()?;
        let OutputTables { store, runtime, .. } = &self.tables;
        Ok(runtime.block_on(async {
            store.ensure_table(&self.records.partitions).await?;
            store.ensure_table(&self.records.states).await
        })?)
    }

    /// Forgets everything.
    pub(super) fn reset(&self) -> Result<(), Error> {
        self.refuse_another_job()?;
        self.tables.reset()
    }

    fn refuse_another_job(&self) -> Result<(), Error> {
        let found = self.tables.written_by()?;
        refuse_another_job(&self.name(), found.as_ref(), &self.origin)
    }

    pub(super) fn job_epoch(&self) -> Result<Option<u64>, Error> {
        let OutputTables { store, runtime, .. } = &self.tables;
        Ok(runtime.block_on(store.last_epoch(self.job()))?)
    }

    /// How far each partition is that was ever committed.
    pub(super) fn partitions(&self) -> Result<BTreeMap<i32, PartitionRow>, Error> {
        let rows = self.read(&self.records.partitions, "job", vec![self.job()])?;
        Ok(PartitionRow::of(&rows).into_iter().map(|row| (row.partition, row)).collect())
    }

    /// The states that are kept under these names.
    pub(super) fn states(&self, shards: &[String]) -> Result<Vec<StateRow>, Error> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let shards = shards.iter().map(String::as_str).collect();
        Ok(StateRow::of(&self.read(&self.records.states, "shard", shards)?))
    }

    fn read(
        &self,
        table: &TableSpec,
        column: &str,
        texts: Vec<&str>,
    ) -> Result<RecordBatch, Error> {
        let OutputTables { store, runtime, .. } = &self.tables;
        let conditions = vec![Condition::OneOf { column, texts }];
        let selection = Selection { conditions, ..Selection::default() };
        Ok(runtime.block_on(store.read_selection(table, &selection))?)
    }

    /// The rows of the job's first table, of all partitions.
    pub(super) fn first_table(&self) -> Result<RecordBatch, Error> {
        let OutputTables { store, runtime, .. } = &self.tables;
        let first = self.tables.specs().next().expect("a job has a table");
        Ok(runtime.block_on(store.read_table(first))?)
    }

    /// Commits; `false` if another process went on meanwhile, with the job or with a partition.
    pub(super) fn commit(&self, commit: &Commit<'_>) -> Result<bool, Error> {
        let shards: Vec<String> = commit.rows.keys().map(|&at| self.shard(at)).collect();
        let mut steps: Vec<EpochStep<'_>> = commit
            .rows
            .values()
            .zip(&shards)
            .map(|(row, job)| EpochStep {
                job,
                previous: Some(row.epoch - 1).filter(|&previous| previous > 0),
                epoch: row.epoch,
                writer: self.origin.text(),
            })
            .collect();
        steps.push(EpochStep {
            job: self.job(),
            previous: commit.previous,
            epoch: commit.epoch,
            writer: self.origin.text(),
        });
        let records = &self.records;
        let outdated = records.state_keys(commit.outdated);
        let partitions = records.partition_rows(commit.rows.values());
        let states = records.state_rows(commit.states);
        let mut writes = self.tables.writes(commit.tables);
        writes.push(TableWrite::Upsert { table: &records.partitions, rows: &partitions });
        writes.push(TableWrite::Upsert { table: &records.states, rows: &states });
        if outdated.num_rows() > 0 {
            writes.push(TableWrite::Delete { table: &records.states, keys: &outdated });
        }
        let OutputTables { store, runtime, .. } = &self.tables;
        match runtime.block_on(store.commit_epochs(&steps, &writes)) {
            Ok(()) => Ok(true),
            Err(arus_store::Error::EpochConflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
