//! Whether the input is as it was at an earlier run, without reading it if that can be helped.
//!
//! A file is unchanged when its name and size are and it was not written to since; if it was
//! written to, but has the same size, its bytes decide (their xxh3-128, which a run learns while it
//! reads).

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::Error;
use crate::extract::{input, source};
use crate::quality::Quality;

/// What the input of a run was. Its text form can be kept and read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    files: Vec<FilePrint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FilePrint {
    name: String,
    bytes: u64,
    modified_ns: i64,
    xxh3: u128,
}

impl Fingerprint {
    /// Of the files that a run has read.
    #[must_use]
    pub fn of(quality: &Quality) -> Self {
        let files = quality.files.iter().map(|file| FilePrint {
            name: file.path.to_string_lossy().into_owned(),
            bytes: file.bytes,
            modified_ns: file.modified_ns,
            xxh3: file.xxh3,
        });
        Self { files: files.collect() }
    }

    /// Whether `inputs` (files, folders, globs) are still what they were. Only a file that was
    /// written to and has its old size is read.
    ///
    /// # Errors
    /// When the input is not there any more, or a file cannot be read.
    pub fn is_still(&self, inputs: &[String]) -> Result<bool, Error> {
        let files = input::find(inputs)?;
        if files.len() != self.files.len() {
            return Ok(false);
        }
        for (path, print) in files.iter().zip(&self.files) {
            if !print.is_still(path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl FilePrint {
    fn is_still(&self, path: &Path) -> Result<bool, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::file("read", path, source))?;
        if !self.is_named(path) || metadata.len() != self.bytes {
            return Ok(false);
        }
        Ok(source::modified_ns(&metadata) == self.modified_ns || source::hash(path)? == self.xxh3)
    }

    fn is_named(&self, path: &Path) -> bool {
        path.to_string_lossy() == self.name
    }
}

impl fmt::Display for Fingerprint {
    /// One line a file: `xxh3 bytes modified_ns name`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, file) in self.files.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let name = file.name.replace('\\', "\\\\").replace('\n', "\\n");
            let FilePrint { bytes, modified_ns, xxh3, .. } = file;
            write!(out, "{newline}{xxh3:032x} {bytes} {modified_ns} {name}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let files = text.lines().map(|line| {
            file_print(line).ok_or_else(|| format!("\"{line}\" is no fingerprint of a file"))
        });
        Ok(Self { files: files.collect::<Result<_, _>>()? })
    }
}

fn file_print(line: &str) -> Option<FilePrint> {
    let mut parts = line.splitn(4, ' ');
    let xxh3 = u128::from_str_radix(parts.next()?, 16).ok()?;
    let bytes = parts.next()?.parse().ok()?;
    let modified_ns = parts.next()?.parse().ok()?;
    let mut name = String::new();
    let mut letters = parts.next()?.chars();
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                other => other,
            },
            letter => letter,
        });
    }
    Some(FilePrint { name, bytes, modified_ns, xxh3 })
}

#[cfg(test)]
mod tests;
