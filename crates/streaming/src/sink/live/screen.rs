//! The terminal's second screen: taken, drawn on, given back whatever happens.

use std::io::{self, IsTerminal, Stdout, Write};
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::Error;

/// Whether the second screen is on: the panic hook and the signal handler have no other way to
/// know.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOKS: Once = Once::new();

/// After this many draws everything is drawn anew, which wipes off what somebody typed or another
/// program printed.
const DRAWS_UNTIL_ANEW: u32 = 15;

/// The second screen of the terminal on standard output.
pub(in crate::sink) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    draws: u32,
}

impl Screen {
    pub(in crate::sink) fn enter() -> Result<Self, Error> {
        if !io::stdout().is_terminal() {
            return Err(Error::Unsupported(
                "the live view needs a terminal on standard output: use the console sink in a pipe"
                    .to_owned(),
            ));
        }
        HOOKS.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                previous(panic);
            }));
            arus_runtime::shutdown::before_forced_exit(give_back);
        });
        TAKEN.store(true, Ordering::SeqCst);
        let entered = execute!(io::stdout(), EnterAlternateScreen, Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match entered {
            Ok(terminal) => Ok(Self { terminal, draws: 0 }),
            Err(source) => {
                give_back();
                Err(Error::File { action: "draw on", path: PathBuf::from("the terminal"), source })
            }
        }
    }

    /// Draws a frame. A terminal that is gone is no reason to end a job, so failures are passed
    /// over.
    pub(in crate::sink) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) {
        if !TAKEN.load(Ordering::SeqCst) {
            return;
        }
        self.draws += 1;
        if self.draws.is_multiple_of(DRAWS_UNTIL_ANEW) {
            // Not `Terminal::clear`: that asks the terminal for the cursor and waits for an answer
            // on standard input.
            let size = self.terminal.size().unwrap_or_default();
            let _ = self.terminal.resize((ratatui::layout::Position::ORIGIN, size).into());
        }
        let _ = self.terminal.draw(render);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the first screen and the cursor back, once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = io::stdout().flush();
    }
}
