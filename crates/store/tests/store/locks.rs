//! Locks by name: one holder at a time, given back by an end of any kind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use arus_store::Error;

use crate::{on_both, open};

on_both!(
    one_holder_at_a_time,
    names_are_apart,
    a_dropped_lock_is_given_back,
    a_killed_process_holds_nothing,
);

/// The name is the test's own: on PostgreSQL all tests share a database.
async fn one_holder_at_a_time(url: &str) {
    let (one, other) = (open(url).await, open(url).await);
    let mut held = one.try_lock("locks one").await.unwrap().expect("nobody holds it");
    assert!(held.is_held().await);
    for store in [&one, &other] {
        assert!(store.try_lock("locks one").await.unwrap().is_none());
    }
    held.release().await;
    let again = other.try_lock("locks one").await.unwrap().expect("it was released");
    assert!(one.try_lock("locks one").await.unwrap().is_none());
    again.release().await;
    assert!(matches!(one.try_lock("").await, Err(Error::InvalidJob { .. })));
}

async fn names_are_apart(url: &str) {
    let store = open(url).await;
    let first = store.try_lock("locks: first/job").await.unwrap().expect("nobody holds it");
    let second = store.try_lock("locks: second/job").await.unwrap().expect("another name");
    first.release().await;
    second.release().await;
}

async fn a_dropped_lock_is_given_back(url: &str) {
    let store = open(url).await;
    drop(store.try_lock("locks dropped").await.unwrap().expect("nobody holds it"));
    until_free(&store, "locks dropped").await;
}

/// The child takes the lock, says so and stays until it is killed.
async fn a_killed_process_holds_nothing(url: &str) {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program)
        .args(["locks::child_that_holds_a_lock", "--exact", "--ignored", "--nocapture"])
        .env("ARUS_TEST_LOCK_URL", url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.map_while(Result::ok).any(|line| line.contains("holds the lock")));
    let store = open(url).await;
    assert!(store.try_lock("locks killed").await.unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    until_free(&store, "locks killed").await;
}

#[tokio::test]
#[ignore = "started by a_killed_process_holds_nothing, which kills it"]
async fn child_that_holds_a_lock() {
    let url = std::env::var("ARUS_TEST_LOCK_URL").expect("its parent names the database");
    let lock = open(&url).await.try_lock("locks killed").await.unwrap();
    assert!(lock.is_some());
    println!("holds the lock");
    std::future::pending::<()>().await;
}

/// PostgreSQL notices the end of a connection a moment later, so this asks until it has.
async fn until_free(store: &arus_store::Store, name: &str) {
    let asking = async {
        loop {
            match store.try_lock(name).await.unwrap() {
                Some(lock) => return lock.release().await,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, asking).await.expect("the lock is given back");
}
