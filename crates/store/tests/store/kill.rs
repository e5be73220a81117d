//! A process that commits epochs is killed at odd moments: rows and epoch are always in step.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arus_store::{TableSpec, TableWrite};

use crate::{batch, on_both, open, open_with, settle, table_for};

on_both!(killed_again_and_again);

const JOB: &str = "killed";
const ROWS: i64 = 6_000;

fn rows(epoch: u64) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        ("epoch", Arc::new(Int64Array::from(vec![epoch as i64; ROWS as usize]))),
    ])
}

fn table() -> TableSpec {
    table_for(JOB, &rows(0), &["id"])
}

/// Not a test of its own but the process that is killed, started by the other one.
#[tokio::test]
#[ignore = "a part of killed_again_and_again"]
async fn child_that_commits_until_it_is_killed() {
    let Ok(url) = std::env::var("ARUS_TEST_KILLED_URL") else { return };
    let store = open(&url).await;
    let table = table();
    let mut last = store.last_epoch(JOB).await.unwrap();
    loop {
        let epoch = last.unwrap_or(0) + 1;
        let batch = rows(epoch);
        let writes = [TableWrite::Upsert { table: &table, rows: &batch }];
        store.commit_epoch(JOB, last, epoch, &writes).await.unwrap();
        last = Some(epoch);
    }
}

async fn killed_again_and_again(url: &str) {
    let table = table();
    let store = open_with(url, &[&table]).await;
    let mut last = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::child_that_commits_until_it_is_killed"])
            .env("ARUS_TEST_KILLED_URL", url)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // It has begun when the epoch moves; then it gets some moments more, another number each
        // time.
        let begun = async {
            while store.last_epoch(JOB).await.unwrap().unwrap_or(0) <= last {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), begun).await.expect("the child commits");
        tokio::time::sleep(Duration::from_millis(round * 3)).await;
        child.kill().unwrap();
        child.wait().unwrap();

        let (rows_of, found) = settle(&store, JOB).await;
        let rows_of = rows_of.expect("the child committed");
        assert!(rows_of > last, "round {round}: epoch {rows_of} after {last}");
        let read = store.read_table(&table).await.unwrap();
        assert_eq!(read, rows(rows_of), "round {round}");
        last = found;
    }
    println!("12 kills, {last} epochs");
    store.close().await;
}
