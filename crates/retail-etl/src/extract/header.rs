//! The header: which column stands where.

use std::fmt::Write as _;
use std::path::Path;

use crate::Error;
use crate::extract::records::Field;

/// The columns that are read, by their names in the header. Others may stand beside them.
pub(crate) const COLUMNS: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// The places of [`COLUMNS`] in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Of each column, the place of its field.
    pub(crate) places: [usize; COLUMNS.len()],
    /// Fields of a row, those of other columns too.
    pub(crate) width: usize,
}

impl Columns {
    /// Finds the columns in the header's fields.
    pub(crate) fn find(file: &Path, text: &[u8], fields: &[Field]) -> Result<Self, Error> {
        let names: Vec<String> = fields.iter().map(|field| name(text, field)).collect();
        let failed = |reason: String| Error::Header { file: file.to_owned(), reason };
        let mut places = [0; COLUMNS.len()];
        let mut missing = Vec::new();
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == column);
            match (found.next(), found.next()) {
                (Some((at, _)), None) => *place = at,
                (None, _) => missing.push(column),
                (Some(_), Some(_)) => {
                    return Err(failed(format!(
                        "the header names column {column} more than once ({}): leave one",
                        listed(&names)
                    )));
                }
            }
        }
        if !missing.is_empty() {
            let columns = if missing.len() == 1 { "column" } else { "columns" };
            return Err(failed(format!(
                "the header has no {columns} {} (it has {}): {}",
                missing.join(", "),
                listed(&names),
                hint(&names)
            )));
        }
        let others: Vec<_> =
            names.iter().map(String::as_str).filter(|name| !COLUMNS.contains(name)).collect();
        if !others.is_empty() {
            let columns = others.join(", ");
            tracing::info!(file = %file.display(), columns, "columns that are not used");
        }
        Ok(Self { places, width: names.len() })
    }

    /// The places of what a row says of its invoice: number, date, customer and country.
    #[inline]
    pub(crate) fn of_invoice(&self) -> [usize; 4] {
        let [invoice_no, _, _, _, date, _, customer, country] = self.places;
        [invoice_no, date, customer, country]
    }

    /// The places of the rest: stock code, description, quantity and price.
    #[inline]
    pub(crate) fn of_item(&self) -> [usize; 4] {
        let [_, stock_code, description, quantity, _, price, _, _] = self.places;
        [stock_code, description, quantity, price]
    }

    /// The error of a file without a header.
    pub(crate) fn absent(file: &Path) -> Error {
        let reason = format!("the file is empty: its first line must name {}", COLUMNS.join(", "));
        Error::Header { file: file.to_owned(), reason }
    }
}

/// What to do about a header that lacks columns.
fn hint(names: &[String]) -> String {
    let has = |found: char| names.iter().any(|name| name.contains(found));
    for (separator, called) in [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")] {
        if has(separator) {
            return format!("columns seem to be separated by {called}: save the file with commas");
        }
    }
    match has('\r') {
        true => "lines seem to end with CR alone: save the file with LF or CRLF".to_owned(),
        false => format!("the first line must name {}", COLUMNS.join(", ")),
    }
}

fn name(text: &[u8], field: &Field) -> String {
    String::from_utf8_lossy(&text[field.start..field.end]).trim().to_owned()
}

/// The names as they were found; a file that is no CSV has strange ones, so only the beginning.
fn listed(names: &[String]) -> String {
    const MOST: usize = 200;
    let mut list = String::new();
    for (i, name) in names.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(list, "{comma}{}", name.escape_debug());
        if list.len() > MOST {
            let end = (0..=MOST).rev().find(|&at| list.is_char_boundary(at)).unwrap_or(0);
            list.truncate(end);
            list.push('…');
            break;
        }
    }
    list
}
