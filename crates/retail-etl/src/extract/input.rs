//! Which files are read: a file, the CSV files of a folder, or what a glob matches.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use crate::Error;

/// What the names of CSV files in a folder end with.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".csv.zst"];

/// The files that `inputs` (files, folders, globs) name, sorted by name, each once.
///
/// # Errors
/// [`Error::NoInput`] for the first that names no file; [`Error::File`] when a folder cannot be
/// listed.
pub fn find(inputs: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for input in inputs {
        let found = find_one(input)?;
        files.extend(found);
    }
    files.sort();
    let mut known = HashSet::new();
    // One that cannot be resolved is kept, for its trouble to be told when it is opened.
    files.retain(|file| fs::canonicalize(file).map_or(true, |file| known.insert(file)));
    Ok(files)
}

fn find_one(input: &str) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new(input);
    let none = |reason: String| Error::NoInput { pattern: input.to_owned(), reason };
    if path.is_dir() {
        let found = csv_files_in(path)?;
        if found.is_empty() {
            return Err(none("the folder holds no file named *.csv, *.csv.gz or *.csv.zst".into()));
        }
        return Ok(found);
    }
    if path.exists() || !input.contains(['*', '?', '[']) {
        // A file's own trouble is told best by opening it; only its absence is told here.
        return match fs::metadata(path) {
            Ok(_) => Ok(vec![path.to_owned()]),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(none(
                "no such file; name a CSV file, a folder or a pattern, or make a sample with \
                 retail-etl generate"
                    .into(),
            )),
            Err(source) => Err(Error::file("read", path, source)),
        };
    }
    let hidden_by_name = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let matches = glob::glob_with(input, hidden_by_name)
        .map_err(|error| none(format!("the pattern cannot be read ({})", error.msg)))?;
    let mut found = Vec::new();
    for entry in matches {
        let entry = entry.map_err(|error| {
            let path = error.path().to_owned();
            Error::file("list", path, error.into())
        })?;
        if !entry.is_dir() {
            found.push(entry);
        }
    }
    if found.is_empty() {
        return Err(none("the pattern matches no file".into()));
    }
    Ok(found)
}

fn csv_files_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::file("list", folder, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let fits = ENDINGS.iter().any(|ending| name.ends_with(ending));
        if fits && !name.starts_with('.') && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
