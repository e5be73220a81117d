//! The flags of everything that reads invoices.

use std::path::{Path, PathBuf};

use crate::check::MaxRejects;
use crate::extract::{DateFormat, EncodingChoice, ExtractOptions};

/// What is read, and how strictly.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub struct ExtractArgs {
    /// Files of invoice lines: CSV, plain or packed with gzip or zstd (told by their first bytes);
    /// a folder, for all *.csv, *.csv.gz and *.csv.zst in it; or a pattern like
    /// 'invoices/2011-*.csv'. Each is read once, in the order of their names.
    #[arg(value_name = "INPUT", default_value = "data/online-retail-dataset.csv")]
    pub inputs: Vec<String>,

    /// How the text is coded. auto: in each file the first line that is not plain ASCII decides; if
    /// it is valid UTF-8 the file is UTF-8, else ISO-8859-1. In a UTF-8 file a row that is not
    /// valid UTF-8 is rejected.
    #[arg(long, value_enum, value_name = "ENCODING", default_value_t = EncodingChoice::Auto)]
    pub encoding: EncodingChoice,

    /// How dates are written. auto: any of the three, each value by its looks.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = DateFormat::Auto)]
    pub date_format: DateFormat,

    /// Fails the run, before anything is loaded, when more rows than this are rejected: a number,
    /// or a share like 0.5%. Without it any number may be, but not all.
    #[arg(long, value_name = "NUMBER|SHARE")]
    pub max_rejects: Option<MaxRejects>,

    /// Loads empty tables when there is no row at all, only headers. Without it that fails the run: an
    /// export that broke off would else take all results away.
    #[arg(long)]
    pub allow_empty: bool,

    /// File that rejected rows are kept in, with file, line, column and reason; there is none when
    /// no row was rejected [default: OUTPUT/rejects.csv].
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
}

impl ExtractArgs {
    /// What the flags ask for. The reject file is in `output` unless said otherwise; `threads`
    /// decode.
    #[must_use]
    pub fn options(&self, output: &Path, threads: usize) -> ExtractOptions {
        ExtractOptions {
            inputs: self.inputs.clone(),
            encoding: self.encoding,
            date_format: self.date_format,
            max_rejects: self.max_rejects,
            rejects: self.rejects.clone().unwrap_or_else(|| output.join("rejects.csv")),
            threads,
        }
    }
}
