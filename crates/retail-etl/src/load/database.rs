//! The tables in a database.

use arus_runtime::shutdown::Shutdown;
use arus_store::{Store, TableSpec, TableWrite};
use tokio::runtime::Runtime;

use super::LoadOptions;
use crate::Error;
use crate::tables::{SHAPES, TableShape, Tables};

/// Makes every table hold its rows and no others, all in one transaction; gives the database's
/// name. A stop rolls the transaction back.
pub(super) fn write(
    options: &LoadOptions,
    tables: &Tables,
    stop: &Shutdown,
) -> Result<String, Error> {
    let work = async {
        let store = Store::connect(options.database.url(), options.retry_for).await?;
        let specs = specs(&options.table_prefix);
        for spec in &specs {
            store.ensure_table(spec).await.map_err(explain)?;
        }
        let rows = tables.all();
        let writes: Vec<TableWrite<'_>> = specs
            .iter()
            .zip(&rows)
            .map(|(table, (_, rows))| TableWrite::Load { table, rows })
            .collect();
        store.write(&writes).await?;
        let name = store.describe();
        store.close().await;
        Ok(name)
    };
    runtime()?.block_on(async {
        tokio::select! {
            // Work that is done is done, also when the stop comes in the same moment.
            biased;
            written = work => written,
            () = stop.requested() => Err(Error::Stopped),
        }
    })
}

/// The tables that the last run left in the database.
///
/// # Errors
/// When they are not there, or the database is away.
pub fn read(options: &LoadOptions) -> Result<Tables, Error> {
    runtime()?.block_on(async {
        let store = Store::connect(options.database.url(), options.retry_for).await?;
        let mut batches = Vec::with_capacity(SHAPES.len());
        for spec in specs(&options.table_prefix) {
            batches.push(store.read_table(&spec).await?);
        }
        store.close().await;
        let batches = batches.try_into().expect("there are as many tables as shapes");
        Ok(Tables::from_batches(batches))
    })
}

/// Futures are driven here, so that the job as a whole is plain synchronous code.
fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Threads)
}

fn specs(prefix: &str) -> Vec<TableSpec> {
    let spec = |shape: &TableShape| TableSpec {
        name: format!("{prefix}{}", shape.name),
        schema: shape.schema(),
        key: shape.key.iter().map(ToString::to_string).collect(),
    };
    SHAPES.iter().map(spec).collect()
}

/// The store's advice about a table of another shape is for jobs that keep their rows.
fn explain(error: arus_store::Error) -> Error {
    match error {
        arus_store::Error::TableShape { table, database, difference } => {
            Error::OtherTable { table, database, difference }
        }
        other => other.into(),
    }
}
