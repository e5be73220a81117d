//! What can go wrong with tables.

use arrow::error::ArrowError;

/// A table that cannot be, or rows that do not fit it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A column of a type that its part in the table does not allow.
    #[error("column {column:?} is {found}, but the table's {part} must be {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// Key, version or mark of deletions.
        part: &'static str,
        /// What that must be.
        expected: &'static str,
    },
    /// One column named for two parts.
    #[error(
        "the table's key, version and mark of deletions are three columns, not {column:?} twice"
    )]
    SameColumn {
        /// The column.
        column: String,
    },
    /// A column of a type that a table cannot hold.
    #[error(
        "column {column:?} is {found}, which a table cannot hold: give it as a number, date, time, \
         Boolean or Utf8"
    )]
    UnsupportedType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Two groupings of one name.
    #[error("two groupings are called {name:?}: give one of them another name")]
    DuplicateGrouping {
        /// The name.
        name: String,
    },
    /// Groupings, and nothing to compute.
    #[error("groupings need an aggregate, such as count(*)")]
    NoAggregates,
    /// An aggregate over all messages whose state would hold each of them.
    #[error(
        "{text:?} over messages would have to keep every message ever read: leave it out, or use an \
         approximate one, such as approx_median"
    )]
    Unbounded {
        /// What the user wrote.
        text: String,
    },
    /// A row without a key, or, if it is no deletion, without a version. Nothing of its batch was
    /// applied.
    #[error("row {row} of a batch has no {column:?}: such rows must be set aside before the table")]
    MissingValue {
        /// The row's place in the batch, from 0.
        row: usize,
        /// The column.
        column: String,
    },
    /// Rows of another shape.
    #[error("rows have the columns {found}, but the table's are {expected}")]
    RowShape {
        /// The table's columns and types.
        expected: String,
        /// Those of the rows.
        found: String,
    },
    /// More than a table can hold.
    #[error("the table cannot hold {0}: use a topic with more partitions")]
    TooLarge(String),
    /// An aggregate's word.
    #[error(transparent)]
    Aggregate(#[from] arus_window::Error),
    /// An Arrow kernel's word.
    #[error("rows cannot be computed: {0}")]
    Arrow(#[from] ArrowError),
}

impl Error {
    /// Whether what was asked for cannot be, whatever the rows.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Error::ColumnType { .. }
            | Error::SameColumn { .. }
            | Error::UnsupportedType { .. }
            | Error::DuplicateGrouping { .. }
            | Error::NoAggregates
            | Error::Unbounded { .. } => true,
            Error::Aggregate(error) => error.is_wrong_use(),
            Error::MissingValue { .. }
            | Error::RowShape { .. }
            | Error::TooLarge(_)
            | Error::Arrow(_) => false,
        }
    }
}
