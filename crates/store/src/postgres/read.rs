//! Reading a table's rows, column by column.

use arrow::array::{BinaryArray, StringArray};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, PgConnection, Row};

use super::quote_table;
use crate::rows::Cells;
use crate::selection::{Condition, Selection};
use crate::table::{Column, Kind, Layout, list, quote};

pub(super) async fn read(
    connection: &mut PgConnection,
    layout: &Layout<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Cells>, sqlx::Error> {
    let columns = list(&layout.columns, |column| match column.kind {
        Kind::Decimal { .. } => format!("{}::text", quote(column.name)),
        _ => quote(column.name),
    });
    let mut parameters = 0;
    let mut next = || {
        parameters += 1;
        parameters
    };
    let clauses = selection.clauses(
        layout,
        |condition, column| match condition {
            Condition::OneOf { .. } => format!("{column} = ANY(${})", next()),
            Condition::Between { .. } => format!("{column} BETWEEN ${} AND ${}", next(), next()),
        },
        // By bytes, whatever the database's collation, so that both databases give the same order.
        |key| match key.kind {
            Kind::Text => format!("{} COLLATE \"C\"", quote(key.name)),
            _ => quote(key.name),
        },
    );
    let sql = format!("SELECT {columns} FROM {}{clauses}", quote_table(layout.name));
    let arguments = selected(selection).map_err(sqlx::Error::Encode)?;
    // Unprepared for later: the table may have been dropped and made again with other types by
    // then.
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
    let rows = query.fetch_all(connection).await?;
    let columns = layout.columns.iter().enumerate();
    columns.map(|(index, column)| decode(&rows, index, column)).collect()
}

/// The parameters of a selection, in order.
fn selected(selection: &Selection<'_>) -> Result<PgArguments, sqlx::error::BoxDynError> {
    let mut arguments = PgArguments::default();
    for condition in &selection.conditions {
        match condition {
            Condition::OneOf { texts, .. } => arguments.add(texts)?,
            Condition::Between { from, to, .. } => {
                arguments.add(*from)?;
                arguments.add(*to)?;
            }
        }
    }
    Ok(arguments)
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
        Kind::Bytes => {
            let values = rows.iter().map(|row| row.try_get::<Option<&[u8]>, _>(index));
            Cells::Bytes(values.collect::<Result<BinaryArray, _>>()?)
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
