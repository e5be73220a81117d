//! The open windows: a gauge of the event time that is missing, and a bar for each group.

use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::PALETTE;
use crate::sink::cells;
use crate::sink::dashboard::state::{OpenRow, OpenWindow, State};
use crate::sink::live::text::{BOLD, DIM, bar, cut, fit, period, rule, text_width};

/// Columns of the group rows, the same for all windows so that bars can be compared.
struct Columns {
    label: usize,
    bar: usize,
    /// Widths of the aggregates that fit.
    values: Vec<usize>,
}

pub(super) fn lines(state: &State, width: usize, most: usize) -> Vec<Line<'static>> {
    if most == 0 {
        return Vec::new();
    }
    let open = state.pulse.progress.as_ref().map_or(0, |progress| progress.open_windows);
    let columns = columns(state, width);
    let mut lines = vec![heading(state, &columns, open, width)];
    if state.open.is_empty() {
        if most > 1 {
            lines.push(Line::styled("no window is open: the next event opens one", DIM));
        }
        return lines;
    }
    let largest = state.open.iter().flat_map(|w| &w.rows).map(|row| row.size).max().unwrap_or(0);
    let fair = room_for_each(&state.open, most - 1);
    for (window, room) in state.open.iter().zip(fair) {
        lines.push(gauge(state, window, width));
        let whole = window.groups_total == window.rows.len() && window.rows.len() < room;
        let shown =
            if whole { window.rows.len() } else { room.saturating_sub(2).min(window.rows.len()) };
        lines.extend(window.rows[..shown].iter().map(|row| group(state, row, &columns, largest)));
        if !whole && room > 1 {
            let text = format!("  … {} more groups", window.groups_total - shown);
            lines.push(Line::styled(cut(&text, width), DIM));
        }
    }
    lines
}

/// Lines for each window, from the first to close: all it needs, as long as there are some, but at
/// least half of what is left stays for the windows behind it.
fn room_for_each(windows: &[OpenWindow], lines: usize) -> Vec<usize> {
    let mut left = lines;
    let mut rooms = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        if left == 0 {
            break;
        }
        let need = 1 + window.rows.len() + usize::from(window.groups_total > window.rows.len());
        let behind: usize = windows[index + 1..].iter().map(|w| 1 + w.rows.len()).sum();
        let room = need.min(left - behind.min(left / 2)).max(1);
        rooms.push(room);
        left -= room;
    }
    rooms
}

fn columns(state: &State, width: usize) -> Columns {
    let rows = || state.open.iter().flat_map(|window| &window.rows);
    let labels = rows().map(|row| text_width(row.label.as_deref().unwrap_or("all")));
    let label = labels.max().unwrap_or(0).clamp(4, (width / 4).max(8));
    let mut values: Vec<usize> = Vec::new();
    // The bar keeps at least a quarter of the line.
    let mut left = width.saturating_sub(2 + label + 1 + width / 4);
    for (index, column) in state.aggregates().enumerate() {
        let widths = rows().filter_map(|row| row.values.get(index)).map(|value| text_width(value));
        // Room for a few digits more, so that columns do not jump with every power of ten.
        let widest = widths.max().unwrap_or(0).max(text_width(&column.name)).max(9);
        if widest + 2 > left {
            break;
        }
        left -= widest + 2;
        values.push(widest);
    }
    let used: usize = values.iter().map(|value| value + 2).sum();
    Columns { label, bar: width.saturating_sub(2 + label + 1 + used), values }
}

/// The rule, with the aggregates' names above their columns.
fn heading(state: &State, columns: &Columns, open: usize, width: usize) -> Line<'static> {
    let shown = state.open.len();
    let mut title = format!("OPEN {open}");
    if open > shown && shown > 0 {
        title = format!("OPEN {open}, the first {shown} to close");
    }
    let values: usize = columns.values.iter().map(|value| value + 2).sum();
    let mut line = rule(&title, "", width.saturating_sub(values));
    for (column, value) in state.aggregates().zip(&columns.values) {
        line.push_span(Span::raw("  "));
        line.push_span(Span::styled(fit(&column.name, *value, true), DIM));
    }
    line
}

/// `12:00:30 – 12:01:00 ▕██████    ▏ closes when the watermark passes 12:01:00, 8 s to go`
fn gauge(state: &State, window: &OpenWindow, width: usize) -> Line<'static> {
    let span = cells::span(window.start_ms, window.end_ms);
    let end = cells::time_of_day(window.end_ms);
    let watermark_ms = state.pulse.progress.as_ref().and_then(|progress| progress.watermark_ms);
    let length_ms = (window.end_ms - window.start_ms).max(1);
    let left_ms = watermark_ms.map_or(length_ms, |at| window.end_ms.saturating_sub(at).max(0));
    let to_go = if watermark_ms.is_none() {
        "no watermark yet".to_owned()
    } else if left_ms == 0 {
        "now".to_owned()
    } else {
        // Rounded up: 0 s would say that it is over.
        format!("{} to go", period(left_ms.saturating_add(999) / 1_000))
    };
    let mut words = format!("closes when the watermark passes {end}, {to_go}");
    if text_width(&span) + text_width(&words) + 16 > width {
        words = format!("closes at watermark {end}, {to_go}");
    }
    let room = width.saturating_sub(text_width(&span) + text_width(&words) + 4).min(40);
    let passed = 1.0 - (left_ms.min(length_ms) as f64 / length_ms as f64);
    let colour = if passed > 0.8 { Color::Green } else { Color::Cyan };
    if room < 4 {
        return Line::from(vec![Span::styled(cut(&format!("{span} {words}"), width), BOLD)]);
    }
    Line::from(vec![
        Span::styled(span, BOLD),
        Span::styled(" ▕", DIM),
        Span::styled(bar(passed, room), Style::new().fg(colour)),
        Span::styled("▏ ", DIM),
        Span::styled(words, DIM),
    ])
}

/// `  Sofa ████████████▌        1,234    5,678,000`
fn group(state: &State, row: &OpenRow, columns: &Columns, largest: i64) -> Line<'static> {
    let label = row.label.as_deref();
    let place = label.and_then(|label| state.labels.get(label)).copied().unwrap_or(0);
    let share = if largest > 0 { row.size.max(0) as f64 / largest as f64 } else { 0.0 };
    let mut spans = vec![
        Span::raw("  "),
        Span::raw(fit(label.unwrap_or("all"), columns.label, false)),
        Span::raw(" "),
        Span::styled(bar(share, columns.bar), Style::new().fg(PALETTE[place % PALETTE.len()])),
    ];
    for (value, width) in row.values.iter().zip(&columns.values) {
        spans.push(Span::raw("  "));
        spans.push(Span::raw(fit(value, *width, true)));
    }
    Line::from(spans)
}
