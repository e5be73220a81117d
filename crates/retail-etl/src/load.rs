//! From tables to where people look for them: the database, one CSV and one Parquet file a table,
//! and the report.
//!
//! Everything is made ready first: files are whole and on disk, but under hidden names. Then the
//! database changes, all tables in one transaction; then the files take their names. So whatever
//! fails (a full disk, a database that is away) leaves the old tables and the old files, and a kill
//! leaves each table and each file old or new, never half of both.
//!
//! Each load leaves its *mark*, a name of its own, in the database with the tables and in the folder
//! after the last file. So it can be told later whether what is there is all of one load, and of which.

pub(crate) mod csv;
pub mod database;
mod folder;
mod parquet;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arus_runtime::files::{StagedFile, sync_folder_of};
use arus_runtime::shutdown::Shutdown;
use arus_store::DatabaseArgs;
use clap::ValueEnum;

use crate::Error;
use crate::extract::FinishedRejects;
use crate::report::{self, Report};
use crate::tables::{SHAPES, TableShape, Tables};
use folder::OutputFolder;

/// A place that results go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Sink {
    /// Tables in PostgreSQL or SQLite.
    Database,
    /// One CSV file a table.
    Csv,
    /// One Parquet file a table.
    Parquet,
    /// One HTML page.
    Report,
}

/// Where results go.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Folder of the files.
    pub output: PathBuf,
    /// The places.
    pub sinks: BTreeSet<Sink>,
    /// The database.
    pub database: DatabaseArgs,
    /// Put before every table's name in the database.
    pub table_prefix: String,
    /// How long a database that is away or locked is tried again.
    pub retry_for: Duration,
}

/// Where a part of the results is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What is there: `tables`, `CSV`, `Parquet`, `report`.
    pub what: &'static str,
    /// Where, as a person would write it.
    pub place: String,
}

impl LoadOptions {
    /// Whether results go there.
    #[must_use]
    pub fn has(&self, sink: Sink) -> bool {
        self.sinks.contains(&sink)
    }

    /// Where the report goes.
    #[must_use]
    pub fn report_path(&self) -> PathBuf {
        self.output.join("report.html")
    }

    /// Every file that a load makes.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let tables = |ending: &'static str| {
            SHAPES.iter().map(move |shape| self.output.join(format!("{}.{ending}", shape.name)))
        };
        let mut files = Vec::new();
        if self.has(Sink::Csv) {
            files.extend(tables("csv"));
        }
        if self.has(Sink::Parquet) {
            files.extend(tables("parquet"));
        }
        if self.has(Sink::Report) {
            files.push(self.report_path());
            files.push(self.output.join(report::stored::FILE_NAME));
        }
        files
    }
}

/// What a run brings to its load.
pub struct Results<'a> {
    /// The tables.
    pub tables: &'a Tables,
    /// The report, if one is wanted.
    pub report: Option<&'a Report>,
    /// The reject file.
    pub rejects: FinishedRejects,
    /// A name that no other load has.
    pub mark: &'a str,
}

/// Writes the results to all places; tells where. A stop is seen for as long as others are waited for: until
/// the database is told to commit.
///
/// # Errors
/// One sentence; nothing has changed then, unless it is the files' renaming itself that fails, which comes
/// last: then their mark is gone.
pub fn load(
    options: &LoadOptions,
    results: Results<'_>,
    stop: &Shutdown,
) -> Result<Vec<Place>, Error> {
    let Results { tables, report, rejects, mark } = results;
    let _alone = match options.files().is_empty() {
        true => None,
        false => Some(OutputFolder::lock(&options.output, options.retry_for, stop)?),
    };
    let staged = stage(options, tables, report)?;
    let marked = match staged.is_empty() {
        true => None,
        false => Some(staged_file(&folder::mark_path(&options.output), mark.as_bytes())?),
    };
    let mut places = Vec::new();
    if options.has(Sink::Database) {
        let database = database::write(options, tables, mark, stop)?;
        places.push(Place { what: "tables", place: database });
    }
    publish(options, staged, rejects, marked)?;
    let shown = |pattern: &str| options.output.join(pattern).display().to_string();
    for (sink, what, pattern) in [
        (Sink::Csv, "CSV", "*.csv"),
        (Sink::Parquet, "Parquet", "*.parquet"),
        (Sink::Report, "report", "report.html"),
    ] {
        if options.has(sink) {
            places.push(Place { what, place: shown(pattern) });
        }
    }
    Ok(places)
}

/// Whether all that was asked for is there as the load of this mark left it.
///
/// # Errors
/// When the database cannot be asked.
pub fn is_there(options: &LoadOptions, mark: &str) -> Result<bool, Error> {
    let files = options.files();
    let in_folder = files.is_empty() || folder::mark(&options.output).as_deref() == Some(mark);
    if !in_folder || files.iter().any(|file| !file.is_file()) {
        return Ok(false);
    }
    if options.has(Sink::Database) { database::is_there(options, mark) } else { Ok(true) }
}

/// All files, whole and on disk, under hidden names.
fn stage(
    options: &LoadOptions,
    tables: &Tables,
    report: Option<&Report>,
) -> Result<Vec<StagedFile>, Error> {
    let mut files = Vec::new();
    for (shape, rows) in tables.all() {
        if options.has(Sink::Csv) {
            files.push((file_of(options, shape, "csv"), csv::encode(shape, rows)?));
        }
        if options.has(Sink::Parquet) {
            files.push((file_of(options, shape, "parquet"), parquet::encode(shape, rows)?));
        }
    }
    if let Some(Report { page, stored }) = report {
        files.push((options.report_path(), page.as_bytes().to_vec()));
        files.push((options.output.join(report::stored::FILE_NAME), stored.clone()));
    }
    // Beside each other: each mostly waits for the disk.
    std::thread::scope(|scope| {
        let write = |(path, bytes): &(PathBuf, Vec<u8>)| staged_file(path, bytes);
        let writers: Vec<_> = files.iter().map(|file| scope.spawn(move || write(file))).collect();
        let staged =
            writers.into_iter().map(|writer| writer.join().expect("writing does not panic"));
        staged.collect()
    })
}

fn file_of(options: &LoadOptions, shape: &TableShape, ending: &str) -> PathBuf {
    options.output.join(format!("{}.{ending}", shape.name))
}

fn staged_file(path: &Path, bytes: &[u8]) -> Result<StagedFile, Error> {
    StagedFile::write(path, bytes).map_err(|source| Error::file("write", path, source))
}

/// Gives all files their names, last of all the mark: while some of them are old it is not there.
fn publish(
    options: &LoadOptions,
    staged: Vec<StagedFile>,
    rejects: FinishedRejects,
    marked: Option<StagedFile>,
) -> Result<(), Error> {
    let Some(marked) = marked else { return rejects.publish() };
    let folder = &options.output;
    folder::unmark(folder)?;
    rejects.publish()?;
    for file in staged.into_iter().chain([marked]) {
        let path = file.path().to_owned();
        file.publish().map_err(|source| Error::file("rename a new file to", path, source))?;
    }
    sync_folder_of(&folder::mark_path(folder))
        .map_err(|source| Error::file("sync the folder", folder, source))
}

#[cfg(test)]
mod tests;
