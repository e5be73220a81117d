//! The same rows through a plain batch `GROUP BY` must give the closed windows, and the same rows
//! must be late, however the log was cut into batches, in whatever order the partitions were read,
//! and wherever the job was stopped and started again.
//!
//! The judge shares no code with the stream: lateness is found by a plain walk along each
//! partition, windows by arithmetic, and the sums by DataFusion's own `GROUP BY` in SQL (sessions
//! by sorting).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;
use arus_window::{
    Coordinator, OutputMode, PartitionState, PartitionTime, QueryOptions, Window, WindowQuery,
};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

const AGGREGATES: [&str; 8] = [
    "count(*) as rows",
    "count(value) as present",
    "sum(value) as total",
    "avg(value) as mean",
    "min(value) as least",
    "max(weight) as heaviest",
    "count(distinct color) as colors",
    "sum(value) filter (where color = 'red') as red",
];

const GROUPS: [&[&str]; 3] = [&[], &["key"], &["key", "color"]];

#[derive(Clone, Debug)]
struct Row {
    ts: i64,
    key: String,
    color: String,
    value: Option<i64>,
    weight: f64,
}

#[derive(Clone, Debug)]
struct Plan {
    window: Window,
    delay_ms: i64,
    /// The columns that rows are grouped by.
    groups: &'static [&'static str],
    /// The log, by partition.
    log: Vec<Vec<Row>>,
    /// What is done, in order: how many rows of which partition, and whether an epoch is cut or the
    /// job restarts after.
    schedule: Vec<(usize, usize, After)>,
}

#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Epoch,
    Restart,
}

fn row() -> impl Strategy<Value = (i64, usize, usize, Option<i64>)> {
    // Event time advances by the first number, which may be negative: rows out of order, some of
    // them late.
    (-80_i64..60, 0..4_usize, 0..3_usize, proptest::option::weighted(0.9, -1000_i64..1000))
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(row(), 0..120).prop_map(|steps| {
        let mut now = 0;
        let colors = ["red", "green", "blue"];
        steps
            .into_iter()
            .map(|(step, key, color, value)| {
                now += step.max(0);
                Row {
                    ts: now + step.min(0) - 300,
                    key: format!("k{key}"),
                    color: colors[color].to_owned(),
                    value,
                    weight: value.unwrap_or(0) as f64 / 7.0,
                }
            })
            .collect()
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let window = prop_oneof![
        (1_i64..200).prop_map(|size_ms| Window::Tumbling { size_ms }),
        (1_i64..60, 1_i64..5).prop_map(|(slide_ms, times)| Window::Hopping {
            size_ms: slide_ms * times + slide_ms / 2,
            slide_ms
        }),
        (1_i64..80).prop_map(|gap_ms| Window::Session { gap_ms }),
    ];
    let after = prop_oneof![
        4 => Just(After::Nothing),
        2 => Just(After::Epoch),
        1 => Just(After::Restart),
    ];
    let schedule = proptest::collection::vec((0..4_usize, 1..40_usize, after), 0..60);
    let log = proptest::collection::vec(rows(), 1..4);
    (window, 0_i64..120, 0..GROUPS.len(), log, schedule).prop_map(
        |(window, delay_ms, groups, log, schedule)| Plan {
            window,
            delay_ms,
            groups: GROUPS[groups],
            log,
            schedule,
        },
    )
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("key", DataType::Utf8, false),
        Field::new("color", DataType::Utf8, false),
        Field::new("value", DataType::Int64, true),
        Field::new("weight", DataType::Float64, false),
    ]))
}

fn columns(rows: &[&Row]) -> Vec<ArrayRef> {
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.ts));
    vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.color))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.value))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.weight))),
    ]
}

/// The stream's answer: output rows as text, and the late rows as (partition, place in the log).
fn stream(plan: &Plan, schedule: &[(usize, usize, After)]) -> (Vec<String>, Vec<(usize, usize)>) {
    let options = QueryOptions {
        time_column: "ts".into(),
        window: plan.window,
        delay_ms: plan.delay_ms,
        group_by: plan.groups.iter().map(|column| (*column).to_owned()).collect(),
        aggregates: AGGREGATES.iter().map(|text| (*text).into()).collect(),
    };
    let query = Arc::new(WindowQuery::plan(&schema(), options).unwrap());
    let new = || PartitionState::new(Arc::clone(&query));
    let mut states: Vec<PartitionState> = plan.log.iter().map(|_| new()).collect();
    let mut coordinator = Coordinator::new(Arc::clone(&query), OutputMode::Append).unwrap();
    let mut read = vec![0; plan.log.len()];
    let (mut output, mut late) = (Vec::new(), Vec::new());
    // After the schedule, the rest of each partition.
    let rest = (0..plan.log.len()).map(|partition| (partition, usize::MAX, After::Epoch));
    for (partition, count, after) in schedule.iter().copied().chain(rest) {
        let partition = partition % plan.log.len();
        let log = &plan.log[partition][read[partition]..];
        let rows: Vec<&Row> = log.iter().take(count).collect();
        if !rows.is_empty() {
            let batch = RecordBatch::try_new(schema(), columns(&rows)).unwrap();
            let closed_ms = coordinator.watermark_ms();
            let updated = states[partition].update(&batch, closed_ms).unwrap();
            assert_eq!(updated.counted + updated.late, rows.len());
            let gone = updated.late_rows.iter().filter(|late| !late.counted);
            late.extend(gone.map(|late| (partition, read[partition] + late.row)));
            read[partition] += rows.len();
        }
        if !matches!(after, After::Nothing) {
            output.extend(epoch(&mut states, &mut coordinator, None));
        }
        if matches!(after, After::Restart) {
            for state in &mut states {
                let open = state.open_partials().unwrap();
                let snapshot = state.snapshot(open);
                *state = PartitionState::restore(Arc::clone(&query), snapshot).unwrap();
            }
            let snapshot = coordinator.snapshot();
            let query = Arc::clone(&query);
            coordinator = Coordinator::restore(query, OutputMode::Append, snapshot).unwrap();
        }
    }
    output.extend(epoch(&mut states, &mut coordinator, Some(i64::MAX)));
    output.sort();
    late.sort_unstable();
    (output, late)
}

fn epoch(
    states: &mut [PartitionState],
    coordinator: &mut Coordinator,
    raise_to: Option<i64>,
) -> Vec<String> {
    coordinator.advance(
        states
            .iter()
            .map(|state| PartitionTime { watermark_ms: state.watermark_ms(), idle: false }),
    );
    if let Some(raise_to) = raise_to {
        coordinator.raise_to(raise_to);
    }
    let now = coordinator.watermark_ms().unwrap_or(i64::MIN);
    let closed: Vec<_> = states.iter_mut().map(|state| state.close(now).unwrap()).collect();
    let open: Vec<_> = states.iter_mut().map(|state| state.open_partials().unwrap()).collect();
    texts(&coordinator.epoch(&closed, &open).unwrap().rows)
}

fn texts(rows: &RecordBatch) -> Vec<String> {
    (0..rows.num_rows())
        .map(|row| {
            let values = rows.columns().iter().enumerate().map(|(at, column)| match at {
                0 | 1 => column
                    .as_primitive_opt::<TimestampMillisecondType>()
                    .map(|times| times.value(row).to_string())
                    .unwrap_or_else(|| array_value_to_string(column, row).unwrap()),
                _ => array_value_to_string(column, row).unwrap(),
            });
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
}

/// The judge's answer.
fn batch(plan: &Plan) -> (Vec<String>, Vec<(usize, usize)>) {
    let mut late = Vec::new();
    // (window start, window end, row) for every window that takes a row.
    let mut placed: Vec<(i64, i64, &Row)> = Vec::new();
    for (partition, rows) in plan.log.iter().enumerate() {
        let mut largest: Option<i64> = None;
        for (at, row) in rows.iter().enumerate() {
            let watermark = largest.map(|largest| largest - plan.delay_ms);
            let before = placed.len();
            match plan.window {
                Window::Session { .. } => {
                    if watermark.is_none_or(|watermark| row.ts >= watermark) {
                        placed.push((0, 0, row));
                    }
                }
                Window::Tumbling { size_ms } => {
                    place(row, size_ms, size_ms, watermark, &mut placed)
                }
                Window::Hopping { size_ms, slide_ms } => {
                    place(row, size_ms, slide_ms, watermark, &mut placed)
                }
            }
            if placed.len() == before {
                late.push((partition, at));
            }
            largest = largest.max(Some(row.ts));
        }
    }
    if let Window::Session { gap_ms } = plan.window {
        sessionize(&mut placed, gap_ms, plan.groups);
    }
    (group_by(&placed, plan.groups), late)
}

fn place<'a>(
    row: &'a Row,
    size: i64,
    slide: i64,
    watermark: Option<i64>,
    placed: &mut Vec<(i64, i64, &'a Row)>,
) {
    // Every grid point near the row, tried one by one.
    let around = row.ts.div_euclid(slide) - size / slide - 2..=row.ts.div_euclid(slide) + 1;
    for start in around.map(|number| number * slide) {
        let end = start + size;
        if start <= row.ts && row.ts < end && watermark.is_none_or(|watermark| watermark < end) {
            placed.push((start, end, row));
        }
    }
}

fn group_of<'a>(row: &'a Row, groups: &[&str]) -> Vec<&'a str> {
    let value = |column: &&str| if *column == "key" { &row.key } else { &row.color };
    groups.iter().map(|column| value(column).as_str()).collect()
}

fn sessionize(placed: &mut [(i64, i64, &Row)], gap: i64, groups: &[&str]) {
    let mut by_key: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for (at, (_, _, row)) in placed.iter().enumerate() {
        by_key.entry(group_of(row, groups)).or_default().push(at);
    }
    for members in by_key.values_mut() {
        members.sort_by_key(|&at| placed[at].2.ts);
        let mut from = 0;
        for at in 0..members.len() {
            let ts = placed[members[at]].2.ts;
            let next = members.get(at + 1).map(|&next| placed[next].2.ts);
            if next.is_none_or(|next| next - ts >= gap) {
                let start = placed[members[from]].2.ts;
                for &member in &members[from..=at] {
                    (placed[member].0, placed[member].1) = (start, ts + gap);
                }
                from = at + 1;
            }
        }
    }
}

fn group_by(placed: &[(i64, i64, &Row)], groups: &[&str]) -> Vec<String> {
    if placed.is_empty() {
        return Vec::new();
    }
    let rows: Vec<&Row> = placed.iter().map(|(_, _, row)| *row).collect();
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(placed.iter().map(|placed| placed.0))),
        Arc::new(Int64Array::from_iter_values(placed.iter().map(|placed| placed.1))),
    ];
    arrays.extend(columns(&rows));
    let mut fields = vec![
        Arc::new(Field::new("window_start", DataType::Int64, false)),
        Arc::new(Field::new("window_end", DataType::Int64, false)),
    ];
    fields.extend(schema().fields().iter().cloned());
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let by = ["window_start", "window_end"].iter().chain(groups).copied().collect::<Vec<_>>();
    let by = by.join(", ");
    let sql = format!("select {by}, {} from placed group by {by}", AGGREGATES.join(", "));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(async {
        let context = SessionContext::new();
        context.register_batch("placed", batch).unwrap();
        context.sql(&sql).await.unwrap().collect().await.unwrap()
    });
    let mut rows: Vec<String> = batches.iter().flat_map(texts).collect();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batch_judges_stream(plan in plan()) {
        let (rows, late) = stream(&plan, &plan.schedule);
        let (expected_rows, expected_late) = batch(&plan);
        prop_assert_eq!(late, expected_late);
        prop_assert_eq!(rows, expected_rows);
    }
}
