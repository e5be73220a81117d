//! Files in, lines, rejects and counts out: what `extract` makes of folders, encodings,
//! compressions, headers and bad rows.

mod files;
mod rejects;
mod values;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use arus_models::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions};
use arus_runtime::clock::ManualClock;
use proptest::prelude::*;
use tempfile::TempDir;

use super::fingerprint::Fingerprint;
use super::{EncodingChoice, ExtractOptions, Extracted, MaxRejects, Progress, extract};
use crate::Error;
use crate::generate::{self, GenerateArgs};
use crate::invoice_lines::rows::{Row, rows};
use crate::quality::{Compression, Encoding, Quality, Warnings};

const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const ROW: &str = "536365,85123A,LANTERN,6,12/1/2010 8:26,2.55,17850,United Kingdom";

/// A folder with input in it, and what is asked of it.
struct World {
    folder: TempDir,
    options: ExtractOptions,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rejects = folder.path().join("out/rejects.csv");
        let inputs = vec![folder.path().join("a.csv").to_string_lossy().into_owned()];
        Self { folder, options: ExtractOptions::new(inputs, rejects) }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let world = Self::new();
        world.write("a.csv", text);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn reads(mut self, input: &str) -> Self {
        self.options.inputs = vec![self.path(input).to_string_lossy().into_owned()];
        self
    }

    fn extract(&self) -> Result<(Vec<Row>, Quality), Error> {
        let clock = ManualClock::new(0);
        let mut blocks = Vec::new();
        let mut progress = Progress::new(&clock, false);
        let Extracted { quality, rejects } = extract(&self.options, &mut progress, &mut |lines| {
            assert!(!lines.is_empty());
            blocks.push(lines);
            Ok(())
        })?;
        rejects.publish()?;
        let all = rows(&blocks);
        assert_eq!(quality.rows, quality.loaded + quality.rejected);
        assert_eq!(quality.loaded, all.len() as u64);
        assert_eq!(quality.rejected, quality.rejected_by_rule.values().sum::<u64>());
        assert_eq!(quality.rows, quality.files.iter().map(|file| file.rows).sum::<u64>());
        assert_eq!(quality.rejected > 0, self.options.rejects.exists());
        Ok((all, quality))
    }

    /// The one sentence that it ends with.
    fn error(&self) -> String {
        let sentence = self.extract().unwrap_err().to_string();
        let folder = format!("{}/", self.folder.path().display());
        sentence.replace(&folder, "")
    }

    fn rejects(&self) -> Vec<Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_path(&self.options.rejects).unwrap();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
        rows.collect()
    }
}

fn texts<'a>(rows: &'a [Row], text: impl Fn(&'a Row) -> &'a String) -> Vec<&'a str> {
    rows.iter().map(|row| text(row).as_str()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
