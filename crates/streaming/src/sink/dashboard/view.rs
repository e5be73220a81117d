//! Drawing: from the state to lines on a screen, top to bottom. Nothing here changes the state or
//! reads a clock.

mod closed;
mod head;
mod open;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::state::State;

/// Labels and what needs no attention.
const DIM: Style = Style::new().fg(Color::DarkGray);
/// Headings.
const HEADING: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// Groups' colours, in turn.
const PALETTE: [Color; 6] =
    [Color::Cyan, Color::Magenta, Color::Green, Color::Yellow, Color::Blue, Color::Red];
/// Space left and right of everything.
const MARGIN: u16 = 1;

/// Draws the whole view.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let whole = frame.area();
    if whole.width < 30 || whole.height < 6 {
        frame.render_widget(Line::raw("too small"), whole);
        return;
    }
    let area = Rect { x: MARGIN, width: whole.width - 2 * MARGIN, ..whole };
    let width = usize::from(area.width);

    let head = head::lines(state, width);
    let foot = foot(state, width, usize::from(area.height) / 10);
    let left = usize::from(area.height).saturating_sub(head.len() + foot.len());
    // The open windows get what they need, but a quarter of the room stays for the closed ones.
    let least_closed = (left / 4).max(4).min(2 + state.rows.len());
    let open = open::lines(state, width, left.saturating_sub(least_closed));
    let closed = closed::lines(state, width, left.saturating_sub(open.len()));

    for (y, line) in (area.y..).zip(head.into_iter().chain(open).chain(closed)) {
        put(frame, area, y, line);
    }
    let top = area.bottom().saturating_sub(u16::try_from(foot.len()).unwrap_or(0));
    for (y, line) in (top..).zip(foot) {
        put(frame, area, y, line);
    }
}

fn put(frame: &mut Frame<'_>, area: Rect, y: u16, line: Line<'_>) {
    if y < area.bottom() {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// `── TITLE ─────────── remark ──`
fn rule(title: &str, remark: &str, width: usize) -> Line<'static> {
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
fn foot(state: &State, width: usize, most: usize) -> Vec<Line<'static>> {
    let end = if state.ended { "ended" } else { "Ctrl-C ends" };
    let places = &state.options.where_to;
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
fn ends(left: &str, right: &str, width: usize) -> Line<'static> {
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
fn text_width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in at most `width` cells; `…` where something is missing.
fn cut(text: &str, width: usize) -> String {
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
fn fit(text: &str, width: usize, to_the_right: bool) -> String {
    let text = cut(text, width);
    let gap = " ".repeat(width.saturating_sub(text_width(&text)));
    if to_the_right { gap + &text } else { text + &gap }
}

/// A bar of `share` (0 to 1) of `width` cells, in eighths of a cell; the rest in spaces.
fn bar(share: f64, width: usize) -> String {
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
fn period(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}
