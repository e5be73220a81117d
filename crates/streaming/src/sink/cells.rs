//! Values as people read them: grouped digits, times of day, windows as spans.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimeUnit, UInt64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use arus_runtime::number::group_digits;

/// The columns every output table begins with.
pub(super) const WINDOW_START: &str = "window_start";
/// See [`WINDOW_START`].
pub(super) const WINDOW_END: &str = "window_end";

/// The instant of a millisecond timestamp; `None` outside the years that can be written.
pub(super) fn instant(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

/// `2026-11-23T12:00:30.000Z`.
pub(super) fn rfc3339(ms: i64) -> Option<String> {
    instant(ms).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `12:00:30`, or `12:00:30.250` where there are milliseconds.
pub(super) fn time_of_day(ms: i64) -> String {
    let form = if ms.rem_euclid(1_000) == 0 { "%H:%M:%S" } else { "%H:%M:%S%.3f" };
    instant(ms).map_or_else(|| format!("{ms} ms"), |at| at.format(form).to_string())
}

/// `12:00:30 – 12:01:00`, UTC.
pub(super) fn span(start_ms: i64, end_ms: i64) -> String {
    format!("{} – {}", time_of_day(start_ms), time_of_day(end_ms))
}

/// The day of a timestamp, UTC.
pub(super) fn day(ms: i64) -> Option<NaiveDate> {
    instant(ms).map(|at| at.date_naive())
}

/// The values of a column as milliseconds, if it holds timestamps.
pub(super) fn timestamps_ms(column: &ArrayRef) -> Option<Vec<Option<i64>>> {
    let DataType::Timestamp(_, zone) = column.data_type() else { return None };
    let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
    let column = cast(column, &milliseconds).ok()?;
    let values = column.as_primitive::<arrow::datatypes::TimestampMillisecondType>();
    Some(values.iter().collect())
}

/// The windows of the rows, if the rows have any.
pub(super) fn windows(rows: &RecordBatch) -> Option<Vec<(i64, i64)>> {
    let starts = timestamps_ms(rows.column_by_name(WINDOW_START)?)?;
    let ends = timestamps_ms(rows.column_by_name(WINDOW_END)?)?;
    starts.into_iter().zip(ends).map(|(start, end)| Some((start?, end?))).collect()
}

/// The columns other than the window's two, by index.
pub(super) fn columns_after_window(schema: &Schema) -> Vec<usize> {
    let is_window = |field: &Field| field.name() == WINDOW_START || field.name() == WINDOW_END;
    (0..schema.fields().len()).filter(|index| !is_window(schema.field(*index))).collect()
}

/// Whether a column is shown to the right, as numbers are.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// The whole numbers of a column that holds such; 0 for null.
pub(super) fn integers(column: &ArrayRef) -> Option<Vec<i64>> {
    if !column.data_type().is_integer() {
        return None;
    }
    let wide = cast(column, &DataType::Int64).ok()?;
    Some(wide.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect())
}

/// One value: `1,234,567`, `12.50`, `Sofa`; `–` for null.
pub(super) fn text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "–".to_owned();
    }
    let one = column.slice(row, 1);
    let data_type = column.data_type();
    if data_type.is_unsigned_integer() {
        if let Ok(wide) = cast(&one, &DataType::UInt64) {
            return group_digits(wide.as_primitive::<UInt64Type>().value(0));
        }
    } else if data_type.is_signed_integer() {
        if let Ok(wide) = cast(&one, &DataType::Int64) {
            return signed(wide.as_primitive::<Int64Type>().value(0));
        }
    } else if data_type.is_floating() {
        if let Ok(wide) = cast(&one, &DataType::Float64) {
            return decimal(wide.as_primitive::<Float64Type>().value(0));
        }
    } else if let Some(Some(ms)) = timestamps_ms(&one).map(|values| values[0]) {
        return rfc3339(ms).unwrap_or_else(|| format!("{ms} ms"));
    }
    let plain = ArrayFormatter::try_new(&one, &FormatOptions::default())
        .map_or_else(|_| "?".to_owned(), |formatter| formatter.value(0).to_string());
    // A group's name comes from outside: it must not move the cursor or recolour the terminal.
    plain.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

/// One value in few cells: numbers from 100,000 on in three digits, as `123K`, `1.23M`, `12.3B`;
/// smaller ones without decimals. Others as [`text`] has them.
pub(super) fn short_text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) || !is_number(column.data_type()) {
        return text(column, row);
    }
    match cast(&column.slice(row, 1), &DataType::Float64) {
        Ok(wide) => rounded(wide.as_primitive::<Float64Type>().value(0)),
        Err(_) => text(column, row),
    }
}

fn rounded(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e3, "K"), (1e6, "M"), (1e9, "B"), (1e12, "T")];
    let size = value.abs();
    if !(1.0..1e15).contains(&size) {
        return if value == 0.0 { "0".to_owned() } else { decimal(value) };
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if size < 99_999.5 {
        let whole = format!("{size:.0}");
        return format!("{sign}{}", whole.parse().map_or(whole, group_digits));
    }
    // The unit in which the number, once rounded, has one to three digits before its point.
    let unit = UNITS.iter().rev().find(|(unit, _)| size >= unit * 0.999_5);
    let (unit, name) = unit.copied().unwrap_or(UNITS[0]);
    let scaled = size / unit;
    let decimals = match scaled {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{sign}{scaled:.decimals$}{name}")
}

fn signed(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", group_digits(value.unsigned_abs()))
}

/// Two decimals with grouped digits; very large and very small ones as they are.
fn decimal(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size >= 1e15 || (size > 0.0 && size < 0.01) {
        return format!("{value:e}").replace("inf", "∞");
    }
    let text = format!("{size:.2}");
    let (whole, fraction) = text.split_once('.').expect("two decimals were asked for");
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), group_digits);
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int32Array, StringArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn values() {
        let cases: [(ArrayRef, &str); 9] = [
            (Arc::new(Int32Array::from(vec![-1_234_567])), "-1,234,567"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18,446,744,073,709,551,615"),
            (Arc::new(Float64Array::from(vec![1_234.567])), "1,234.57"),
            (Arc::new(Float64Array::from(vec![-0.5])), "-0.50"),
            (Arc::new(Float64Array::from(vec![0.0001])), "1e-4"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN"),
            (Arc::new(StringArray::from(vec!["Sofa"])), "Sofa"),
            (Arc::new(StringArray::from(vec!["a\u{1b}[31m\nb"])), "a·[31m·b"),
            (Arc::new(Int32Array::from(vec![None])), "–"),
        ];
        for (column, expected) in cases {
            assert_eq!(text(&column, 0), expected);
        }
    }

    #[test]
    fn short_values() {
        let cases: [(ArrayRef, &str); 16] = [
            (Arc::new(Int32Array::from(vec![0])), "0"),
            (Arc::new(Int32Array::from(vec![-99_999])), "-99,999"),
            (Arc::new(Float64Array::from(vec![12_345.67])), "12,346"),
            (Arc::new(Float64Array::from(vec![99_999.6])), "100K"),
            (Arc::new(Int32Array::from(vec![123_456])), "123K"),
            (Arc::new(Int32Array::from(vec![999_499])), "999K"),
            (Arc::new(Int32Array::from(vec![999_500])), "1.00M"),
            (Arc::new(Int32Array::from(vec![-1_234_567])), "-1.23M"),
            (Arc::new(Int32Array::from(vec![9_995_000])), "10.0M"),
            (Arc::new(Float64Array::from(vec![12_345_678_901.5])), "12.3B"),
            (Arc::new(Float64Array::from(vec![7.2e13])), "72.0T"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "1.8446744073709552e19"),
            (Arc::new(Float64Array::from(vec![0.25])), "0.25"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN"),
            (Arc::new(StringArray::from(vec!["123456"])), "123456"),
            (Arc::new(Int32Array::from(vec![None])), "–"),
        ];
        for (column, expected) in cases {
            assert_eq!(short_text(&column, 0), expected);
        }
    }

    #[test]
    fn times() {
        assert_eq!(span(1_795_435_230_000, 1_795_435_260_000), "12:00:30 – 12:01:00");
        assert_eq!(time_of_day(250), "00:00:00.250");
        assert_eq!(time_of_day(-1), "23:59:59.999");
        assert_eq!(time_of_day(i64::MAX), "9223372036854775807 ms");
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00.000Z");
    }
}
