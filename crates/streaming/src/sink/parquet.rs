//! Parquet files, exactly once: `DIR/NAME/epoch-000000000012.parquet` for every epoch with rows,
//! `_epoch.json` for the epoch they reach to. `SELECT * FROM 'DIR/NAME/*.parquet'` in DuckDB, or
//! `pandas.read_parquet("DIR/NAME")`, reads them.
//!
//! *Append*: the epoch's file takes its name, then the manifest is replaced; a kill in between
//! leaves a file of a later epoch than the manifest's, which the next start removes. *Complete*:
//! the new file is written under a hidden name, the manifest is replaced (this is the commit), then
//! the hidden file takes the old file's place and gets the epoch's name, so that a reader sees one
//! file at every instant; a kill in between is put right at the next start.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::files::{self, Manifest};
use super::{EpochOutput, Guarantee, OutputMode, OutputTable, Sink};
use crate::Error;
use crate::origin::Origin;

/// A folder of Parquet files.
pub struct ParquetSink {
    table: OutputTable,
    folder: PathBuf,
    manifest_path: PathBuf,
    /// What is in the files; read once, when first needed.
    manifest: Option<Manifest>,
    /// Kept beside the epochs that are written.
    origin: Origin,
}

/// The epoch in a name like `epoch-000000000012.parquet`.
fn epoch_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("epoch-")?.strip_suffix(".parquet")?;
    (digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

impl ParquetSink {
    /// A sink for the folder `folder/NAME`; nothing is touched before the first call.
    ///
    /// # Errors
    /// In update mode, or when the table's name cannot name a folder.
    pub fn new(folder: &Path, table: OutputTable) -> Result<Self, Error> {
        files::check_name(&table.name)?;
        if table.mode == OutputMode::Update {
            return Err(Error::Unsupported(
                "Parquet files cannot replace single rows: use --output-mode append or complete \
                 with --sink parquet, or another sink for update"
                    .to_owned(),
            ));
        }
        let folder = folder.join(&table.name);
        let manifest_path = folder.join("_epoch.json");
        Ok(Self { table, folder, manifest_path, manifest: None, origin: Origin::default() })
    }

    /// The folder with the files.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn file_of(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("epoch-{epoch:012}.parquet"))
    }

    /// Where an epoch's file is until it is whole.
    fn pending(&self, epoch: u64) -> PathBuf {
        files::hidden(&self.file_of(epoch), ".tmp")
    }

    /// The epochs that have a file that readers see.
    fn epochs(&self) -> Result<Vec<u64>, Error> {
        Ok(files::names_in(&self.folder)?.iter().filter_map(|name| epoch_of(name)).collect())
    }

    /// Puts right what a killed process left, and reads what is there.
    fn recover(&mut self) -> Result<Manifest, Error> {
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.clone());
        }
        files::create_folder(&self.folder)?;
        let manifest = match Manifest::read(&self.manifest_path, &self.name(), &self.table)? {
            Some(manifest) => manifest,
            None => {
                let names = files::names_in(&self.folder)?;
                if names.iter().any(|name| name.ends_with(".parquet") && !name.starts_with('.')) {
                    let reason = "no job wrote it (there is no _epoch.json in it)".to_owned();
                    return Err(Error::OtherOutput { sink: self.name(), reason });
                }
                let empty = Manifest::empty(&self.table);
                empty.write(&self.manifest_path)?;
                empty
            }
        };
        if self.table.mode == OutputMode::Complete && manifest.epoch > 0 {
            self.show_only(manifest.epoch)?;
        }
        for epoch in self.epochs()? {
            if epoch > manifest.epoch {
                files::remove(&self.file_of(epoch))?;
            }
        }
        self.remove_hidden()?;
        self.manifest = Some(manifest.clone());
        Ok(manifest)
    }

    /// Complete mode, after the commit: the pending file replaces the old one, which then gets its
    /// epoch's name.
    fn show_only(&self, epoch: u64) -> Result<(), Error> {
        let (pending, named) = (self.pending(epoch), self.file_of(epoch));
        let shown = self.epochs()?;
        let place = shown.first().map_or_else(|| named.clone(), |old| self.file_of(*old));
        if files::length(&pending)?.is_some() {
            files::rename(&pending, &place)?;
        } else if shown.is_empty() {
            let reason = format!("the file of epoch {epoch} is gone");
            return Err(Error::OtherOutput { sink: self.name(), reason });
        }
        if place != named {
            files::rename(&place, &named)?;
        }
        for other in shown.into_iter().skip(1).filter(|other| *other != epoch) {
            files::remove(&self.file_of(other))?;
        }
        Ok(())
    }

    fn remove_hidden(&self) -> Result<(), Error> {
        for name in files::names_in(&self.folder)? {
            if name == "._epoch.json.tmp" || (name.starts_with(".epoch-") && name.ends_with(".tmp"))
            {
                files::remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    fn encode(&self, rows: &RecordBatch) -> Result<Vec<u8>, Error> {
        let failed = |reason: String| Error::Encode { sink: self.name(), reason };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut bytes = Vec::new();
        let encode = || -> parquet::errors::Result<()> {
            let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties))?;
            writer.write(rows)?;
            writer.close().map(drop)
        };
        encode().map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }
}

impl Sink for ParquetSink {
    fn name(&self) -> String {
        format!("parquet folder {}", self.folder.display())
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
        let complete = self.table.mode == OutputMode::Complete;
        let mut new = Manifest {
            epoch: output.epoch,
            bytes: 0,
            columns: old.columns,
            origin: self.origin.clone(),
        };
        if complete || output.rows().num_rows() > 0 {
            let bytes = self.encode(output.rows())?;
            new.bytes = bytes.len() as u64;
            files::write_new(&self.pending(output.epoch), &bytes)?;
            if !complete {
                files::rename(&self.pending(output.epoch), &self.file_of(output.epoch))?;
            }
        }
        new.write(&self.manifest_path)?;
        if complete {
            self.show_only(output.epoch)?;
        }
        self.manifest = Some(new);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.manifest = None;
        files::create_folder(&self.folder)?;
        // The manifest first: what a kill leaves after it is of a later epoch and goes at the next
        // start.
        let empty = Manifest::empty(&self.table);
        empty.write(&self.manifest_path)?;
        for epoch in self.epochs()? {
            files::remove(&self.file_of(epoch))?;
        }
        self.remove_hidden()?;
        self.manifest = Some(empty);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
