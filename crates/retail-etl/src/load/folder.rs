//! The output folder: one load at a time, and the mark of the load whose files are there.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use arus_runtime::files;
use arus_runtime::shutdown::Shutdown;

use crate::Error;

/// How often a folder that another run loads into is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The lock's file. It stays when the lock is released: to remove it would let two hold "the" file.
const LOCK: &str = ".retail-etl.lock";

/// The mark's file.
const MARK: &str = ".retail-etl.mark";

/// The folder, for one load alone until the value is dropped or the process ends: the runs of two jobs, or
/// of one job with two databases, would else mix their files.
pub(super) struct OutputFolder {
    _lock: Option<File>,
}

impl OutputFolder {
    /// Makes the folder if it is absent, and waits for the end of another run's load into it, for as
    /// long as `patience`.
    pub(super) fn lock(folder: &Path, patience: Duration, stop: &Shutdown) -> Result<Self, Error> {
        fs::create_dir_all(folder)
            .map_err(|source| Error::file("create the folder", folder, source))?;
        let path = folder.join(LOCK);
        let failed = |source| Error::file("lock", &path, source);
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        let clock = SystemClock::new();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _lock: Some(file) }),
                Err(TryLockError::WouldBlock) if stop.is_requested() => return Err(Error::Stopped),
                Err(TryLockError::WouldBlock) if clock.monotonic() < patience => {
                    stop.wait_timeout(ASK_AGAIN);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::FolderBusy { folder: folder.to_owned() });
                }
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(folder = %folder.display(), %error,
                        "the folder's file system has no locks: let one run at a time write there");
                    return Ok(Self { _lock: None });
                }
            }
        }
    }
}

/// Where the mark of the last load into the folder is kept.
pub(super) fn mark_path(folder: &Path) -> PathBuf {
    folder.join(MARK)
}

/// The mark of the load whose files are in the folder; `None` before the first, and when a load was cut
/// off between its files.
pub(super) fn mark(folder: &Path) -> Option<String> {
    fs::read_to_string(mark_path(folder)).ok()
}

/// Takes the mark away: from now on the files are of no one load.
pub(super) fn unmark(folder: &Path) -> Result<(), Error> {
    let path = mark_path(folder);
    files::remove(&path).map_err(|source| Error::file("remove", &path, source))
}
