//! Steps of file sinks, each durable when it returns, and the manifest that names the epoch.
//!
//! In tests every step can be the one in which the process dies: see [`fault`].

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use arus_runtime::files;
pub(super) use arus_runtime::files::hidden;
use serde::{Deserialize, Serialize};

use super::{OutputMode, OutputTable};
use crate::Error;
use crate::origin::Origin;

/// What a file sink has, as written beside its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The last epoch whose rows are in the data; 0 before the first.
    pub(super) epoch: u64,
    /// Length of the data file in bytes.
    pub(super) bytes: u64,
    /// Columns, their types, and the mode.
    pub(super) columns: String,
    /// Whose epochs these are.
    #[serde(default)]
    pub(super) origin: Origin,
}

impl Manifest {
    /// Before the first epoch.
    pub(super) fn empty(table: &OutputTable) -> Self {
        Self { epoch: 0, bytes: 0, columns: fingerprint(table), origin: Origin::default() }
    }

    /// The epoch for the job: `None` before the first.
    pub(super) fn last_epoch(&self) -> Option<u64> {
        (self.epoch > 0).then_some(self.epoch)
    }

    /// Whose epochs are there, of whatever shape; `None` where nobody can tell.
    pub(super) fn written_by(path: &Path) -> Result<Option<Origin>, Error> {
        let manifest: Option<Self> = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(file("read", path, source)),
        };
        Ok(manifest.filter(|manifest| manifest.epoch > 0).map(|manifest| manifest.origin))
    }

    /// Reads the manifest; `None` where there is none.
    pub(super) fn read(
        path: &Path,
        sink: &str,
        table: &OutputTable,
    ) -> Result<Option<Self>, Error> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file("read", path, source)),
        };
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| Error::OtherOutput {
                sink: sink.to_owned(),
                reason: format!("its manifest {} cannot be read ({error})", path.display()),
            })?;
        if manifest.columns == fingerprint(table) {
            return Ok(Some(manifest));
        }
        let reason = format!(
            "it holds \"{}\", but this job writes \"{}\"",
            manifest.columns,
            fingerprint(table)
        );
        Err(Error::OtherOutput { sink: sink.to_owned(), reason })
    }

    /// Puts the manifest in place of the old one, at once.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_vec(self).expect("numbers and text are always JSON");
        text.push(b'\n');
        let temporary = hidden(path, ".tmp");
        write_new(&temporary, &text)?;
        rename(&temporary, path)
    }

    /// Whether `epoch` is the one after this, and the manifest in the file is still this one.
    pub(super) fn check_next(
        &self,
        path: &Path,
        sink: &str,
        table: &OutputTable,
        epoch: u64,
    ) -> Result<(), Error> {
        let found = Self::read(path, sink, table)?;
        if found.as_ref() == Some(self) && epoch == self.epoch + 1 {
            return Ok(());
        }
        let found = found.and_then(|manifest| manifest.last_epoch());
        Err(Error::EpochConflict { sink: sink.to_owned(), found, epoch })
    }
}

/// The shape of the output in words: names, types and mode, as far as a file must keep to them.
fn fingerprint(table: &OutputTable) -> String {
    let fields = table.schema.fields().iter();
    let columns: Vec<_> = fields.map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    let mode = match table.mode {
        OutputMode::Append => "append",
        OutputMode::Update => "update",
        OutputMode::Complete => "complete",
    };
    format!("{mode}: {}", columns.join(", "))
}

/// The error of a file.
pub(super) fn file(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

/// Refuses names that would lead out of the folder, or hide in it.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.starts_with(['.', '_']) || name.contains(['/', '\\', '\0']) {
        return Err(Error::Unsupported(format!(
            "\"{name}\" cannot name a file: use letters, digits, dots, dashes; begin with a letter"
        )));
    }
    Ok(())
}

/// Makes a folder and those above it.
pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| file("create the folder", path, source))
}

/// The file's length; `None` where there is no file.
pub(super) fn length(path: &Path) -> Result<Option<u64>, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file("read", path, source)),
    }
}

/// A new file with these bytes; an old one is emptied first.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_at(path, 0, bytes)
}

/// Cuts the file to `offset` bytes, or makes it, and writes from there.
pub(super) fn write_at(path: &Path, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let mut out = files::open_at(path, offset)?;
        #[cfg(test)]
        if let Err(killed) = fault::step() {
            out.write_all(&bytes[..bytes.len() / 2])?;
            return Err(killed);
        }
        out.write_all(bytes)?;
        out.sync_all()
    };
    write().map_err(|source| file("write", path, source))?;
    sync_folder_of(path)
}

/// Cuts the file to `bytes`.
pub(super) fn cut(path: &Path, bytes: u64) -> Result<(), Error> {
    let cut = || -> std::io::Result<()> {
        #[cfg(test)]
        fault::step()?;
        let out = OpenOptions::new().write(true).open(path)?;
        out.set_len(bytes)?;
        out.sync_all()
    };
    cut().map_err(|source| file("cut", path, source))
}

/// Renames within one folder, replacing what is there.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    let rename = || -> std::io::Result<()> {
        #[cfg(test)]
        fault::step()?;
        fs::rename(from, to)
    };
    rename().map_err(|source| file("rename a new file to", to, source))?;
    sync_folder_of(to)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let remove = || -> std::io::Result<()> {
        #[cfg(test)]
        fault::step()?;
        files::remove(path)
    };
    remove().map_err(|source| file("remove", path, source))?;
    sync_folder_of(path)
}

/// The names in a folder, sorted; those that are not UTF-8 are none of ours.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| file("list", folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn sync_folder_of(path: &Path) -> Result<(), Error> {
    files::sync_folder_of(path).map_err(|source| file("sync the folder of", path, source))
}

/// Death at a chosen step, for tests: the step that is killed writes half its bytes, or does
/// nothing at all.
#[cfg(test)]
pub(super) mod fault {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static STEPS_TO_LIVE: Cell<Option<u32>> = const { Cell::new(None) };
        static DEAD: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets `steps` steps of this thread happen and kills all that follow; `None`: life goes on.
    pub(crate) fn live_for(steps: Option<u32>) {
        STEPS_TO_LIVE.set(steps);
        DEAD.set(false);
    }

    /// Whether the death has come.
    pub(crate) fn has_died() -> bool {
        DEAD.get()
    }

    pub(super) fn step() -> io::Result<()> {
        match STEPS_TO_LIVE.get() {
            None => Ok(()),
            Some(0) => {
                DEAD.set(true);
                Err(io::Error::other("killed by the test"))
            }
            Some(left) => {
                STEPS_TO_LIVE.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
