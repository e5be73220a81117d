//! Database tables, exactly once: the epoch's rows and its number are one transaction.

use arus_store::{Condition, EpochStep, LastCommit, Selection, Store, TableSpec, TableWrite};
use tokio::runtime::Handle;

use super::{EpochOutput, Guarantee, OutputMode, OutputTable, Sink};
use crate::Error;
use crate::operator::TableRows;
use crate::origin::Origin;
use crate::shared::records::{PartitionRow, Records};

/// A job's tables in a database: upserted and deleted by key (append, update) or replaced as a whole
/// (complete).
///
/// Calls block on the runtime behind the handle: use it on a thread of its own, not inside an async
/// task.
pub struct OutputTables {
    pub(crate) store: Store,
    pub(crate) runtime: Handle,
    tables: Vec<(TableSpec, OutputMode)>,
}

impl OutputTables {
    /// The tables of these names, one or more.
    pub fn new(store: Store, runtime: Handle, tables: Vec<OutputTable>) -> Self {
        let spec = |table: OutputTable| {
            let OutputTable { name, schema, key, mode } = table;
            (TableSpec { name, schema, key }, mode)
        };
        Self { store, runtime, tables: tables.into_iter().map(spec).collect() }
    }

    /// What to call them in messages.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.tables.iter().map(|(table, _)| table.name.as_str()).collect();
        let tables = if names.len() == 1 { "table" } else { "tables" };
        format!("{tables} {} in {}", names.join(", "), self.store.describe())
    }

    /// What the epoch is kept under: the first table's name, so that two jobs cannot write to one
    /// table. The second finds an epoch that is not its own.
    pub(crate) fn owner(&self) -> &str {
        &self.tables[0].0.name
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = &TableSpec> {
        self.tables.iter().map(|(table, _)| table)
    }

    /// Makes the tables if they are absent, and gives the epoch in the database.
    ///
    /// # Errors
    /// When an epoch is noted but a table with its rows is gone.
    pub(crate) fn prepare(&self) -> Result<Option<LastCommit>, Error> {
        let store = &self.store;
        let (last, gone) = self.runtime.block_on(async {
            let last = store.last_commit(self.owner()).await?;
            let mut gone = None;
            for table in self.specs() {
                if last.is_none() || store.has_table(table).await? {
                    store.ensure_table(table).await?;
                } else {
                    gone.get_or_insert(table.name.clone());
                }
            }
            Ok::<_, arus_store::Error>((last, gone))
        })?;
        if let (Some(LastCommit { epoch, .. }), Some(table)) = (&last, gone) {
            let reason = format!(
                "epoch {epoch} is noted, but the table {table} is gone, and its rows with it"
            );
            return Err(Error::OtherOutput { sink: self.name(), reason });
        }
        Ok(last)
    }

    /// Whose epochs are here; `None` before the first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(crate) fn written_by(&self) -> Result<Option<Origin>, Error> {
        let last = self.runtime.block_on(self.store.last_commit(self.owner()))?;
        Ok(last.map(|last| Origin::read(last.writer)))
    }

    /// What an epoch writes.
    pub(crate) fn writes<'a>(&'a self, changes: &'a [TableRows]) -> Vec<TableWrite<'a>> {
        let mut writes = Vec::new();
        for ((table, mode), change) in self.tables.iter().zip(changes) {
            let (rows, keys) = (&change.rows, &change.deleted);
            if *mode == OutputMode::Complete {
                writes.push(TableWrite::Replace { table, rows });
                continue;
            }
            if keys.num_rows() > 0 {
                writes.push(TableWrite::Delete { table, keys });
            }
            if rows.num_rows() > 0 {
                writes.push(TableWrite::Upsert { table, rows });
            }
        }
        writes
    }

    /// Drops the tables and forgets the job's epoch, and all that it kept here if it was shared. The
    /// next call of [`OutputTables::prepare`] makes the tables anew.
    ///
    /// # Errors
    /// When there is no epoch of this job, and a table is another's by its shape.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        let store = &self.store;
        Ok(self.runtime.block_on(async {
            // Tables without an epoch are a job's own only if they have the shape of one.
            if store.last_epoch(self.owner()).await?.is_none() {
                for table in self.specs() {
                    if store.has_table(table).await? {
                        store.ensure_table(table).await?;
                    }
                }
            }
            // Of a shared job first its states, then in one transaction its epochs and the rows that name its
            // partitions: whatever cuts a reset off, the next one finds all that is left, and neither a
            // state nor a row is taken for one's own.
            let records = Records::new(self.owner());
            let rows = self.shared_rows(&records).await?;
            let shards: Vec<String> = rows.iter().map(|row| records.shard(row.partition)).collect();
            if !rows.is_empty() {
                let mut states = vec![(self.owner().to_owned(), 0)];
                for (row, shard) in rows.iter().zip(&shards) {
                    states.extend((row.base..=row.epoch).map(|epoch| (shard.clone(), epoch)));
                }
                let keys = records.state_keys(&states);
                store.write(&[TableWrite::Delete { table: &records.states, keys: &keys }]).await?;
            }
            let epochs: Vec<&str> =
                shards.iter().map(String::as_str).chain([self.owner()]).collect();
            let tables: Vec<&TableSpec> = self.specs().collect();
            let keys = records.partition_keys(&shards);
            let named = [TableWrite::Delete { table: &records.partitions, keys: &keys }];
            let named = if rows.is_empty() { &[][..] } else { &named };
            store.reset_jobs(&epochs, &tables, named).await
        })?)
    }

    /// What a shared job keeps of its partitions; empty if it is not one.
    async fn shared_rows(&self, records: &Records) -> Result<Vec<PartitionRow>, arus_store::Error> {
        let store = &self.store;
        if !store.has_table(&records.partitions).await? || !store.has_table(&records.states).await?
        {
            return Ok(Vec::new());
        }
        let of_job = Condition::OneOf { column: "job", texts: vec![self.owner()] };
        let selection = Selection { conditions: vec![of_job], ..Selection::default() };
        let rows = store.read_selection(&records.partitions, &selection).await?;
        Ok(PartitionRow::of(&rows))
    }
}

/// The sink of a job that is alone with its tables.
pub struct DatabaseSink {
    tables: OutputTables,
    /// Kept beside the epochs that are written.
    origin: Origin,
    /// The last epoch in the database, once it was asked for.
    last: Option<Option<u64>>,
}

impl DatabaseSink {
    /// A sink for these tables; they are made at the first call if they are absent.
    pub fn new(tables: OutputTables) -> Self {
        Self { tables, origin: Origin::default(), last: None }
    }

    fn epoch_in_database(&mut self) -> Result<Option<u64>, Error> {
        if let Some(last) = self.last {
            return Ok(last);
        }
        let last = self.tables.prepare()?.map(|last| last.epoch);
        self.last = Some(last);
        Ok(last)
    }
}

impl Sink for DatabaseSink {
    fn name(&self) -> String {
        self.tables.name()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn take_over(&mut self, origin: &Origin, _: u64) -> Result<(), Error> {
        self.origin = origin.clone();
        Ok(())
    }

    fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        self.tables.written_by()
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        self.last = None;
        self.epoch_in_database()
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let epoch = output.epoch;
        let last = self.epoch_in_database()?;
        if epoch != last.unwrap_or(0) + 1 {
            return Err(Error::EpochConflict { sink: self.name(), found: last, epoch });
        }
        // After a failure nobody knows what is there: the next call asks.
        self.last = None;
        let OutputTables { store, runtime, .. } = &self.tables;
        let writes = self.tables.writes(output.tables);
        let (job, writer) = (self.tables.owner(), self.origin.text());
        let step = EpochStep { job, previous: last, epoch, writer };
        runtime.block_on(store.commit_epochs(&[step], &writes))?;
        self.last = Some(Some(epoch));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.last = None;
        self.tables.reset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::TableRows;
    use crate::sink::fixture::{purchases, table};
    use arrow::array::RecordBatch;
    use std::time::Duration;
    use tokio::runtime::Runtime;

    struct World {
        runtime: Runtime,
        url: String,
        _folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("test.db").display());
            Self { runtime: Runtime::new().unwrap(), url, _folder: folder }
        }

        fn store(&self) -> Store {
            let store = Store::connect(&self.url, Duration::from_secs(5));
            self.runtime.block_on(store).unwrap()
        }

        fn sink(&self, mode: OutputMode) -> DatabaseSink {
            let handle = self.runtime.handle().clone();
            DatabaseSink::new(OutputTables::new(self.store(), handle, vec![table(mode)]))
        }

        fn rows(&self) -> RecordBatch {
            let OutputTable { name, schema, key, .. } = table(OutputMode::Append);
            let table = TableSpec { name, schema, key };
            self.runtime.block_on(self.store().read_table(&table)).unwrap()
        }
    }

    fn commit(sink: &mut DatabaseSink, epoch: u64, rows: &RecordBatch) -> Result<(), Error> {
        sink.commit(EpochOutput::new(epoch, &[TableRows::new(rows.clone())]))
    }

    #[test]
    fn rows_and_epoch_survive_a_restart() {
        let world = World::new();
        let mut sink = world.sink(OutputMode::Append);
        assert_eq!(sink.last_epoch().unwrap(), None);
        commit(&mut sink, 1, &purchases(&[(0, "Bed", 1, 10)])).unwrap();
        commit(&mut sink, 2, &purchases(&[])).unwrap();
        let mut sink = world.sink(OutputMode::Append);
        assert_eq!(sink.last_epoch().unwrap(), Some(2));
        commit(&mut sink, 3, &purchases(&[(30_000, "Bed", 2, 20)])).unwrap();
        assert_eq!(world.rows(), purchases(&[(0, "Bed", 1, 10), (30_000, "Bed", 2, 20)]));
    }

    #[test]
    fn update_replaces_rows_by_key_and_complete_replaces_all() {
        let world = World::new();
        let mut sink = world.sink(OutputMode::Update);
        commit(&mut sink, 1, &purchases(&[(0, "Bed", 1, 10), (0, "Sofa", 1, 5)])).unwrap();
        commit(&mut sink, 2, &purchases(&[(0, "Bed", 2, 30)])).unwrap();
        assert_eq!(world.rows(), purchases(&[(0, "Bed", 2, 30), (0, "Sofa", 1, 5)]));
        let mut sink = world.sink(OutputMode::Complete);
        commit(&mut sink, 3, &purchases(&[(0, "Desk", 7, 7)])).unwrap();
        assert_eq!(world.rows(), purchases(&[(0, "Desk", 7, 7)]));
        commit(&mut sink, 4, &purchases(&[])).unwrap();
        assert_eq!(world.rows().num_rows(), 0);
    }

    #[test]
    fn another_process_is_noticed_and_changes_nothing() {
        let world = World::new();
        let (mut one, mut two) = (world.sink(OutputMode::Append), world.sink(OutputMode::Append));
        assert_eq!((one.last_epoch().unwrap(), two.last_epoch().unwrap()), (None, None));
        commit(&mut one, 1, &purchases(&[(0, "Bed", 1, 10)])).unwrap();
        commit(&mut two, 1, &purchases(&[(0, "Bed", 9, 90)])).unwrap_err();
        assert_eq!(world.rows(), purchases(&[(0, "Bed", 1, 10)]));
        let skipped = commit(&mut one, 3, &purchases(&[])).unwrap_err();
        assert!(matches!(skipped, Error::EpochConflict { found: Some(1), epoch: 3, .. }));
    }

    #[test]
    fn a_failed_commit_leaves_the_epoch_and_can_be_done_again() {
        let world = World::new();
        let mut sink = world.sink(OutputMode::Append);
        commit(&mut sink, 1, &purchases(&[(0, "Bed", 1, 10)])).unwrap();
        let other_columns = purchases(&[(30_000, "Bed", 2, 20)]).project(&[0, 1]).unwrap();
        commit(&mut sink, 2, &other_columns).unwrap_err();
        assert_eq!(sink.last_epoch().unwrap(), Some(1));
        commit(&mut sink, 2, &purchases(&[(30_000, "Bed", 2, 20)])).unwrap();
        assert_eq!(world.rows().num_rows(), 2);
    }

    /// A table of the sink's name that somebody else made.
    fn foreign(world: &World) -> TableSpec {
        let rows = purchases(&[(0, "Bed", 1, 10)]).project(&[2, 3]).unwrap();
        let name = table(OutputMode::Append).name;
        let key = vec![rows.schema().field(0).name().clone()];
        let foreign = TableSpec { name, schema: rows.schema(), key };
        world.runtime.block_on(async {
            let store = Store::connect(&world.url, Duration::from_secs(5)).await.unwrap();
            store.ensure_table(&foreign).await.unwrap();
            store.write(&[TableWrite::Upsert { table: &foreign, rows: &rows }]).await.unwrap();
        });
        foreign
    }

    #[test]
    fn a_table_that_is_not_ours_is_neither_written_nor_reset() {
        let world = World::new();
        let foreign = foreign(&world);
        let mut sink = world.sink(OutputMode::Append);
        sink.last_epoch().unwrap_err();
        sink.reset().unwrap_err();
        let store = world.store();
        let rows = world.runtime.block_on(store.read_table(&foreign)).unwrap();
        assert_eq!(rows.num_rows(), 1);
    }

    #[test]
    fn a_table_that_is_gone_is_not_made_anew_in_silence() {
        let world = World::new();
        let mut sink = world.sink(OutputMode::Append);
        commit(&mut sink, 1, &purchases(&[(0, "Bed", 1, 10)])).unwrap();
        // Another table's reset drops this one's rows, but knows nothing of its epoch.
        let OutputTable { name, schema, key, .. } = table(OutputMode::Append);
        let spec = TableSpec { name, schema, key };
        let store = world.store();
        world.runtime.block_on(store.reset_job("somebody else", &[&spec])).unwrap();
        let mut sink = world.sink(OutputMode::Append);
        let error = sink.last_epoch().unwrap_err().to_string();
        assert!(
            error.contains("epoch 1 is noted, but the table purchase_windows is gone"),
            "{error}"
        );
        assert!(error.contains("--reset"), "{error}");
        sink.reset().unwrap();
        assert_eq!(sink.last_epoch().unwrap(), None);
    }

    #[test]
    fn reset_forgets_rows_and_epoch() {
        let world = World::new();
        let mut sink = world.sink(OutputMode::Append);
        commit(&mut sink, 1, &purchases(&[(0, "Bed", 1, 10)])).unwrap();
        sink.reset().unwrap();
        assert_eq!((sink.last_epoch().unwrap(), world.rows().num_rows()), (None, 0));
        commit(&mut sink, 1, &purchases(&[(0, "Sofa", 1, 10)])).unwrap();
        assert_eq!(world.rows(), purchases(&[(0, "Sofa", 1, 10)]));
    }
}
