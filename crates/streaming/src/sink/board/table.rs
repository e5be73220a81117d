//! One table of the live view: in full where there is room, with rounded numbers where there is
//! less.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::sink::live::text::{BOLD, DIM, fit, rule, text_width};
use crate::sink::{OutputTable, cells};

/// Cells between two columns.
const GAP: usize = 2;
/// The widest column.
const WIDEST: usize = 32;

/// One value as text.
pub(super) struct Cell {
    exact: String,
    /// The same in fewer cells.
    short: String,
}

impl Cell {
    pub(super) fn new(column: &ArrayRef, row: usize) -> Self {
        Self { exact: cells::text(column, row), short: cells::short_text(column, row) }
    }

    fn text(&self, short: bool) -> &str {
        if short { &self.short } else { &self.exact }
    }
}

/// A table, and the cells there are from left to right.
pub(super) struct TableView<'a> {
    pub(super) table: &'a OutputTable,
    pub(super) rows: &'a BTreeMap<Vec<String>, Vec<Cell>>,
    pub(super) width: usize,
}

/// How the columns that fit are shown.
struct Layout {
    columns: Vec<Column>,
    /// Numbers are rounded, and names stand in several lines.
    narrow: bool,
    /// Columns there is no room for.
    hidden: usize,
}

struct Column {
    /// The name; its last line is the lowest.
    head: Vec<String>,
    width: usize,
    to_the_right: bool,
    is_key: bool,
}

impl TableView<'_> {
    /// The lines that show one row.
    pub(super) fn least(&self) -> usize {
        self.layout().head_lines() + 2
    }

    /// A rule with the table's name, the columns' names, and as many rows as fit in `most` lines;
    /// nothing where not even one does.
    pub(super) fn lines(&self, most: usize) -> Vec<Line<'static>> {
        let layout = self.layout();
        let head_lines = layout.head_lines();
        if most < head_lines + 2 {
            return Vec::new();
        }
        let shown = self.rows.len().min(most - head_lines - 1);
        let mut lines = vec![rule(&self.table.name, &self.remark(&layout, shown), self.width)];
        for at in (0..head_lines).rev() {
            lines.push(layout.line(DIM, |_, column| {
                let word = column.head.len().checked_sub(at + 1).map(|line| &column.head[line]);
                word.map_or("", String::as_str)
            }));
        }
        for row in self.rows.values().take(shown) {
            lines.push(layout.line(Style::new(), |at, _| row[at].text(layout.narrow)));
        }
        lines
    }

    /// What is not shown, or not exactly.
    fn remark(&self, layout: &Layout, shown: usize) -> String {
        let mut remarks = Vec::new();
        if layout.narrow {
            remarks.push("rounded".to_owned());
        }
        match layout.hidden {
            0 => {}
            1 => remarks.push("1 more column".to_owned()),
            hidden => remarks.push(format!("{hidden} more columns")),
        }
        match self.rows.len() - shown {
            0 => {}
            1 => remarks.push("1 more row".to_owned()),
            hidden => remarks.push(format!("{hidden} more rows")),
        }
        remarks.join(" · ")
    }

    fn layout(&self) -> Layout {
        let width_of = |columns: &[Column]| {
            columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
        };
        let mut columns = self.columns(false);
        let narrow = width_of(&columns) > self.width;
        if narrow {
            columns = self.columns(true);
        }
        let all = columns.len();
        while width_of(&columns) > self.width && columns.len() > 1 {
            columns.pop();
        }
        Layout { hidden: all - columns.len(), columns, narrow }
    }

    fn columns(&self, narrow: bool) -> Vec<Column> {
        let column = |(at, field): (usize, &arrow::datatypes::FieldRef)| {
            let head: Vec<String> = match narrow {
                true => field.name().split('_').map(str::to_owned).collect(),
                false => vec![field.name().clone()],
            };
            let cells = self.rows.values().map(|row| text_width(row[at].text(narrow)));
            let words = head.iter().map(|word| text_width(word));
            Column {
                width: cells.chain(words).max().unwrap_or(0).min(WIDEST),
                to_the_right: cells::is_number(field.data_type()),
                is_key: self.table.key.contains(field.name()),
                head,
            }
        };
        self.table.schema.fields().iter().enumerate().map(column).collect()
    }
}

impl Layout {
    fn head_lines(&self) -> usize {
        self.columns.iter().map(|column| column.head.len()).max().unwrap_or(0)
    }

    fn line<'a>(
        &'a self,
        style: Style,
        text: impl Fn(usize, &'a Column) -> &'a str,
    ) -> Line<'static> {
        let mut spans = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let style = if column.is_key { style.patch(BOLD) } else { style };
            let text = fit(text(at, column), column.width, column.to_the_right);
            spans.push(Span::styled(text, style));
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        Line::from(spans)
    }
}
