//! What a run leaves so that its report can be drawn again: the tables as Parquet, and in
//! `report.json` what is known of the input and of the run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use chrono::{DateTime, NaiveDateTime};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::ReportMeta;
use crate::Error;
use crate::check::rules;
use crate::load::csv;
use crate::quality::{Compression, Encoding, FileRead, Quality, Warnings};
use crate::tables::{SHAPES, TableShape, Tables};

/// The file's name, in the folder of results.
pub const FILE_NAME: &str = "report.json";

/// The file. Field by field, so that a change of the code's own types cannot change it unseen.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// The hash of the tables' texts.
    tables_xxh3: String,
    made_at_ms: i64,
    exclude_cancelled: bool,
    first_invoice: Option<NaiveText>,
    last_invoice: Option<NaiveText>,
    rows: u64,
    loaded: u64,
    rejected: u64,
    rejected_by_rule: BTreeMap<String, u64>,
    missing_customer: u64,
    cancelled: u64,
    zero_price: u64,
    duplicates: u64,
    files: Vec<StoredFile>,
}

/// `2010-12-01T08:26:00`.
type NaiveText = String;
const NAIVE_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.f";

#[derive(Serialize, Deserialize)]
struct StoredFile {
    path: String,
    bytes: u64,
    modified_ns: i64,
    xxh3: String,
    compression: String,
    encoding: String,
    rows: u64,
}

/// The content of the file.
///
/// # Errors
/// When a table has no text.
pub fn encode(tables: &Tables, quality: &Quality, meta: &ReportMeta) -> Result<Vec<u8>, Error> {
    let naive = |date: NaiveDateTime| date.format(NAIVE_FORMAT).to_string();
    let Warnings { missing_customer, cancelled, zero_price, duplicates } = quality.warnings;
    let rejected_by_rule = quality.rejected_by_rule.iter();
    let file = |file: &FileRead| StoredFile {
        path: file.path.display().to_string(),
        bytes: file.bytes,
        modified_ns: file.modified_ns,
        xxh3: format!("{:032x}", file.xxh3),
        compression: file.compression.to_string(),
        encoding: file.encoding.to_string(),
        rows: file.rows,
    };
    let stored = Stored {
        tables_xxh3: hash(tables)?,
        made_at_ms: meta.made_at.timestamp_millis(),
        exclude_cancelled: meta.exclude_cancelled,
        first_invoice: meta.period.map(|(first, _)| naive(first)),
        last_invoice: meta.period.map(|(_, last)| naive(last)),
        rows: quality.rows,
        loaded: quality.loaded,
        rejected: quality.rejected,
        rejected_by_rule: rejected_by_rule
            .map(|(rule, rows)| ((*rule).to_owned(), *rows))
            .collect(),
        missing_customer,
        cancelled,
        zero_price,
        duplicates,
        files: quality.files.iter().map(file).collect(),
    };
    let mut text = serde_json::to_vec_pretty(&stored).expect("such values are JSON");
    text.push(b'\n');
    Ok(text)
}

/// A hash of all tables, by which it is told whether those that are read are those of the run.
fn hash(tables: &Tables) -> Result<String, Error> {
    let mut text = Vec::new();
    for (shape, rows) in tables.all() {
        text.append(&mut csv::encode(shape, rows)?);
    }
    Ok(format!("{:032x}", XxHash3_128::oneshot(&text)))
}

/// All that a report is made of, as the last run left it in the folder.
///
/// # Errors
/// When no run left it there, when it is not what a run leaves, or when the tables are of another run.
pub fn read(folder: &Path) -> Result<(Tables, Quality, ReportMeta), Error> {
    let path = folder.join(FILE_NAME);
    let text = fs::read(&path).map_err(|source| absent(&path, source))?;
    let broken = |reason: String| Error::Report {
        reason: format!("{}: {reason}: make the run again", path.display()),
    };
    let stored: Stored =
        serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    let tables_xxh3 = stored.tables_xxh3.clone();
    let (quality, meta) = decode(stored).map_err(broken)?;
    let [a, b, c, d, e, f] = SHAPES.each_ref().map(|shape| read_table(folder, shape));
    let tables = Tables::from_batches([a?, b?, c?, d?, e?, f?]);
    if hash(&tables)? != tables_xxh3 {
        return Err(broken("the tables beside it are of another run".to_owned()));
    }
    Ok((tables, quality, meta))
}

fn decode(stored: Stored) -> Result<(Quality, ReportMeta), String> {
    let date = |text: &NaiveText| {
        NaiveDateTime::parse_from_str(text, NAIVE_FORMAT)
            .map_err(|error| format!("{text:?} is no date ({error})"))
    };
    let first = stored.first_invoice.as_ref().map(date).transpose()?;
    let last = stored.last_invoice.as_ref().map(date).transpose()?;
    let made_at = DateTime::from_timestamp_millis(stored.made_at_ms)
        .ok_or_else(|| format!("made_at_ms {} is no time", stored.made_at_ms))?;
    let rule = |(name, rows): (String, u64)| {
        let known = rules::ALL.iter().find(|rule| rule.name == name);
        known.map(|rule| (rule.name, rows)).ok_or_else(|| format!("there is no rule {name:?}"))
    };
    let quality = Quality {
        files: stored.files.into_iter().map(decode_file).collect::<Result<_, _>>()?,
        rows: stored.rows,
        loaded: stored.loaded,
        rejected: stored.rejected,
        rejected_by_rule: stored
            .rejected_by_rule
            .into_iter()
            .map(rule)
            .collect::<Result<_, _>>()?,
        warnings: Warnings {
            missing_customer: stored.missing_customer,
            cancelled: stored.cancelled,
            zero_price: stored.zero_price,
            duplicates: stored.duplicates,
        },
    };
    let exclude_cancelled = stored.exclude_cancelled;
    Ok((quality, ReportMeta { made_at, exclude_cancelled, period: first.zip(last) }))
}

fn decode_file(file: StoredFile) -> Result<FileRead, String> {
    let compression = [Compression::None, Compression::Gzip, Compression::Zstd]
        .into_iter()
        .find(|compression| compression.to_string() == file.compression)
        .ok_or_else(|| format!("there is no compression {:?}", file.compression))?;
    let encoding = [Encoding::Utf8, Encoding::Latin1]
        .into_iter()
        .find(|encoding| encoding.to_string() == file.encoding)
        .ok_or_else(|| format!("there is no encoding {:?}", file.encoding))?;
    let xxh3 = u128::from_str_radix(&file.xxh3, 16)
        .map_err(|error| format!("{:?} is no hash ({error})", file.xxh3))?;
    Ok(FileRead {
        path: PathBuf::from(file.path),
        bytes: file.bytes,
        modified_ns: file.modified_ns,
        xxh3,
        compression,
        encoding,
        rows: file.rows,
    })
}

fn read_table(folder: &Path, shape: &TableShape) -> Result<RecordBatch, Error> {
    let path = folder.join(format!("{}.parquet", shape.name));
    let file = File::open(&path).map_err(|source| absent(&path, source))?;
    let broken = |reason: String| Error::Report {
        reason: format!("{}: {reason}: make the run again", path.display()),
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| broken(error.to_string()))?;
    let batches: Vec<RecordBatch> =
        reader.collect::<Result<_, _>>().map_err(|error| broken(error.to_string()))?;
    let schema = batches.first().map_or_else(|| shape.schema(), RecordBatch::schema);
    concat_batches(&schema, &batches).map_err(|error| broken(error.to_string()))
}

fn absent(path: &Path, source: std::io::Error) -> Error {
    if source.kind() == ErrorKind::NotFound {
        return Error::Report {
            reason: format!(
                "there is no {}: first make a run with both parquet and report among its --sink",
                path.display()
            ),
        };
    }
    Error::file("read", path, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Rows, meta, quality};

    /// Leaves what a run leaves.
    fn leave(folder: &Path, tables: &Tables, meta: &ReportMeta) {
        fs::write(folder.join(FILE_NAME), encode(tables, &quality(), meta).unwrap()).unwrap();
        for (shape, rows) in tables.all() {
            let file = File::create(folder.join(format!("{}.parquet", shape.name))).unwrap();
            let mut writer =
                parquet::arrow::ArrowWriter::try_new(file, rows.schema(), None).unwrap();
            writer.write(rows).unwrap();
            writer.close().unwrap();
        }
    }

    #[test]
    fn a_report_drawn_again_is_the_same() {
        let never = ReportMeta { period: None, exclude_cancelled: true, ..meta() };
        for (rows, meta) in [(Rows::small(), meta()), (Rows::default(), never)] {
            let folder = tempfile::tempdir().unwrap();
            let tables = rows.tables();
            leave(folder.path(), &tables, &meta);
            let (tables_again, quality_again, meta_again) = read(folder.path()).unwrap();
            let again = super::super::render(&tables_again, &quality_again, &meta_again).unwrap();
            assert_eq!(again, super::super::render(&tables, &quality(), &meta).unwrap());
            let stored = |tables, quality, meta| encode(tables, quality, meta).unwrap();
            assert_eq!(
                stored(&tables_again, &quality_again, &meta_again),
                stored(&tables, &quality(), &meta)
            );
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let said = || read(folder.path()).unwrap_err().to_string();
        assert_eq!(
            said(),
            format!(
                "cannot make the report: there is no {}: first make a run with both parquet and \
                 report among its --sink",
                path(FILE_NAME).display()
            )
        );
        leave(folder.path(), &Rows::small().tables(), &meta());
        fs::remove_file(path("top_products.parquet")).unwrap();
        assert!(said().contains("there is no") && said().contains("top_products.parquet"));
        fs::write(path("top_products.parquet"), "no Parquet").unwrap();
        assert!(said().contains("top_products.parquet: ") && said().contains("make the run again"));
        leave(folder.path(), &Rows::small().tables(), &meta());
        let text = fs::read_to_string(path(FILE_NAME)).unwrap();
        // A later run wrote Parquet and no report.
        leave(folder.path(), &Rows::default().tables(), &meta());
        fs::write(path(FILE_NAME), &text).unwrap();
        assert!(said().contains("the tables beside it are of another run"), "{}", said());
        for (from, to, reason) in [
            ("\"date\"", "\"dates\"", "there is no rule \"dates\""),
            ("2010-12-01T", "2010-13-01T", "is no date"),
            ("gzip", "zip", "there is no compression \"zip\""),
            ("{", "[", "at line 2 column"),
        ] {
            fs::write(path(FILE_NAME), text.replacen(from, to, 1)).unwrap();
            assert!(said().contains(reason), "{}", said());
        }
    }
}
