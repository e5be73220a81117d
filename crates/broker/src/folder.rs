//! The data folder: made if absent, writable, and used by one broker at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A data folder that this process owns until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    // Held, not read: the operating system releases the lock when the file closes, so even a
    // killed broker leaves no stale lock behind.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder where needed and takes its lock.
    ///
    /// Fails with one sentence when the folder cannot be written or another broker holds it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || {
            format!(
                "cannot write to the data folder {}: name another one with --data DIR, or keep \
                 nothing with --memory",
                path.display()
            )
        };
        fs::create_dir_all(path).with_context(cannot)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who holds it only makes the sentence better; without it the sentence stands.
                let _ = lock.read_to_string(&mut owner);
                let owner = match owner.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                bail!(
                    "another broker{owner} is using the data folder {}: stop it first, or name \
                     another folder with --data DIR",
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        // The lock file may be writable where the folder is not.
        let probe = path.join("write-probe");
        File::create(&probe).with_context(cannot)?;
        fs::remove_file(&probe).with_context(cannot)?;
        lock.set_len(0).with_context(cannot)?;
        lock.rewind().with_context(cannot)?;
        write!(lock, "{}", std::process::id()).with_context(cannot)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let path = parent.path().join("made/on/the/way");
        let first = DataFolder::open(&path).expect("a fresh folder");
        let refusal = DataFolder::open(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(refusal.contains(&format!("another broker (process {pid}) is using")), "{refusal}");
        drop(first);
        DataFolder::open(&path).expect("free again");
    }
}
