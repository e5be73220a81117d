//! The tables in a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arus_runtime::shutdown::Shutdown;
use arus_store::{Store, TableSpec, TableWrite};
use tokio::runtime::Runtime;

use super::LoadOptions;
use crate::Error;
use crate::tables::{SHAPES, TableShape, Tables};

/// Makes every table hold its rows and no others, and the mark beside them, all in one transaction; gives
/// the database's name. A stop rolls the transaction back, until it is being committed.
pub(super) fn write(
    options: &LoadOptions,
    tables: &Tables,
    mark: &str,
    stop: &Shutdown,
) -> Result<String, Error> {
    let committing = AtomicBool::new(false);
    let commits = || committing.store(true, Ordering::SeqCst);
    let work = async {
        let store = Store::connect(options.database.url(), options.retry_for).await?;
        let specs = specs(&options.table_prefix);
        let marks = marks_table(&options.table_prefix);
        for spec in specs.iter().chain([&marks]) {
            store.ensure_table(spec).await.map_err(explain)?;
        }
        let rows = tables.all();
        let mark = marks_row(mark);
        // First the mark: whoever has its row has the tables. Two loads at once, of two jobs, would else
        // each leave what it did not see of the other's.
        let tables = specs.iter().zip(&rows);
        let tables = tables.map(|(table, (_, rows))| TableWrite::Load { table, rows });
        let mark = TableWrite::Upsert { table: &marks, rows: &mark };
        let writes: Vec<TableWrite<'_>> = std::iter::once(mark).chain(tables).collect();
        store.write_telling(&writes, &commits).await?;
        let name = store.describe();
        store.close().await;
        Ok(name)
    };
    runtime()?.block_on(unless_stopped(work, &committing, stop))
}

/// Lets the work be done. A stop calls it off, unless it is `committing`: a commit that was sent comes about
/// or not, whether or not its end is waited for.
async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Error>>,
    committing: &AtomicBool,
    stop: &Shutdown,
) -> Result<T, Error> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        // Work that is done is done, also when the stop comes in the same moment.
        biased;
        done = &mut work => return done,
        () = stop.requested() => {}
    }
    if committing.load(Ordering::SeqCst) { work.await } else { Err(Error::Stopped) }
}

/// Whether all tables are there, as the load of this mark left them.
pub(super) fn is_there(options: &LoadOptions, mark: &str) -> Result<bool, Error> {
    runtime()?.block_on(async {
        let store = Store::connect(options.database.url(), options.retry_for).await?;
        let marks = marks_table(&options.table_prefix);
        let mut there = true;
        for table in specs(&options.table_prefix).iter().chain([&marks]) {
            there = there && store.has_table(table).await?;
        }
        if there {
            let found = store.read_table(&marks).await?;
            let found = found.column(1).as_string_opt::<i32>();
            there = found.is_some_and(|marks| marks.iter().any(|found| found == Some(mark)));
        }
        store.close().await;
        Ok(there)
    })
}

/// Which load the tables are of: one row.
fn marks_table(prefix: &str) -> TableSpec {
    let column = |name| Field::new(name, DataType::Utf8, false);
    TableSpec {
        name: format!("{prefix}etl_loads"),
        schema: Arc::new(Schema::new(vec![column("results"), column("mark")])),
        key: vec!["results".to_owned()],
    }
}

fn marks_row(mark: &str) -> RecordBatch {
    let column = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let columns = vec![column("tables"), column(mark)];
    RecordBatch::try_new(marks_table("").schema, columns).expect("one text a column")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_calls_off_what_is_not_being_committed() {
        let runtime = runtime().unwrap();
        for (commits, expected) in [(false, None), (true, Some(7))] {
            let (stop, committing) = (Shutdown::new(), AtomicBool::new(false));
            let work = async {
                committing.store(commits, Ordering::SeqCst);
                stop.request();
                // The answer comes later.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                Ok(7)
            };
            let done = runtime.block_on(unless_stopped(work, &committing, &stop));
            assert_eq!(done.ok(), expected, "{commits}");
        }
    }
}
