//! From JSON bytes in memory to closed windows, on one thread: no Kafka, no disk.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use arus_models::{
    PurchaseColumns, PurchaseGenerator, PurchaseOptions, TimestampUnit, purchase_schema,
};
use arus_runtime::clock::Clock;
use arus_window::{
    Coordinator, OutputMode, PartitionState, PartitionTime, QueryOptions, Window, WindowQuery,
};

use crate::{rate, timed};

const BATCH: usize = 8192;

/// Records one after the other, with where each ends.
struct Events {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Events {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Measures and prints.
pub(crate) fn measure(events: usize, rounds: usize, clock: &dyn Clock) -> anyhow::Result<()> {
    println!("engine: JSON bytes to closed 30 s windows, one thread, {events} purchases");
    let events_in_memory = generate(events);
    let bytes = events_in_memory.bytes.len();
    println!("  {} bytes an event", bytes / events);
    for (name, group_by) in [("5 groups", "furniture"), ("100 000 groups", "customer_id")] {
        let mut best = Duration::MAX;
        let mut decode = Duration::MAX;
        for _ in 0..rounds {
            let (_, time) = timed(clock, || decode_only(&events_in_memory, group_by))?;
            decode = decode.min(time);
            let (counted, time) = timed(clock, || totals(&events_in_memory, group_by))?;
            ensure!(counted == events, "only {counted} of {events} purchases were counted");
            best = best.min(time);
        }
        println!(
            "  {name}: {} (decoding alone {}, {:.0} MB/s)",
            rate(events, best),
            rate(events, decode),
            bytes as f64 / best.as_secs_f64() / 1e6
        );
    }
    Ok(())
}

fn generate(count: usize) -> Events {
    let options = PurchaseOptions { customers: 100_000, ..PurchaseOptions::default() };
    let mut generator = PurchaseGenerator::new(1, options).expect("the options are valid");
    let mut events = Events { bytes: Vec::with_capacity(count * 140), ends: Vec::new() };
    let mut payload = Vec::new();
    for number in 0..count {
        // 10 000 purchases a second of event time: every window gets 300 000.
        let now_ms = 1_700_000_000_000 + number as i64 / 10;
        generator.next(now_ms, &mut payload);
        events.bytes.extend_from_slice(&payload);
        events.ends.push(events.bytes.len());
    }
    events
}

fn query(group_by: &str) -> anyhow::Result<(Arc<WindowQuery>, Vec<String>)> {
    let options = QueryOptions {
        time_column: "ts".into(),
        window: Window::Tumbling { size_ms: 30_000 },
        delay_ms: 10_000,
        group_by: vec![group_by.into()],
        aggregates: vec![
            "count(*) as purchases".into(),
            "sum(price) as total_price".into(),
            "avg(price) as avg_price".into(),
            "min(price) as min_price".into(),
            "max(price) as max_price".into(),
        ],
    };
    let columns = WindowQuery::plan(&purchase_schema(), options.clone())?.columns_read();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let schema = PurchaseColumns::new(TimestampUnit::Milliseconds, &names).schema();
    Ok((Arc::new(WindowQuery::plan(&schema, options)?), columns))
}

fn decode_only(events: &Events, group_by: &str) -> anyhow::Result<usize> {
    let (_, columns) = query(group_by)?;
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut decoder = PurchaseColumns::new(TimestampUnit::Milliseconds, &names);
    let mut rows = 0;
    for event in events.iter() {
        decoder.push_json(event)?;
        if decoder.len() == BATCH {
            rows += decoder.finish().num_rows();
        }
    }
    Ok(rows + decoder.finish().num_rows())
}

fn totals(events: &Events, group_by: &str) -> anyhow::Result<usize> {
    let (query, columns) = query(group_by)?;
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut decoder = PurchaseColumns::new(TimestampUnit::Milliseconds, &names);
    let mut state = PartitionState::new(Arc::clone(&query));
    let mut coordinator = Coordinator::new(query, OutputMode::Append)?;
    let mut counted = 0;
    for event in events.iter() {
        decoder.push_json(event)?;
        if decoder.len() == BATCH {
            let closed_ms = coordinator.watermark_ms();
            counted += state.update(&decoder.finish(), closed_ms)?.counted;
            coordinator
                .advance([PartitionTime { watermark_ms: state.watermark_ms(), idle: false }]);
            let closed = state.close(coordinator.watermark_ms().unwrap_or(i64::MIN))?;
            if closed.num_rows() > 0 {
                coordinator.epoch(&[closed], &[])?;
            }
        }
    }
    counted += state.update(&decoder.finish(), coordinator.watermark_ms())?.counted;
    coordinator.raise_to(i64::MAX);
    let closed = state.close(i64::MAX)?;
    coordinator.epoch(&[closed], &[])?;
    Ok(counted)
}
