//! The reject file: every row that broke a rule, with its place and the reason.
//!
//! A CSV, `file,line,column,rule,reason,row`, in UTF-8. It is written as rows are met, under a
//! hidden name beside its own; when all were met it is synced and takes its name. A run without
//! rejected rows leaves no reject file, and removes the one of an earlier run.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use arus_runtime::files;
use simd_csv::{Writer, WriterBuilder};

use crate::Error;
use crate::check::rules::Broken;

/// The columns.
const HEADER: &str = "file,line,column,rule,reason,row";

/// A rejected row.
#[derive(Debug)]
pub(crate) struct Reject {
    /// The line that it begins on, as an editor shows it: from 1.
    pub(crate) line: u64,
    /// The rule and the reason.
    pub(crate) broken: Broken,
    /// The row as it stands in the file.
    pub(crate) row: String,
}

/// The reject file of one run.
pub(crate) struct RejectFile {
    path: PathBuf,
    temporary: PathBuf,
    writer: Option<Writer<File>>,
}

impl RejectFile {
    /// The file that `path` will name, if a row is rejected. Nothing is touched yet.
    ///
    /// A file of that name which is none of ours is refused, since the run would remove it.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let mut first = vec![0; HEADER.len()];
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::file("read", path, source)),
            Ok(mut old) => {
                if old.read_exact(&mut first).is_err() || first != HEADER.as_bytes() {
                    return Err(Error::Usage(format!(
                        "{} is no reject file of an earlier run, and would be replaced: choose \
                         another name by --rejects",
                        path.display()
                    )));
                }
            }
        }
        Ok(Self { path: path.to_owned(), temporary: files::hidden(path, ".tmp"), writer: None })
    }

    /// Where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes rows of one input file down.
    pub(crate) fn add(&mut self, file: &Path, rejects: &[Reject]) -> Result<(), Error> {
        if rejects.is_empty() {
            return Ok(());
        }
        if self.writer.is_none() {
            self.writer = Some(self.create()?);
        }
        let writer = self.writer.as_mut().expect("made just now");
        let file = file.to_string_lossy();
        for reject in rejects {
            let line = reject.line.to_string();
            let rule = reject.broken.rule;
            let row = [&*file, &line, rule.column, rule.name, &reject.broken.reason, &reject.row];
            writer
                .write_record(row)
                .map_err(|error| Error::file("write", &self.temporary, io_error(error)))?;
        }
        Ok(())
    }

    fn create(&self) -> Result<Writer<File>, Error> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| Error::file("create the folder", folder, source))?;
        }
        let failed = |source| Error::file("write", &self.temporary, source);
        let out = File::create(&self.temporary).map_err(failed)?;
        let mut writer = WriterBuilder::new().from_writer(out);
        writer.write_record(HEADER.split(',')).map_err(|error| failed(io_error(error)))?;
        Ok(writer)
    }

    /// Puts the file where it belongs, or removes an old one if there is nothing to put.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::file(action, path, source)
        };
        let Some(writer) = self.writer.take() else {
            return files::remove(&self.path).map_err(failed("remove the old", &self.path));
        };
        let written = writer.into_inner().map_err(|error| error.into_error());
        let synced = written.and_then(|file| file.sync_all());
        if let Err(source) = synced {
            let _ = fs::remove_file(&self.temporary);
            return Err(failed("write", &self.temporary)(source));
        }
        fs::rename(&self.temporary, &self.path)
            .and_then(|()| files::sync_folder_of(&self.path))
            .map_err(failed("rename a new file to", &self.path))
    }
}

impl Drop for RejectFile {
    /// A run that ends early leaves no half file.
    fn drop(&mut self) {
        if self.writer.is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn io_error(error: simd_csv::Error) -> std::io::Error {
    match error.into_kind() {
        simd_csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
