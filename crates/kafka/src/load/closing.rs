//! The closing figures: one line for people, one JSON object for programs.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arus_runtime::number::group_digits;

use crate::Error;
use crate::producer::Counts;

/// How a run of [`super::Load`] ended. `Display` is the closing line.
#[derive(Debug)]
pub struct Closing {
    /// What became of the records.
    pub counts: Counts,
    /// What the maker counted.
    pub tallies: Vec<(&'static str, u64)>,
    /// From the first record to the last answer.
    pub elapsed: Duration,
    /// What ended the run before its time, if it was an error.
    pub stopped_by: Option<Error>,
}

impl Closing {
    /// Whether the run did what it should.
    ///
    /// # Errors
    /// What ended the run before its time, or [`Error::Delivery`] when records were not delivered.
    pub fn verdict(self) -> Result<(), Error> {
        match self.stopped_by {
            Some(error) if self.counts.failed == 0 => Err(error),
            _ => self.counts.all_delivered(),
        }
    }

    /// Writes the figures to a file: all of them, or the file stays as it was.
    ///
    /// # Errors
    /// [`Error::Summary`] when the file cannot be written.
    pub fn write_summary(&self, path: &Path) -> Result<(), Error> {
        let mut figures = serde_json::Map::new();
        let counts = [
            ("sent", self.counts.sent),
            ("acknowledged", self.counts.acknowledged),
            ("failed", self.counts.failed),
        ];
        for (name, number) in counts.iter().chain(&self.tallies) {
            figures.insert((*name).to_owned(), (*number).into());
        }
        let seconds = self.elapsed.as_millis() as f64 / 1_000.0;
        figures.insert("seconds".to_owned(), seconds.into());
        let text = format!("{}\n", serde_json::Value::Object(figures));
        replace(path, text.as_bytes())
            .map_err(|source| Error::Summary { path: path.to_owned(), source })
    }

    fn per_second(&self) -> u64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { (self.counts.acknowledged as f64 / seconds).round() as u64 } else { 0 }
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        write!(
            out,
            "sent {} · acknowledged {} · failed {}",
            group_digits(counts.sent),
            group_digits(counts.acknowledged),
            group_digits(counts.failed),
        )?;
        for (name, number) in &self.tallies {
            write!(out, " · {name} {}", group_digits(*number))?;
        }
        let seconds = self.elapsed.as_secs_f64();
        let rate = group_digits(self.per_second());
        write!(out, " · {seconds:.1} s · {rate} events/s")
    }
}

/// A new file beside the old one takes its place in one step.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new: PathBuf = path.with_file_name(name);
    let mut file = fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
