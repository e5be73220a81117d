//! Pieces of text that the live views are made of: every one exactly as wide as it is told.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Labels and what needs no attention.
pub(in crate::sink) const DIM: Style = Style::new().fg(Color::DarkGray);
/// Headings.
pub(in crate::sink) const HEADING: Style =
    Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
pub(in crate::sink) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// Space left and right of everything.
const MARGIN: u16 = 1;

/// The lines of a view, from the top, and its foot at the bottom.
pub(in crate::sink) fn draw(
    frame: &mut Frame<'_>,
    lines: impl Iterator<Item = Line<'static>>,
    foot: Vec<Line<'static>>,
) {
    let area = inner(frame.area());
    for (y, line) in (area.y..).zip(lines) {
        put(frame, area, y, line);
    }
    let top = area.bottom().saturating_sub(u16::try_from(foot.len()).unwrap_or(0));
    for (y, line) in (top..).zip(foot) {
        put(frame, area, y, line);
    }
}

/// The room of a view, without its margins; of no size if nothing useful fits.
pub(in crate::sink) fn inner(whole: Rect) -> Rect {
    if whole.width < 30 || whole.height < 6 {
        return Rect { width: 0, height: 0, ..whole };
    }
    Rect { x: MARGIN, width: whole.width - 2 * MARGIN, ..whole }
}

fn put(frame: &mut Frame<'_>, area: Rect, y: u16, line: Line<'_>) {
    if y < area.bottom() {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// `── TITLE ─────────── remark ──`
pub(in crate::sink) fn rule(title: &str, remark: &str, width: usize) -> Line<'static> {
    let remark = if remark.is_empty() { String::new() } else { format!(" {remark} ") };
    let used = 4 + text_width(title) + text_width(&remark) + 2;
    let dashes = "─".repeat(width.saturating_sub(used).max(1));
    Line::from(vec![
        Span::styled("── ", DIM),
        Span::styled(title.to_owned(), HEADING),
        Span::styled(format!(" {dashes}"), DIM),
        Span::styled(remark, DIM),
        Span::styled("──", DIM),
    ])
}

/// Where the results are, and how to end it.
pub(in crate::sink) fn foot(
    places: &[String],
    ended: bool,
    width: usize,
    most: usize,
) -> Vec<Line<'static>> {
    let end = if ended { "ended" } else { "Ctrl-C ends" };
    let mut lines = vec![rule("RESULTS", "", width)];
    if places.len() < most.max(2) {
        for place in places.iter().take(places.len().saturating_sub(1)) {
            lines.push(Line::raw(cut(place, width)));
        }
        lines.push(ends(places.last().map_or("", String::as_str), end, width));
    } else {
        lines.push(ends(&places.join(" · "), end, width));
    }
    lines
}

/// A text on the left, another one on the right.
pub(in crate::sink) fn ends(left: &str, right: &str, width: usize) -> Line<'static> {
    let room = width.saturating_sub(text_width(right) + 2);
    let left = cut(left, room);
    let gap = width.saturating_sub(text_width(&left) + text_width(right));
    Line::from(vec![
        Span::raw(left),
        Span::raw(" ".repeat(gap)),
        Span::styled(right.to_owned(), BOLD),
    ])
}

/// Cells that a text takes.
pub(in crate::sink) fn text_width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in at most `width` cells; `…` where something is missing.
pub(in crate::sink) fn cut(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        used += text_width(letter.encode_utf8(&mut [0; 4]));
        if used >= width {
            break;
        }
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The text in exactly `width` cells.
pub(in crate::sink) fn fit(text: &str, width: usize, to_the_right: bool) -> String {
    let text = cut(text, width);
    let gap = " ".repeat(width.saturating_sub(text_width(&text)));
    if to_the_right { gap + &text } else { text + &gap }
}

/// A bar of `share` (0 to 1) of `width` cells, in eighths of a cell; the rest in spaces.
pub(in crate::sink) fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 × width")]
    let eighths = (share * 8.0 * width as f64).round() as usize;
    // Something is never drawn as nothing.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let text = "█".repeat(eighths / 8) + PARTS[eighths % 8];
    fit(&text, width, false)
}

/// `8 s`, `1 min 05 s`, `3 h 07 min`, `2 d 4 h`.
pub(in crate::sink) fn period(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}
