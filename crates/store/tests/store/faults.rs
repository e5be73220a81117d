//! Servers that are away, answers that are lost, files that cannot be had, locks that are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arus_store::{Error, Store, TableWrite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::{PATIENCE, batch, open, open_with, postgres_url, sqlite_url, table_for};

fn rows() -> RecordBatch {
    batch(vec![("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)])
}

#[tokio::test]
async fn no_server_is_one_sentence_after_a_bounded_wait() {
    // The port was ours a moment ago, so nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ana:s3cret@127.0.0.1:{port}/arus");
    let wait = Duration::from_millis(300);
    let began = tokio::time::Instant::now();
    let error = Store::connect(&url, wait).await.unwrap_err();
    assert!(began.elapsed() < wait + Duration::from_secs(2), "{:?}", began.elapsed());
    let text = error.to_string();
    assert!(matches!(error, Error::Unreachable { .. }), "{text}");
    assert!(text.contains(&format!("PostgreSQL 127.0.0.1:{port}/arus")), "{text}");
    assert!(text.contains("300ms") && text.contains("DATABASE_URL"), "{text}");
    assert!(!format!("{text}{error:?}").contains("s3cret"), "{text}");
}

/// Takes connections and says nothing.
#[tokio::test]
async fn a_silent_server_is_no_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://ana@{}/arus", listener.local_addr().unwrap());
    let connect = Store::connect(&url, Duration::from_millis(300));
    let result = tokio::time::timeout(Duration::from_secs(10), connect).await.expect("bounded");
    assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");
}

#[tokio::test]
async fn files_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("plain.txt"),
        "this is no database, but it is long enough to be one\n".repeat(100),
    )
    .unwrap();
    std::fs::create_dir(path("folder.db")).unwrap();
    for (file, part) in [
        ("plain.txt", "not a database"),
        ("folder.db", "unable to open"),
        ("plain.txt/below.db", "folder "),
    ] {
        let error =
            Store::connect(&format!("sqlite://{}", path(file)), PATIENCE).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::File { .. }), "{file}: {text}");
        assert!(text.contains(part) && text.contains(file), "{file}: {text}");
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    let table = table_for("locked", &rows(), &["id"]);
    let other = open_with(&url, &[&table]).await;
    other.close().await;
    let file = url.strip_prefix("sqlite://").unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let impatient = Store::connect(&url, Duration::from_millis(200)).await.unwrap();
    let batch = rows();
    let write = [TableWrite::Upsert { table: &table, rows: &batch }];
    let error = impatient.write(&write).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains("locked by another writer (waited 200ms)"), "{error}");
    assert_eq!(impatient.last_epoch("locked").await.unwrap(), None, "reading needs no lock");

    let patient = open(&url).await;
    let commit = patient.commit_epoch("locked", None, 1, &write);
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        lock.rollback().await.unwrap();
    };
    let (committed, ()) = tokio::join!(commit, release);
    committed.unwrap();
    assert_eq!(impatient.last_epoch("locked").await.unwrap(), Some(1));
}

/// What survives loss of power is for SQLite to promise; that it was told to is seen here.
#[tokio::test]
async fn the_journal_is_a_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    let store = open(&url).await;
    store.commit_epoch("wal", None, 1, &[]).await.unwrap();
    let log = format!("{}-wal", url.strip_prefix("sqlite://").unwrap());
    assert!(std::fs::metadata(&log).is_ok_and(|log| log.len() > 0), "{log}");
    store.close().await;
    assert!(!std::fs::exists(&log).unwrap(), "closing leaves one file");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
async fn no_way_in() {
    let good = postgres_url();
    let (server, _) = good.rsplit_once('/').unwrap();
    let address = server.rsplit_once('@').map_or(server, |(_, address)| address);
    for (url, part) in [
        (format!("{server}/no_such_database"), "no_such_database"),
        (format!("postgres://nobody_here:s3cret@{address}/postgres"), "nobody_here"),
    ] {
        let error = Store::connect(&url, PATIENCE).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, Error::Refused { .. }), "{text}");
        assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
    }
    // Nobody knows the authority that signed the certificate of a server for tests.
    for mode in ["verify-ca", "verify-full"] {
        let url = format!("postgres://ana:s3cret@{address}/postgres?sslmode={mode}");
        let error = Store::connect(&url, PATIENCE).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, Error::Tls { .. }), "{text}");
        assert!(text.contains("UnknownIssuer") && !text.contains("s3cret"), "{text}");
    }
}

/// Stands between the store and the server, and cuts the connection at the next `COMMIT`, or holds
/// that back, when told to.
struct Proxy {
    url: String,
    cut: Arc<AtomicU8>,
}

/// Pass the COMMIT on and lose its answer; or lose the COMMIT; or keep it until the server has ended
/// the transaction, as when a process stands still in it.
const LOSE_ANSWER: u8 = 1;
const LOSE_COMMIT: u8 = 2;
const KEEP_COMMIT: u8 = 3;

impl Proxy {
    async fn start() -> Self {
        let real = url::Url::parse(&postgres_url()).unwrap();
        let target = format!("{}:{}", real.host_str().unwrap(), real.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = real;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.query_pairs_mut().append_pair("sslmode", "disable");
        let cut = Arc::new(AtomicU8::new(0));
        let shared = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let answers = tokio::spawn(pass(from_server, to_client));
                tokio::spawn(watch(from_client, to_server, shared.clone(), answers));
            }
        });
        Self { url: url.to_string(), cut }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn watch(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    cut: Arc<AtomicU8>,
    answers: tokio::task::JoinHandle<()>,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let commits = piece[..length].windows(7).any(|part| part == b"COMMIT\0");
        let what = if commits { cut.swap(0, Ordering::SeqCst) } else { 0 };
        if what == KEEP_COMMIT {
            let _ = answers.await;
            return;
        }
        if what != 0 {
            // With its reader gone the client's end is closed.
            answers.abort();
        }
        if what == LOSE_COMMIT || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
        if what == LOSE_ANSWER {
            // The server sees the connection end only after the COMMIT.
            let _ = to.shutdown().await;
            return;
        }
    }
    answers.abort();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
async fn a_lost_answer_to_a_commit_is_found_out() {
    let job = "lost_answer";
    let table = table_for(job, &rows(), &["id"]);
    let direct = open_with(&postgres_url(), &[&table]).await;
    let proxy = Proxy::start().await;
    let store = open(&proxy.url).await;
    assert_eq!(store.last_epoch(job).await.unwrap(), None);
    let batch = rows();
    let mut previous = None;
    for epoch in 1..=20_u64 {
        let what = if epoch % 2 == 0 { LOSE_COMMIT } else { LOSE_ANSWER };
        proxy.cut.store(what, Ordering::SeqCst);
        let write = [TableWrite::Upsert { table: &table, rows: &batch }];
        store.commit_epoch(job, previous, epoch, &write).await.unwrap();
        assert_eq!(proxy.cut.load(Ordering::SeqCst), 0, "epoch {epoch}: nothing was cut");
        assert_eq!(direct.last_epoch(job).await.unwrap(), Some(epoch));
        assert_eq!(direct.read_table(&table).await.unwrap(), rows());
        previous = Some(epoch);
    }
    direct.close().await;
}

/// Nobody waits for ever for a process that stands still in its transaction: the server ends it. The
/// process itself then tries again; if another one has gone on meanwhile, it is told so.
#[tokio::test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
async fn a_transaction_that_stood_still_is_ended_by_the_server_and_made_anew() {
    let stand_still = async |job: &str, others: bool| {
        let table = table_for(job, &rows(), &["id"]);
        let direct = open_with(&postgres_url(), &[&table]).await;
        direct.reset_job(job, &[]).await.unwrap();
        let proxy = Proxy::start().await;
        let store = open(&proxy.url).await;
        proxy.cut.store(KEEP_COMMIT, Ordering::SeqCst);
        let batch = rows();
        let write = [TableWrite::Upsert { table: &table, rows: &batch }];
        let other = async {
            while proxy.cut.load(Ordering::SeqCst) != 0 {
                tokio::task::yield_now().await;
            }
            if others {
                direct.commit_epoch(job, None, 1, &[]).await.unwrap();
            }
        };
        let (commit, ()) = tokio::join!(store.commit_epoch(job, None, 1, &write), other);
        let written = direct.read_table(&table).await.unwrap().num_rows();
        direct.close().await;
        (commit, written)
    };
    let (alone, overtaken) =
        tokio::join!(stand_still("stood_still", false), stand_still("stood_still_too", true));
    assert!(matches!(alone, (Ok(()), 2)), "{alone:?}");
    assert!(matches!(overtaken, (Err(Error::EpochConflict { .. }), 0)), "{overtaken:?}");
}

/// The answer is lost and the COMMIT too, and meanwhile another process commits the same epoch: it
/// is not ours.
#[tokio::test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
async fn the_same_epoch_of_another_process_is_a_conflict() {
    let job = "another_process";
    let direct = open(&postgres_url()).await;
    direct.reset_job(job, &[]).await.unwrap();
    let proxy = Proxy::start().await;
    let store = open(&proxy.url).await;
    let mut previous = None;
    for epoch in 1..=20_u64 {
        proxy.cut.store(LOSE_COMMIT, Ordering::SeqCst);
        let ours = store.commit_epoch(job, previous, epoch, &[]);
        let theirs = async {
            while proxy.cut.load(Ordering::SeqCst) != 0 {
                tokio::task::yield_now().await;
            }
            direct.commit_epoch(job, previous, epoch, &[]).await
        };
        let (ours, theirs) = tokio::join!(ours, theirs);
        assert!(
            ours.is_ok() != theirs.is_ok(),
            "epoch {epoch}: exactly one commits: {ours:?} {theirs:?}"
        );
        previous = Some(epoch);
    }
    direct.close().await;
}
