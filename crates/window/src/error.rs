//! What can go wrong with windows.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// A query that cannot be, or rows that do not fit it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A column that the rows do not have.
    #[error("there is no column {column:?}; the rows have {available}")]
    UnknownColumn {
        /// The column asked for.
        column: String,
        /// The columns there are, by commas.
        available: String,
    },
    /// The event-time column is no timestamp in milliseconds, UTC.
    #[error("column {column:?} is {found}, but event time must be Timestamp(ms, \"UTC\")")]
    TimeType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// An aggregate that cannot be planned.
    #[error("cannot use {text:?} as an aggregate: {reason}")]
    Aggregate {
        /// What the user wrote.
        text: String,
        /// Why not.
        reason: String,
    },
    /// Two output columns of one name.
    #[error(
        "the output would have two columns {name:?}: name one of them, as in 'sum(price) as total'"
    )]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// A window that cannot be.
    #[error("{0}")]
    Window(String),
    /// A snapshot of another query.
    #[error("the saved state does not fit the query: {0}")]
    Snapshot(String),
    /// An Arrow kernel's word.
    #[error("rows cannot be computed: {0}")]
    Arrow(#[from] ArrowError),
    /// DataFusion's word.
    #[error(
        "an aggregate cannot be computed: {0}; guard its expression, as in nullif(x, 0) or \
         try_cast(x as bigint), and start the job again with --reset"
    )]
    DataFusion(#[from] DataFusionError),
}

impl Error {
    /// Whether what was asked for cannot be, whatever the rows.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Error::UnknownColumn { .. }
            | Error::TimeType { .. }
            | Error::Aggregate { .. }
            | Error::DuplicateColumn { .. }
            | Error::Window(_) => true,
            Error::Snapshot(_) | Error::Arrow(_) | Error::DataFusion(_) => false,
        }
    }
}
