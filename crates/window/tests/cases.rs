//! Behaviour as data: each file in `tests/cases` is a story of rows, cuts and expected rows, to be
//! read as prose.
//!
//! Every case runs four ways and must give the same: rows in one batch or one by one between cuts,
//! and with every cut also a restart from its snapshot. `UPDATE_CASES=1 cargo test` prints what
//! came out, for review.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;
use arus_window::{
    Coordinator, OutputMode, PartitionState, PartitionTime, QueryOptions, Window, WindowQuery,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    query: Query,
    partitions: usize,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    size: Option<i64>,
    slide: Option<i64>,
    gap: Option<i64>,
    delay: i64,
    group_by: Vec<String>,
    aggregates: Vec<String>,
    #[serde(default)]
    mode: Mode,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Append,
    Update,
    Complete,
}

/// A row that arrives, or a cut with the rows that it must give.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Step {
    Row {
        partition: usize,
        ts: i64,
        key: Option<String>,
        #[serde(default)]
        value: i64,
        /// How far behind the watermark, if the row misses a window.
        late_by: Option<i64>,
        /// Whether a late row is counted in other windows all the same.
        #[serde(default)]
        counted: bool,
    },
    Cut {
        cut: Vec<String>,
        /// The watermark of the job after the cut.
        watermark: Option<i64>,
        /// Partitions that are idle.
        #[serde(default)]
        idle: Vec<usize>,
        /// All input has stopped and the wall clock has come this far.
        closed_up_to: Option<i64>,
    },
}

struct Pending {
    rows: Vec<(i64, Option<String>, i64)>,
    expected: Vec<(Option<i64>, bool)>,
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("key", DataType::Utf8, true),
        Field::new("value", DataType::Int64, false),
    ]))
}

fn batch(rows: &[(i64, Option<String>, i64)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0))
                .with_timezone("UTC"),
        ),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.as_deref()))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

impl Query {
    fn plan(&self) -> Arc<WindowQuery> {
        let window = match (self.size, self.slide, self.gap) {
            (Some(size_ms), None, None) => Window::Tumbling { size_ms },
            (Some(size_ms), Some(slide_ms), None) => Window::Hopping { size_ms, slide_ms },
            (None, None, Some(gap_ms)) => Window::Session { gap_ms },
            _ => panic!("size, size and slide, or gap"),
        };
        let options = QueryOptions {
            time_column: "ts".into(),
            window,
            delay_ms: self.delay,
            group_by: self.group_by.clone(),
            aggregates: self.aggregates.iter().map(|text| text.as_str().into()).collect(),
        };
        Arc::new(WindowQuery::plan(&schema(), options).unwrap())
    }

    fn mode(&self) -> OutputMode {
        match self.mode {
            Mode::Append => OutputMode::Append,
            Mode::Update => OutputMode::Update,
            Mode::Complete => OutputMode::Complete,
        }
    }
}

/// One way to run a case.
#[derive(Clone, Copy, Debug)]
struct Way {
    row_by_row: bool,
    restart_at_cuts: bool,
}

fn run(name: &str, case: &Case, way: Way) {
    let query = case.query.plan();
    let mut states: Vec<PartitionState> =
        (0..case.partitions).map(|_| PartitionState::new(Arc::clone(&query))).collect();
    let mut coordinator = Coordinator::new(Arc::clone(&query), case.query.mode()).unwrap();
    let mut pending: Vec<Pending> =
        (0..case.partitions).map(|_| Pending { rows: Vec::new(), expected: Vec::new() }).collect();
    for (at, step) in case.step.iter().enumerate() {
        let place = format!("{name}, step {at}, {way:?}");
        match step.clone() {
            Step::Row { partition, ts, key, value, late_by, counted } => {
                pending[partition].rows.push((ts, key, value));
                pending[partition].expected.push((late_by, counted));
            }
            Step::Cut { cut, watermark, idle, closed_up_to } => {
                for (state, pending) in states.iter_mut().zip(&mut pending) {
                    feed(state, pending, coordinator.watermark_ms(), way, &place);
                }
                coordinator.advance(states.iter().enumerate().map(|(partition, state)| {
                    PartitionTime {
                        watermark_ms: state.watermark_ms(),
                        idle: idle.contains(&partition),
                    }
                }));
                if let Some(closed_up_to) = closed_up_to {
                    coordinator.raise_to(closed_up_to);
                }
                assert_eq!(coordinator.watermark_ms(), watermark, "{place}: watermark");
                let now = coordinator.watermark_ms().unwrap_or(i64::MIN);
                let closed: Vec<_> =
                    states.iter_mut().map(|state| state.close(now).unwrap()).collect();
                let open: Vec<_> =
                    states.iter_mut().map(|state| state.open_partials().unwrap()).collect();
                let rows = coordinator.epoch(&closed, &open).unwrap().rows;
                let got = lines(&rows);
                if std::env::var_os("UPDATE_CASES").is_some() {
                    println!("{place}: cut = {got:?}");
                } else {
                    assert_eq!(got, cut, "{place}");
                }
                if way.restart_at_cuts {
                    for (state, open) in states.iter_mut().zip(open) {
                        let snapshot = state.snapshot(open);
                        *state = PartitionState::restore(Arc::clone(&query), snapshot).unwrap();
                    }
                    let (mode, snapshot) = (case.query.mode(), coordinator.snapshot());
                    coordinator = Coordinator::restore(Arc::clone(&query), mode, snapshot).unwrap();
                }
            }
        }
    }
    assert!(pending.iter().all(|p| p.rows.is_empty()), "{name}: the last step must be a cut");
}

fn feed(
    state: &mut PartitionState,
    pending: &mut Pending,
    closed_ms: Option<i64>,
    way: Way,
    place: &str,
) {
    let rows = std::mem::take(&mut pending.rows);
    let expected = std::mem::take(&mut pending.expected);
    let size = if way.row_by_row { 1 } else { rows.len().max(1) };
    for (rows, expected) in rows.chunks(size).zip(expected.chunks(size)) {
        let updated = state.update(&batch(rows), closed_ms).unwrap();
        assert_eq!(updated.counted + updated.late, rows.len(), "{place}: every row has one fate");
        let mut got = vec![(None, false); rows.len()];
        for late in &updated.late_rows {
            got[late.row] = (Some(late.lateness_ms()), late.counted);
        }
        assert_eq!(got, expected, "{place}: late rows among {rows:?}");
    }
}

/// `0..30 chair 3 4500`: window, groups, aggregates.
fn lines(rows: &RecordBatch) -> Vec<String> {
    let time = |column: usize, row: usize| {
        rows.column(column).as_primitive::<TimestampMillisecondType>().value(row)
    };
    (0..rows.num_rows())
        .map(|row| {
            let mut line = format!("{}..{}", time(0, row), time(1, row));
            for column in &rows.columns()[2..] {
                let value = array_value_to_string(column, row).unwrap();
                line.push(' ');
                line.push_str(if value.is_empty() { "null" } else { &value });
            }
            line
        })
        .collect()
}

#[test]
fn every_case_gives_its_rows_in_every_way() {
    let folder = Path::new("tests/cases");
    let mut ran = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for row_by_row in [false, true] {
            for restart_at_cuts in [false, true] {
                run(&name, &case, Way { row_by_row, restart_at_cuts });
            }
        }
        ran += 1;
    }
    assert!(ran >= 8, "only {ran} cases were found");
}
