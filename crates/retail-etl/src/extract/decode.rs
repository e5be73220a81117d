//! From a block of text to invoice lines: the rules are applied here.

use std::borrow::Cow;
use std::mem::take;

use memchr::memchr;

use crate::check::Reject;
use crate::check::rules::{self, Broken, Rule};
use crate::extract::blocks::Block;
use crate::extract::date::{self, DateFormat};
use crate::extract::encoding::to_utf8;
use crate::extract::header::Columns;
use crate::extract::number;
use crate::extract::records::{Field, Marks, Records};
use crate::invoice_lines::{DateTime, InvoiceLines, Line, LinesBuilder};
use crate::quality::Warnings;
use crate::words::same;

/// Of a value that cannot be read, a reason tells so many characters.
const TOLD: usize = 40;

/// What a block held.
pub(crate) struct Decoded {
    /// The rows that are good, in order.
    pub(crate) lines: InvoiceLines,
    /// All rows.
    pub(crate) rows: u64,
    /// The rows that are not, in order.
    pub(crate) rejects: Vec<Reject>,
    /// Of the good rows; duplicates are counted elsewhere.
    pub(crate) warnings: Warnings,
}

/// Decodes blocks, of one file after the other.
pub(crate) struct Decoder {
    columns: Columns,
    date_format: DateFormat,
    lines: LinesBuilder,
    marks: Marks,
    fields: Vec<Field>,
    last_date: Last<DateTime>,
    last_customer: Last<i64>,
}

/// The last text that was read, and its value: the lines of an invoice have the same date and customer.
struct Last<T> {
    text: Vec<u8>,
    value: Option<T>,
}

impl Decoder {
    /// For files with dates like these. Decoders that work together must have different numbers.
    pub(crate) fn new(number: usize, date_format: DateFormat) -> Self {
        Self {
            columns: Columns::default(),
            date_format,
            lines: LinesBuilder::new(number),
            marks: Marks::default(),
            fields: Vec::new(),
            last_date: Last::default(),
            last_customer: Last::default(),
        }
    }

    /// The blocks to come are of a file with these columns.
    pub(crate) fn begin(&mut self, columns: &Columns) {
        self.columns = columns.clone();
    }

    /// Decodes a block.
    pub(crate) fn decode(&mut self, block: &Block) -> Decoded {
        let bytes = to_utf8(&block.bytes[block.start..], block.encoding);
        // Checked as a whole, which is quick; only where that fails, row by row.
        let whole = std::str::from_utf8(&bytes).ok();
        let has_nul = memchr(0, &bytes).is_some();
        let mut warnings = Warnings::default();
        let (mut rows, mut rejects) = (0, Vec::new());
        let (mut marks, mut fields) = (take(&mut self.marks), take(&mut self.fields));
        marks.find(&bytes);
        let mut records = Records::new(&bytes, block.line, self.columns.width, &marks);
        while let Some(record) = records.next(&mut fields) {
            rows += 1;
            let text = match whole {
                Some(text) => Ok(&text[record.start..record.end]),
                None => std::str::from_utf8(&bytes[record.start..record.end]),
            };
            let taken = match text {
                _ if record.broken => Err(rules::QUOTES.broken(
                    "a quote begins a field of this line and is not closed before a comma or the \
                     line's end",
                )),
                Ok(text) if has_nul && text.contains('\0') => Err(rules::NUL
                    .broken("the row holds a NUL character, which no database takes as text")),
                Ok(text) => self.take(text, record.start, &fields, &mut warnings),
                Err(error) => Err(rules::ENCODING.broken(format!(
                    "byte {} of the row is not valid UTF-8, which the file is; convert the file, \
                     or say --encoding iso-8859-1",
                    error.valid_up_to() + 1
                ))),
            };
            if let Err(broken) = taken {
                let row = kept(&bytes[record.start..record.end]);
                rejects.push(Reject { line: record.line, broken, row });
            }
        }
        (self.marks, self.fields) = (marks, fields);
        Decoded { lines: self.lines.finish(), rows, rejects, warnings }
    }

    /// Takes a row in, if it keeps all rules, which are looked at in their order. `text` begins at `start`
    /// of the text that `fields` are about.
    #[inline]
    fn take(
        &mut self,
        text: &str,
        start: usize,
        fields: &[Field],
        warnings: &mut Warnings,
    ) -> Result<(), Broken> {
        if fields.len() != self.columns.width {
            let plural = if fields.len() == 1 { "" } else { "s" };
            return Err(rules::FIELDS.broken(format!(
                "the row has {} field{plural}, the header {}",
                fields.len(),
                self.columns.width
            )));
        }
        let field = |place: usize| {
            let Field { start: from, end: to, quoted } = fields[place];
            (&text[from - start..to - start], quoted)
        };
        let bytes = |place: usize| {
            let Field { start: from, end: to, .. } = fields[place];
            &text.as_bytes()[from - start..to - start]
        };
        let [invoice_no, stock_code, description, quantity, date, price, customer, country] =
            self.columns.places;
        let line = Line {
            invoice_no: filled(&rules::INVOICE_NUMBER, field(invoice_no))?,
            stock_code: filled(&rules::STOCK_CODE, field(stock_code))?,
            description: unquoted(field(description)),
            quantity: read(&rules::QUANTITY, bytes(quantity), number::quantity)?,
            date: read(&rules::DATE, bytes(date), |text| {
                self.last_date.read(text, |text| date::parse(text, self.date_format))
            })?,
            unit_price: read(&rules::PRICE, bytes(price), number::price)?,
            customer_id: match bytes(customer) {
                b"" => None,
                customer => Some(read(&rules::CUSTOMER, customer, |text| {
                    self.last_customer.read(text, number::whole)
                })?),
            },
            country: unquoted(field(country)),
        };
        warnings.missing_customer += u64::from(line.customer_id.is_none());
        warnings.cancelled += u64::from(line.is_cancelled());
        warnings.zero_price += u64::from(line.unit_price == 0);
        self.lines.add(&line);
        Ok(())
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self { text: Vec::new(), value: None }
    }
}

impl<T: Copy> Last<T> {
    #[inline]
    fn read(
        &mut self,
        text: &[u8],
        parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, &'static str> {
        match self.value {
            Some(value) if same(&self.text, text) => Ok(value),
            _ => {
                let value = parse(text)?;
                self.text.clear();
                self.text.extend_from_slice(text);
                self.value = Some(value);
                Ok(value)
            }
        }
    }
}

/// A field's text; within quotes a doubled quote is one.
#[inline]
fn unquoted((field, quoted): (&str, bool)) -> Cow<'_, str> {
    if quoted { without_doubled_quotes(field) } else { Cow::Borrowed(field) }
}

#[cold]
fn without_doubled_quotes(field: &str) -> Cow<'_, str> {
    match field.contains('"') {
        true => Cow::Owned(field.replace("\"\"", "\"")),
        false => Cow::Borrowed(field),
    }
}

/// The text of a field that must not be empty.
#[inline]
fn filled<'a>(rule: &'static Rule, field: (&'a str, bool)) -> Result<Cow<'a, str>, Broken> {
    if field.0.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Err(rule.broken(format!("{} is empty", rule.column)));
    }
    Ok(unquoted(field))
}

/// A field's value, or why there is none.
#[inline]
fn read<T>(
    rule: &'static Rule,
    field: &[u8],
    parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T, Broken> {
    parse(field).map_err(|why| unreadable(rule, field, why))
}

#[cold]
fn unreadable(rule: &'static Rule, field: &[u8], why: &str) -> Broken {
    let field = String::from_utf8_lossy(field);
    let mut told: String = field.chars().take(TOLD).collect();
    if told.len() < field.len() {
        told.push('…');
    }
    rule.broken(format!("\"{told}\" {why}"))
}

/// A rejected row as text: what is not UTF-8 is kept byte for byte as ISO-8859-1.
fn kept(row: &[u8]) -> String {
    match std::str::from_utf8(row) {
        Ok(row) => row.to_owned(),
        Err(_) => row.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests;
