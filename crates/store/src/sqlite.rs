//! SQLite: multi-row statements under the limit of variables, one writer at a time.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, BinaryArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::TimeUnit;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use crate::epoch::{EpochChange, EpochRow};
use crate::failure::Failure;
use crate::lock::StoreLock;
use crate::rows::{Action, Cells, Change};
use crate::selection::{Condition, Selection};
use crate::table::{Column, EPOCHS, FoundTable, Kind, Layout, list, quote};

/// Values in one statement. Fewer cost more calls, many more cost compiling longer statements; the
/// limit is 32,766.
const VARIABLES: usize = 1_536;
/// How long SQLite itself waits for a lock: between tries the program can still be stopped.
const LONGEST_BUSY_WAIT: Duration = Duration::from_secs(2);
/// A write transaction takes its lock at the start, so that it never fails half-way for want of it.
const BEGIN: &str = "BEGIN IMMEDIATE";

pub(crate) struct Sqlite {
    pool: SqlitePool,
    /// `None` in memory.
    file: Option<PathBuf>,
}

impl Sqlite {
    pub(crate) async fn connect(
        options: &SqliteConnectOptions,
        in_memory: bool,
        wait_for: Duration,
    ) -> Result<Self, sqlx::Error> {
        let mut options = options
            .clone()
            .busy_timeout(wait_for.min(LONGEST_BUSY_WAIT))
            // A commit survives loss of power.
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut pool = SqlitePoolOptions::new().acquire_timeout(wait_for.max(LONGEST_BUSY_WAIT));
        if in_memory {
            // The database is gone with its last connection.
            pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
        } else {
            // Readers go on while a writer works.
            options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
            pool = pool.max_connections(4);
        }
        let file = (!in_memory).then(|| options.get_filename().to_path_buf());
        let pool = pool.connect_with(options).await?;
        Ok(Self { pool, file })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn try_lock(&self, name: &str) -> std::io::Result<Option<StoreLock>> {
        let Some(file) = &self.file else {
            return Ok(Some(StoreLock::alone()));
        };
        let plain =
            |char: char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '-' };
        // By whatever links it is named: it is one database, and so one lock.
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        let mut path = file.into_os_string();
        path.push(format!(".{}.lock", name.chars().map(plain).collect::<String>()));
        StoreLock::file(path.as_ref())
    }

    pub(crate) async fn find_table(&self, name: &str) -> Result<Option<FoundTable>, sqlx::Error> {
        let mut found = FoundTable::default();
        let columns = sqlx::query("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY pk");
        for row in columns.bind(name).fetch_all(&self.pool).await? {
            let column: String = row.try_get(0)?;
            if row.try_get::<i64, _>(2)? > 0 {
                found.key.push(column.clone());
            }
            found.columns.push((column, row.try_get(1)?));
        }
        Ok((!found.columns.is_empty()).then_some(found))
    }

    pub(crate) async fn create_table(&self, layout: &Layout<'_>) -> Result<(), sqlx::Error> {
        let columns = list(&layout.columns, |column| {
            let is_key = layout.key.iter().any(|key| key.name == column.name);
            let not_null = if is_key { " NOT NULL" } else { "" };
            format!("{} {}{not_null}", quote(column.name), column.kind.sqlite())
        });
        // Without a row id the rows lie in the key's own tree: one tree to change, and read in
        // order.
        let sql = format!(
            "CREATE TABLE {} ({columns}, PRIMARY KEY ({})) WITHOUT ROWID",
            quote(layout.name),
            layout.key_list()
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn ensure_epochs(&self) -> Result<(), sqlx::Error> {
        let sql = match self.find_table(EPOCHS).await? {
            Some(found) if found.columns.iter().any(|(name, _)| name == "writer") => return Ok(()),
            // Older versions kept no writer.
            Some(_) => {
                format!("ALTER TABLE {EPOCHS} ADD COLUMN writer TEXT NOT NULL DEFAULT ''")
            }
            None => format!(
                "CREATE TABLE IF NOT EXISTS {EPOCHS} (job TEXT NOT NULL PRIMARY KEY, \
                 epoch INTEGER NOT NULL, commit_mark TEXT NOT NULL, committed_at TEXT NOT NULL, \
                 writer TEXT NOT NULL DEFAULT '') WITHOUT ROWID"
            ),
        };
        sqlx::query(AssertSqlSafe(sql)).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn epoch(&self, job: &str) -> Result<Option<EpochRow>, sqlx::Error> {
        read_epoch(&mut *self.pool.acquire().await?, job).await
    }

    pub(crate) async fn commit_epochs(
        &self,
        epochs: &mut [EpochChange<'_>],
        writes: &[Change<'_>],
    ) -> Result<(), Failure> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let mut marks = Vec::with_capacity(epochs.len());
        for change in epochs.iter() {
            let Some(mark) = move_epoch(&mut transaction, change).await? else {
                let found = read_epoch(&mut transaction, change.job).await?;
                return change.judge(found);
            };
            marks.push(mark);
        }
        apply_all(&mut transaction, writes).await?;
        for (change, mark) in epochs.iter_mut().zip(marks) {
            change.attempts.push(mark);
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn write(
        &self,
        writes: &[Change<'_>],
        commits: &(dyn Fn() + Sync),
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        apply_all(&mut transaction, writes).await?;
        commits();
        transaction.commit().await
    }

    pub(crate) async fn reset(
        &self,
        jobs: &[&str],
        tables: &[&str],
        writes: &[Change<'_>],
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        apply_all(&mut transaction, writes).await?;
        for table in tables {
            let sql = format!("DROP TABLE IF EXISTS {}", quote(table));
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        }
        for job in jobs {
            let sql = format!("DELETE FROM {EPOCHS} WHERE job = ?");
            sqlx::query(AssertSqlSafe(sql)).bind(*job).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    pub(crate) async fn read(
        &self,
        layout: &Layout<'_>,
        selection: &Selection<'_>,
    ) -> Result<Vec<Cells>, sqlx::Error> {
        let clauses = selection.clauses(
            layout,
            |condition, column| match condition {
                Condition::OneOf { texts, .. } => {
                    format!("{column} IN ({})", vec!["?"; texts.len()].join(", "))
                }
                Condition::Between { .. } => format!("{column} BETWEEN ? AND ?"),
            },
            |key| quote(key.name),
        );
        let sql = format!("SELECT {} FROM {}{clauses}", layout.column_list(), quote(layout.name));
        let arguments = selected(layout, selection).map_err(sqlx::Error::Encode)?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let rows = query.fetch_all(&self.pool).await?;
        let columns = layout.columns.iter().enumerate();
        columns.map(|(index, column)| decode(&rows, index, column)).collect()
    }
}

/// The parameters of a selection, in order.
fn selected(
    layout: &Layout<'_>,
    selection: &Selection<'_>,
) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
    let mut arguments = SqliteArguments::default();
    for condition in &selection.conditions {
        match condition {
            Condition::OneOf { texts, .. } => {
                for text in texts {
                    arguments.add(*text)?;
                }
            }
            Condition::Between { column, from, to } => {
                let kind = layout.columns.iter().find(|it| it.name == *column).map(|it| it.kind);
                for instant in [from, to] {
                    let text = kind.map(|kind| timestamp_text(instant.timestamp_micros(), kind));
                    arguments.add(text)?;
                }
            }
        }
    }
    Ok(arguments)
}

/// Moves a job's epoch and gives the attempt's mark; `None` if it does not stand where it should.
async fn move_epoch(
    connection: &mut SqliteConnection,
    change: &EpochChange<'_>,
) -> Result<Option<String>, sqlx::Error> {
    const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    const MARK: &str = "lower(hex(randomblob(16)))";
    let sql = match change.previous {
        None => format!(
            "INSERT INTO {EPOCHS} (job, epoch, writer, commit_mark, committed_at) \
             VALUES (?1, ?2, ?3, {MARK}, {NOW}) ON CONFLICT DO NOTHING RETURNING commit_mark"
        ),
        Some(_) => format!(
            "UPDATE {EPOCHS} SET epoch = ?2, commit_mark = {MARK}, committed_at = {NOW} \
             WHERE job = ?1 AND writer = ?3 AND epoch = ?4 RETURNING commit_mark"
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
    connection: &mut SqliteConnection,
    job: &str,
) -> Result<Option<EpochRow>, sqlx::Error> {
    let sql = format!("SELECT epoch, commit_mark, writer FROM {EPOCHS} WHERE job = ?");
    let row = sqlx::query_as(AssertSqlSafe(sql)).bind(job).fetch_optional(connection).await?;
    Ok(row.map(EpochRow::of))
}

async fn apply_all(
    connection: &mut SqliteConnection,
    writes: &[Change<'_>],
) -> Result<(), sqlx::Error> {
    for write in writes {
        apply(connection, write).await?;
    }
    Ok(())
}

async fn apply(connection: &mut SqliteConnection, write: &Change<'_>) -> Result<(), sqlx::Error> {
    let layout = &write.layout;
    if matches!(write.action, Action::Replace | Action::Load) {
        let sql = format!("DELETE FROM {}", quote(layout.name));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    let columns = if write.action == Action::Delete { &layout.key } else { &layout.columns };
    let rows_a_statement = (VARIABLES / columns.len()).max(1);
    let full: Arc<str> = statement(write, columns, rows_a_statement).into();
    let mut row = 0;
    while row < write.len {
        let rows = row..write.len.min(row + rows_a_statement);
        let arguments = arguments(write, columns, rows.clone())?;
        if rows.len() == rows_a_statement {
            sqlx::query_with(AssertSqlSafe(full.clone()), arguments)
                .execute(&mut *connection)
                .await?;
        } else {
            let sql = statement(write, columns, rows.len());
            // Its length will hardly come again, so it does not push others out of the cache.
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
            query.execute(&mut *connection).await?;
        }
        row = rows.end;
    }
    Ok(())
}

/// The statement that writes or deletes `rows` rows at once.
fn statement(write: &Change<'_>, columns: &[Column<'_>], rows: usize) -> String {
    let layout = &write.layout;
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let values = vec![one; rows].join(", ");
    let table = quote(layout.name);
    match write.action {
        Action::Delete => {
            let keys = layout.key_list();
            let keys = if layout.key.len() == 1 { keys } else { format!("({keys})") };
            format!("DELETE FROM {table} WHERE {keys} IN (VALUES {values})")
        }
        Action::Upsert | Action::Replace | Action::Load => format!(
            "INSERT INTO {table} ({}) VALUES {values} {}",
            layout.column_list(),
            layout.on_conflict()
        ),
    }
}

fn arguments(
    write: &Change<'_>,
    columns: &[Column<'_>],
    rows: std::ops::Range<usize>,
) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(rows.len() * columns.len(), 0);
    for row in rows {
        for (cells, column) in write.cells.iter().zip(columns) {
            bind(&mut arguments, cells, column.kind, row).map_err(sqlx::Error::Encode)?;
        }
    }
    Ok(arguments)
}

fn bind(
    arguments: &mut SqliteArguments,
    cells: &Cells,
    kind: Kind,
    row: usize,
) -> Result<(), sqlx::error::BoxDynError> {
    match cells {
        Cells::Integer(array) => arguments.add(array.is_valid(row).then(|| array.value(row))),
        Cells::Float(array) => arguments.add(array.is_valid(row).then(|| array.value(row))),
        Cells::Text(array) => arguments.add(array.is_valid(row).then(|| array.value(row))),
        Cells::Bytes(array) => arguments.add(array.is_valid(row).then(|| array.value(row))),
        Cells::Boolean(array) => {
            arguments.add(array.is_valid(row).then(|| i64::from(array.value(row))))
        }
        Cells::Date(array) => {
            arguments.add(array.is_valid(row).then(|| date_text(array.value(row))))
        }
        Cells::Timestamp(array) => {
            arguments.add(array.is_valid(row).then(|| timestamp_text(array.value(row), kind)))
        }
    }
}

/// `2026-11-23`; years have four digits, so that text sorts as time.
fn date_text(days: i32) -> String {
    let date = NaiveDate::default() + TimeDelta::days(i64::from(days));
    let mut text = String::with_capacity(10);
    // Writing to a string does not fail.
    let _ = write!(text, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    text
}

/// `2026-11-23T11:00:30.000Z`, with as many digits as the column's unit may need.
fn timestamp_text(micros: i64, kind: Kind) -> String {
    let instant = DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
    let (date, time) = (instant.date(), instant.time());
    let mut text = String::with_capacity(27);
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let _ = write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let nanos = time.nanosecond();
    let _ = match kind {
        Kind::Timestamp(TimeUnit::Second | TimeUnit::Millisecond) => {
            write!(text, ".{:03}Z", nanos / 1_000_000)
        }
        _ => write!(text, ".{:06}Z", nanos / 1_000),
    };
    text
}

fn decode(rows: &[SqliteRow], index: usize, column: &Column<'_>) -> Result<Cells, sqlx::Error> {
    let texts = || rows.iter().map(|row| row.try_get::<Option<&str>, _>(index));
    let integers = || rows.iter().map(|row| row.try_get::<Option<i64>, _>(index));
    let unreadable = |error: chrono::ParseError| sqlx::Error::ColumnDecode {
        index: column.name.to_string(),
        source: Box::new(error),
    };
    Ok(match column.kind {
        Kind::Integer => Cells::Integer(integers().collect::<Result<Int64Array, _>>()?),
        Kind::Boolean => {
            let values = integers().map(|value| value.map(|value| value.map(|value| value != 0)));
            Cells::Boolean(values.collect::<Result<BooleanArray, _>>()?)
        }
        Kind::Float => {
            let values = rows.iter().map(|row| row.try_get::<Option<f64>, _>(index));
            Cells::Float(values.collect::<Result<_, _>>()?)
        }
        Kind::Text | Kind::Decimal { .. } => {
            Cells::Text(texts().collect::<Result<StringArray, _>>()?)
        }
        Kind::Bytes => {
            let values = rows.iter().map(|row| row.try_get::<Option<&[u8]>, _>(index));
            Cells::Bytes(values.collect::<Result<BinaryArray, _>>()?)
        }
        Kind::Date => {
            let days = |text: &str| -> Result<i32, sqlx::Error> {
                let date: NaiveDate = text.parse().map_err(unreadable)?;
                let days = date.signed_duration_since(NaiveDate::default()).num_days();
                Ok(i32::try_from(days).unwrap_or(i32::MAX))
            };
            Cells::Date(texts().map(|text| text?.map(days).transpose()).collect::<Result<_, _>>()?)
        }
        Kind::Timestamp(_) => {
            let micros = |text: &str| -> Result<i64, sqlx::Error> {
                let instant = DateTime::parse_from_rfc3339(text).map_err(unreadable)?;
                Ok(instant.timestamp_micros())
            };
            let values = texts().map(|text| text?.map(micros).transpose());
            Cells::Timestamp(values.collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_text() {
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(-719_162), "0001-01-01");
        let milliseconds = Kind::Timestamp(TimeUnit::Millisecond);
        assert_eq!(timestamp_text(-1_000, milliseconds), "1969-12-31T23:59:59.999Z");
        let nanoseconds = Kind::Timestamp(TimeUnit::Nanosecond);
        let last = 253_402_300_799_999_999;
        assert_eq!(timestamp_text(last, nanoseconds), "9999-12-31T23:59:59.999999Z");
    }
}
