//! Epochs: in step with the rows, and a fence between processes.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arus_store::{EpochStep, Error, LastCommit, TableWrite};
use sqlx::{ConnectOptions, Connection};

use crate::{batch, on_both, open, open_with, settle, table_for};

on_both!(
    an_epoch_follows_its_predecessor,
    of_two_writers_one_wins,
    several_jobs_move_together_or_not_at_all,
    a_writer_does_not_go_on_with_epochs_of_another,
    jobs_do_not_meet,
    a_commit_cut_short_leaves_all_or_nothing,
    reset_forgets,
    names_of_jobs,
);

fn rows(count: i64, epoch: i64) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef),
        ("epoch", Arc::new(Int64Array::from_iter_values((0..count).map(|_| epoch)))),
    ])
}

async fn an_epoch_follows_its_predecessor(url: &str) {
    let job = "epoch_follows";
    let table = table_for(job, &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    assert_eq!(store.last_epoch(job).await.unwrap(), None);
    // From, to, and what is found instead.
    let attempts: [(_, u64, Result<(), Option<u64>>); 7] = [
        (Some(0), 1, Err(None)),
        (None, 1, Ok(())),
        (None, 1, Err(Some(1))),
        (Some(1), 2, Ok(())),
        (Some(1), 2, Err(Some(2))),
        (Some(1), 3, Err(Some(2))),
        (Some(2), i64::MAX as u64, Ok(())),
    ];
    let mut last = 0;
    for (previous, epoch, expected) in attempts {
        let batch = rows(2, epoch as i64);
        let write = TableWrite::Upsert { table: &table, rows: &batch };
        match (store.commit_epoch(job, previous, epoch, &[write]).await, expected) {
            (Ok(()), Ok(())) => last = epoch,
            (Err(Error::EpochConflict { found, previous: told, .. }), Err(expected)) => {
                assert_eq!((found, told), (expected, previous));
            }
            (other, _) => panic!("{previous:?} to {epoch}: {other:?}, expected {expected:?}"),
        }
        if last > 0 {
            assert_eq!(store.last_epoch(job).await.unwrap(), Some(last));
            assert_eq!(store.read_table(&table).await.unwrap(), rows(2, last as i64));
        }
    }
    let error = store.commit_epoch(job, Some(last), last + 1, &[]).await.unwrap_err();
    assert!(matches!(error, Error::InvalidJob { .. }), "{error}");
    store.close().await;
}

/// Many processes commit the same step at the same time: one does, the others are told of it, one's
/// rows are there.
async fn of_two_writers_one_wins(url: &str) {
    let job = "one_wins";
    let table = table_for(job, &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    let mut previous = None;
    for epoch in 1..=10_u64 {
        let mut writers = Vec::new();
        for writer in 0..4_i64 {
            let (url, table) = (url.to_string(), table.clone());
            writers.push(tokio::spawn(async move {
                let store = open(&url).await;
                let batch = rows(3, writer);
                let write = TableWrite::Replace { table: &table, rows: &batch };
                let result = store.commit_epoch("one_wins", previous, epoch, &[write]).await;
                store.close().await;
                result
            }));
        }
        let mut winners = Vec::new();
        for (writer, task) in writers.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(()) => winners.push(writer as i64),
                Err(Error::EpochConflict { found, .. }) => assert_eq!(found, Some(epoch)),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1, "epoch {epoch}: {winners:?}");
        assert_eq!(store.read_table(&table).await.unwrap(), rows(3, winners[0]));
        previous = Some(epoch);
    }
    store.close().await;
}

/// Jobs that go on together: all move and the rows are there, or nothing.
async fn several_jobs_move_together_or_not_at_all(url: &str) {
    let table = table_for("together", &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    let (one, two) = ("together/1", "together/2");
    store.reset_jobs(&[one, two], &[&table], &[]).await.unwrap();
    store.ensure_table(&table).await.unwrap();
    let step = |job, previous, epoch| EpochStep { job, previous, epoch, writer: "" };
    let batches = [rows(2, 1), rows(2, 2)];
    let write = |at: usize| [TableWrite::Upsert { table: &table, rows: &batches[at] }];
    let both = [step(one, None, 1), step(two, None, 7)];
    store.commit_epochs(&both, &write(0)).await.unwrap();
    // The second stands elsewhere: neither moves.
    let torn = [step(one, Some(1), 2), step(two, Some(6), 8)];
    match store.commit_epochs(&torn, &write(1)).await {
        Err(Error::EpochConflict { job, found, previous, .. }) => {
            assert_eq!((job.as_str(), found, previous), (two, Some(7), Some(6)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.last_epoch(one).await.unwrap(), Some(1));
    assert_eq!(store.read_table(&table).await.unwrap(), batches[0]);
    let right = [step(one, Some(1), 2), step(two, Some(7), 8)];
    store.commit_epochs(&right, &write(1)).await.unwrap();
    assert_eq!(store.last_epoch(two).await.unwrap(), Some(8));
    assert_eq!(store.read_table(&table).await.unwrap(), batches[1]);
    store.reset_jobs(&[one, two], &[], &[]).await.unwrap();
    assert_eq!(store.last_epoch(one).await.unwrap(), None);
    assert_eq!(store.last_epoch(two).await.unwrap(), None);
    store.close().await;
}

/// Two that happen to be as far as each other.
async fn a_writer_does_not_go_on_with_epochs_of_another(url: &str) {
    let job = "writers";
    let table = table_for(job, &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    let commit = async |writer, previous, epoch: u64| {
        let batch = rows(2, epoch as i64);
        let step = EpochStep { job, previous, epoch, writer };
        let write = TableWrite::Upsert { table: &table, rows: &batch };
        store.commit_epochs(&[step], &[write]).await
    };
    commit("one", None, 1).await.unwrap();
    let error = commit("two", Some(1), 2).await.unwrap_err();
    assert!(
        error.to_string().contains("expected epoch 1 in the database and found 1 (one)"),
        "{error}"
    );
    let last = store.last_commit(job).await.unwrap().unwrap();
    assert_eq!(last, LastCommit { epoch: 1, writer: "one".to_owned() });
    commit("one", Some(1), 2).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), rows(2, 2));
    store.reset_job(job, &[&table]).await.unwrap();
    store.ensure_table(&table).await.unwrap();
    commit("two", None, 1).await.unwrap();
    assert_eq!(store.last_commit(job).await.unwrap().unwrap().writer, "two");
    store.close().await;
}

async fn jobs_do_not_meet(url: &str) {
    let store = open(url).await;
    for job in ["meet_1", "meet_2", "Meet_1", "meet'--1"] {
        store.reset_job(job, &[]).await.unwrap();
    }
    for job in ["meet_1", "meet_2", "Meet_1", "meet'--1"] {
        assert_eq!(store.last_epoch(job).await.unwrap(), None);
        store.commit_epoch(job, None, job.len() as u64, &[]).await.unwrap();
        assert_eq!(store.last_epoch(job).await.unwrap(), Some(job.len() as u64));
    }
    store.close().await;
}

/// The caller goes away at some moment of the commit, as at a stop that cannot wait.
async fn a_commit_cut_short_leaves_all_or_nothing(url: &str) {
    let job = "cut_short";
    let table = table_for(job, &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    let (mut cut, mut committed) = (0, 0);
    let (mut last, mut rows_of) = (None, None);
    for step in 0..60_u64 {
        let epoch = last.unwrap_or(0) + 1;
        let batch = rows(6_000, epoch as i64);
        let write = [TableWrite::Replace { table: &table, rows: &batch }];
        let commit = store.commit_epoch(job, last, epoch, &write);
        match tokio::time::timeout(Duration::from_millis(step / 2), commit).await {
            Ok(result) => result.unwrap(),
            Err(_) => cut += 1,
        }
        let (found, next) = settle(&store, job).await;
        assert!(found == last || found == Some(epoch), "{found:?} after {last:?}");
        if found == Some(epoch) {
            committed += 1;
            rows_of = found;
        }
        let expected = rows_of.map_or_else(|| rows(0, 0), |epoch| rows(6_000, epoch as i64));
        assert!(store.read_table(&table).await.unwrap() == expected, "epoch {found:?}");
        last = Some(next);
    }
    assert!(cut > 0, "no commit was cut");
    println!("{cut} cut, {committed} committed");
    store.close().await;
}

async fn reset_forgets(url: &str) {
    let job = "reset_forgets";
    let table = table_for(job, &rows(1, 0), &["id"]);
    let store = open_with(url, &[&table]).await;
    let batch = rows(3, 1);
    let write = [TableWrite::Upsert { table: &table, rows: &batch }];
    store.commit_epoch(job, None, 1, &write).await.unwrap();
    store.reset_job(job, &[&table]).await.unwrap();
    assert_eq!(store.last_epoch(job).await.unwrap(), None);
    assert!(matches!(store.read_table(&table).await, Err(Error::Database { .. })));
    store.reset_job(job, &[&table]).await.unwrap();
    store.ensure_table(&table).await.unwrap();
    store.commit_epoch(job, None, 1, &write).await.unwrap();
    let read = store.read_table(&table).await.unwrap();
    assert_eq!(read.column(1).as_primitive::<Int64Type>().values(), &[1, 1, 1]);
    store.close().await;
}

async fn names_of_jobs(url: &str) {
    let store = open(url).await;
    for job in ["", "a\0b", &"x".repeat(201)] {
        let result = store.last_epoch(job).await;
        assert!(matches!(result, Err(Error::InvalidJob { .. })), "{job:?}");
    }
    store.close().await;
}

/// A file of an older version, which kept no writer: its jobs go on, as those of nobody.
#[tokio::test]
async fn a_table_of_epochs_without_writers_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    for sql in [
        "CREATE TABLE arus_epochs (job TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, \
         commit_mark TEXT NOT NULL, committed_at TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO arus_epochs VALUES ('old', 7, 'mark', '2026-01-01T00:00:00.000Z')",
    ] {
        sqlx::query(sql).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();
    let store = open(&format!("sqlite://{}", file.display())).await;
    let last = store.last_commit("old").await.unwrap().unwrap();
    assert_eq!(last, LastCommit { epoch: 7, writer: String::new() });
    store.commit_epoch("old", Some(7), 8, &[]).await.unwrap();
    store.close().await;
}
