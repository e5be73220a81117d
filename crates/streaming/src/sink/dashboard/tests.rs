//! What the screen shows, as text, at the sizes people have.

use std::time::Duration;

use arrow::array::RecordBatch;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::state::State;
use super::{DashboardOptions, view};
use crate::progress::{PartitionProgress, Progress, Totals};
use crate::sink::fixture::{purchases, table};
use crate::sink::{OutputMode, OutputTable};

const NOON: i64 = 1_795_435_200_000; // 2026-11-23 12:00:00
const KINDS: [&str; 5] = ["Bed", "Chair", "Desk", "Sofa", "Table"];

fn options(mode: OutputMode) -> DashboardOptions {
    DashboardOptions {
        job: "purchases → purchase_windows".to_owned(),
        table: table(mode),
        where_to: vec![
            "table purchase_windows in SQLite file .arus/arus.db".to_owned(),
            "topic purchase-windows".to_owned(),
        ],
    }
}

/// Five groups of the window that starts `seconds` past noon, each larger than the one before.
fn window(seconds: i64, scale: i64) -> Vec<(i64, &'static str, i64, i64)> {
    let groups = (1..).zip(KINDS);
    groups.map(|(n, kind)| (NOON + seconds * 1_000, kind, n * scale, n * scale * 510_000)).collect()
}

fn progress(open: &[(i64, &str, i64, i64)]) -> Progress {
    let partition = |partition, next_offset, idle| PartitionProgress {
        partition,
        next_offset,
        end_offset: Some(100_000),
        watermark_ms: Some(NOON + 82_000),
        idle,
    };
    let run = Totals { read: 1_234_567, counted: 1_230_000, late: 4_000, rejected: 567 };
    Progress {
        epoch: 83,
        wall_ms: NOON + 95_400,
        uptime: Duration::from_secs(83),
        run,
        total: run,
        tallies: Default::default(),
        rows_per_second: 12_345.4,
        watermark_ms: Some(NOON + 82_000),
        partitions: vec![
            partition(0, 100_000, false),
            partition(1, 99_870, false),
            partition(2, 100_000, true),
            partition(3, 0, false),
        ],
        open_windows: 2,
        open_rows: 10,
        closed_windows: 2,
        state_bytes: 40_000,
        epoch_duration: Duration::from_millis(12),
        open: Some(purchases(open)),
    }
}

fn busy() -> State {
    let mut state = State::new(options(OutputMode::Append));
    for second in 1..83 {
        let mut earlier = progress(&[]);
        earlier.uptime = Duration::from_secs(second);
        earlier.rows_per_second = (second % 20 * 1_000) as f64;
        state.progress(&earlier);
    }
    for start in [0, 30] {
        state.rows(&purchases(&window(start, 12)));
    }
    let mut open = window(60, 100);
    open.extend(window(90, 25));
    state.progress(&progress(&open));
    state
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Compares with the file, or writes it where `UPDATE_SCREENS` is set: look at the change before
/// committing it.
fn assert_screen(name: &str, seen: &str) {
    let path = std::path::Path::new("src/sink/dashboard/screens").join(name);
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, seen).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(seen, expected, "\nseen:\n{seen}\nexpected in {}:\n{expected}", path.display());
}

#[test]
fn a_busy_job() {
    let state = busy();
    for (width, height) in [(80, 24), (120, 40)] {
        assert_screen(&format!("busy-{width}x{height}.txt"), &screen(&state, width, height));
    }
}

#[test]
fn a_job_that_has_just_begun() {
    let state = State::new(options(OutputMode::Append));
    let seen = screen(&state, 80, 24);
    assert!(seen.contains("● starting") && seen.contains("none yet"), "{seen}");
    assert!(seen.contains("Ctrl-C ends"), "{seen}");
}

#[test]
fn every_size_is_drawn_without_a_panic_and_within_the_screen() {
    let mut many = progress(&window(60, i64::MAX / 3_000_000));
    many.partitions =
        (0..200).map(|p| PartitionProgress { partition: p, ..many.partitions[3] }).collect();
    let mut crowded = State::new(options(OutputMode::Append));
    let names: Vec<String> = (0..300).map(|n| format!("漢字 and a long name {n}")).collect();
    let open: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (NOON + (n as i64 / 100) * 30_000, name.as_str(), n as i64 - 5, 1))
        .collect();
    crowded.rows(&purchases(&open));
    many.open = Some(purchases(&open));
    crowded.progress(&many);
    for state in [&busy(), &crowded, &State::new(options(OutputMode::Update))] {
        for width in [1, 5, 29, 30, 47, 79, 80, 133, 250] {
            for height in [1, 3, 6, 7, 12, 24, 60] {
                screen(state, width, height);
            }
        }
    }
    let seen = screen(&crowded, 80, 24);
    assert!(seen.contains("more groups") && seen.contains(" more: "), "{seen}");
}

#[test]
fn update_replaces_rows_and_complete_replaces_all() {
    let mut state = State::new(options(OutputMode::Update));
    state.rows(&purchases(&[(NOON, "Bed", 1, 1), (NOON, "Sofa", 1, 1)]));
    state.rows(&purchases(&[(NOON, "Bed", 2, 2)]));
    let cells: Vec<_> = state.rows.iter().map(|row| row.cells.clone()).collect();
    assert_eq!(cells, [["Bed", "2", "2"], ["Sofa", "1", "1"]]);
    let mut state = State::new(options(OutputMode::Complete));
    state.rows(&purchases(&[(NOON, "Bed", 1, 1), (NOON, "Sofa", 1, 1)]));
    state.rows(&purchases(&[(NOON, "Desk", 2, 2)]));
    assert_eq!(state.rows.len(), 1);
}

#[test]
fn any_shape_of_output_is_shown() {
    // No group columns, no whole number among the aggregates, or nothing but the windows.
    for columns in [vec![0, 1, 3], vec![0, 1, 2], vec![0, 1], vec![2, 3]] {
        let shape = |batch: RecordBatch| batch.project(&columns).unwrap();
        let whole = table(OutputMode::Append);
        let schema = std::sync::Arc::new(whole.schema.project(&columns).unwrap());
        let key = whole.key.into_iter().filter(|k| schema.index_of(k).is_ok()).collect();
        let table = OutputTable { schema, key, ..table(OutputMode::Append) };
        let mut state = State::new(DashboardOptions { table, ..options(OutputMode::Append) });
        state.rows(&shape(purchases(&window(0, 3))));
        let mut now = progress(&[]);
        now.open = Some(shape(purchases(&window(60, 3))));
        state.progress(&now);
        let seen = screen(&state, 80, 24);
        assert!(seen.contains("CLOSED 2"), "{columns:?}\n{seen}");
    }
}

#[test]
fn the_line_of_speeds_has_one_value_per_second() {
    let mut state = State::new(options(OutputMode::Append));
    let mut at = |ms: u64, rate: f64| {
        let mut now = progress(&[]);
        now.uptime = Duration::from_millis(ms);
        now.rows_per_second = rate;
        state.progress(&now);
        state.pulse.rates.iter().copied().collect::<Vec<_>>()
    };
    at(100, 1.0);
    assert_eq!(at(900, 2.0), [2.0]);
    assert_eq!(at(1_100, 3.0), [2.0, 3.0]);
    assert_eq!(at(4_000, 4.0), [2.0, 3.0, 4.0, 4.0, 4.0]);
    assert_eq!(at(4_500, f64::NAN), [2.0, 3.0, 4.0, 4.0, 0.0]);
    assert_eq!(at(1_000_000, 5.0).len(), 180);
}
