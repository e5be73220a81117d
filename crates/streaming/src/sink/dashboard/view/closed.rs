//! The closed windows as rows, the newest first.

use arus_runtime::number::group_digits;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::sink::OutputMode;
use crate::sink::cells;
use crate::sink::dashboard::state::State;
use crate::sink::live::text::{BOLD, DIM, cut, fit, rule, text_width};

pub(super) fn lines(state: &State, width: usize, most: usize) -> Vec<Line<'static>> {
    if most < 2 {
        return Vec::new();
    }
    let title = match state.options.table.mode {
        OutputMode::Append => "CLOSED",
        OutputMode::Update => "CHANGED",
        OutputMode::Complete => "ALL",
    };
    let closed = state.pulse.progress.as_ref().map_or(0, |progress| progress.closed_windows);
    let title = format!("{title} {}", group_digits(closed));
    let mut lines = vec![rule(&title, "newest first", width)];
    if state.rows.is_empty() {
        let text = "none yet: a window closes when the watermark has passed its end";
        lines.push(Line::styled(cut(text, width), DIM));
        return lines;
    }
    let has_window = state.rows.iter().any(|row| row.window.is_some());
    let shown = state.rows.iter().take(most - 2);
    let spans = shown.clone().filter_map(|row| row.window).map(|w| cells::span(w.0, w.1));
    let span_width = spans.map(|span| text_width(&span)).max().unwrap_or(0);
    let window_width = if has_window { span_width.max(19) } else { 0 };
    let widths = widths(state, most - 2, width.saturating_sub(window_width));

    let mut head = vec![Span::styled(fit("window", window_width, false), DIM)];
    for (column, cell) in state.columns.iter().zip(&widths) {
        head.push(Span::raw("  "));
        head.push(Span::styled(fit(&column.name, *cell, column.is_number), DIM));
    }
    lines.push(Line::from(head));
    let mut last_window = None;
    for row in shown {
        let fresh = state.is_fresh(row);
        let style = if fresh { Style::new().fg(Color::Green) } else { Style::new() };
        // A window is named once, above its groups.
        let name = match row.window {
            Some(window) if last_window != Some(window) => cells::span(window.0, window.1),
            _ => String::new(),
        };
        last_window = row.window;
        let name = fit(&name, window_width, false);
        let mut spans = vec![Span::styled(name, if fresh { style.patch(BOLD) } else { BOLD })];
        for ((text, column), cell) in row.cells.iter().zip(&state.columns).zip(&widths) {
            spans.push(Span::raw("  "));
            spans.push(Span::styled(fit(text, *cell, column.is_number), style));
        }
        lines.push(Line::from(spans));
    }
    lines
}

/// Widths of the columns that fit, from the left; the last one that fits only in part is left out,
/// but the first.
fn widths(state: &State, rows: usize, width: usize) -> Vec<usize> {
    let mut left = width;
    let mut widths = Vec::new();
    for (index, column) in state.columns.iter().enumerate() {
        let cells = state.rows.iter().take(rows).map(|row| text_width(&row.cells[index]));
        let widest = cells.max().unwrap_or(0).max(text_width(&column.name)).min(32);
        if widest + 2 > left {
            if index == 0 && left > 4 {
                widths.push(left - 2);
            }
            break;
        }
        left -= widest + 2;
        widths.push(widest);
    }
    widths
}
