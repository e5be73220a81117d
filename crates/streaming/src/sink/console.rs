//! Plain lines for terminals and pipes: one aligned table per epoch that has rows, as Spark's
//! console sink prints.
//!
//! ```text
//! epoch 12 · 2 rows
//!                         window  furniture  purchases  total_price
//! 2026-11-23 12:00:30 – 12:01:00  Bed               12    6,120,000
//!            12:00:30 – 12:01:00  Sofa               7    9,876,000
//! ```

use std::io::{self, Write};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arus_runtime::number::group_digits;
use chrono::NaiveDate;

use super::cells;
use super::{EpochOutput, Guarantee, Sink};
use crate::Error;
use crate::operator::TableRows;

/// Prints every epoch's rows. At-least-once: a terminal cannot say what it has shown.
pub struct ConsoleSink {
    out: Box<dyn Write + Send>,
    /// Which tables are printed, and under what names; none: the first one, which needs no name.
    tables: Vec<(usize, String)>,
    /// The day of the last window shown: the next row tells its day only if it is another one.
    day: Option<NaiveDate>,
}

impl ConsoleSink {
    /// Prints to standard output.
    pub fn stdout() -> Self {
        Self::new(Box::new(io::stdout()))
    }

    /// Prints to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, tables: vec![(0, String::new())], day: None }
    }

    /// Prints the named tables of a job that has several; each with its place among them.
    #[must_use]
    pub fn with_tables(self, tables: Vec<(usize, String)>) -> Self {
        Self { tables, ..self }
    }

    /// The table's lines, without the epoch's own.
    fn table(&mut self, rows: &RecordBatch) -> Vec<String> {
        let windows = cells::windows(rows);
        let shown = match windows {
            Some(_) => cells::columns_after_window(&rows.schema()),
            None => (0..rows.num_columns()).collect(),
        };
        let mut columns: Vec<(bool, Vec<String>)> = Vec::with_capacity(shown.len() + 1);
        if let Some(windows) = windows {
            let mut lines = vec!["window".to_owned()];
            lines.extend(windows.into_iter().map(|(start, end)| self.window(start, end)));
            columns.push((true, lines));
        }
        for index in shown {
            let column = rows.column(index);
            let mut lines = vec![rows.schema().field(index).name().clone()];
            lines.extend((0..rows.num_rows()).map(|row| cells::text(column, row)));
            columns.push((cells::is_number(column.data_type()), lines));
        }
        (0..=rows.num_rows()).map(|line| aligned(&columns, line)).collect()
    }

    fn window(&mut self, start_ms: i64, end_ms: i64) -> String {
        let day = cells::day(start_ms);
        let span = cells::span(start_ms, end_ms);
        match day {
            Some(date) if day != self.day => {
                self.day = day;
                format!("{date} {span}")
            }
            _ => span,
        }
    }
}

/// `epoch 12 · bank_balance_by_city · 2 rows · 1 gone`
fn title(epoch: u64, name: &str, rows: usize, gone: usize) -> String {
    let mut text = format!("epoch {epoch}");
    if !name.is_empty() {
        text.push_str(&format!(" · {name}"));
    }
    let plural = if rows == 1 { "" } else { "s" };
    text.push_str(&format!(" · {} row{plural}", group_digits(rows as u64)));
    if gone > 0 {
        text.push_str(&format!(" · {} gone", group_digits(gone as u64)));
    }
    text.push('\n');
    text
}

fn width(text: &str) -> usize {
    ratatui::text::Line::raw(text).width()
}

fn aligned(columns: &[(bool, Vec<String>)], line: usize) -> String {
    let mut text = String::new();
    for (index, (to_the_right, lines)) in columns.iter().enumerate() {
        let widest = lines.iter().map(|cell| width(cell)).max().unwrap_or(0);
        let padding = " ".repeat(widest - width(&lines[line]));
        text.push_str(if index == 0 { "" } else { "  " });
        if *to_the_right {
            text.push_str(&padding);
        }
        text.push_str(&lines[line]);
        if !*to_the_right {
            text.push_str(&padding);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

impl Sink for ConsoleSink {
    fn name(&self) -> String {
        "console".to_owned()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let mut text = String::new();
        for (index, name) in self.tables.clone() {
            let TableRows { rows, deleted } = &output.tables[index];
            if rows.num_rows() + deleted.num_rows() == 0 {
                continue;
            }
            text.push_str(&title(output.epoch, &name, rows.num_rows(), deleted.num_rows()));
            if rows.num_rows() > 0 {
                for line in self.table(rows) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
            text.push('\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|source| Error::File {
            action: "write",
            path: PathBuf::from("the console"),
            source,
        })
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.day = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::OutputMode;
    use crate::sink::fixture::{purchases, table};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn aligned_tables_with_the_day_where_it_changes() {
        let noon = 1_795_435_230_000; // 2026-11-23 12:00:30
        let midnight = 1_795_478_370_000; // 2026-11-23 23:59:30
        let paper = Paper::default();
        let mut sink = ConsoleSink::new(Box::new(paper.clone()));
        let first = purchases(&[(noon, "Bed", 12, 6_120_000), (noon, "Sofa", 7, 19_876_000)]);
        let none = purchases(&[]);
        let second = purchases(&[(midnight, "Bed", 1, 5), (midnight + 30_000, "Bed", 1_000, 7)]);
        for (epoch, rows) in [(1, &first), (2, &none), (3, &second)] {
            sink.commit(EpochOutput::new(epoch, &[TableRows::new(rows.clone())])).unwrap();
        }
        let expected = "\
epoch 1 · 2 rows
                        window  furniture  purchases  total_price
2026-11-23 12:00:30 – 12:01:00  Bed               12    6,120,000
           12:00:30 – 12:01:00  Sofa               7   19,876,000

epoch 3 · 2 rows
                        window  furniture  purchases  total_price
           23:59:30 – 00:00:00  Bed                1            5
2026-11-24 00:00:00 – 00:00:30  Bed            1,000            7

";
        assert_eq!(String::from_utf8(paper.0.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn a_full_disk_is_an_error_with_its_reason() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = ConsoleSink::new(Box::new(full));
        let rows = purchases(&[(0, "Bed", 1, 1)]);
        let error = sink.commit(EpochOutput::new(1, &[TableRows::new(rows.clone())])).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot write the console: No space left"),
            "{error}"
        );
    }

    #[test]
    fn rows_of_any_shape_are_shown() {
        let rows = purchases(&[(0, "Bed", 1, 1)]).project(&[2, 3]).unwrap();
        let mut sink = ConsoleSink::new(Box::new(io::sink()));
        assert_eq!(sink.table(&rows), ["furniture  purchases", "Bed                1"]);
        assert_eq!(table(OutputMode::Append).key, ["window_start", "furniture"]);
    }
}
