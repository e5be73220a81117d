//! From a block of text to invoice lines: the rules are applied here.

use std::borrow::Cow;

use memchr::memchr;

use crate::check::Reject;
use crate::check::rules::{self, Broken, Rule};
use crate::extract::blocks::{BLOCK_BYTES, Block};
use crate::extract::date::{self, DateFormat};
use crate::extract::encoding::to_utf8;
use crate::extract::header::Columns;
use crate::extract::number;
use crate::extract::records::{Field, Marks, Records};
use crate::invoice_lines::{Header, InvoiceLines, Item, LinesBuilder};
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
    /// Where the last good row of the block says what it says of its invoice.
    last_invoice: Option<[Field; 4]>,
}

/// A row.
#[derive(Clone, Copy)]
struct Row<'a> {
    /// The text that it is in.
    block: &'a [u8],
    /// Itself, …
    text: &'a str,
    /// … which begins there.
    start: usize,
    fields: &'a [Field],
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
            last_invoice: None,
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
        self.last_invoice = None;
        let (mut rows, mut rejects) = (0, Vec::new());
        let mut marks = std::mem::take(&mut self.marks);
        let mut fields = std::mem::take(&mut self.fields);
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
                Ok(text) => {
                    let (block, start) = (&*bytes, record.start);
                    self.take_row(Row { block, text, start, fields: &fields })
                }
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
        // What a huge row needed is not kept.
        if bytes.len() <= 2 * BLOCK_BYTES {
            (self.marks, self.fields) = (marks, fields);
        }
        let lines = self.lines.finish();
        Decoded { warnings: Warnings::of(&lines), lines, rows, rejects }
    }

    /// Takes a row in, if it keeps all rules.
    #[inline]
    fn take_row(&mut self, row: Row<'_>) -> Result<(), Broken> {
        if row.fields.len() != self.columns.width {
            let plural = if row.fields.len() == 1 { "" } else { "s" };
            return Err(rules::FIELDS.broken(format!(
                "the row has {} field{plural}, the header {}",
                row.fields.len(),
                self.columns.width
            )));
        }
        let header = match self.says_again(row) {
            true => Ok(None),
            false => self.invoice(row).map(Some),
        };
        match (header, self.item(row)) {
            (Ok(header), Ok(item)) => {
                self.lines.add(header.as_ref(), &item);
                if header.is_some() {
                    self.last_invoice = Some(self.columns.of_invoice().map(|at| row.fields[at]));
                }
                Ok(())
            }
            (Err(one), Err(other)) => Err(Broken::first(one, other)),
            (Err(broken), _) | (_, Err(broken)) => Err(broken),
        }
    }

    /// Whether the row says of its invoice what the last good row said: nearly all do.
    #[inline]
    fn says_again(&self, row: Row<'_>) -> bool {
        let fields = self.columns.of_invoice().map(|place| row.fields[place]);
        self.last_invoice.is_some_and(|last| {
            last.iter().zip(&fields).all(|(last, field)| {
                last.quoted == field.quoted
                    && same(&row.block[last.start..last.end], &row.block[field.start..field.end])
            })
        })
    }

    /// Asked once an invoice, so not in the way of what every row needs.
    #[inline(never)]
    fn invoice<'a>(&self, row: Row<'a>) -> Result<Header<'a>, Broken> {
        let [invoice_no, date, customer, country] = self.columns.of_invoice();
        Ok(Header {
            invoice_no: filled(&rules::INVOICE_NUMBER, row.field(invoice_no))?,
            date: read(&rules::DATE, row.bytes(date), |text| date::parse(text, self.date_format))?,
            customer_id: match row.bytes(customer) {
                b"" => None,
                customer => Some(read(&rules::CUSTOMER, customer, number::whole)?),
            },
            country: unquoted(row.field(country)),
        })
    }

    #[inline]
    fn item<'a>(&self, row: Row<'a>) -> Result<Item<'a>, Broken> {
        let [stock_code, description, quantity, price] = self.columns.of_item();
        Ok(Item {
            stock_code: filled(&rules::STOCK_CODE, row.field(stock_code))?,
            description: unquoted(row.field(description)),
            quantity: read(&rules::QUANTITY, row.bytes(quantity), number::quantity)?,
            unit_price: read(&rules::PRICE, row.bytes(price), number::price)?,
        })
    }
}

impl<'a> Row<'a> {
    /// The text of a field, and whether it is quoted.
    #[inline]
    fn field(self, place: usize) -> (&'a str, bool) {
        let Field { start, end, quoted } = self.fields[place];
        (&self.text[start - self.start..end - self.start], quoted)
    }

    #[inline]
    fn bytes(self, place: usize) -> &'a [u8] {
        let Field { start, end, .. } = self.fields[place];
        &self.block[start..end]
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
