//! The live view of tables: each as it stands now, refreshed in place. At-least-once, as every
//! screen.
//!
//! A [`Board`] is one screen with two handles, as a [`super::dashboard::Dashboard`] is: the sink
//! is given the changed rows, the watcher is told the progress and draws.

mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::RecordBatch;
use ratatui::Frame;
use ratatui::text::Line;

use self::table::{Cell, TableView};
use super::live::head::{self, Keeps};
use super::live::pulse::Pulse;
use super::live::screen::Screen;
use super::live::text::{self, inner};
use super::{EpochOutput, Guarantee, OutputTable, Sink, cells};
use crate::Error;
use crate::progress::{Progress, Watcher};

/// The most rows that are kept of a table; no terminal shows more.
const MOST_ROWS: usize = 400;

/// What the view shows besides the job's progress.
#[derive(Clone, Debug)]
pub struct BoardOptions {
    /// The job's title: `nasabah_bank → bank_customers`.
    pub job: String,
    /// The tables that are shown, with their places among the job's output tables.
    pub tables: Vec<(usize, OutputTable)>,
    /// Where the results are, one place each.
    pub where_to: Vec<String>,
}

/// The live view of one job. Clones are the same screen.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    screen: Screen,
}

/// All that is drawn.
struct State {
    options: BoardOptions,
    pulse: Pulse,
    /// Of each shown table its rows, by their keys.
    rows: Vec<BTreeMap<Vec<String>, Vec<Cell>>>,
}

impl Board {
    /// Takes the terminal's second screen and draws an empty view.
    ///
    /// # Errors
    /// When standard output is no terminal.
    pub fn start(options: BoardOptions) -> Result<Self, Error> {
        let screen = Screen::enter()?;
        let inner = Inner { state: State::new(options), screen };
        let board = Self { inner: Arc::new(Mutex::new(inner)) };
        board.lock().draw();
        Ok(board)
    }

    /// The handle that is given the rows.
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(BoardSink(self.clone()))
    }

    /// The handle that is told the progress.
    pub fn watcher(&self) -> Box<dyn Watcher> {
        Box::new(BoardWatcher(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // After a panic in the other handle a half-updated view is still better than a second
        // panic.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn draw(&mut self) {
        let state = &self.state;
        self.screen.draw(|frame| draw(frame, state));
    }
}

impl State {
    fn new(options: BoardOptions) -> Self {
        let pulse = Pulse::new(options.job.clone());
        let rows = options.tables.iter().map(|_| BTreeMap::new()).collect();
        Self { options, pulse, rows }
    }

    fn take(&mut self, output: EpochOutput<'_>) {
        for (at, (index, table)) in self.options.tables.iter().enumerate() {
            let change = &output.tables[*index];
            let rows = &mut self.rows[at];
            for key in keys(&change.deleted, &table.key) {
                rows.remove(&key);
            }
            for (row, key) in keys(&change.rows, &table.key).into_iter().enumerate() {
                if rows.len() < MOST_ROWS || rows.contains_key(&key) {
                    let columns = change.rows.columns().iter();
                    rows.insert(key, columns.map(|column| Cell::new(column, row)).collect());
                }
            }
        }
    }
}

/// The key of every row, as text.
fn keys(rows: &RecordBatch, key: &[String]) -> Vec<Vec<String>> {
    let columns: Vec<_> = key.iter().filter_map(|name| rows.column_by_name(name)).collect();
    let key = |row| columns.iter().map(|column| cells::text(column, row)).collect();
    (0..rows.num_rows()).map(key).collect()
}

/// Draws the whole view.
fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = inner(frame.area());
    if area.is_empty() {
        frame.render_widget(Line::raw("too small"), frame.area());
        return;
    }
    let width = usize::from(area.width);
    let head = head::lines(&state.pulse, Keeps::Rows, width);
    let foot = text::foot(
        &state.options.where_to,
        state.pulse.ended,
        width,
        usize::from(area.height) / 10,
    );
    let mut left = usize::from(area.height).saturating_sub(head.len() + foot.len());
    let mut lines = head;
    let tables = state.options.tables.iter().map(|(_, table)| table).zip(&state.rows);
    let views: Vec<_> = tables.map(|(table, rows)| TableView { table, rows, width }).collect();
    for (at, view) in views.iter().enumerate() {
        // Each leaves room for a row of those that follow.
        let later: usize = views[at + 1..].iter().map(TableView::least).sum();
        let shown = view.lines(left.saturating_sub(later));
        left = left.saturating_sub(shown.len());
        lines.extend(shown);
    }
    text::draw(frame, lines.into_iter(), foot);
}

struct BoardSink(Board);

impl Sink for BoardSink {
    fn name(&self) -> String {
        "live view".to_owned()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        self.0.lock().state.take(output);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.lock().state.rows.iter_mut().for_each(BTreeMap::clear);
        Ok(())
    }
}

struct BoardWatcher(Board);

impl Watcher for BoardWatcher {
    fn progress(&mut self, progress: &Progress) {
        let mut inner = self.0.lock();
        inner.state.pulse.progress(progress);
        inner.draw();
    }

    fn finished(&mut self, progress: &Progress) {
        let mut inner = self.0.lock();
        inner.state.pulse.progress(progress);
        inner.state.pulse.ended = true;
        inner.draw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::TableRows;
    use crate::sink::OutputMode;
    use crate::sink::fixture::{purchases, table};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn state() -> State {
        State::new(BoardOptions {
            job: "purchases → tables".to_owned(),
            tables: vec![(1, table(OutputMode::Update))],
            where_to: vec!["table purchase_windows".to_owned()],
        })
    }

    fn drawn(state: &State, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal
    }

    fn screen(state: &State, width: u16, height: u16) -> String {
        drawn(state, width, height).backend().to_string()
    }

    /// An epoch of two tables, of which the second is shown.
    fn epoch(state: &mut State, rows: &RecordBatch, deleted: &RecordBatch) {
        let hidden = TableRows::new(purchases(&[(0, "Hidden", 1, 1)]));
        let shown = TableRows { rows: rows.clone(), deleted: deleted.clone() };
        state.take(EpochOutput::new(1, &[hidden, shown]));
    }

    #[test]
    fn rows_change_in_place_and_go() {
        let mut state = state();
        let none = purchases(&[]);
        epoch(&mut state, &purchases(&[(0, "Bed", 1, 10), (0, "Sofa", 2, 20)]), &none);
        epoch(&mut state, &purchases(&[(0, "Bed", 7, 4_321)]), &none);
        let seen = screen(&state, 100, 20);
        assert!(seen.contains("4,321") && seen.contains("Sofa"), "{seen}");
        assert!(!seen.contains("Hidden"), "{seen}");
        assert_eq!(seen.matches("Bed").count(), 1, "{seen}");
        let keys = purchases(&[(0, "Bed", 0, 0)]).project(&[0, 2]).unwrap();
        epoch(&mut state, &none, &keys);
        let seen = screen(&state, 100, 20);
        assert!(!seen.contains("Bed") && seen.contains("Sofa"), "{seen}");
    }

    #[test]
    fn what_does_not_fit_is_rounded_or_told() {
        let mut state = state();
        let rows = purchases(&[(0, "Bed", 12, 6_123_456), (0, "Sofa", 7, 9)]);
        epoch(&mut state, &rows, &purchases(&[]));
        let wide = screen(&state, 90, 12);
        assert!(wide.contains("total_price") && wide.contains("6,123,456"), "{wide}");
        assert!(!wide.contains("rounded") && !wide.contains("column"), "{wide}");
        let narrow = screen(&state, 82, 12);
        assert!(narrow.contains("  total ") && narrow.contains("  price "), "{narrow}");
        assert!(narrow.contains("6.12M") && narrow.contains(" rounded ──"), "{narrow}");
        let tiny = screen(&state, 62, 12);
        assert!(tiny.contains(" rounded · 3 more columns ──"), "{tiny}");
    }

    #[test]
    fn a_large_table_leaves_room_for_the_next() {
        let mut state = state();
        let large = (0..50).map(|at| (at, "Bed", at, at)).collect::<Vec<_>>();
        state
            .options
            .tables
            .push((0, OutputTable { name: "small".into(), ..table(OutputMode::Update) }));
        state.rows.push(BTreeMap::new());
        epoch(&mut state, &purchases(&large), &purchases(&[]));
        for height in [12, 24, 40] {
            let seen = screen(&state, 100, height);
            assert!(seen.contains("purchase_windows") && seen.contains("Hidden"), "{seen}");
        }
    }

    #[test]
    fn every_size_is_drawn_without_a_panic() {
        let mut state = state();
        let many: Vec<(i64, &str, i64, i64)> = (0..50).map(|at| (at, "Bed", at, at)).collect();
        epoch(&mut state, &purchases(&many), &purchases(&[]));
        for width in [0, 1, 29, 30, 31, 80, 200] {
            for height in [0, 1, 5, 6, 7, 24, 60] {
                drawn(&state, width, height);
            }
        }
        assert!(screen(&state, 80, 24).contains(" more rows "), "{}", screen(&state, 80, 24));
    }
}
