//! Rows a second into a table of six columns: `cargo run -p arus-store --example throughput -- URL
//! [ROWS]`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arus_store::{Store, TableSpec, TableWrite};
use tokio::time::Instant;

const JOB: &str = "throughput";

/// Window start and furniture as key, and four figures, as the streaming job writes them.
fn rows(count: i64, shift: i64) -> RecordBatch {
    let furniture = ["Chair", "Table", "Desk", "Sofa", "Bed"];
    let number = |row: i64| row * 7_919 + shift;
    let columns: [(&str, ArrayRef); 6] = [
        (
            "window_start",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(
                    (0..count).map(|row| 1_790_000_000_000 + row / 5 * 30_000),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "furniture",
            Arc::new(StringArray::from_iter_values(
                (0..count).map(|row| furniture[(row % 5) as usize]),
            )),
        ),
        ("purchases", Arc::new(Int64Array::from_iter_values((0..count).map(number)))),
        ("total_price", Arc::new(Int64Array::from_iter_values((0..count).map(number)))),
        (
            "avg_price",
            Arc::new(Float64Array::from_iter_values((0..count).map(|r| number(r) as f64 / 3.0))),
        ),
        ("max_price", Arc::new(Int64Array::from_iter_values((0..count).map(number)))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: throughput URL [ROWS]")?;
    let total: i64 = arguments.next().map_or(Ok(200_000), |rows| rows.parse())?;
    let store = Store::connect(&url, Duration::from_secs(30)).await?;
    println!("{}", store.describe());
    for size in [5, 50, 500, 1_000, 2_000, 5_000, 50_000, total] {
        let first = rows(size, 0);
        let table = TableSpec {
            name: "throughput".to_string(),
            schema: first.schema(),
            key: vec!["window_start".to_string(), "furniture".to_string()],
        };
        for (what, shift) in [("insert", 0), ("update", 1)] {
            if shift == 0 {
                store.reset_job(JOB, &[&table]).await?;
                store.ensure_table(&table).await?;
            }
            let batch = rows(size, shift);
            let began = Instant::now();
            let mut epochs = 0;
            let mut previous = store.last_epoch(JOB).await?;
            // Inserts come once into an empty table; updates again and again, for a second or so.
            while epochs == 0 || (shift > 0 && began.elapsed() < Duration::from_secs(1)) {
                let epoch = previous.unwrap_or(0) + 1;
                let write = [TableWrite::Upsert { table: &table, rows: &batch }];
                store.commit_epoch(JOB, previous, epoch, &write).await?;
                previous = Some(epoch);
                epochs += 1;
            }
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "{what} {size:>7} rows an epoch: {:>9.0} rows/s, {:>7.2} ms an epoch",
                (size * epochs) as f64 / seconds,
                seconds * 1e3 / epochs as f64
            );
        }
    }
    store.reset_job(JOB, &[]).await?;
    store.close().await;
    Ok(())
}
