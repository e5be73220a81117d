//! How many updates per second one core takes into a table of a million bank customers, what the
//! table costs in memory, and how long its aggregates take:
//! `cargo run --workspace --example updates`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arus_runtime::clock::{Clock, SystemClock};
use arus_table::{Aggregates, Error, Grouping, KeyedTable, TableOptions, TableQuery};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CUSTOMERS: usize = 1_000_000;
const UPDATES: usize = 2_000_000;
const BATCH_ROWS: usize = 8_192;
const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Error> {
    let clock = SystemClock::new();
    let query = Arc::new(query()?);
    let mut random = ChaCha8Rng::seed_from_u64(42);

    let mut table = query.table();
    let before = resident_bytes();
    let mut took = Duration::ZERO;
    for first in (0..CUSTOMERS).step_by(BATCH_ROWS) {
        let ids: Vec<i64> =
            (first..CUSTOMERS.min(first + BATCH_ROWS)).map(|id| id as i64).collect();
        let rows = batch(&query, &ids, START_MS, &mut random);
        took += apply(&clock, &mut table, std::slice::from_ref(&rows))?;
    }
    let resident = resident_bytes().saturating_sub(before);
    say("inserted", CUSTOMERS, took);
    println!(
        "{} customers: {} bytes each by size(), {} by resident memory",
        table.len(),
        table.size() / table.len(),
        resident / table.len()
    );
    let start = clock.monotonic();
    let told = table.take_changes()?.len();
    println!("told {told} changes in {} ms", (clock.monotonic() - start).as_millis());

    let updates: Vec<RecordBatch> = (0..UPDATES / BATCH_ROWS)
        .map(|number| {
            let ids: Vec<i64> =
                (0..BATCH_ROWS).map(|_| random.random_range(0..CUSTOMERS as i64)).collect();
            batch(&query, &ids, START_MS + 1 + number as i64, &mut random)
        })
        .collect();
    let took = apply(&clock, &mut table, &updates)?;
    say("updated, random customers", updates.len() * BATCH_ROWS, took);
    let took = apply(&clock, &mut table, &updates[updates.len() - 1..])?;
    say("duplicates", BATCH_ROWS, took);
    println!("{} bytes each", table.size() / table.len());

    let mut aggregates = Aggregates::new(Arc::clone(&query));
    for _ in 0..3 {
        table.apply(&batch(&query, &[1], i64::MAX - 1, &mut random))?;
        let start = clock.monotonic();
        aggregates.compute(&[&table])?.expect("the table changed");
        println!("aggregates in {} ms", (clock.monotonic() - start).as_millis());
    }
    Ok(())
}

/// The measured loop: applies batches, and says how long it took.
fn apply(
    clock: &dyn Clock,
    table: &mut KeyedTable,
    batches: &[RecordBatch],
) -> Result<Duration, Error> {
    let start = clock.monotonic();
    for rows in batches {
        table.apply(rows)?;
    }
    Ok(clock.monotonic() - start)
}

fn query() -> Result<TableQuery, Error> {
    let grouping = |name: &str, by: &[&str]| Grouping {
        name: name.into(),
        group_by: by.iter().map(|column| (*column).into()).collect(),
    };
    TableQuery::plan(
        &schema(),
        TableOptions {
            key: "customer_id".into(),
            version: "updated_at".into(),
            deleted: "deleted".into(),
            groupings: vec![
                grouping("overall", &[]),
                grouping("by_city", &["city"]),
                grouping("by_account_type", &["account_type"]),
            ],
            aggregates: vec![
                "count(*) as customers".into(),
                "sum(balance) as total_balance".into(),
                "avg(balance) as avg_balance".into(),
                "min(balance) as min_balance".into(),
                "max(balance) as max_balance".into(),
                "median(cast(balance as double)) as median_balance".into(),
            ],
        },
    )
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("customer_id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("account_number", DataType::Utf8, true),
        Field::new("account_type", DataType::Utf8, true),
        Field::new("city", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
        Field::new("opened_on", DataType::Date32, true),
        Field::new("updated_at", time, true),
        Field::new("deleted", DataType::Boolean, false),
    ]))
}

/// Rows of customers: names and account numbers follow from the id, so an update brings them again
/// as they were; one customer in fifty moves.
fn batch(query: &TableQuery, ids: &[i64], at_ms: i64, random: &mut ChaCha8Rng) -> RecordBatch {
    let texts = |make: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(ids.iter().map(|&id| make(id))))
    };
    let cities: Vec<String> = ids
        .iter()
        .map(|&id| {
            let moved = if random.random_bool(0.02) { random.random_range(0..50) } else { 0 };
            format!("Kota {}", (id + moved) % 50)
        })
        .collect();
    let balances: Vec<i64> = ids.iter().map(|_| random.random_range(0..1_000_000_000)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        texts(&|id| format!("Siti {:06} Wijaya", id * 7919 % 1_000_003)),
        texts(&|id| format!("{:012}", id * 104_729)),
        texts(&|id| ["savings", "current", "deposit"][id as usize % 3].to_owned()),
        Arc::new(StringArray::from(cities)),
        Arc::new(Int64Array::from(balances)),
        Arc::new(Date32Array::from_iter_values(ids.iter().map(|id| (id % 10_000) as i32))),
        Arc::new(TimestampMillisecondArray::from_value(at_ms, ids.len()).with_timezone("UTC")),
        Arc::new(BooleanArray::from(vec![false; ids.len()])),
    ];
    RecordBatch::try_new(Arc::clone(query.input_schema()), columns).expect("columns of the schema")
}

/// The process's memory in use, as Linux tells it; elsewhere 0.
fn resident_bytes() -> usize {
    const PAGE_BYTES: usize = 4_096;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE_BYTES
}

fn say(what: &str, rows: usize, took: Duration) {
    println!("{what}: {:.2} million/s", rows as f64 / took.as_secs_f64() / 1e6);
}
