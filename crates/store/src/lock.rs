//! A lock by name, for what only one process may do at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::store::Boxed;

/// How long the server may take to say whether a lock is held, or to take it back.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A lock that is held until it is released or dropped, or the process ends, however it ends.
///
/// On SQLite it is a lock of the operating system on a file beside the database: `NAME.lock`. On
/// PostgreSQL it is an advisory lock of the server, so it holds among all machines that use the
/// database; the server takes it back when the connection ends, and about a minute after the
/// machine at its other end vanished. It does not hold through a connection pooler that shares
/// sessions between transactions.
#[derive(Debug)]
pub struct StoreLock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "open for as long as the lock is to hold")] File),
    Session(Box<PgConnection>),
    /// A database in memory is of this process alone.
    Alone,
}

impl StoreLock {
    pub(crate) fn session(connection: PgConnection) -> Self {
        Self { held: Held::Session(Box::new(connection)) }
    }

    pub(crate) fn alone() -> Self {
        Self { held: Held::Alone }
    }

    /// `None` when somebody else holds it.
    pub(crate) fn file(path: &Path) -> std::io::Result<Option<Self>> {
        // The file stays when the lock is released: to remove it would let two hold "the" file.
        let file = File::options().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { held: Held::File(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether it is still ours: PostgreSQL forgets it when the connection breaks.
    pub fn is_held(&mut self) -> Boxed<'_, bool> {
        Box::pin(async move {
            match &mut self.held {
                Held::File(_) | Held::Alone => true,
                Held::Session(connection) => {
                    let answer = tokio::time::timeout(ANSWER_TIMEOUT, connection.ping()).await;
                    answer.is_ok_and(|ping| ping.is_ok())
                }
            }
        })
    }

    /// Gives it back now. A dropped lock on PostgreSQL is given back a moment later, when the
    /// server sees the connection end.
    pub fn release(self) -> Boxed<'static, ()> {
        Box::pin(async move {
            if let Held::Session(mut connection) = self.held {
                // The end of the session releases it as well; this one is waited for.
                let released = async move {
                    let unlocked = sqlx::query("SELECT pg_advisory_unlock_all()");
                    unlocked.execute(&mut *connection).await?;
                    connection.close().await
                };
                match tokio::time::timeout(ANSWER_TIMEOUT, released).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "the lock went with its connection"),
                    Err(_) => tracing::debug!("the server does not answer; the lock ends with it"),
                }
            }
        })
    }
}
