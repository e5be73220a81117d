//! From tables to where people look for them: the database, one CSV and one Parquet file a table,
//! and the report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use arus_store::DatabaseArgs;
use clap::ValueEnum;

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
