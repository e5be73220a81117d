//! PostgreSQL and SQLite behind one port: tables made from Arrow schemas, rows as record batches,
//! and epochs.
//!
//! A [`Store`] is opened from a database URL. It makes tables ([`TableSpec`]), changes their rows
//! in one transaction ([`TableWrite`]) and, for a streaming job, moves the job's epoch number in
//! that same transaction ([`Store::commit_epoch`]), so that a kill at any instant leaves rows and
//! number in step. Rows are read whole ([`Store::read_table`]) or by condition
//! ([`Store::read_selection`]), and what only one process may do is guarded by a [`StoreLock`]. Both
//! databases keep the same values for the same rows; the differences that
//! remain are listed here.
//!
//! | Arrow | PostgreSQL | SQLite |
//! |---|---|---|
//! | `Int8`…`Int64`, `UInt8`…`UInt64` (up to `i64::MAX`) | `BIGINT` | `INTEGER` |
//! | `Float32`, `Float64` | `DOUBLE PRECISION` | `REAL` (NaN becomes NULL, -0.0 becomes 0.0) |
//! | `Utf8`, `LargeUtf8`, `Utf8View` (no NUL character) | `TEXT` | `TEXT` |
//! | `Boolean` | `BOOLEAN` | `INTEGER` 0 or 1 |
//! | `Date32` | `DATE` | `TEXT` `2026-11-23` |
//! | `Timestamp` with time zone | `TIMESTAMPTZ` | `TEXT` `2026-11-23T11:00:30.000Z` |
//! | `Decimal128`, scale 0 or more | `NUMERIC(p,s)` | `TEXT` with all digits of the scale |
//!
//! Dates and timestamps lie in the years 1 to 9999; what is kept of a timestamp is the instant in
//! UTC, in whole microseconds. Every table has a primary key, whose columns are never null and are
//! neither floats nor decimals.
//!
//! A password may stand in the URL, in `PGPASSWORD`, or in the file that `PGPASSFILE` names (else
//! `~/.pgpass`); it appears in no message and no `Debug` output. TLS follows the URL's `sslmode`,
//! `sslrootcert`, `sslcert`, `sslkey`; as in libpq, `sslmode=require` with a root certificate checks
//! the server's, and without one it only encrypts.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use arrow::array::{Int64Array, RecordBatch};
//! use arrow::datatypes::{DataType, Field, Schema};
//! use arus_store::{Store, TableSpec, TableWrite};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Arc::new(Schema::new(vec![
//!     Field::new("month", DataType::Int64, false),
//!     Field::new("customers", DataType::Int64, false),
//! ]));
//! let key = vec!["month".to_string()];
//! let table = TableSpec { name: "months".to_string(), schema: schema.clone(), key };
//! let columns = [[1, 2], [10, 20]].map(|column| Arc::new(Int64Array::from(column.to_vec())) as _);
//! let rows = RecordBatch::try_new(schema, columns.to_vec())?;
//!
//! let store = Store::connect("sqlite::memory:", Duration::from_secs(1)).await?;
//! store.ensure_table(&table).await?;
//! store.commit_epoch("job", None, 1, &[TableWrite::Upsert { table: &table, rows: &rows }]).await?;
//! assert_eq!(store.last_epoch("job").await?, Some(1));
//! assert_eq!(store.read_table(&table).await?, rows);
//! # Ok(()) }
//! ```

mod args;
mod epoch;
mod error;
mod failure;
mod lock;
mod postgres;
mod rows;
mod selection;
mod sqlite;
mod store;
mod table;
mod url;

pub use args::DatabaseArgs;
pub use epoch::{EpochStep, LastCommit};
pub use error::Error;
pub use lock::StoreLock;
pub use selection::{Condition, Selection};
pub use store::{Boxed, Store};
pub use table::{TableSpec, TableWrite};
