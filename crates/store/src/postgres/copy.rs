//! Binary COPY: rows stream into a staging table, and one statement carries them over.
//!
//! The format is PostgreSQL's documented one ("COPY", "Binary Format"): a signature, then for each
//! row the number of fields and each field's length and bytes, big-endian; times count from
//! 2000-01-01.

use arrow::array::Array;
use sqlx::PgConnection;

use super::{execute, from_parameter, quote_table, wire_type};
use crate::rows::{Cells, Change};
use crate::table::{list, quote};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Days and microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Bytes to gather before they are sent.
const PIECE: usize = 256 * 1024;

/// Adds or replaces all rows; `number` keeps the staging tables of one transaction apart.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    write: &Change<'_>,
    number: usize,
) -> Result<(), sqlx::Error> {
    let staging = stage(connection, write, number).await?;
    carry_over(connection, write, &staging).await
}

/// Makes the table hold these rows and no others: adds or replaces those, then removes what the
/// staging table does not have.
pub(super) async fn load(
    connection: &mut PgConnection,
    write: &Change<'_>,
    number: usize,
) -> Result<(), sqlx::Error> {
    let layout = &write.layout;
    let staging = stage(connection, write, number).await?;
    carry_over(connection, write, &staging).await?;
    let same_key = layout.key.iter().map(|key| {
        let name = quote(key.name);
        format!("t.{name} = given.{name}")
    });
    let sql = format!(
        "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT FROM {staging} AS given WHERE {})",
        quote_table(layout.name),
        same_key.collect::<Vec<_>>().join(" AND ")
    );
    execute(connection, sql).await
}

/// Brings the rows into a staging table, which ends with the transaction; gives its name.
async fn stage(
    connection: &mut PgConnection,
    write: &Change<'_>,
    number: usize,
) -> Result<String, sqlx::Error> {
    let layout = &write.layout;
    let staging = format!("pg_temp.arus_staging_{number}");
    let columns = list(&layout.columns, |column| {
        format!("{} {}", quote(column.name), wire_type(column.kind))
    });
    execute(
        connection,
        format!("CREATE TEMPORARY TABLE arus_staging_{number} ({columns}) ON COMMIT DROP"),
    )
    .await?;
    let names = layout.column_list();
    let copy = format!("COPY {staging} ({names}) FROM STDIN (FORMAT binary)");
    send(connection, &copy, write).await?;
    Ok(staging)
}

/// Adds or replaces the rows of the staging table.
async fn carry_over(
    connection: &mut PgConnection,
    write: &Change<'_>,
    staging: &str,
) -> Result<(), sqlx::Error> {
    let layout = &write.layout;
    let names = layout.column_list();
    let sql = format!(
        "INSERT INTO {} ({names}) SELECT {} FROM {staging} AS given {}",
        quote_table(layout.name),
        list(&layout.columns, from_parameter),
        layout.on_conflict()
    );
    execute(connection, sql).await
}

async fn send(
    connection: &mut PgConnection,
    copy: &str,
    write: &Change<'_>,
) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(copy).await?;
    let mut piece = Vec::with_capacity(PIECE + 4 * 1024);
    piece.extend_from_slice(SIGNATURE);
    // No flags, no header extension.
    piece.extend_from_slice(&[0; 8]);
    let fields =
        i16::try_from(write.cells.len()).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    for row in 0..write.len {
        piece.extend_from_slice(&fields.to_be_bytes());
        for cells in &write.cells {
            put(&mut piece, cells, row)?;
        }
        if piece.len() >= PIECE {
            copy.send(piece.as_slice()).await?;
            piece.clear();
        }
    }
    piece.extend_from_slice(&(-1_i16).to_be_bytes());
    copy.send(piece.as_slice()).await?;
    copy.finish().await?;
    Ok(())
}

fn put(piece: &mut Vec<u8>, cells: &Cells, row: usize) -> Result<(), sqlx::Error> {
    match cells {
        Cells::Integer(a) => field(piece, a.is_valid(row).then(|| a.value(row).to_be_bytes())),
        Cells::Float(a) => field(piece, a.is_valid(row).then(|| a.value(row).to_be_bytes())),
        Cells::Boolean(a) => field(piece, a.is_valid(row).then(|| [u8::from(a.value(row))])),
        Cells::Text(a) => field(piece, a.is_valid(row).then(|| a.value(row))),
        Cells::Bytes(a) => field(piece, a.is_valid(row).then(|| a.value(row))),
        Cells::Date(a) => {
            let days = a.is_valid(row).then(|| a.value(row) - EPOCH_DAYS);
            field(piece, days.map(i32::to_be_bytes))
        }
        Cells::Timestamp(a) => {
            let micros = a.is_valid(row).then(|| a.value(row) - EPOCH_MICROS);
            field(piece, micros.map(i64::to_be_bytes))
        }
    }
}

/// A field's length and bytes; -1 alone for null.
fn field(piece: &mut Vec<u8>, value: Option<impl AsRef<[u8]>>) -> Result<(), sqlx::Error> {
    let Some(value) = value else {
        piece.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    };
    let bytes = value.as_ref();
    let length =
        i32::try_from(bytes.len()).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    piece.extend_from_slice(&length.to_be_bytes());
    piece.extend_from_slice(bytes);
    Ok(())
}
