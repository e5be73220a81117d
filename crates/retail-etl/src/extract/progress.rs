//! The progress bar of long input: bytes read of all bytes, as they are stored.

use std::time::Duration;

use arus_runtime::clock::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Input that is read in less than this gets no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// Shows on standard error how far the reading is.
pub struct Progress<'a> {
    clock: &'a dyn Clock,
    on_terminal: bool,
    started: Duration,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// A bar that shows itself after half a second, if `on_terminal`.
    pub fn new(clock: &'a dyn Clock, on_terminal: bool) -> Self {
        Self { clock, on_terminal, started: clock.monotonic(), bar: None }
    }

    /// So many bytes of all are read.
    pub(crate) fn tell(&mut self, read: u64, all: u64) {
        if !self.on_terminal {
            return;
        }
        if self.bar.is_none() && self.clock.monotonic() - self.started >= SHOWN_AFTER {
            let style = "reading {bar:30} {bytes} of {total_bytes} · {eta} left";
            let style = ProgressStyle::with_template(style).expect("a template that is right");
            let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr());
            self.bar = Some(bar.with_style(style));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(read);
        }
    }

    /// The reading has ended; the line is free for what comes.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arus_runtime::clock::ManualClock;

    #[test]
    fn only_long_input_on_a_terminal_has_a_bar() {
        let clock = ManualClock::new(0);
        let (mut on_terminal, mut piped) =
            (Progress::new(&clock, true), Progress::new(&clock, false));
        on_terminal.tell(10, 100);
        assert!(on_terminal.bar.is_none(), "too early");
        clock.advance(SHOWN_AFTER);
        on_terminal.tell(20, 100);
        piped.tell(20, 100);
        assert_eq!(on_terminal.bar.as_ref().map(ProgressBar::position), Some(20));
        assert!(piped.bar.is_none());
        on_terminal.end();
        assert!(on_terminal.bar.is_none());
    }
}
