//! A table as Parquet, compressed by zstd.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::Error;
use crate::tables::TableShape;

/// The whole file.
pub(super) fn encode(shape: &TableShape, rows: &RecordBatch) -> Result<Vec<u8>, Error> {
    let failed = |reason| Error::Encode { table: shape.name, form: "Parquet", reason };
    try_encode(rows).map_err(|error| failed(error.to_string()))
}

fn try_encode(rows: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties))?;
    writer.write(rows)?;
    writer.close()?;
    Ok(bytes)
}
