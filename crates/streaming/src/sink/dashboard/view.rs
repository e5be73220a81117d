//! Drawing: from the state to lines on a screen, top to bottom. Nothing here changes the state or
//! reads a clock.

mod closed;
mod open;

use ratatui::Frame;
use ratatui::style::Color;
use ratatui::text::Line;

use super::state::State;
use crate::sink::live::head::{self, Keeps};
use crate::sink::live::text::{self, inner};

/// Groups' colours, in turn.
const PALETTE: [Color; 6] =
    [Color::Cyan, Color::Magenta, Color::Green, Color::Yellow, Color::Blue, Color::Red];
/// Draws the whole view.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = inner(frame.area());
    if area.is_empty() {
        frame.render_widget(Line::raw("too small"), frame.area());
        return;
    }
    let width = usize::from(area.width);

    let head = head::lines(&state.pulse, Keeps::Windows, width);
    let (places, ended) = (&state.options.where_to, state.pulse.ended);
    let foot = text::foot(places, ended, width, usize::from(area.height) / 10);
    let left = usize::from(area.height).saturating_sub(head.len() + foot.len());
    // The open windows get what they need, but a quarter of the room stays for the closed ones.
    let least_closed = (left / 4).max(4).min(2 + state.rows.len());
    let open = open::lines(state, width, left.saturating_sub(least_closed));
    let closed = closed::lines(state, width, left.saturating_sub(open.len()));
    text::draw(frame, head.into_iter().chain(open).chain(closed), foot);
}
