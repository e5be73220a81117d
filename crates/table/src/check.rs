//! Whether rows fit the table, before anything is done with them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{FieldRef, SchemaRef};

use crate::Error;

/// Which rows are deletions; null is none.
pub(crate) fn deletions(deleted: &ArrayRef) -> BooleanArray {
    match deleted.as_boolean() {
        deleted if deleted.null_count() > 0 => prep_null_mask_filter(deleted),
        deleted => deleted.clone(),
    }
}

/// The values of a 64-bit column.
pub(crate) fn integers(array: &ArrayRef) -> ScalarBuffer<i64> {
    let data = array.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// Refuses rows whose columns are not those expected, by name and type.
pub(crate) fn check_shape(expected: &SchemaRef, rows: &RecordBatch) -> Result<(), Error> {
    let found = rows.schema_ref();
    let same = |(one, other): (&FieldRef, &FieldRef)| {
        one.name() == other.name() && one.data_type() == other.data_type()
    };
    let fits = Arc::ptr_eq(expected, found)
        || expected.fields().len() == found.fields().len()
            && expected.fields().iter().zip(found.fields()).all(same);
    let say = |schema: &SchemaRef| {
        let fields = schema.fields().iter();
        fields.map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>().join(", ")
    };
    match fits {
        true => Ok(()),
        false => Err(Error::RowShape { expected: say(expected), found: say(found) }),
    }
}

/// Refuses nulls in rows that are no deletions.
pub(crate) fn check_present(
    values: &ArrayRef,
    deleted: Option<&BooleanArray>,
    column: &str,
) -> Result<(), Error> {
    let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(()) };
    let excused = |row: usize| deleted.is_some_and(|deleted| deleted.value(row));
    match (0..values.len()).find(|&row| nulls.is_null(row) && !excused(row)) {
        None => Ok(()),
        Some(row) => Err(Error::MissingValue { row, column: column.to_owned() }),
    }
}
