//! What `retail-etl run` prints at its end: the months, what became of the rows, and where
//! everything is. Never wider than 80 columns, but for long paths.

use std::fmt::Write as _;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int32Type, Int64Type};
use arus_runtime::number::group_digits;

use crate::quality::{FileRead, Quality};
use crate::run::RunResult;
use crate::tables::{MONEY_SCALE, Tables};

/// What is printed when there was nothing to do.
pub const UNCHANGED: &str = "The input and the results are as the last run left them: nothing to do\n\
                             (--force runs anyway).";

/// Months that are shown; of more, the last.
const MONTHS: usize = 24;
/// Files that are shown one by one.
const FILES: usize = 5;

/// The whole text, with a line break at its end.
#[must_use]
pub fn summary(result: &RunResult) -> String {
    let mut text = String::new();
    months(&mut text, &result.tables);
    text.push('\n');
    rows(&mut text, &result.quality);
    text.push('\n');
    for place in &result.places {
        line(&mut text, place.what, &place.place);
    }
    line(&mut text, "took", &seconds(result.took));
    text
}

/// A name, and what there is to say under it.
fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "  {name:<9} {value}");
}

/// One row a month. The two tables have the same months, in the same order.
fn months(text: &mut String, tables: &Tables) {
    let (customers, sales) = (&tables.new_and_returning, &tables.monthly_sales);
    let count = customers.num_rows();
    let first = count.saturating_sub(MONTHS);
    let _ = writeln!(
        text,
        "  {:<8}{:>10}{:>10}{:>11}{:>10}{:>18}",
        "month", "customers", "new", "returning", "orders", "revenue"
    );
    if first > 0 {
        let _ =
            writeln!(text, "  … {} earlier months are in the tables", group_digits(first as u64));
    }
    for row in first..count {
        let part = |name| customers.column_by_name(name).map(|it| it.as_primitive::<Int32Type>());
        let part = |name| part(name).map_or(0, |it| it.value(row));
        let _ = writeln!(
            text,
            "  {:04}-{:02} {:>10}{:>10}{:>11}{:>10}{:>18}",
            part("InvoiceYear"),
            part("InvoiceMonth"),
            integer(customers, "unique_customers", row),
            integer(customers, "new_customers", row),
            integer(customers, "returning_customers", row),
            integer(sales, "orders", row),
            money(sales, "revenue", row),
        );
    }
    if count == 0 {
        let _ = writeln!(text, "  no rows");
    }
}

fn rows(text: &mut String, quality: &Quality) {
    for file in quality.files.iter().take(FILES) {
        line(text, "input", &about(file));
    }
    if let Some(more) = quality.files.len().checked_sub(FILES).filter(|more| *more > 0) {
        line(text, "", &format!("and {} more files", group_digits(more as u64)));
    }
    line(
        text,
        "rows",
        &format!(
            "{} = {} loaded + {} rejected",
            group_digits(quality.rows),
            group_digits(quality.loaded),
            group_digits(quality.rejected),
        ),
    );
    for (rule, count) in &quality.rejected_by_rule {
        line(text, "", &format!("{} rejected: {rule}", group_digits(*count)));
    }
    let warnings = quality.warnings;
    let said = [
        (warnings.missing_customer, "without a customer"),
        (warnings.cancelled, "cancelled"),
        (warnings.zero_price, "at no price"),
        (warnings.duplicates, "exact copies"),
    ];
    let said: Vec<String> = said
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", group_digits(*count)))
        .collect();
    if !said.is_empty() {
        line(text, "of these", &said.join(", "));
    }
}

fn about(file: &FileRead) -> String {
    format!("{} ({}, {})", file.path.display(), file.encoding, size(file.bytes))
}

/// `45.6 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn integer(rows: &RecordBatch, name: &str, row: usize) -> String {
    let value = rows.column_by_name(name).map(|it| it.as_primitive::<Int64Type>().value(row));
    let value = value.unwrap_or_default();
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", group_digits(value.unsigned_abs()))
}

/// Pounds with two digits, rounded half up; `–` for null.
fn money(rows: &RecordBatch, name: &str, row: usize) -> String {
    let Some(column) = rows.column_by_name(name).filter(|column| column.is_valid(row)) else {
        return "–".to_owned();
    };
    let value = column.as_primitive::<Decimal128Type>().value(row);
    let unit = 10_u128.pow(MONEY_SCALE.unsigned_abs().into());
    let cents = (value.unsigned_abs() * 100 + unit / 2) / unit;
    let sign = if value < 0 && cents > 0 { "-" } else { "" };
    let pounds = u64::try_from(cents / 100).unwrap_or(u64::MAX);
    format!("{sign}{}.{:02}", group_digits(pounds), cents % 100)
}

#[cfg(test)]
mod tests;
