//! Builds lines: labels are known again, and rows are hashed.

use std::borrow::Cow;

use arrow::array::{Array, StringBuilder};
use twox_hash::XxHash3_128;

use super::{Headers, InvoiceLines, NewLabels};
use crate::texts::Texts;

/// Labels are forgotten when they take so many bytes: those of the real data take half a megabyte.
const MOST_LABEL_BYTES: usize = 4 << 20;
/// What a label takes beside its text: hashes, a place in a table, ends of texts.
const BYTES_OF_LABEL: usize = 64;

/// What a line says of its invoice. Texts are borrowed where they stand in the file as they are.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) invoice_no: Cow<'a, str>,
    pub(crate) date: DateTime,
    pub(crate) customer_id: Option<i64>,
    pub(crate) country: Cow<'a, str>,
}

/// What it says beside that.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) stock_code: Cow<'a, str>,
    /// Empty, if there is none.
    pub(crate) description: Cow<'a, str>,
    pub(crate) quantity: i64,
    /// In units of 1/10000 pound.
    pub(crate) unit_price: i64,
}

/// A point of the calendar and the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// As if it were UTC: ms since the Unix epoch.
    pub(crate) ms: i64,
    /// Year · 12 + month − 1.
    pub(crate) month: i32,
}

/// Builds the lines of one block after the other.
pub(crate) struct LinesBuilder {
    number: usize,
    labels: Labels,
    headers: HeadersBuilder,
    label: Vec<u32>,
    quantity: Vec<i64>,
    unit_price: Vec<i64>,
    hash: Vec<u128>,
    /// What values are put together in to be hashed.
    key: Vec<u8>,
}

/// All labels so far.
#[derive(Default)]
struct Labels {
    /// Stock code and description.
    texts: Texts<2>,
    /// Of each a hash.
    hashes: Vec<u128>,
    /// Those since the last block.
    new_stock_codes: StringBuilder,
    new_descriptions: StringBuilder,
}

/// The headers of a block while they are built.
#[derive(Default)]
struct HeadersBuilder {
    lines: Vec<usize>,
    invoice_no: StringBuilder,
    date_ms: Vec<i64>,
    month: Vec<i32>,
    customer_id: Vec<Option<i64>>,
    country: StringBuilder,
    /// A hash of the last one.
    last_hash: u128,
}

impl LinesBuilder {
    /// No lines yet. Builders whose lines come together must have different numbers.
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            labels: Labels::default(),
            headers: HeadersBuilder::default(),
            label: Vec::new(),
            quantity: Vec::new(),
            unit_price: Vec::new(),
            hash: Vec::new(),
            key: Vec::new(),
        }
    }

    /// One line more. `header`: `None` if it is that of the line before.
    ///
    /// # Panics
    /// When there is no line before, since the lines were taken the last time.
    #[inline]
    pub(crate) fn add(&mut self, header: Option<&Header<'_>>, item: &Item<'_>) {
        if let Some(header) = header {
            self.headers.push(header, &mut self.key);
        }
        *self.headers.lines.last_mut().expect("the first line has a header") += 1;
        let label = self.labels.number([&item.stock_code, &item.description], &mut self.key);
        self.label.push(label);
        self.quantity.push(item.quantity);
        self.unit_price.push(item.unit_price);
        let (header, label) = (self.headers.last_hash, self.labels.hashes[label as usize]);
        self.hash.push(hash_of_line(header, label, item));
    }

    /// The lines that were added since the last time.
    pub(crate) fn finish(&mut self) -> InvoiceLines {
        InvoiceLines {
            builder: self.number,
            headers: self.headers.finish(),
            new_labels: self.labels.take_new(),
            label: taken(&mut self.label),
            quantity: taken(&mut self.quantity),
            unit_price: taken(&mut self.unit_price),
            hash: taken(&mut self.hash),
        }
    }
}

/// The values; there is room for as many again.
fn taken<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len());
    std::mem::replace(values, room)
}

impl Labels {
    #[inline]
    fn number(&mut self, texts: [&str; 2], key: &mut Vec<u8>) -> u32 {
        let number = self.texts.number(texts);
        if number as usize == self.hashes.len() {
            self.hashes.push(hash(key, texts, []));
            self.new_stock_codes.append_value(texts[0]);
            self.new_descriptions.append_value(texts[1]);
        }
        number
    }

    fn take_new(&mut self) -> NewLabels {
        let stock_code = self.new_stock_codes.finish();
        let first = self.hashes.len() - stock_code.len();
        let description = self.new_descriptions.finish();
        if self.texts.bytes() + self.hashes.len() * BYTES_OF_LABEL > MOST_LABEL_BYTES {
            *self = Self::default();
        }
        NewLabels { first, stock_code, description }
    }
}

impl HeadersBuilder {
    fn push(&mut self, header: &Header<'_>, key: &mut Vec<u8>) {
        let Header { invoice_no, date, customer_id, country } = header;
        self.lines.push(0);
        self.invoice_no.append_value(invoice_no);
        self.date_ms.push(date.ms);
        self.month.push(date.month);
        self.customer_id.push(*customer_id);
        self.country.append_value(country);
        let customer = customer_id.unwrap_or(i64::MIN);
        self.last_hash = hash(key, [invoice_no, country], [date.ms, customer]);
    }

    fn finish(&mut self) -> Headers {
        Headers {
            lines: taken(&mut self.lines),
            invoice_no: self.invoice_no.finish(),
            date_ms: taken(&mut self.date_ms),
            month: taken(&mut self.month),
            customer_id: taken(&mut self.customer_id),
            country: self.country.finish(),
        }
    }
}

/// A hash of all values, by `key`.
fn hash<const N: usize>(key: &mut Vec<u8>, texts: [&str; 2], numbers: [i64; N]) -> u128 {
    key.clear();
    for text in texts {
        // Its length says where it ends.
        key.extend_from_slice(&(text.len() as u64).to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    }
    numbers.iter().for_each(|number| key.extend_from_slice(&number.to_le_bytes()));
    XxHash3_128::oneshot(key)
}

#[inline]
fn hash_of_line(header: u128, label: u128, item: &Item<'_>) -> u128 {
    let mut key = [0; 48];
    key[..16].copy_from_slice(&header.to_le_bytes());
    key[16..32].copy_from_slice(&label.to_le_bytes());
    key[32..40].copy_from_slice(&item.quantity.to_le_bytes());
    key[40..].copy_from_slice(&item.unit_price.to_le_bytes());
    XxHash3_128::oneshot(&key)
}
