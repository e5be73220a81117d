//! What a run learnt about its input.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::invoice_lines::{InvoiceLines, is_cancelled};

/// How a file's text is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 (or plain ASCII).
    Utf8,
    /// ISO-8859-1.
    Latin1,
}

impl fmt::Display for Encoding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Latin1 => "ISO-8859-1",
        })
    }
}

/// How a file is packed; told by its first bytes, not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Compression::None => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// One input file, as it was read.
#[derive(Clone, Debug)]
pub struct FileRead {
    /// Where it is.
    pub path: PathBuf,
    /// Its size as it is stored, bytes.
    pub bytes: u64,
    /// When it was changed last, ns since the Unix epoch.
    pub modified_ns: i64,
    /// xxh3-128 of its bytes as they are stored.
    pub xxh3: u128,
    /// How it is packed.
    pub compression: Compression,
    /// How its text is coded.
    pub encoding: Encoding,
    /// Its rows, without the header and empty lines.
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

impl Warnings {
    /// Those of lines, but for duplicates.
    pub(crate) fn of(lines: &InvoiceLines) -> Self {
        let headers = &lines.headers;
        let of_headers = |is: &dyn Fn(usize) -> bool| {
            let lines = headers.lines.iter().enumerate().filter(|(header, _)| is(*header));
            lines.map(|(_, count)| *count as u64).sum()
        };
        Self {
            missing_customer: of_headers(&|header| headers.customer_id[header].is_none()),
            cancelled: of_headers(&|header| is_cancelled(headers.invoice_no.value(header))),
            zero_price: lines.unit_price.iter().filter(|price| **price == 0).count() as u64,
            duplicates: 0,
        }
    }
}

/// The input of one run. Always: `rows = loaded + rejected`.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    /// The files, in the order they were read.
    pub files: Vec<FileRead>,
    /// Rows read, headers and empty lines left out.
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

impl Quality {
    /// More rows were read, of which so many were loaded, with these warnings.
    pub(crate) fn add(&mut self, rows: u64, loaded: u64, warnings: &Warnings) {
        self.rows += rows;
        self.loaded += loaded;
        self.rejected += rows - loaded;
        self.warnings.missing_customer += warnings.missing_customer;
        self.warnings.cancelled += warnings.cancelled;
        self.warnings.zero_price += warnings.zero_price;
    }
}
