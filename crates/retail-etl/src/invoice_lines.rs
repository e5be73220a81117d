//! Invoice lines on their way from a decoder to the plans, a block at a time.
//!
//! Nearly every line says of its invoice what the line before it said, and of its product what a line
//! before it said. Here both are there once, and a line itself is three numbers: to build, hash and look
//! up all that it says took a fifth of a run's work.

mod builder;
#[cfg(test)]
pub(crate) mod rows;

use arrow::array::{Array, StringArray};

pub(crate) use builder::{DateTime, Header, Item, LinesBuilder};

/// The good lines of a block, in their order, and what they say in common.
///
/// All blocks of a builder belong together: a label is told of in the first block that has it.
#[derive(Debug)]
pub struct InvoiceLines {
    /// Who built them: labels have numbers of the builder's own.
    pub(crate) builder: usize,
    /// What they say of their invoices.
    pub(crate) headers: Headers,
    /// The labels that the builder had not met before.
    pub(crate) new_labels: NewLabels,
    /// Of each line the number of its label: the product and what it is called.
    pub(crate) label: Vec<u32>,
    /// Of each line the pieces; negative: sent back.
    pub(crate) quantity: Vec<i64>,
    /// Of each line the price of a piece, in units of `arus_models::PRICE_SCALE` (1/10000 pound).
    pub(crate) unit_price: Vec<i64>,
    /// Of each line a hash: the same hash, the same values.
    pub(crate) hash: Vec<u128>,
}

/// What lines say of their invoice; one for lines that follow one another and say the same in the same
/// letters.
#[derive(Debug)]
pub(crate) struct Headers {
    /// How many lines say it.
    pub(crate) lines: Vec<usize>,
    /// The number of the invoice; begins with `C` if it is a cancellation.
    pub(crate) invoice_no: StringArray,
    /// Local time of the shop, milliseconds since 1970-01-01, no zone.
    pub(crate) date_ms: Vec<i64>,
    /// The month of the date: year · 12 + month − 1.
    pub(crate) month: Vec<i32>,
    /// Who bought, where it is known.
    pub(crate) customer_id: Vec<Option<i64>>,
    /// Where the customer lives.
    pub(crate) country: StringArray,
}

/// Products and what they are called. They have numbers in their order.
#[derive(Debug)]
pub(crate) struct NewLabels {
    /// The number of the first of them; what had this number or a larger one before is forgotten.
    pub(crate) first: usize,
    /// The product.
    pub(crate) stock_code: StringArray,
    /// What it is called; empty, if it is called nothing.
    pub(crate) description: StringArray,
}

impl InvoiceLines {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.label.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.label.is_empty()
    }
}

impl Headers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.invoice_no.len()
    }
}

/// Whether the invoice is a cancellation.
pub(crate) fn is_cancelled(invoice_no: &str) -> bool {
    invoice_no.starts_with('C')
}

#[cfg(test)]
mod tests;
