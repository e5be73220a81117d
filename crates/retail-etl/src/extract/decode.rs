//! From a block of text to a batch of invoice lines: the rules are applied here.

mod batch;

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arus_models::invoice_schema;
use memchr::memchr;
use twox_hash::XxHash3_128;

use crate::check::Reject;
use crate::check::rules::{self, Broken, Rule};
use crate::extract::blocks::Block;
use crate::extract::date::{self, DateFormat, DateTime};
use crate::extract::encoding::to_utf8;
use crate::extract::header::Columns;
use crate::extract::number;
use crate::extract::records::{Field, Records};
use crate::quality::Warnings;
use crate::words::words;
use batch::{BatchBuilder, Room};

/// Of a value that cannot be read, a reason tells so many characters.
const TOLD: usize = 40;

/// What a block held.
pub(crate) struct Decoded {
    /// The rows that are good, in order.
    pub(crate) batch: RecordBatch,
    /// All rows.
    pub(crate) rows: u64,
    /// The rows that are not, in order.
    pub(crate) rejects: Vec<Reject>,
    /// Of the good rows; duplicates are counted elsewhere …
    pub(crate) warnings: Warnings,
    /// … by these, one for each good row: the same hash, the same values.
    pub(crate) hashes: Vec<u128>,
}

/// Decodes the blocks of a file.
pub(crate) struct Decoder {
    columns: Columns,
    date_format: DateFormat,
    schema: SchemaRef,
    room: Room,
    fields: Vec<Field>,
    key: Vec<u8>,
    last_date: LastDate,
}

/// The last date that was read: the lines of an invoice have the same.
#[derive(Default)]
struct LastDate {
    text: Vec<u8>,
    value: Option<DateTime>,
}

/// A row whose values are all good.
struct Line<'a> {
    invoice_no: Cow<'a, str>,
    stock_code: Cow<'a, str>,
    description: Cow<'a, str>,
    quantity: i64,
    date: DateTime,
    price: i64,
    customer: Option<i64>,
    country: Cow<'a, str>,
}

impl Decoder {
    /// For a file with these columns.
    pub(crate) fn new(columns: Columns, date_format: DateFormat) -> Self {
        Self {
            columns,
            date_format,
            schema: invoice_schema(),
            room: Room::default(),
            fields: Vec::new(),
            key: Vec::new(),
            last_date: LastDate::default(),
        }
    }

    /// Decodes a block.
    pub(crate) fn decode(&mut self, block: &Block) -> Decoded {
        let bytes = to_utf8(&block.bytes[block.start..], block.encoding);
        // Checked as a whole, which is quick; only where that fails, row by row.
        let whole = std::str::from_utf8(&bytes).ok();
        let has_nul = memchr(0, &bytes).is_some();
        let mut batch = BatchBuilder::new(&self.room);
        let mut warnings = Warnings::default();
        let (mut rows, mut rejects, mut hashes) =
            (0, Vec::new(), Vec::with_capacity(self.room.rows()));
        let mut records = Records::new(&bytes, 0, block.line);
        let mut fields = std::mem::take(&mut self.fields);
        while let Some(record) = records.next(&mut fields) {
            rows += 1;
            let row = match whole {
                Some(text) => Ok(&text[record.start..record.end]),
                None => std::str::from_utf8(&bytes[record.start..record.end]),
            };
            let line = match row {
                _ if record.broken => Err(rules::QUOTES.broken(
                    "a quote begins a field of this line and is not closed before a comma or the \
                     line's end",
                )),
                Ok(row) if has_nul && row.contains('\0') => Err(rules::NUL
                    .broken("the row holds a NUL character, which no database takes as text")),
                Ok(row) => self.line(row, record.start, &fields),
                Err(error) => Err(rules::ENCODING.broken(format!(
                    "byte {} of the row is not valid UTF-8, which the file is; convert the file, \
                     or say --encoding iso-8859-1",
                    error.valid_up_to() + 1
                ))),
            };
            match line {
                Ok(line) => {
                    line.warn(&mut warnings);
                    hashes.push(line.hash(&mut self.key));
                    batch.append(&line);
                }
                Err(broken) => {
                    let row = kept(&bytes[record.start..record.end]);
                    rejects.push(Reject { line: record.line, broken, row });
                }
            }
        }
        self.fields = fields;
        let batch = batch.finish(&self.schema);
        self.room = Room::of(&batch);
        Decoded { batch, rows, rejects, warnings, hashes }
    }

    /// Checks a row against the rules, in their order. `row` begins at `start` of the text that
    /// `fields` are about.
    #[inline]
    fn line<'a>(
        &mut self,
        row: &'a str,
        start: usize,
        fields: &[Field],
    ) -> Result<Line<'a>, Broken> {
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
            (&row[from - start..to - start], quoted)
        };
        let bytes = |place: usize| {
            let Field { start: from, end: to, .. } = fields[place];
            &row.as_bytes()[from - start..to - start]
        };
        let [invoice_no, stock_code, description, quantity, date, price, customer, country] =
            self.columns.places;
        Ok(Line {
            invoice_no: filled(&rules::INVOICE_NUMBER, field(invoice_no))?,
            stock_code: filled(&rules::STOCK_CODE, field(stock_code))?,
            description: text(field(description)),
            quantity: read(&rules::QUANTITY, bytes(quantity), number::quantity)?,
            date: read(&rules::DATE, bytes(date), |text| {
                self.last_date.parse(text, self.date_format)
            })?,
            price: read(&rules::PRICE, bytes(price), number::price)?,
            customer: match bytes(customer) {
                b"" => None,
                customer => Some(read(&rules::CUSTOMER, customer, number::whole)?),
            },
            country: text(field(country)),
        })
    }
}

impl LastDate {
    fn parse(&mut self, text: &[u8], format: DateFormat) -> Result<DateTime, &'static str> {
        match self.value {
            Some(value) if self.text == text => Ok(value),
            _ => {
                let value = date::parse(text, format)?;
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
fn text((field, quoted): (&str, bool)) -> Cow<'_, str> {
    if quoted && field.contains('"') {
        Cow::Owned(field.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(field)
    }
}

/// The text of a field that must not be empty.
#[inline]
fn filled<'a>(rule: &'static Rule, field: (&'a str, bool)) -> Result<Cow<'a, str>, Broken> {
    if field.0.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Err(rule.broken(format!("{} is empty", rule.column)));
    }
    Ok(text(field))
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

impl Line<'_> {
    fn is_cancelled(&self) -> bool {
        self.invoice_no.starts_with('C')
    }

    /// Counts what is worth a word.
    fn warn(&self, warnings: &mut Warnings) {
        warnings.missing_customer += u64::from(self.customer.is_none());
        warnings.cancelled += u64::from(self.is_cancelled());
        warnings.zero_price += u64::from(self.price == 0);
    }

    /// A hash of all values; `key` is worked in.
    fn hash(&self, key: &mut Vec<u8>) -> u128 {
        key.clear();
        let texts = [&self.invoice_no, &self.stock_code, &self.description, &self.country];
        // Their lengths, less than 16 MiB each, say which words are whose.
        for text in texts {
            key.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
        for text in texts {
            words(text.as_bytes()).for_each(|word| key.extend_from_slice(&word.to_le_bytes()));
        }
        let customer = self.customer.unwrap_or(i64::MIN);
        for number in [self.quantity, self.date.ms, self.price, customer] {
            key.extend_from_slice(&number.to_le_bytes());
        }
        XxHash3_128::oneshot(key)
    }
}

#[cfg(test)]
mod tests;
