//! One CSV file, exactly once: `DIR/NAME.csv` for the rows, `DIR/NAME.csv.epoch` for the epoch they
//! reach to.
//!
//! *Append*: rows are added and synced first, then the manifest is replaced; a kill in between
//! leaves rows past the manifest's length, which the next start cuts off. *Complete*: the whole
//! file is written under a hidden name that holds the epoch, then the manifest is replaced (this is
//! the commit), then the hidden file takes the file's name; a kill before the last step is put
//! right at the next start. Timestamps are RFC 3339 in UTC, null is an empty field.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema};

use super::files::{self, Manifest};
use super::{EpochOutput, Guarantee, OutputMode, OutputTable, Sink, cells};
use crate::Error;
use crate::origin::Origin;

/// A CSV file that grows (append) or is replaced (complete) with every epoch.
pub struct CsvSink {
    table: OutputTable,
    data: PathBuf,
    manifest_path: PathBuf,
    /// What is in the files; read once, when first needed.
    manifest: Option<Manifest>,
    /// Kept beside the epochs that are written.
    origin: Origin,
}

impl CsvSink {
    /// A sink for `folder/NAME.csv`; nothing is touched before the first call.
    ///
    /// # Errors
    /// In update mode, or when the table's name cannot name a file.
    pub fn new(folder: &Path, table: OutputTable) -> Result<Self, Error> {
        files::check_name(&table.name)?;
        if table.mode == OutputMode::Update {
            return Err(Error::Unsupported(
                "a CSV file cannot replace single rows: use --output-mode append or complete with \
                 --sink csv, or another sink for update"
                    .to_owned(),
            ));
        }
        if let Some(column) = table.schema.fields().iter().find(|f| f.data_type().is_nested()) {
            return Err(Error::Unsupported(format!(
                "a CSV file cannot hold column {}, which is {}: use --sink parquet for it",
                column.name(),
                column.data_type()
            )));
        }
        let data = folder.join(format!("{}.csv", table.name));
        let manifest_path = folder.join(format!("{}.csv.epoch", table.name));
        Ok(Self { table, data, manifest_path, manifest: None, origin: Origin::default() })
    }

    /// The file with the rows.
    pub fn path(&self) -> &Path {
        &self.data
    }

    /// The hidden file that holds the whole table of `epoch` until it takes the data file's name.
    fn pending(&self, epoch: u64) -> PathBuf {
        files::hidden(&self.data, &format!(".{epoch}"))
    }

    /// Puts right what a killed process left, and reads what is there.
    fn recover(&mut self) -> Result<Manifest, Error> {
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.clone());
        }
        files::create_folder(self.data.parent().unwrap_or(Path::new(".")))?;
        let name = self.name();
        let manifest = Manifest::read(&self.manifest_path, &name, &self.table)?;
        let length = files::length(&self.data)?;
        let manifest = match (manifest, length) {
            (Some(manifest), _) => manifest,
            (None, None) => {
                // Without this, a kill during the first epoch would leave a file that could be
                // anybody's.
                let empty = Manifest::empty(&self.table);
                empty.write(&self.manifest_path)?;
                empty
            }
            (None, Some(_)) => {
                return Err(
                    self.other("no job wrote it (there is no manifest beside it)".to_owned())
                );
            }
        };
        let pending = self.pending(manifest.epoch);
        if files::length(&pending)?.is_some() {
            files::rename(&pending, &self.data)?;
        }
        self.remove_pending()?;
        let length = files::length(&self.data)?.unwrap_or(0);
        if length < manifest.bytes {
            let reason = format!(
                "it has {length} bytes, but {} were written up to epoch {}: rows are lost",
                manifest.bytes, manifest.epoch
            );
            return Err(self.other(reason));
        }
        if length > manifest.bytes {
            files::cut(&self.data, manifest.bytes)?;
        }
        self.manifest = Some(manifest.clone());
        Ok(manifest)
    }

    fn remove_pending(&self) -> Result<(), Error> {
        let stem = format!(".{}.csv.", self.table.name);
        let folder = self.data.parent().unwrap_or(Path::new("."));
        for name in files::names_in(folder)? {
            let Some(rest) = name.strip_prefix(&stem) else { continue };
            if rest == "epoch.tmp" || (!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
            {
                files::remove(&folder.join(&name))?;
            }
        }
        Ok(())
    }

    fn other(&self, reason: String) -> Error {
        Error::OtherOutput { sink: self.name(), reason }
    }

    fn encode(&self, rows: &RecordBatch, header: bool) -> Result<Vec<u8>, Error> {
        let failed = |reason: String| Error::Encode { sink: self.name(), reason };
        let rows = with_text_times(rows).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut writer = WriterBuilder::new().with_header(header).build(&mut bytes);
        writer.write(&rows).map_err(|error| failed(error.to_string()))?;
        drop(writer);
        Ok(bytes)
    }

    fn commit_append(&self, old: &Manifest, output: EpochOutput<'_>) -> Result<u64, Error> {
        if output.rows().num_rows() == 0 {
            return Ok(old.bytes);
        }
        let bytes = self.encode(output.rows(), old.bytes == 0)?;
        let length = files::length(&self.data)?.unwrap_or(0);
        if length < old.bytes {
            return Err(self.other(format!("it became shorter ({length} bytes) while the job ran")));
        }
        files::write_at(&self.data, old.bytes, &bytes)?;
        Ok(old.bytes + bytes.len() as u64)
    }

    fn commit_complete(&self, output: EpochOutput<'_>) -> Result<u64, Error> {
        let bytes = self.encode(output.rows(), true)?;
        files::write_new(&self.pending(output.epoch), &bytes)?;
        Ok(bytes.len() as u64)
    }
}

/// The rows with timestamps as RFC 3339 text: the CSV writer would need a time zone database for
/// `UTC`.
fn with_text_times(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let schema = rows.schema();
    let mut fields = Vec::with_capacity(rows.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.num_columns());
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        let Some(times) = cells::timestamps_ms(column) else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
            continue;
        };
        let text = |ms: i64| cells::rfc3339(ms).ok_or_else(|| format!("{ms} ms is no date"));
        let texts: Result<Vec<_>, _> =
            times.into_iter().map(|ms| ms.map(text).transpose()).collect();
        fields.push(Field::new(field.name(), DataType::Utf8, true));
        columns.push(Arc::new(StringArray::from(texts?)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| error.to_string())
}

impl Sink for CsvSink {
    fn name(&self) -> String {
        format!("csv file {}", self.data.display())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn take_over(&mut self, origin: &Origin, _: u64) -> Result<(), Error> {
        self.origin = origin.clone();
        Ok(())
    }

    fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        Manifest::written_by(&self.manifest_path)
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(self.recover()?.last_epoch())
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let old = self.recover()?;
        old.check_next(&self.manifest_path, &self.name(), &self.table, output.epoch)?;
        // Whatever fails from here on, the next call looks at the files again.
        self.manifest = None;
        let bytes = match self.table.mode {
            OutputMode::Complete => self.commit_complete(output)?,
            OutputMode::Append | OutputMode::Update => self.commit_append(&old, output)?,
        };
        let new = Manifest {
            epoch: output.epoch,
            bytes,
            columns: old.columns,
            origin: self.origin.clone(),
        };
        new.write(&self.manifest_path)?;
        if self.table.mode == OutputMode::Complete {
            files::rename(&self.pending(output.epoch), &self.data)?;
        }
        self.manifest = Some(new);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.manifest = None;
        files::create_folder(self.data.parent().unwrap_or(Path::new(".")))?;
        // The manifest first: a kill after it leaves a file that the next start empties.
        let empty = Manifest::empty(&self.table);
        empty.write(&self.manifest_path)?;
        files::remove(&self.data)?;
        self.remove_pending()?;
        self.manifest = Some(empty);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
