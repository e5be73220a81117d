//! A table as CSV: a header spelt as the columns, numbers plain, an empty field for null.

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder;

use crate::Error;
use crate::tables::TableShape;

/// The whole file.
pub(crate) fn encode(shape: &TableShape, rows: &RecordBatch) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_header(true).build(&mut bytes);
    let written = writer.write(rows);
    drop(writer);
    let failed = |reason| Error::Encode { table: shape.name, form: "CSV", reason };
    written.map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}
