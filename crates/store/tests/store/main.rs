//! The store on SQLite always, and the same tests on a real PostgreSQL where one is named.
//!
//! `ARUS_TEST_POSTGRES_URL=$(scripts/postgres.sh up DIR) cargo test -- --include-ignored`

mod epochs;
mod faults;
mod kill;
mod locks;
mod model;
mod selection;
mod shape;
mod types;
mod writes;

use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arus_store::{Error, Store, TableSpec};

/// Long enough for a busy machine, short enough for a test that waits it out.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each named case of a module on both databases.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case(&crate::sqlite_url(&folder)).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
            async fn $case() {
                super::$case(&crate::postgres_url()).await;
            })*
        }
    };
}
pub(crate) use on_both;

fn sqlite_url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}/new/folder/test.db", folder.path().display())
}

fn postgres_url() -> String {
    std::env::var("ARUS_TEST_POSTGRES_URL")
        .expect("ARUS_TEST_POSTGRES_URL names a PostgreSQL for tests: see scripts/postgres.sh")
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres")
}

async fn open(url: &str) -> Store {
    Store::connect(url, PATIENCE).await.unwrap()
}

/// A store in which the tables are new and empty and the job, named like the first table, has no
/// epoch.
async fn open_with(url: &str, tables: &[&TableSpec]) -> Store {
    let store = open(url).await;
    store.reset_job(&tables[0].name, tables).await.unwrap();
    for table in tables {
        store.ensure_table(table).await.unwrap();
    }
    store
}

/// The epoch that an interrupted job's rows are of, and the one after it, which is committed here
/// without rows: that waits for what the database may still be doing for whoever went away.
async fn settle(store: &Store, job: &str) -> (Option<u64>, u64) {
    loop {
        let last = store.last_epoch(job).await.unwrap();
        let next = last.unwrap_or(0) + 1;
        match store.commit_epoch(job, last, next, &[]).await {
            Ok(()) => return (last, next),
            Err(Error::EpochConflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A table that fits the batch.
fn table_for(name: &str, rows: &RecordBatch, key: &[&str]) -> TableSpec {
    TableSpec {
        name: name.to_string(),
        schema: rows.schema(),
        key: key.iter().map(ToString::to_string).collect(),
    }
}
