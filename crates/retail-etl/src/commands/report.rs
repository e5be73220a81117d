//! `retail-etl report`: the report of the last run, drawn again from what the run left.

use std::path::PathBuf;

use arus_runtime::files::{StagedFile, sync_folder_of};
use arus_runtime::output;
use clap::Args;

use super::World;
use crate::Error;
use crate::report::{self, stored};

/// The flags of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportCommand {
    /// Folder of the run's results: its Parquet files and report.json are read, report.html is
    /// written.
    #[arg(long, value_name = "DIR", default_value = ".arus/etl")]
    pub output: PathBuf,
}

/// Draws the page again and prints where it is.
///
/// # Errors
/// One sentence: what is wrong, where, what to do.
pub fn run(command: &ReportCommand, _world: &World) -> Result<(), Error> {
    let (tables, quality, meta) = stored::read(&command.output)?;
    let page = report::render(&tables, &quality, &meta)?;
    let path = command.output.join("report.html");
    StagedFile::write(&path, page.as_bytes())
        .and_then(StagedFile::publish)
        .and_then(|()| sync_folder_of(&path))
        .map_err(|source| Error::file("write", &path, source))?;
    output::line(path.display())?;
    Ok(())
}
