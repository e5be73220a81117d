//! The live view: a full screen that shows a job at work. At-least-once, as every screen.
//!
//! A [`Dashboard`] is one screen with two handles: [`Dashboard::sink`] is given the closed rows,
//! [`Dashboard::watcher`] is told the progress and draws. It uses the terminal's second screen and
//! gives the first one back when the last handle goes, when a panic begins, and when a second stop
//! signal ends the process. It reads no input and leaves the terminal's modes alone, so that a
//! process in the background of its terminal can use it, and Ctrl-C works as always.

mod state;
mod view;

use std::sync::{Arc, Mutex, MutexGuard};

use super::live::screen::Screen;
use super::{EpochOutput, Guarantee, OutputTable, Sink};
use crate::Error;
use crate::progress::{Progress, Watcher};
use state::State;

/// What the view shows besides the job's progress.
#[derive(Clone, Debug)]
pub struct DashboardOptions {
    /// The job's title: `purchases → purchase_windows`.
    pub job: String,
    /// The job's output.
    pub table: OutputTable,
    /// Where the results are, one place each: `table purchase_windows in .arus/arus.db`.
    pub where_to: Vec<String>,
}

/// The live view of one job. Clones are the same screen.
#[derive(Clone)]
pub struct Dashboard {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    screen: Screen,
}

impl Dashboard {
    /// Takes the terminal's second screen and draws an empty view.
    ///
    /// # Errors
    /// When standard output is no terminal.
    pub fn start(options: DashboardOptions) -> Result<Self, Error> {
        let screen = Screen::enter()?;
        let inner = Inner { state: State::new(options), screen };
        let dashboard = Self { inner: Arc::new(Mutex::new(inner)) };
        dashboard.lock().draw();
        Ok(dashboard)
    }

    /// The handle that is given the rows.
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(DashboardSink(self.clone()))
    }

    /// The handle that is told the progress.
    pub fn watcher(&self) -> Box<dyn Watcher> {
        Box::new(DashboardWatcher(self.clone()))
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
        self.screen.draw(|frame| view::draw(frame, state));
    }
}

struct DashboardSink(Dashboard);

impl Sink for DashboardSink {
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
        self.0.lock().state.rows(output.rows());
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.lock().state.forget();
        Ok(())
    }
}

struct DashboardWatcher(Dashboard);

impl Watcher for DashboardWatcher {
    fn wants_open_rows(&self) -> bool {
        true
    }

    fn progress(&mut self, progress: &Progress) {
        let mut inner = self.0.lock();
        inner.state.progress(progress);
        inner.draw();
    }

    fn finished(&mut self, progress: &Progress) {
        let mut inner = self.0.lock();
        inner.state.progress(progress);
        inner.state.pulse.ended = true;
        inner.draw();
    }
}

#[cfg(test)]
mod tests;
