//! The port: opening a database, and what can be asked of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;

use crate::epoch::{EpochChange, EpochRow, EpochStep, LastCommit, check_job};
use crate::failure::{Failure, Patience, Trouble, bounded};
use crate::postgres::Postgres;
use crate::rows::{self, Cells, Change};
use crate::sqlite::Sqlite;
use crate::table::{FoundTable, Kind, Layout};
use crate::url::Target;
use crate::{Error, Selection, StoreLock, TableSpec, TableWrite};

/// What a call comes to. Boxed, because whoever polls a future that is not compiles all of sqlx's
/// beneath it anew: a crate that uses this one would take twice as long.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A database, open. Clones share its connections (at most four).
///
/// Calls try again by themselves, for as long as was said at [`Store::connect`], when the server is
/// away or starting, when a connection breaks, on a deadlock, and while another writer locks the
/// database. A call that is dropped before it ends leaves nothing behind, or all; the database may
/// still be deciding which when the next call asks, so after a dropped [`Store::commit_epoch`] open
/// the job anew rather than go on.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    description: String,
    retry_for: Duration,
    /// Whether the table of epochs is known to be there.
    has_epochs: AtomicBool,
}

/// The two databases. What follows a call is the same for both.
enum Database {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// Runs one expression on whichever database it is.
macro_rules! on {
    ($database:expr, $one:ident => $call:expr) => {
        match &$database {
            Database::Postgres($one) => bounded($call).await,
            Database::Sqlite($one) => $call.await,
        }
    };
}

impl Store {
    /// Opens the database that `url` names: `sqlite://FILE` (file and folder are made) or
    /// `postgres://…`.
    ///
    /// `wait_for` bounds the wait for a server that is not there yet, and later, in each call, for
    /// one that went away or for a lock.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Unreachable`], [`Error::Refused`], [`Error::File`],
    /// [`Error::Locked`].
    pub fn connect(url: &str, wait_for: Duration) -> Boxed<'_, Result<Self, Error>> {
        Box::pin(async move {
            let target = Target::parse(url)?;
            let description = target.describe();
            let mut patience = Patience::from_now(&description, "connect", wait_for);
            let database = match target {
                Target::Postgres(options) => loop {
                    match Postgres::connect(&options, wait_for).await {
                        Ok(postgres) => break Database::Postgres(postgres),
                        Err(error) => patience.wait(error).await?,
                    }
                },
                Target::Sqlite { options, in_memory } => {
                    if !in_memory {
                        make_folder(&description, options.get_filename())?;
                    }
                    loop {
                        match Sqlite::connect(&options, in_memory, wait_for).await {
                            Ok(sqlite) => break Database::Sqlite(sqlite),
                            Err(error) => patience.wait(error).await?,
                        }
                    }
                }
            };
            let inner = Inner {
                database,
                description,
                retry_for: wait_for,
                has_epochs: AtomicBool::new(false),
            };
            Ok(Self { inner: Arc::new(inner) })
        })
    }

    /// The same for reading: `None` if the URL names a SQLite file that is not there, which
    /// [`Store::connect`] would make.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub fn connect_if_there(
        url: &str,
        wait_for: Duration,
    ) -> Boxed<'_, Result<Option<Self>, Error>> {
        Box::pin(async move {
            if let Target::Sqlite { options, in_memory: false } = Target::parse(url)?
                && !options.get_filename().exists()
            {
                return Ok(None);
            }
            Ok(Some(Self::connect(url, wait_for).await?))
        })
    }

    /// What to call the database in messages, without user and password: `SQLite file
    /// .arus/arus.db`,
    /// `PostgreSQL db.example:5432/arus`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.inner.description.clone()
    }

    /// Makes the table with its primary key if it is absent.
    ///
    /// # Errors
    /// [`Error::TableShape`] when it is there with other columns, types or key;
    /// [`Error::InvalidTable`] and [`Error::UnsupportedType`] when it cannot be made; trouble with
    /// the database.
    pub fn ensure_table<'a>(&'a self, table: &'a TableSpec) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let layout = Layout::of(table)?;
            let mut patience = self.patience("make a table");
            // Looking again must find what another process made; else the name is taken by something
            // that is no table.
            let mut looks_left = 3;
            loop {
                let found = on!(self.inner.database, it => it.find_table(layout.name));
                let error = match found {
                    Ok(Some(found)) => return self.check_shape(&layout, &found),
                    Ok(None) => match on!(self.inner.database, it => it.create_table(&layout)) {
                        Ok(()) => return Ok(()),
                        Err(error)
                            if Trouble::of(&error) == Trouble::MadeMeanwhile && looks_left > 0 =>
                        {
                            looks_left -= 1;
                            continue;
                        }
                        Err(error) => error,
                    },
                    Err(error) => error,
                };
                patience.wait(error).await?;
            }
        })
    }

    /// Whether a table of that name is there, whatever its shape.
    ///
    /// # Errors
    /// [`Error::InvalidTable`] when the name cannot be one; trouble with the database.
    pub fn has_table<'a>(&'a self, table: &'a TableSpec) -> Boxed<'a, Result<bool, Error>> {
        Box::pin(async move {
            let layout = Layout::of(table)?;
            let mut patience = self.patience("look for a table");
            loop {
                match on!(self.inner.database, it => it.find_table(layout.name)) {
                    Ok(found) => return Ok(found.is_some()),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }

    fn check_shape(&self, layout: &Layout<'_>, found: &FoundTable) -> Result<(), Error> {
        let type_name = |kind: Kind| match self.inner.database {
            Database::Postgres(_) => kind.postgres(),
            Database::Sqlite(_) => kind.sqlite().to_string(),
        };
        match layout.difference(found, type_name) {
            None => Ok(()),
            Some(difference) => Err(Error::TableShape {
                table: layout.name.to_string(),
                database: self.describe(),
                difference,
            }),
        }
    }

    /// The last epoch that the job committed here; `None` before the first.
    ///
    /// # Errors
    /// [`Error::InvalidJob`]; trouble with the database.
    pub fn last_epoch<'a>(&'a self, job: &'a str) -> Boxed<'a, Result<Option<u64>, Error>> {
        Box::pin(async move { Ok(self.last_commit(job).await?.map(|last| last.epoch)) })
    }

    /// The same, and whose epochs these are.
    ///
    /// # Errors
    /// As [`Store::last_epoch`].
    pub fn last_commit<'a>(&'a self, job: &'a str) -> Boxed<'a, Result<Option<LastCommit>, Error>> {
        Box::pin(async move {
            check_job(job)?;
            let mut patience = self.patience("read the job's epoch");
            loop {
                match self.try_last_commit(job).await {
                    Ok(last) => return Ok(last),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }

    async fn try_last_commit(&self, job: &str) -> Result<Option<LastCommit>, sqlx::Error> {
        self.ensure_epochs().await?;
        let row = on!(self.inner.database, it => it.epoch(job))?;
        Ok(row.map(EpochRow::into_last_commit))
    }

    async fn ensure_epochs(&self) -> Result<(), sqlx::Error> {
        if self.inner.has_epochs.load(Ordering::Relaxed) {
            return Ok(());
        }
        match on!(self.inner.database, it => it.ensure_epochs()) {
            Err(error) if Trouble::of(&error) != Trouble::MadeMeanwhile => Err(error),
            _ => {
                self.inner.has_epochs.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Moves the job from epoch `previous` to `epoch` and makes the writes, all in one transaction:
    /// after a kill either everything is there or nothing. The tables must have been ensured.
    ///
    /// When the connection breaks during the commit, the outcome is found out and success is told
    /// only if it is ours.
    ///
    /// # Errors
    /// [`Error::EpochConflict`] when the job's epoch in the database is not `previous` (another
    /// process runs the job), or somebody else's; nothing is written then. [`Error::BatchShape`],
    /// [`Error::InvalidValue`], [`Error::InvalidJob`]; trouble with the database.
    pub fn commit_epoch<'a>(
        &'a self,
        job: &'a str,
        previous: Option<u64>,
        epoch: u64,
        writes: &'a [TableWrite<'a>],
    ) -> Boxed<'a, Result<(), Error>> {
        let step = EpochStep { job, previous, epoch, writer: "" };
        Box::pin(async move { self.commit_epochs(&[step], writes).await })
    }

    /// The same for several jobs that go on together: all of them move and all writes are made, or
    /// nothing. Jobs that nobody else moves are to be named first: by the first one it is found out
    /// whether a commit happened whose answer was lost.
    ///
    /// # Errors
    /// As [`Store::commit_epoch`]; the conflict names the first job that stands elsewhere.
    pub fn commit_epochs<'a>(
        &'a self,
        steps: &'a [EpochStep<'a>],
        writes: &'a [TableWrite<'a>],
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut epochs = steps.iter().map(EpochChange::of).collect::<Result<Vec<_>, _>>()?;
            let changes = changes(writes)?;
            let mut patience = self.patience("commit an epoch");
            loop {
                match self.try_commit(&mut epochs, &changes).await {
                    Ok(()) => return Ok(()),
                    Err(Failure::Sql(error)) => patience.wait(error).await?,
                    Err(Failure::Epoch { job, found }) => {
                        let step = steps.iter().find(|step| step.job == job);
                        let previous = step.and_then(|step| step.previous);
                        let of = found.as_ref().map(|found| found.writer.clone());
                        let found = found.map(|found| found.epoch);
                        return Err(Error::EpochConflict { job, found, of, previous });
                    }
                }
            }
        })
    }

    async fn try_commit(
        &self,
        epochs: &mut [EpochChange<'_>],
        changes: &[Change<'_>],
    ) -> Result<(), Failure> {
        self.ensure_epochs().await?;
        on!(self.inner.database, it => it.commit_epochs(epochs, changes))
    }

    /// Makes the writes in one transaction, without an epoch. The tables must have been ensured.
    ///
    /// # Errors
    /// [`Error::BatchShape`], [`Error::InvalidValue`]; trouble with the database.
    pub fn write<'a>(&'a self, writes: &'a [TableWrite<'a>]) -> Boxed<'a, Result<(), Error>> {
        self.write_telling(writes, &|| {})
    }

    /// The same; `commits` is called right before the commit is sent. Dropped later, this future leaves
    /// a transaction of which nobody knows whether it came about.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_telling<'a>(
        &'a self,
        writes: &'a [TableWrite<'a>],
        commits: &'a (dyn Fn() + Sync),
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let changes = changes(writes)?;
            let mut patience = self.patience("write rows");
            loop {
                // Run twice, a write leaves what it leaves run once, so a lost answer needs no more
                // care than this.
                match on!(self.inner.database, it => it.write(&changes, commits)) {
                    Ok(()) => return Ok(()),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }

    /// Drops the tables and forgets the job's epoch, in one transaction.
    ///
    /// # Errors
    /// [`Error::InvalidJob`], [`Error::InvalidTable`], [`Error::UnsupportedType`]; trouble with the
    /// database.
    pub fn reset_job<'a>(
        &'a self,
        job: &'a str,
        tables: &'a [&'a TableSpec],
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move { self.reset_jobs(&[job], tables, &[]).await })
    }

    /// The same for several jobs that go on together, with writes to other tables.
    ///
    /// # Errors
    /// As [`Store::reset_job`] and [`Store::write`].
    pub fn reset_jobs<'a>(
        &'a self,
        jobs: &'a [&'a str],
        tables: &'a [&'a TableSpec],
        writes: &'a [TableWrite<'a>],
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let changes = changes(writes)?;
            for job in jobs {
                check_job(job)?;
            }
            let layouts: Vec<Layout<'_>> =
                tables.iter().map(|table| Layout::of(table)).collect::<Result<_, _>>()?;
            let names: Vec<&str> = layouts.iter().map(|layout| layout.name).collect();
            let mut patience = self.patience("reset the job");
            loop {
                match self.try_reset(jobs, &names, &changes).await {
                    Ok(()) => return Ok(()),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }

    async fn try_reset(
        &self,
        jobs: &[&str],
        tables: &[&str],
        changes: &[Change<'_>],
    ) -> Result<(), sqlx::Error> {
        self.ensure_epochs().await?;
        on!(self.inner.database, it => it.reset(jobs, tables, changes))
    }

    /// The whole table in the spec's Arrow types, ordered by key (text by its bytes). Held in
    /// memory: for tests and reports.
    ///
    /// # Errors
    /// [`Error::Database`] when it is absent or holds values that the spec's types cannot; trouble
    /// with the database.
    pub fn read_table<'a>(&'a self, table: &'a TableSpec) -> Boxed<'a, Result<RecordBatch, Error>> {
        Box::pin(async move { self.read_selection(table, &Selection::default()).await })
    }

    /// The rows that the selection names, in its order, in the spec's Arrow types. Held in memory.
    ///
    /// # Errors
    /// [`Error::InvalidSelection`] when it names columns that the table does not have so; else as
    /// [`Store::read_table`].
    pub fn read_selection<'a>(
        &'a self,
        table: &'a TableSpec,
        selection: &'a Selection<'a>,
    ) -> Boxed<'a, Result<RecordBatch, Error>> {
        Box::pin(async move {
            let layout = Layout::of(table)?;
            selection.check(&layout)?;
            let mut patience = self.patience("read a table");
            let cells: Vec<Cells> = loop {
                match on!(self.inner.database, it => it.read(&layout, selection)) {
                    Ok(cells) => break cells,
                    Err(error) => patience.wait(error).await?,
                }
            };
            rows::to_batch(table, &layout, cells).map_err(|error| Error::Database {
                database: self.describe(),
                action: format!("read table {:?}", table.name),
                reason: error.to_string(),
            })
        })
    }

    /// Takes the lock of that name if nobody holds it; `None` if somebody does, here or in another
    /// process.
    ///
    /// # Errors
    /// [`Error::InvalidJob`] for a name that cannot be one; [`Error::File`] when the lock's file
    /// cannot be made; trouble with the database.
    pub fn try_lock<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Option<StoreLock>, Error>> {
        Box::pin(async move {
            check_job(name)?;
            match &self.inner.database {
                Database::Sqlite(sqlite) => sqlite.try_lock(name).map_err(|error| Error::File {
                    database: self.describe(),
                    reason: format!("the lock {name:?} beside it: {error}"),
                }),
                Database::Postgres(postgres) => {
                    let mut patience = self.patience("take a lock");
                    loop {
                        match bounded(postgres.try_lock(name)).await {
                            Ok(lock) => return Ok(lock),
                            Err(error) => patience.wait(error).await?,
                        }
                    }
                }
            }
        })
    }

    /// Closes the connections; a SQLite file is left without side files when nobody else has it
    /// open.
    pub fn close(self) -> Boxed<'static, ()> {
        Box::pin(async move {
            match &self.inner.database {
                Database::Postgres(it) => it.close().await,
                Database::Sqlite(it) => it.close().await,
            }
        })
    }

    fn patience(&self, action: &'static str) -> Patience<'_> {
        Patience::new(&self.inner.description, action, self.inner.retry_for)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.inner.description).finish()
    }
}

fn changes<'a>(writes: &[TableWrite<'a>]) -> Result<Vec<Change<'a>>, Error> {
    writes.iter().map(Change::of).collect()
}

fn make_folder(database: &str, file: &std::path::Path) -> Result<(), Error> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| Error::File {
        database: database.to_string(),
        reason: format!("folder {}: {error}", folder.display()),
    })
}
