//! Reading a whole table, column by column.

use arrow::array::StringArray;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::quote_table;
use crate::rows::Cells;
use crate::table::{Column, Kind, Layout, list, quote};

pub(super) async fn read(
    connection: &mut PgConnection,
    layout: &Layout<'_>,
) -> Result<Vec<Cells>, sqlx::Error> {
    let columns = list(&layout.columns, |column| match column.kind {
        Kind::Decimal { .. } => format!("{}::text", quote(column.name)),
        _ => quote(column.name),
    });
    // By bytes, whatever the database's collation, so that both databases give the same order.
    let order = list(&layout.key, |column| match column.kind {
        Kind::Text => format!("{} COLLATE \"C\"", quote(column.name)),
        _ => quote(column.name),
    });
    let sql = format!("SELECT {columns} FROM {} ORDER BY {order}", quote_table(layout.name));
    // Unprepared for later: the table may have been dropped and made again with other types by
    // then.
    let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(connection).await?;
    let columns = layout.columns.iter().enumerate();
    columns.map(|(index, column)| decode(&rows, index, column)).collect()
}

fn decode(rows: &[PgRow], index: usize, column: &Column<'_>) -> Result<Cells, sqlx::Error> {
    Ok(match column.kind {
        Kind::Integer => {
            let values = rows.iter().map(|row| row.try_get::<Option<i64>, _>(index));
            Cells::Integer(values.collect::<Result<_, _>>()?)
        }
        Kind::Float => {
            let values = rows.iter().map(|row| row.try_get::<Option<f64>, _>(index));
            Cells::Float(values.collect::<Result<_, _>>()?)
        }
        Kind::Boolean => {
            let values = rows.iter().map(|row| row.try_get::<Option<bool>, _>(index));
            Cells::Boolean(values.collect::<Result<_, _>>()?)
        }
        Kind::Text | Kind::Decimal { .. } => {
            let values = rows.iter().map(|row| row.try_get::<Option<&str>, _>(index));
            Cells::Text(values.collect::<Result<StringArray, _>>()?)
        }
        Kind::Date => {
            let days = |row: &PgRow| -> Result<Option<i32>, sqlx::Error> {
                let date: Option<NaiveDate> = row.try_get(index)?;
                let days =
                    date.map(|date| date.signed_duration_since(NaiveDate::default()).num_days());
                Ok(days.map(|days| i32::try_from(days).unwrap_or(i32::MAX)))
            };
            Cells::Date(rows.iter().map(days).collect::<Result<_, _>>()?)
        }
        Kind::Timestamp(_) => {
            let micros = |row: &PgRow| -> Result<Option<i64>, sqlx::Error> {
                let instant: Option<DateTime<Utc>> = row.try_get(index)?;
                Ok(instant.map(|instant| instant.timestamp_micros()))
            };
            Cells::Timestamp(rows.iter().map(micros).collect::<Result<_, _>>()?)
        }
    })
}
