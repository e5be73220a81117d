//! Files in, checked invoice lines out. Each file is read once, as a stream.
//!
//! ```text
//! input: which files ─► source: unpacked bytes ─► blocks: whole records ─► records: fields
//!                                                                             │
//!        reject file, counts ◄── check ◄── decode: date, number, header ◄─────┘
//!                                               │
//!                                               └─► lines in the order of the rows
//! ```
//!
//! **CSV** is read by our own [`records`] rather than by a library, for three reasons: a block can be
//! decoded while the next one is read, the line numbers are those that an editor shows, and a stray
//! quote costs one line and not the rest of the file. A record ends with LF or CRLF; fields may be
//! quoted, with doubled quotes and line breaks in them; empty lines are no rows.
//!
//! **Memory** does not grow with the input, but for the hashes by which exact duplicates are told
//! (`check/duplicates.rs`): 11 to 22 bytes for each distinct row.

mod args;
mod blocks;
mod date;
mod decode;
mod encoding;
pub mod fingerprint;
mod header;
pub mod input;
mod number;
mod pipeline;
mod progress;
mod records;
mod run;
pub(crate) mod source;

use std::path::PathBuf;

pub use args::ExtractArgs;
pub use date::DateFormat;
pub use encoding::EncodingChoice;
pub use progress::Progress;
pub use run::{Extracted, extract};

pub use crate::check::{FinishedRejects, MaxRejects};

/// What is read, and how strictly.
#[derive(Clone, Debug)]
pub struct ExtractOptions {
    /// Files, folders and globs.
    pub inputs: Vec<String>,
    /// How the files' text is coded.
    pub encoding: EncodingChoice,
    /// How dates are written.
    pub date_format: DateFormat,
    /// How many rejected rows fail the run; `None`: any number may be rejected, but not all rows.
    pub max_rejects: Option<MaxRejects>,
    /// The reject file.
    pub rejects: PathBuf,
    /// Threads that decode. Results are the same for any number.
    pub threads: usize,
}

impl ExtractOptions {
    /// These inputs with the defaults for the rest, and this reject file.
    pub fn new(inputs: Vec<String>, rejects: PathBuf) -> Self {
        Self {
            inputs,
            encoding: EncodingChoice::Auto,
            date_format: DateFormat::Auto,
            max_rejects: None,
            rejects,
            threads: 1,
        }
    }
}

#[cfg(test)]
mod tests;
