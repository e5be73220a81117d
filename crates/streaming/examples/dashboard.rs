//! The live view with a made-up job: `cargo run -p arus-streaming --example dashboard [SECONDS]`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arus_runtime::clock::{Clock, SystemClock};
use arus_streaming::operator::TableRows;
use arus_streaming::progress::{PartitionProgress, Progress, Totals};
use arus_streaming::sink::dashboard::{Dashboard, DashboardOptions};
use arus_streaming::sink::{EpochOutput, OutputMode, OutputTable};

const WINDOW_MS: i64 = 10_000;
const DELAY_MS: i64 = 5_000;
const KINDS: [&str; 5] = ["Bed", "Chair", "Desk", "Sofa", "Table"];

fn table() -> OutputTable {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    let schema = Schema::new(vec![
        Field::new("window_start", time.clone(), false),
        Field::new("window_end", time, false),
        Field::new("furniture", DataType::Utf8, false),
        number("purchases"),
        number("total_price"),
        number("avg_price"),
        number("min_price"),
        number("max_price"),
    ]);
    OutputTable {
        name: "purchase_windows".to_owned(),
        schema: Arc::new(schema),
        key: vec!["window_start".to_owned(), "furniture".to_owned()],
        mode: OutputMode::Append,
    }
}

/// The rows of a window after `filled_ms` of it have been seen.
fn rows(starts: &[i64], now_ms: i64) -> RecordBatch {
    let cells: Vec<(i64, usize)> =
        starts.iter().flat_map(|start| (0..5).map(move |kind| (*start, kind))).collect();
    let numbers = |value: &dyn Fn(i64, i64) -> i64| -> ArrayRef {
        let values = cells.iter().map(|(start, kind)| {
            let kind = i64::try_from(*kind).unwrap_or(0);
            let filled = (now_ms - start).clamp(0, WINDOW_MS);
            value(filled * (900 + 130 * ((start / WINDOW_MS + kind * 3) % 5)) / 1_000, kind)
        });
        Arc::new(Int64Array::from_iter_values(values))
    };
    let times = |add: i64| -> ArrayRef {
        let values = cells.iter().map(|(start, _)| start + add);
        Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let columns = vec![
        times(0),
        times(WINDOW_MS),
        Arc::new(StringArray::from_iter_values(cells.iter().map(|(_, kind)| KINDS[*kind]))),
        numbers(&|count, _| count),
        numbers(&|count, kind| count * (850_000 + kind * 400_000)),
        numbers(&|_, kind| 850_000 + kind * 400_000),
        numbers(&|_, kind| 150_000 + kind * 1_000),
        numbers(&|_, kind| 9_990_000 + kind * 1_000),
    ];
    RecordBatch::try_new(table().schema, columns).expect("the columns are those of the table")
}

fn progress(epoch: u64, clock: &SystemClock, started_ms: i64, totals: Totals) -> Progress {
    let wall_ms = clock.wall_ms();
    let watermark_ms = wall_ms - DELAY_MS;
    let first = watermark_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
    let starts: Vec<i64> =
        (0..).map(|n| first + n * WINDOW_MS).take_while(|s| *s < wall_ms).collect();
    let offset = i64::try_from(totals.read / 4).unwrap_or(0);
    let partition = |partition: i32, lag: i64, idle| PartitionProgress {
        partition,
        next_offset: offset,
        end_offset: Some(offset + lag),
        watermark_ms: Some(watermark_ms),
        idle,
    };
    let wave = i64::try_from(epoch % 30).unwrap_or(0);
    Progress {
        epoch,
        wall_ms,
        uptime: clock.monotonic(),
        run: totals,
        total: totals,
        tallies: Default::default(),
        rows_per_second: 9_000.0 + 6_000.0 * (epoch as f64 / 9.0).sin(),
        watermark_ms: Some(watermark_ms),
        partitions: vec![
            partition(0, wave * wave * 40, false),
            partition(1, 12, false),
            partition(2, 0, true),
            partition(3, 900 - wave * 30, false),
        ],
        open_windows: starts.len(),
        open_rows: starts.len() * 5,
        closed_windows: u64::try_from((watermark_ms - started_ms).max(0) / WINDOW_MS).unwrap_or(0),
        state_bytes: 41_000,
        epoch_duration: Duration::from_millis(9),
        open: Some(rows(&starts, wall_ms)),
    }
}

fn main() -> Result<(), arus_streaming::Error> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(60);
    let clock = SystemClock::new();
    let started_ms = clock.wall_ms();
    let dashboard = Dashboard::start(DashboardOptions {
        job: "purchases → purchase_windows".to_owned(),
        table: table(),
        where_to: vec![
            "table purchase_windows in SQLite file .arus/arus.db".to_owned(),
            "late events on topic purchases.late".to_owned(),
        ],
    })?;
    let (mut sink, mut watcher) = (dashboard.sink(), dashboard.watcher());
    let mut totals = Totals::default();
    let mut closed_until = (started_ms - DELAY_MS).div_euclid(WINDOW_MS) * WINDOW_MS;
    for epoch in 1.. {
        let (late, rejected) = (epoch % 7, epoch / 40 % 2);
        totals.read += 2_000 + late + rejected;
        totals.counted += 2_000;
        totals.late += late;
        totals.rejected += rejected;
        let now = progress(epoch, &clock, started_ms, totals);
        while closed_until + WINDOW_MS <= now.watermark_ms.unwrap_or(0) {
            let closed = rows(&[closed_until], now.wall_ms);
            sink.commit(EpochOutput::new(epoch, &[TableRows::new(closed.clone())]))?;
            closed_until += WINDOW_MS;
        }
        watcher.progress(&now);
        if clock.monotonic() > Duration::from_secs(seconds) {
            watcher.finished(&now);
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}
