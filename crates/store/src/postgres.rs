//! PostgreSQL: arrays for small batches, binary COPY into a staging table for big ones.

mod copy;
mod read;

use std::time::Duration;

use arrow::array::Array;
use chrono::{DateTime, NaiveDate, TimeDelta};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, PgConnection, Postgres as Driver, Row,
};

use crate::epoch::{EpochChange, EpochRow};
use crate::failure::Failure;
use crate::lock::StoreLock;
use crate::rows::{Action, Cells, Change};
use crate::selection::Selection;
use crate::table::{Column, EPOCHS, FoundTable, Kind, Layout, list, quote, split_name};

/// From this many rows on a batch goes by COPY, which holds little of it in memory. Measured,
/// arrays are as fast: both wait for the index. Below, COPY would cost a staging table in the
/// catalogue and a stall of some 40 ms each time, when its short last message waits for the
/// acknowledgement of the one before.
const COPY_FROM_ROWS: usize = 5_000;
/// Keys in one DELETE.
const KEYS_A_STATEMENT: usize = 10_000;

pub(crate) struct Postgres {
    pool: PgPool,
}

/// A connection on loan for a transaction. It goes back to the pool only when the work came to its
/// end; when the work failed or was dropped, perhaps in the middle of a COPY, the connection is
/// closed and the server rolls back.
struct Loan(Option<PoolConnection<Driver>>);

impl Loan {
    async fn from(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Postgres {
    pub(crate) async fn connect(
        options: &PgConnectOptions,
        wait_for: Duration,
    ) -> Result<Self, sqlx::Error> {
        // With sslmode=verify-ca sqlx asks for the program's choice, and panics where there is none
        // and two to choose from. Another choice that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = options.clone().disable_statement_logging();
        if options.get_application_name().is_none() {
            options = options.application_name("arus");
        }
        // Not through the pool: it keeps the reason of a failure to itself.
        let one = tokio::time::timeout(wait_for.max(Duration::from_secs(1)), options.connect());
        let connection =
            one.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?;
        connection?.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(wait_for.clamp(Duration::from_secs(1), Duration::from_secs(5)))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn find_table(&self, name: &str) -> Result<Option<FoundTable>, sqlx::Error> {
        let sql = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), \
                   COALESCE(a.attnum = ANY(i.indkey::int2[]), false) \
                   FROM pg_attribute a \
                   LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
                   WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
                   ORDER BY a.attnum";
        let mut found = FoundTable::default();
        for row in sqlx::query(sql).bind(quote_table(name)).fetch_all(&self.pool).await? {
            let column: String = row.try_get(0)?;
            if row.try_get(2)? {
                found.key.push(column.clone());
            }
            found.columns.push((column, row.try_get(1)?));
        }
        Ok((!found.columns.is_empty()).then_some(found))
    }

    pub(crate) async fn create_table(&self, layout: &Layout<'_>) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let (Some(schema), _) = split_name(layout.name) {
            let schema = quote(schema);
            let there: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
                .bind(&schema)
                .fetch_one(&mut *transaction)
                .await?;
            if !there {
                execute(&mut transaction, format!("CREATE SCHEMA {schema}")).await?;
            }
        }
        let columns = list(&layout.columns, |column| {
            format!("{} {}", quote(column.name), column.kind.postgres())
        });
        let (table, key) = (quote_table(layout.name), layout.key_list());
        let sql = format!("CREATE TABLE {table} ({columns}, PRIMARY KEY ({key}))");
        execute(&mut transaction, sql).await?;
        transaction.commit().await
    }

    pub(crate) async fn ensure_epochs(&self) -> Result<(), sqlx::Error> {
        // Asked first, because making a table takes a right that the job's user may not have.
        let sql = match self.find_table(EPOCHS).await? {
            Some(found) if found.columns.iter().any(|(name, _)| name == "writer") => return Ok(()),
            // Older versions kept no writer.
            Some(_) => format!(
                "ALTER TABLE {EPOCHS} ADD COLUMN IF NOT EXISTS writer text NOT NULL DEFAULT ''"
            ),
            None => format!(
                "CREATE TABLE {EPOCHS} (job text PRIMARY KEY, epoch bigint NOT NULL, \
                 commit_mark text NOT NULL, committed_at timestamptz NOT NULL, \
                 writer text NOT NULL DEFAULT '')"
            ),
        };
        execute(&mut *self.pool.acquire().await?, sql).await
    }

    pub(crate) async fn epoch(&self, job: &str) -> Result<Option<EpochRow>, sqlx::Error> {
        read_epoch(&mut *self.pool.acquire().await?, job).await
    }

    pub(crate) async fn commit_epochs(
        &self,
        epochs: &mut [EpochChange<'_>],
        writes: &[Change<'_>],
    ) -> Result<(), Failure> {
        let mut loan = Loan::from(&self.pool).await?;
        let mut transaction = loan.connection()?.begin().await?;
        // A process that stands still in here holds the epochs' rows, and everybody who waits for
        // them; between two statements of ours there are milliseconds. Who waits for others longer
        // than that says so, and tries again.
        let limits = "SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                      SET LOCAL lock_timeout = '15s'";
        execute(&mut transaction, limits.into()).await?;
        let mut marks = Vec::with_capacity(epochs.len());
        for change in epochs.iter() {
            let Some(mark) = move_epoch(&mut transaction, change).await? else {
                let found = read_epoch(&mut transaction, change.job).await?;
                transaction.rollback().await?;
                loan.give_back();
                return change.judge(found);
            };
            marks.push(mark);
        }
        apply_all(&mut transaction, writes).await?;
        for (change, mark) in epochs.iter_mut().zip(marks) {
            change.attempts.push(mark);
        }
        transaction.commit().await?;
        loan.give_back();
        Ok(())
    }

    pub(crate) async fn write(
        &self,
        writes: &[Change<'_>],
        commits: &(dyn Fn() + Sync),
    ) -> Result<(), sqlx::Error> {
        let mut loan = Loan::from(&self.pool).await?;
        let mut transaction = loan.connection()?.begin().await?;
        apply_all(&mut transaction, writes).await?;
        commits();
        transaction.commit().await?;
        loan.give_back();
        Ok(())
    }

    pub(crate) async fn reset(
        &self,
        jobs: &[&str],
        tables: &[&str],
        writes: &[Change<'_>],
    ) -> Result<(), sqlx::Error> {
        // Asked first: to drop an absent table makes the server send a notice, which would stand in
        // the log.
        let mut present = Vec::with_capacity(tables.len());
        for table in tables {
            if self.find_table(table).await?.is_some() {
                present.push(table);
            }
        }
        let mut transaction = self.pool.begin().await?;
        apply_all(&mut transaction, writes).await?;
        for table in present {
            execute(&mut transaction, format!("DROP TABLE IF EXISTS {}", quote_table(table)))
                .await?;
        }
        for job in jobs {
            let sql = format!("DELETE FROM {EPOCHS} WHERE job = $1");
            sqlx::query(AssertSqlSafe(sql)).bind(*job).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    pub(crate) async fn read(
        &self,
        layout: &Layout<'_>,
        selection: &Selection<'_>,
    ) -> Result<Vec<Cells>, sqlx::Error> {
        read::read(&mut *self.pool.acquire().await?, layout, selection).await
    }

    /// The lock lives as long as its session, so it gets a connection of its own.
    pub(crate) async fn try_lock(&self, name: &str) -> Result<Option<StoreLock>, sqlx::Error> {
        let mut loan = Loan::from(&self.pool).await?;
        let connection = loan.connection()?;
        // A machine that vanished says no goodbye: the server finds out within a minute.
        let keep_alive = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
                          SET tcp_keepalives_count = 3";
        execute(connection, keep_alive.to_string()).await?;
        let locked: bool = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended('arus lock ' || $1, 0))",
        )
        .bind(name)
        .fetch_one(connection)
        .await?;
        let connection = loan.0.take().ok_or(sqlx::Error::PoolClosed)?.detach();
        Ok(locked.then(|| StoreLock::session(connection)))
    }
}

/// The table's name, its schema apart.
fn quote_table(name: &str) -> String {
    match split_name(name) {
        (Some(schema), table) => format!("{}.{}", quote(schema), quote(table)),
        (None, table) => quote(table),
    }
}

/// Runs a statement without parameters, unprepared: it will hardly come again.
async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Moves a job's epoch and gives the attempt's mark; `None` if it does not stand where it should.
async fn move_epoch(
    connection: &mut PgConnection,
    change: &EpochChange<'_>,
) -> Result<Option<String>, sqlx::Error> {
    // Both wait for a transaction that is changing the row, then see what it left. The number of a
    // transaction never comes again, so it is the mark of this attempt.
    let sql = match change.previous {
        None => format!(
            "INSERT INTO {EPOCHS} (job, epoch, writer, commit_mark, committed_at) \
             VALUES ($1, $2, $3, txid_current()::text, clock_timestamp()) \
             ON CONFLICT (job) DO NOTHING RETURNING commit_mark"
        ),
        Some(_) => format!(
            "UPDATE {EPOCHS} SET epoch = $2, commit_mark = txid_current()::text, \
             committed_at = clock_timestamp() WHERE job = $1 AND writer = $3 AND epoch = $4 \
             RETURNING commit_mark"
        ),
    };
    let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))
        .bind(change.job)
        .bind(change.epoch)
        .bind(change.writer);
    if let Some(previous) = change.previous {
        query = query.bind(previous);
    }
    query.fetch_optional(connection).await
}

async fn read_epoch(
    connection: &mut PgConnection,
    job: &str,
) -> Result<Option<EpochRow>, sqlx::Error> {
    let sql = format!("SELECT epoch, commit_mark, writer FROM {EPOCHS} WHERE job = $1");
    let row = sqlx::query_as(AssertSqlSafe(sql)).bind(job).fetch_optional(connection).await?;
    Ok(row.map(EpochRow::of))
}

async fn apply_all(
    connection: &mut PgConnection,
    writes: &[Change<'_>],
) -> Result<(), sqlx::Error> {
    for (number, write) in writes.iter().enumerate() {
        match write.action {
            Action::Delete => delete(connection, write).await?,
            Action::Upsert => upsert(connection, write, number).await?,
            Action::Replace => {
                // Not TRUNCATE: readers go on seeing the old rows until the commit.
                let sql = format!("DELETE FROM {}", quote_table(write.layout.name));
                execute(connection, sql).await?;
                upsert(connection, write, number).await?;
            }
            Action::Load => copy::load(connection, write, number).await?,
        }
    }
    Ok(())
}

async fn upsert(
    connection: &mut PgConnection,
    write: &Change<'_>,
    number: usize,
) -> Result<(), sqlx::Error> {
    let layout = &write.layout;
    match write.len {
        0 => return Ok(()),
        COPY_FROM_ROWS.. => {
            return copy::upsert(connection, write, number).await;
        }
        _ => {}
    }
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {} {}",
        quote_table(layout.name),
        layout.column_list(),
        list(&layout.columns, from_parameter),
        unnest(&layout.columns),
        layout.on_conflict()
    );
    let arguments = arrays(write, 0..write.len)?;
    sqlx::query_with(AssertSqlSafe(sql), arguments).execute(connection).await?;
    Ok(())
}

async fn delete(connection: &mut PgConnection, write: &Change<'_>) -> Result<(), sqlx::Error> {
    let layout = &write.layout;
    let same = layout.key.iter().map(|key| {
        let name = quote(key.name);
        format!("t.{name} = given.{name}")
    });
    let sql = format!(
        "DELETE FROM {} AS t USING {} WHERE {}",
        quote_table(layout.name),
        unnest(&layout.key),
        same.collect::<Vec<_>>().join(" AND ")
    );
    let mut row = 0;
    while row < write.len {
        let rows = row..write.len.min(row + KEYS_A_STATEMENT);
        let arguments = arrays(write, rows.clone())?;
        let query = sqlx::query_with(AssertSqlSafe(sql.clone()), arguments);
        query.execute(&mut *connection).await?;
        row = rows.end;
    }
    Ok(())
}

/// `UNNEST($1::bigint[], …) AS given("a", …)`: one array a column, one row an element.
fn unnest(columns: &[Column<'_>]) -> String {
    let arrays: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("${}::{}[]", index + 1, wire_type(column.kind)))
        .collect();
    let names = list(columns, |column| quote(column.name));
    format!("UNNEST({}) AS given({names})", arrays.join(", "))
}

/// The type in which values travel: decimals as text, for their binary form is PostgreSQL's own
/// affair.
fn wire_type(kind: Kind) -> String {
    match kind {
        Kind::Decimal { .. } => Kind::Text.postgres(),
        other => other.postgres(),
    }
}

/// A travelled column as the table has it.
fn from_parameter(column: &Column<'_>) -> String {
    let name = quote(column.name);
    match column.kind {
        Kind::Decimal { .. } => format!("given.{name}::{}", column.kind.postgres()),
        _ => format!("given.{name}"),
    }
}

/// One array parameter a column.
fn arrays(write: &Change<'_>, rows: std::ops::Range<usize>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for cells in &write.cells {
        let rows = rows.clone();
        let added =
            match cells {
                Cells::Integer(a) => arguments
                    .add(rows.map(|r| a.is_valid(r).then(|| a.value(r))).collect::<Vec<_>>()),
                Cells::Float(a) => arguments
                    .add(rows.map(|r| a.is_valid(r).then(|| a.value(r))).collect::<Vec<_>>()),
                Cells::Text(a) => arguments
                    .add(rows.map(|r| a.is_valid(r).then(|| a.value(r))).collect::<Vec<_>>()),
                Cells::Boolean(a) => arguments
                    .add(rows.map(|r| a.is_valid(r).then(|| a.value(r))).collect::<Vec<_>>()),
                Cells::Bytes(a) => arguments
                    .add(rows.map(|r| a.is_valid(r).then(|| a.value(r))).collect::<Vec<_>>()),
                Cells::Date(a) => {
                    let date = |days: i32| NaiveDate::default() + TimeDelta::days(i64::from(days));
                    arguments.add(
                        rows.map(|r| a.is_valid(r).then(|| date(a.value(r)))).collect::<Vec<_>>(),
                    )
                }
                Cells::Timestamp(a) => {
                    let at = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
                    arguments.add(
                        rows.map(|r| a.is_valid(r).then(|| at(a.value(r)))).collect::<Vec<_>>(),
                    )
                }
            };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
