//! The one error type of this crate: each variant is a sentence that says what, where, and what to
//! do.

use std::time::Duration;

use arrow::datatypes::DataType;

/// Why the database did not do what was asked. No variant holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database URL cannot be understood.
    #[error(
        "the database URL cannot be used because {reason}: set --database-url or DATABASE_URL \
        to something like sqlite://.arus/arus.db or postgres://user@host:5432/database"
    )]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The server did not answer, or the connection to it broke, for as long as we were ready to
    /// wait.
    #[error(
        "{database} does not answer ({reason}; waited {waited:?}): start the server, or point \
        --database-url or DATABASE_URL at one that runs"
    )]
    Unreachable {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// How long was waited.
        waited: Duration,
        /// What the last attempt met.
        reason: String,
    },
    /// The server answered and does not let us in.
    #[error(
        "{database} refused the connection ({reason}): check the user, the password and the \
        database's name"
    )]
    Refused {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// The server's words.
        reason: String,
    },
    /// The server and we do not agree on TLS: its certificate did not pass, or ours.
    #[error(
        "{database} cannot be reached securely ({reason}): check sslmode, sslrootcert and the host \
        name of the database URL, and sslcert and sslkey if the server asks for a certificate"
    )]
    Tls {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// What is wrong.
        reason: String,
    },
    /// The SQLite file or its folder cannot be opened or made.
    #[error(
        "{database} cannot be opened ({reason}): check that the path is right and that its \
        folder can be written"
    )]
    File {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// What the operating system or SQLite says.
        reason: String,
    },
    /// Another process kept the database locked.
    #[error(
        "{database} stayed locked by another writer (waited {waited:?}): stop the other program \
        or let it finish, then start again"
    )]
    Locked {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A table's name, columns or key cannot be made into a table.
    #[error("table {table:?} cannot be made: {reason}")]
    InvalidTable {
        /// The table's name as given.
        table: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A column's type has no place in the database.
    #[error(
        "column {column:?} of table {table:?} has type {data_type}, which the database cannot \
        hold: cast it to an integer, float, text, boolean, bytes, date, decimal or a timestamp with \
        time zone"
    )]
    UnsupportedType {
        /// The table's name.
        table: String,
        /// The column's name.
        column: String,
        /// Its Arrow type.
        data_type: DataType,
    },
    /// The rows given do not have the table's columns.
    #[error("the rows for table {table:?} do not fit it: {reason}")]
    BatchShape {
        /// The table's name.
        table: String,
        /// The difference.
        reason: String,
    },
    /// Rows are asked for by a column that the table does not have so.
    #[error("rows of table {table:?} cannot be selected: {reason}")]
    InvalidSelection {
        /// The table's name.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that the database cannot hold.
    #[error(
        "row {row} of the batch for table {table:?} cannot be written because column {column:?} \
        {reason}"
    )]
    InvalidValue {
        /// The table's name.
        table: String,
        /// The column's name.
        column: String,
        /// The row within the batch, counted from 0.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A job's name or epoch cannot be kept.
    #[error("job {job:?} cannot be kept: {reason}")]
    InvalidJob {
        /// The job's name as given.
        job: String,
        /// What is wrong.
        reason: String,
    },
    /// The table is there and has another shape.
    #[error(
        "table {table:?} in {database} has another shape than this program writes \
        ({difference}): start with --reset to drop it, or choose another table or database"
    )]
    TableShape {
        /// The table's name.
        table: String,
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// What is there and what was expected.
        difference: String,
    },
    /// Another process has moved the job's epoch: this one must end, its rows were not written.
    #[error(
        "job {job:?} expected epoch {} in the database and found {}{}: another process runs the \
        same job, stop one of the two",
        shown(*previous),
        shown(*found),
        of.as_deref().filter(|of| !of.is_empty()).map_or_else(String::new, |of| format!(" ({of})"))
    )]
    EpochConflict {
        /// The job's name.
        job: String,
        /// The epoch in the database.
        found: Option<u64>,
        /// Whose it is.
        of: Option<String>,
        /// The epoch that was expected there.
        previous: Option<u64>,
    },
    /// The database did not do what it was told, and trying again would not help.
    #[error("{database} could not {action}: {reason}")]
    Database {
        /// The database, as [`crate::Store::describe`] calls it.
        database: String,
        /// What was being done: `write rows`, …
        action: String,
        /// The database's words.
        reason: String,
    },
}

fn shown(epoch: Option<u64>) -> String {
    epoch.map_or_else(|| "none".to_string(), |epoch| epoch.to_string())
}
