//! Files that are whole or not there: written under a hidden name, synced, renamed, and the folder
//! synced. What a function has done when it returns survives a loss of power.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// `a/b.csv` with suffix `.tmp` is `a/.b.csv.tmp`: readers of `*.csv` and plain listings pass over
/// it.
///
/// ```
/// use arus_runtime::files::hidden;
/// use std::path::Path;
///
/// assert_eq!(hidden(Path::new("a/b.csv"), ".tmp"), Path::new("a/.b.csv.tmp"));
/// ```
pub fn hidden(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{suffix}"))
}

/// Opens the file, or makes it, and cuts it to `length` bytes; writing goes on from there.
///
/// # Errors
/// The system's.
pub fn open_at(path: &Path, length: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    Ok(file)
}

/// Syncs the folder that the file is in: only then is a new name, or an old one's absence, kept.
///
/// # Errors
/// The system's.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Removes a file that may be gone already.
///
/// # Errors
/// The system's.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A new version of a file: whole and on disk, but still under a hidden name. Dropped before
/// [`StagedFile::publish`] it is removed, and the old version stays.
#[derive(Debug)]
pub struct StagedFile {
    path: PathBuf,
    hidden: PathBuf,
    published: bool,
}

impl StagedFile {
    /// Writes and syncs the new version of `path`, beside it.
    ///
    /// # Errors
    /// The system's; nothing is left then.
    pub fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let staged = Self { path: path.to_owned(), hidden: hidden(path, ".tmp"), published: false };
        let mut file = open_at(&staged.hidden, 0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, in place of the old version. To keep this too, [`sync_folder_of`] it: once
    /// for all files of a folder.
    ///
    /// # Errors
    /// The system's; the old version stays then.
    pub fn publish(mut self) -> io::Result<()> {
        fs::rename(&self.hidden, &self.path)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed is overwritten by the next version.
            let _ = fs::remove_file(&self.hidden);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_staged_file_takes_its_name_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let read = || fs::read_to_string(&path).unwrap();

        StagedFile::write(&path, b"old").unwrap().publish().unwrap();
        assert_eq!(read(), "old");
        let staged = StagedFile::write(&path, b"new").unwrap();
        assert_eq!((read().as_str(), names(folder.path()).len()), ("old", 2));
        staged.publish().unwrap();
        assert_eq!(read(), "new");
        drop(StagedFile::write(&path, b"unwanted").unwrap());
        assert_eq!((read().as_str(), names(folder.path())), ("new", vec!["a.csv".to_owned()]));
        // What a killed process left is overwritten, also where it is longer.
        fs::write(hidden(&path, ".tmp"), "something much longer").unwrap();
        StagedFile::write(&path, b"last").unwrap().publish().unwrap();
        assert_eq!((read().as_str(), names(folder.path())), ("last", vec!["a.csv".to_owned()]));
        sync_folder_of(&path).unwrap();
    }

    #[test]
    fn removing_and_cutting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        remove(&path).unwrap();
        fs::write(&path, "12345").unwrap();
        open_at(&path, 2).unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "12x");
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
