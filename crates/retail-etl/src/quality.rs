//! What a run learnt about its input.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How a file's text is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 (or plain ASCII).
    Utf8,
    /// ISO-8859-1.
    Latin1,
}

/// One input file, as it was read.
#[derive(Clone, Debug)]
pub struct FileRead {
    /// Where it is.
    pub path: PathBuf,
    /// Its size as it is stored, bytes.
    pub bytes: u64,
    /// How its text is coded.
    pub encoding: Encoding,
    /// Its rows, without the header.
    pub rows: u64,
}

/// Rows that are worth a word, but good enough to be loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// No customer was given.
    pub missing_customer: u64,
    /// Belongs to a cancelled invoice.
    pub cancelled: u64,
    /// The price is zero.
    pub zero_price: u64,
    /// Every column is as in a row before.
    pub duplicates: u64,
}

/// The input of one run. Always: `rows = loaded + rejected`.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    /// The files, in the order they were read.
    pub files: Vec<FileRead>,
    /// Rows read, headers left out.
    pub rows: u64,
    /// Rows that went on.
    pub loaded: u64,
    /// Rows that broke a rule.
    pub rejected: u64,
    /// How many were rejected for what, by the name of the rule.
    pub rejected_by_rule: BTreeMap<&'static str, u64>,
    /// Rows that were loaded with a warning.
    pub warnings: Warnings,
}
