//! Record batches on their way to and from a database: each column in one of seven plain forms.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::row::{RowConverter, SortField};

use crate::table::{Column, Kind, Layout};
use crate::{Error, TableWrite};

/// The days and microseconds of 0001-01-01 and 9999-12-31: text sorts as time and both databases
/// can hold it.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// A column's values as the databases take them; decimals are text.
#[derive(Clone, Debug)]
pub(crate) enum Cells {
    Integer(Int64Array),
    Float(Float64Array),
    Text(StringArray),
    Boolean(BooleanArray),
    Bytes(BinaryArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
}

/// What to do with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Upsert,
    Delete,
    Replace,
    Load,
}

/// A [`TableWrite`], checked: no value in it is one that a database would refuse, no key comes
/// twice.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) action: Action,
    pub(crate) layout: Layout<'a>,
    /// In the order of the layout's columns; of its key for [`Action::Delete`].
    pub(crate) cells: Vec<Cells>,
    pub(crate) len: usize,
}

impl<'a> Change<'a> {
    pub(crate) fn of(write: &TableWrite<'a>) -> Result<Self, Error> {
        let (action, table, batch) = match *write {
            TableWrite::Upsert { table, rows } => (Action::Upsert, table, rows),
            TableWrite::Delete { table, keys } => (Action::Delete, table, keys),
            TableWrite::Replace { table, rows } => (Action::Replace, table, rows),
            TableWrite::Load { table, rows } => (Action::Load, table, rows),
        };
        let layout = Layout::of(table)?;
        let columns = if action == Action::Delete { &layout.key } else { &layout.columns };
        let arrays = pick(&layout, columns, batch)?;
        let mut cells = Vec::with_capacity(columns.len());
        for (column, array) in columns.iter().zip(arrays) {
            let invalid = |(row, reason): (usize, String)| Error::InvalidValue {
                table: layout.name.to_string(),
                column: column.name.to_string(),
                row,
                reason,
            };
            let is_key = layout.key.iter().any(|key| key.name == column.name);
            if is_key && let Some(row) = (0..array.len()).find(|&row| array.is_null(row)) {
                return Err(invalid((row, "is null and belongs to the key".to_string())));
            }
            cells.push(Cells::of(array, column.kind).map_err(invalid)?);
        }
        let mut change = Self { action, layout, cells, len: batch.num_rows() };
        change.keep_last_of_each_key()?;
        Ok(change)
    }

    /// PostgreSQL's `ON CONFLICT` cannot touch one row twice, so of rows with one key only the last
    /// stays.
    fn keep_last_of_each_key(&mut self) -> Result<(), Error> {
        let columns =
            if self.action == Action::Delete { &self.layout.key } else { &self.layout.columns };
        let keys: Vec<ArrayRef> = columns
            .iter()
            .zip(&self.cells)
            .filter(|(column, _)| self.layout.key.iter().any(|key| key.name == column.name))
            .map(|(_, cells)| cells.array())
            .collect();
        let misfit = |error: arrow::error::ArrowError| Error::BatchShape {
            table: self.layout.name.to_string(),
            reason: error.to_string(),
        };
        let fields = keys.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let rows = RowConverter::new(fields)
            .and_then(|converter| converter.convert_columns(&keys))
            .map_err(misfit)?;
        let mut seen = HashSet::with_capacity(self.len);
        let mut kept: Vec<u64> = Vec::new();
        for row in (0..self.len).rev() {
            if seen.insert(rows.row(row)) {
                kept.push(row as u64);
            }
        }
        if kept.len() == self.len {
            return Ok(());
        }
        kept.reverse();
        let kept = UInt64Array::from(kept);
        let cells: Result<Vec<Cells>, _> =
            self.cells.iter().map(|cells| cells.take(&kept)).collect();
        self.cells = cells.map_err(misfit)?;
        self.len = kept.len();
        Ok(())
    }
}

/// The batch's arrays in the order of `columns`; it must have exactly these.
fn pick<'b>(
    layout: &Layout<'_>,
    columns: &[Column<'_>],
    batch: &'b RecordBatch,
) -> Result<Vec<&'b ArrayRef>, Error> {
    let misfit = |reason: String| Error::BatchShape { table: layout.name.to_string(), reason };
    let schema = batch.schema_ref();
    for field in schema.fields() {
        if !columns.iter().any(|column| column.name == field.name()) {
            return Err(misfit(format!("column {:?} is not expected", field.name())));
        }
    }
    if schema.fields().len() != columns.len() {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        return Err(misfit(format!("the columns {} are expected, each once", names.join(", "))));
    }
    let mut arrays = Vec::with_capacity(columns.len());
    for Column { name, data_type, .. } in columns {
        let array = batch
            .column_by_name(name)
            .ok_or_else(|| misfit(format!("column {name:?} is missing")))?;
        if array.data_type() != *data_type {
            let found = array.data_type();
            return Err(misfit(format!("column {name:?} is {found}, not {data_type}")));
        }
        arrays.push(array);
    }
    Ok(arrays)
}

impl Cells {
    /// The array's values, or the first row that cannot be kept and why.
    fn of(array: &ArrayRef, kind: Kind) -> Result<Self, (usize, String)> {
        let whole = |error: arrow::error::ArrowError| (0, format!("cannot be read: {error}"));
        Ok(match kind {
            Kind::Integer => {
                if let Some(values) = array.as_any().downcast_ref::<UInt64Array>() {
                    refuse(
                        values.iter(),
                        |value| i64::try_from(value).is_err(),
                        |value| format!("holds {value}, and {} is the most", i64::MAX),
                    )?;
                }
                let array = convert(array, &DataType::Int64).map_err(whole)?;
                Cells::Integer(array.as_primitive::<Int64Type>().clone())
            }
            Kind::Float => {
                let array = convert(array, &DataType::Float64).map_err(whole)?;
                Cells::Float(array.as_primitive::<Float64Type>().clone())
            }
            Kind::Text | Kind::Decimal { .. } => {
                let array = convert(array, &DataType::Utf8).map_err(whole)?;
                let array = array.as_string::<i32>().clone();
                refuse(
                    array.iter(),
                    |text| text.as_bytes().contains(&0),
                    |_| {
                        "holds a NUL character, which PostgreSQL cannot keep; remove it".to_string()
                    },
                )?;
                Cells::Text(array)
            }
            Kind::Boolean => Cells::Boolean(array.as_boolean().clone()),
            Kind::Bytes => {
                let array = convert(array, &DataType::Binary).map_err(whole)?;
                Cells::Bytes(array.as_binary::<i32>().clone())
            }
            Kind::Date => {
                let array = array.as_primitive::<Date32Type>().clone();
                refuse(
                    array.iter(),
                    |day| !DAYS.contains(&day),
                    |day| format!("holds day {day}, which is not in the years 1 to 9999"),
                )?;
                Cells::Date(array)
            }
            Kind::Timestamp(unit) => Cells::Timestamp(to_micros(array, unit)?),
        })
    }

    fn array(&self) -> ArrayRef {
        match self {
            Cells::Integer(array) => Arc::new(array.clone()),
            Cells::Float(array) => Arc::new(array.clone()),
            Cells::Text(array) => Arc::new(array.clone()),
            Cells::Boolean(array) => Arc::new(array.clone()),
            Cells::Bytes(array) => Arc::new(array.clone()),
            Cells::Date(array) => Arc::new(array.clone()),
            Cells::Timestamp(array) => Arc::new(array.clone()),
        }
    }

    fn take(&self, rows: &UInt64Array) -> Result<Self, arrow::error::ArrowError> {
        let taken = take(&self.array(), rows, None)?;
        Ok(match self {
            Cells::Integer(_) => Cells::Integer(taken.as_primitive().clone()),
            Cells::Float(_) => Cells::Float(taken.as_primitive().clone()),
            Cells::Text(_) => Cells::Text(taken.as_string().clone()),
            Cells::Boolean(_) => Cells::Boolean(taken.as_boolean().clone()),
            Cells::Bytes(_) => Cells::Bytes(taken.as_binary().clone()),
            Cells::Date(_) => Cells::Date(taken.as_primitive().clone()),
            Cells::Timestamp(_) => Cells::Timestamp(taken.as_primitive().clone()),
        })
    }

    /// The values read from a database, in the column's own Arrow type.
    fn into_array(self, column: &Column<'_>) -> Result<ArrayRef, arrow::error::ArrowError> {
        let array = match (&self, column.kind) {
            (Cells::Timestamp(micros), Kind::Timestamp(unit)) => {
                let in_unit: Int64Array = micros.unary(|micros| match unit {
                    TimeUnit::Second => micros.div_euclid(1_000_000),
                    TimeUnit::Millisecond => micros.div_euclid(1_000),
                    TimeUnit::Microsecond => micros,
                    // What was written fits; what others wrote may not.
                    TimeUnit::Nanosecond => micros.saturating_mul(1_000),
                });
                Arc::new(in_unit)
            }
            _ => self.array(),
        };
        convert(&array, column.data_type)
    }
}

/// The batch of a table's rows as read, column by column.
pub(crate) fn to_batch(
    table: &crate::TableSpec,
    layout: &Layout<'_>,
    cells: Vec<Cells>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let arrays: Result<Vec<ArrayRef>, _> = cells
        .into_iter()
        .zip(&layout.columns)
        .map(|(cells, column)| cells.into_array(column))
        .collect();
    RecordBatch::try_new(table.schema.clone(), arrays?)
}

/// A cast that fails where a value does not fit, instead of making it null.
fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &strict)
}

/// The first value that `bad` finds, as the row and what `say` says of it.
fn refuse<T: Copy>(
    values: impl Iterator<Item = Option<T>>,
    bad: impl Fn(T) -> bool,
    say: impl Fn(T) -> String,
) -> Result<(), (usize, String)> {
    for (row, value) in values.enumerate() {
        if let Some(value) = value
            && bad(value)
        {
            return Err((row, say(value)));
        }
    }
    Ok(())
}

fn to_micros(
    array: &ArrayRef,
    unit: TimeUnit,
) -> Result<TimestampMicrosecondArray, (usize, String)> {
    let in_unit = convert(array, &DataType::Int64).map_err(|error| (0, error.to_string()))?;
    let in_unit = in_unit.as_primitive::<Int64Type>();
    let micros = |value: i64| match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    };
    refuse(
        in_unit.iter(),
        |value| !micros(value).is_some_and(|m| MICROS.contains(&m)),
        |value| format!("holds instant {value}, which is not in the years 1 to 9999"),
    )?;
    if unit == TimeUnit::Nanosecond {
        refuse(
            in_unit.iter(),
            |value| value.rem_euclid(1_000) != 0,
            |value| format!("holds nanosecond {value}, which is not a whole microsecond; round it"),
        )?;
    }
    Ok(in_unit.unary::<_, TimestampMicrosecondType>(|value| micros(value).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_years_1_to_9999() {
        let day = |y, m, d| {
            let date = chrono::NaiveDate::from_ymd_opt(y, m, d).unwrap();
            date.signed_duration_since(chrono::DateTime::UNIX_EPOCH.date_naive()).num_days()
        };
        assert_eq!(i64::from(*DAYS.start()), day(1, 1, 1));
        assert_eq!(i64::from(*DAYS.end()), day(9999, 12, 31));
        assert_eq!(*MICROS.start(), day(1, 1, 1) * 86_400_000_000);
        assert_eq!(*MICROS.end(), (day(9999, 12, 31) + 1) * 86_400_000_000 - 1);
    }
}
