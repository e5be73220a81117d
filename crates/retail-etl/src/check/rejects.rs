//! The reject file: every row that broke a rule, with its place and the reason.
//!
//! A CSV, `file,line,column,rule,reason,row`, in UTF-8. It is written as rows are met, under a
//! hidden name beside its own that no other run has; when all were met it is synced, and it takes its
//! name with the other results. A run without rejected rows leaves no reject file, and removes the one
//! of an earlier run.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use arus_runtime::files;
use simd_csv::{Writer, WriterBuilder};

use crate::Error;
use crate::check::rules::Broken;
use crate::extract::source;

/// The columns.
const HEADER: &str = "file,line,column,rule,reason,row";

/// So many runs may write reject files of one name at once.
const MOST_AT_ONCE: u32 = 1_000;

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
    /// Removed, if it comes to that, before its file is closed and the lock with it.
    writer: Option<(Temporary, Writer<File>)>,
}

/// A hidden file, removed when it is dropped before it has its name.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }
}

/// A reject file that is whole, but has not got its name yet. Dropped before that it is removed, and
/// the old one stays.
#[derive(Debug)]
pub struct FinishedRejects {
    path: PathBuf,
    /// The file, locked still, so that nobody takes its hidden name; `None`: no row was rejected.
    temporary: Option<(Temporary, File)>,
    hash: Option<u128>,
}

impl FinishedRejects {
    /// The xxh3-128 of its bytes; `None` if no row was rejected.
    #[must_use]
    pub fn hash(&self) -> Option<u128> {
        self.hash
    }

    /// Puts it where it belongs, or removes an old one if there is nothing to put.
    ///
    /// # Errors
    /// The system's.
    pub fn publish(self) -> Result<(), Error> {
        let path = self.path;
        let Some((mut temporary, _locked)) = self.temporary else {
            return files::remove(&path)
                .map_err(|source| Error::file("remove the old", &path, source));
        };
        fs::rename(temporary.path(), &path)
            .inspect(|()| temporary.0 = None)
            .and_then(|()| files::sync_folder_of(&path))
            .map_err(|source| Error::file("rename a new file to", &path, source))
    }
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
        Ok(Self { path: path.to_owned(), writer: None })
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
        let (temporary, writer) = self.writer.as_mut().expect("made just now");
        let file = file.to_string_lossy();
        for reject in rejects {
            let line = reject.line.to_string();
            let rule = reject.broken.rule;
            let row = [&*file, &line, rule.column, rule.name, &reject.broken.reason, &reject.row];
            writer
                .write_record(row)
                .map_err(|error| Error::file("write", temporary.path(), io_error(error)))?;
        }
        Ok(())
    }

    fn create(&self) -> Result<(Temporary, Writer<File>), Error> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| Error::file("create the folder", folder, source))?;
        }
        let (temporary, out) = self
            .temporary()
            .map_err(|source| Error::file("write a new file beside", &self.path, source))?;
        let mut made = (temporary, WriterBuilder::new().from_writer(out));
        let (temporary, writer) = &mut made;
        writer
            .write_record(HEADER.split(','))
            .map_err(|error| Error::file("write", temporary.path(), io_error(error)))?;
        Ok(made)
    }

    /// A hidden file that nobody else writes to, in a place that a process which died has left or
    /// nobody ever had. Locked for as long as it is written, so that others can tell.
    fn temporary(&self) -> std::io::Result<(Temporary, File)> {
        for number in 1..=MOST_AT_ONCE {
            let path = files::hidden(&self.path, &format!(".{number}.tmp"));
            let out = File::options().create(true).append(true).open(&path)?;
            match out.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                // A file system without locks; then only runs that are not at once are safe.
                Err(TryLockError::Error(_)) => {}
            }
            // Its last owner may have given it its name meanwhile: then the lock is on another file.
            if !is_at(&out, &path) {
                continue;
            }
            out.set_len(0)?;
            return Ok((Temporary(Some(path)), out));
        }
        Err(std::io::Error::other(format!("{MOST_AT_ONCE} runs seem to write there at once")))
    }

    /// Makes the file whole.
    pub(crate) fn finish(mut self) -> Result<FinishedRejects, Error> {
        let path = std::mem::take(&mut self.path);
        let Some((temporary, writer)) = self.writer.take() else {
            return Ok(FinishedRejects { path, temporary: None, hash: None });
        };
        let written = writer.into_inner().map_err(|error| error.into_error());
        let file = written
            .and_then(|file| file.sync_all().map(|()| file))
            .map_err(|source| Error::file("write", temporary.path(), source))?;
        let hash = Some(source::hash(temporary.path())?);
        Ok(FinishedRejects { path, temporary: Some((temporary, file)), hash })
    }
}

/// Whether the open file is the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |open: fs::Metadata, named: fs::Metadata| {
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    };
    file.metadata().and_then(|open| Ok(same(open, fs::metadata(path)?))).unwrap_or(false)
}

fn io_error(error: simd_csv::Error) -> std::io::Error {
    match error.into_kind() {
        simd_csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
