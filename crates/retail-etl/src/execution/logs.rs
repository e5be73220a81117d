//! The folder of log files, one a run: the newest stay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::history::RunKind;

/// Removes all but the newest `keep` log files of runs from the folder, of which `own` is one; says how many
/// went. Files that are not named as those of runs are, are not ours to remove.
pub(super) fn keep_newest(folder: &Path, keep: usize, own: &Path) -> io::Result<usize> {
    let mut logs: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_log_of_a_run(&entry.file_name().to_string_lossy()) && entry.path() != own {
            logs.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    // By name, where two are as new.
    logs.sort_unstable();
    let old = &logs[..logs.len().saturating_sub(keep.saturating_sub(1))];
    for (_, log) in old {
        match fs::remove_file(log) {
            // Another run was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(old.len())
}

/// `scheduled-20261125T190000Z.log`, `manual-20261125T190000.123Z.log`, and of the second run for a time
/// `backfill-20261125T190000Z-2.log`.
fn is_log_of_a_run(name: &str) -> bool {
    let Some(run) = name.strip_suffix(".log") else { return false };
    let Some((run, number)) = run.split_once('Z') else { return false };
    let number = number.strip_prefix('-').unwrap_or(number);
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Some((kind, time)) = run.split_once('-') else { return false };
    let is_time = time.len() >= "20261125T190000".len()
        && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'.'));
    kind.parse::<RunKind>().is_ok() && is_time
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_stay_and_so_do_files_of_others() {
        let folder = tempfile::tempdir().unwrap();
        // The oldest first, whatever their names say.
        let files = [
            ("backup-20261125T190000Z.log", true),
            ("scheduled-notes.log", true),
            ("scheduled-20261125T190000Z.log", false),
            ("manual-20261125T190000.123Z.txt", true),
            ("manual-20261125T190000.123Z.log", false),
            ("backfill-20261101T190000Z.log", true),
            ("scheduled-20261124T190000Z.log", true),
        ];
        for (age, (name, _)) in files.iter().rev().enumerate() {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age as u64);
            file.set_modified(modified).unwrap();
        }
        let keep = |keep, own: &str| keep_newest(folder.path(), keep, &folder.path().join(own));
        // The run's own is not there if it cannot be written, and stays if others' are newer.
        assert_eq!(keep(5, "manual-20261126T190000.000Z.log").unwrap(), 0);
        assert_eq!(keep(2, "scheduled-20261124T190000Z.log").unwrap(), 2);
        for (name, stays) in files {
            assert_eq!(folder.path().join(name).exists(), stays, "{name}");
        }
    }
}
