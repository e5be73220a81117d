//! Which rows of a table to read.

use chrono::{DateTime, Utc};

use crate::Error;
use crate::table::{Column, Kind, Layout, list, quote};

/// Some rows of a table, in some order. The default is all of them, by key.
///
/// ```
/// use arus_store::{Condition, Selection};
///
/// let last_failures = Selection {
///     conditions: vec![Condition::OneOf { column: "state", texts: vec!["failed", "timed_out"] }],
///     newest_by: Some("started"),
///     limit: Some(10),
/// };
/// # assert_eq!(last_failures.conditions.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// What holds for each row: all of these.
    pub conditions: Vec<Condition<'a>>,
    /// Orders by this column, largest first, rows without a value last, rows of one value by key.
    pub newest_by: Option<&'a str>,
    /// At most so many rows, the first in the order.
    pub limit: Option<u32>,
}

/// What holds for a row. A column that is null fulfils none.
#[derive(Clone, Debug)]
pub enum Condition<'a> {
    /// A text column holds one of these.
    OneOf {
        /// The column.
        column: &'a str,
        /// The texts.
        texts: Vec<&'a str>,
    },
    /// A timestamp column lies between these, both included.
    Between {
        /// The column.
        column: &'a str,
        /// The first instant.
        from: DateTime<Utc>,
        /// The last instant.
        to: DateTime<Utc>,
    },
}

impl Condition<'_> {
    fn column(&self) -> &str {
        match self {
            Condition::OneOf { column, .. } | Condition::Between { column, .. } => column,
        }
    }
}

impl Selection<'_> {
    /// Whether the table has the columns that are named, each of a type that fits.
    pub(crate) fn check(&self, layout: &Layout<'_>) -> Result<(), Error> {
        let refused =
            |reason: String| Error::InvalidSelection { table: layout.name.to_string(), reason };
        let kind = |name: &str| {
            let column = layout.columns.iter().find(|column| column.name == name);
            column.map(|column| column.kind).ok_or_else(|| refused(format!("no column {name:?}")))
        };
        for condition in &self.conditions {
            let name = condition.column();
            let (fits, wanted) = match (condition, kind(name)?) {
                (Condition::OneOf { .. }, kind) => (kind == Kind::Text, "text"),
                (Condition::Between { .. }, kind) => {
                    (matches!(kind, Kind::Timestamp(_)), "a timestamp")
                }
            };
            if !fits {
                return Err(refused(format!("column {name:?} is not {wanted}")));
            }
        }
        self.newest_by.map(kind).transpose()?;
        Ok(())
    }

    /// ` WHERE … ORDER BY … LIMIT …`; `test` spells a condition with its parameters, `by_key` a
    /// column of the key in the order.
    pub(crate) fn clauses(
        &self,
        layout: &Layout<'_>,
        mut test: impl FnMut(&Condition<'_>, String) -> String,
        by_key: impl Fn(&Column<'_>) -> String,
    ) -> String {
        let tests: Vec<String> = self
            .conditions
            .iter()
            .map(|condition| test(condition, quote(condition.column())))
            .collect();
        let mut sql = String::new();
        if !tests.is_empty() {
            sql.push_str(&format!(" WHERE {}", tests.join(" AND ")));
        }
        sql.push_str(" ORDER BY ");
        if let Some(column) = self.newest_by {
            sql.push_str(&format!("{} DESC NULLS LAST, ", quote(column)));
        }
        sql.push_str(&list(&layout.key, by_key));
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        sql
    }
}
