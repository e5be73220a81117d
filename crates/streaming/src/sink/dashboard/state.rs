//! What the live view knows, as plain values; drawing is in `view`.

use std::collections::{HashMap, VecDeque};

use arrow::array::RecordBatch;

use super::DashboardOptions;
use crate::progress::Progress;
use crate::sink::live::pulse::Pulse;
use crate::sink::{OutputMode, cells};

/// Rows kept for the table; no terminal shows more.
const MOST_ROWS: usize = 400;
/// Open windows, and groups of one, that are made ready to be shown.
const MOST_OPEN: usize = 40;
/// How long a new row is bright.
const FRESH_SECONDS: u64 = 3;

/// One row of the output, as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) window: Option<(i64, i64)>,
    /// The columns after the window's, as text.
    pub(super) cells: Vec<String>,
    /// The values of the key columns, joined: two rows with one key are one row.
    key: String,
    /// Uptime in seconds when the row came.
    came_s: u64,
}

/// One group of an open window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenRow {
    /// The group's values; `None` where there are no group columns.
    pub(super) label: Option<String>,
    /// What the bar shows.
    pub(super) size: i64,
    /// The aggregates as text.
    pub(super) values: Vec<String>,
}

/// An open window and its groups.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenWindow {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Groups in the window; `rows` may hold only the largest of them.
    pub(super) groups_total: usize,
    pub(super) rows: Vec<OpenRow>,
}

/// A column of the output after the window's two.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_number: bool,
    /// A group column: part of the key.
    pub(super) is_group: bool,
    index: usize,
}

/// All that is drawn.
pub(super) struct State {
    pub(super) options: DashboardOptions,
    pub(super) columns: Vec<Column>,
    pub(super) pulse: Pulse,
    pub(super) open: Vec<OpenWindow>,
    /// The newest first.
    pub(super) rows: VecDeque<Row>,
    /// Groups by the order of their first showing: a group keeps its colour.
    pub(super) labels: HashMap<String, usize>,
}

impl State {
    pub(super) fn new(options: DashboardOptions) -> Self {
        let schema = &options.table.schema;
        let columns = cells::columns_after_window(schema).into_iter().map(|index| {
            let field = schema.field(index);
            Column {
                name: field.name().clone(),
                is_number: cells::is_number(field.data_type()),
                is_group: options.table.key.contains(field.name()),
                index,
            }
        });
        Self {
            columns: columns.collect(),
            pulse: Pulse::new(options.job.clone()),
            options,
            open: Vec::new(),
            rows: VecDeque::new(),
            labels: HashMap::new(),
        }
    }

    /// Names of the aggregates.
    pub(super) fn aggregates(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_group)
    }

    /// Whether a row came just now.
    pub(super) fn is_fresh(&self, row: &Row) -> bool {
        self.pulse.uptime_s() < row.came_s + FRESH_SECONDS
    }

    /// Takes an epoch's rows in, as the output mode says.
    pub(super) fn rows(&mut self, batch: &RecordBatch) {
        if self.options.table.mode == OutputMode::Complete {
            self.rows.clear();
        }
        let windows = cells::windows(batch);
        let keys: Vec<_> =
            self.options.table.key.iter().filter_map(|name| batch.column_by_name(name)).collect();
        let came_s = self.pulse.uptime_s();
        // An epoch may bring far more rows than can be seen: only the last ones are made to text.
        for row in batch.num_rows().saturating_sub(MOST_ROWS)..batch.num_rows() {
            let texts =
                self.columns.iter().map(|column| cells::text(batch.column(column.index), row));
            let key: Vec<_> = keys.iter().map(|column| cells::text(column, row)).collect();
            let row = Row {
                window: windows.as_ref().map(|windows| windows[row]),
                cells: texts.collect(),
                key: key.join("\u{1f}"),
                came_s,
            };
            if self.options.table.mode == OutputMode::Update {
                self.rows.retain(|old| old.key != row.key);
            }
            self.rows.push_front(row);
        }
        self.rows.truncate(MOST_ROWS);
        // The newest window first, its groups in their own order.
        self.rows.make_contiguous().sort_by(|a, b| {
            let start = |row: &Row| row.window.map_or(0, |window| window.0);
            start(b).cmp(&start(a)).then_with(|| a.key.cmp(&b.key))
        });
    }

    /// `--reset`.
    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    /// Takes the job's state in.
    pub(super) fn progress(&mut self, progress: &Progress) {
        if let Some(open) = &progress.open {
            self.open = self.open_windows(open);
        }
        self.pulse.progress(progress);
    }

    /// The open windows, those that close first in front. Only what a screen can show is made to
    /// text.
    fn open_windows(&mut self, batch: &RecordBatch) -> Vec<OpenWindow> {
        let Some(times) = cells::windows(batch) else { return Vec::new() };
        let groups: Vec<_> = self.columns.iter().filter(|c| c.is_group).map(|c| c.index).collect();
        let aggregates: Vec<_> = self.aggregates().map(|c| c.index).collect();
        let sizes = aggregates.iter().find_map(|index| cells::integers(batch.column(*index)));
        let size = |row: usize| sizes.as_ref().map_or(0, |sizes| sizes[row]);
        let mut rows_of: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
        for (row, window) in times.into_iter().enumerate() {
            rows_of.entry(window).or_default().push(row);
        }
        let mut windows: Vec<_> = rows_of.into_iter().collect();
        windows.sort_by_key(|((start, end), _)| (*end, *start));
        let shown = windows.into_iter().take(MOST_OPEN);
        let shown = shown.map(|((start_ms, end_ms), mut rows)| {
            let groups_total = rows.len();
            if rows.len() > MOST_OPEN {
                rows.sort_by_key(|row| std::cmp::Reverse(size(*row)));
                rows.truncate(MOST_OPEN);
            }
            let texts = |indices: &[usize], row: usize| -> Vec<String> {
                indices.iter().map(|index| cells::text(batch.column(*index), row)).collect()
            };
            let rows = rows.into_iter().map(|row| OpenRow {
                label: Some(texts(&groups, row).join(" · ")).filter(|l| !l.is_empty()),
                size: size(row),
                values: texts(&aggregates, row),
            });
            OpenWindow { start_ms, end_ms, groups_total, rows: rows.collect() }
        });
        let shown: Vec<_> = shown.collect();
        for label in
            shown.iter().flat_map(|window| &window.rows).filter_map(|row| row.label.as_ref())
        {
            let next = self.labels.len();
            if next < MOST_ROWS && !self.labels.contains_key(label) {
                self.labels.insert(label.clone(), next);
            }
        }
        shown
    }
}
