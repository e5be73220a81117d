//! A continuous table over a keyed stream of Arrow record batches, as KTable in Kafka Streams: of
//! each key the last row counts, a deletion takes it away, and aggregates are over keys, not over
//! messages.
//!
//! Everything here is a plain value: rows come in, rows come out. No clock, no I/O, no threads.
//!
//! ```text
//! one per partition of the log                       one per job
//! KeyedTable::apply(rows)    -> what became of them   Aggregates::compute(tables) -> rows by group
//! KeyedTable::take_changes() -> rows for a sink
//!          \__ KeyedTable::rows, restore, restore_changes: a base and a chain of changes __/
//! ```
//!
//! What becomes of a row, in the order of the log:
//!
//! | the row | against what is known of its key | then |
//! |---|---|---|
//! | has a version | nothing | is kept |
//! | | an older version | takes its place |
//! | | the same version, other values | takes its place: the log's order decides |
//! | | the same version, the same values | is a duplicate |
//! | | a newer version | is stale, and changes nothing |
//! | is a deletion | a row | takes it away, whatever its version: a tombstone carries none |
//! | | nothing | is an unknown deletion |
//!
//! After a deletion nothing is known of the key, so a row of any version is kept.
//!
//! State belongs to a partition of the log: a key is always in the same one. The aggregates are
//! computed anew from all rows present, by DataFusion's own accumulators, so a minimum or a median
//! never has to take a value back.
//!
//! ```
//! # use std::sync::Arc;
//! use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};
//! use arrow::datatypes::{DataType, Field, Schema};
//! use arus_table::{Aggregates, Grouping, KeyedTable, TableOptions, TableQuery};
//!
//! let input = Arc::new(Schema::new(vec![
//!     Field::new("id", DataType::Int64, false),
//!     Field::new("city", DataType::Utf8, true),
//!     Field::new("balance", DataType::Int64, true),
//!     Field::new("version", DataType::Int64, true),
//!     Field::new("deleted", DataType::Boolean, false),
//! ]));
//! let query = Arc::new(TableQuery::plan(&input, TableOptions {
//!     key: "id".into(),
//!     version: "version".into(),
//!     deleted: "deleted".into(),
//!     groupings: vec![Grouping { name: "by_city".into(), group_by: vec!["city".into()] }],
//!     aggregates: vec!["count(*) as customers".into(), "sum(balance) as total".into()],
//! })?);
//!
//! let mut table = KeyedTable::new(Arc::clone(&query));
//! let rows = RecordBatch::try_new(input, vec![
//!     Arc::new(Int64Array::from(vec![1, 2, 1, 2, 3])),
//!     Arc::new(StringArray::from(vec![Some("Medan"), Some("Medan"), Some("Bogor"), None, None])),
//!     Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(30), None, None])),
//!     Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(2), None, None])),
//!     Arc::new(BooleanArray::from(vec![false, false, false, true, true])),
//! ])?;
//! let applied = table.apply(&rows)?;
//! assert_eq!((applied.changed, applied.unknown_deletes), (4, 1));
//!
//! let by_city = Aggregates::new(query).compute(&[&table])?.unwrap().remove(0).rows;
//! assert_eq!(by_city.num_rows(), 1); // customer 1, who moved to Bogor
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregates;
mod applied;
mod check;
mod column;
mod error;
mod grouping;
mod index;
mod messages;
mod query;
mod table;

pub use aggregates::{Aggregates, GroupingRows};
pub use applied::{Applied, Changes};
pub use arus_window::AggregateText;
pub use error::Error;
pub use messages::MessageTotals;
pub use query::{Grouping, TableOptions, TableQuery};
pub use table::KeyedTable;
