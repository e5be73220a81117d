//! What lines say in numbers, as the plans over lines read it.

use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Array, Int64Array, RecordBatch, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_models::PRICE_SCALE;
use datafusion::error::DataFusionError;

use super::star::{Header, LabelNumbers};
use crate::invoice_lines::InvoiceLines;

/// Digits of an amount: as many as there can be.
const AMOUNT_PRECISION: u8 = 38;
const AMOUNT: DataType = DataType::Decimal128(AMOUNT_PRECISION, PRICE_SCALE);

/// The facts of a block of lines.
pub(super) struct Facts {
    /// What the lines say of products; a row for each line.
    ///
    /// | column | meaning |
    /// |---|---|
    /// | `invoice` | number of `invoice_no` |
    /// | `product` | number of `stock_code` |
    /// | `label` | number of `stock_code` and `description` together |
    /// | `cancelled` | whether the invoice is a cancellation |
    /// | `quantity` | pieces |
    /// | `amount` | quantity · unit price |
    pub(super) lines: RecordBatch,
    /// What the lines say of invoices; a row for lines that follow one another and say the same, in the
    /// same letters. Rows may have the same header.
    ///
    /// | column | meaning |
    /// |---|---|
    /// | `header` | number of all that the lines say of their invoice as a whole |
    /// | `quantity` | their pieces |
    /// | `amount` | their quantity · unit price |
    pub(super) parts: RecordBatch,
}

/// The columns of [`Facts::lines`].
pub(super) fn lines_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        number("invoice"),
        number("product"),
        number("label"),
        Field::new("cancelled", DataType::Boolean, false),
        Field::new("quantity", DataType::Int64, false),
        Field::new("amount", AMOUNT, false),
    ]))
}

/// The columns of [`Facts::parts`].
pub(super) fn parts_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        number("header"),
        Field::new("quantity", DataType::Int64, false),
        Field::new("amount", AMOUNT, false),
    ]))
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::UInt32, false)
}

/// The columns of [`Facts`] while they are made.
pub(super) struct FactsBuilder {
    invoices: Vec<u32>,
    products: Vec<u32>,
    labels: Vec<u32>,
    cancelled: BooleanBuilder,
    quantities: Vec<i64>,
    amounts: Vec<i128>,
    headers: Vec<u32>,
    header_quantities: Vec<i64>,
    header_amounts: Vec<i128>,
}

impl FactsBuilder {
    /// Room for so many.
    pub(super) fn with_capacity(lines: usize, headers: usize) -> Self {
        Self {
            invoices: Vec::with_capacity(lines),
            products: Vec::with_capacity(lines),
            labels: Vec::with_capacity(lines),
            cancelled: BooleanBuilder::with_capacity(lines),
            quantities: Vec::with_capacity(lines),
            amounts: Vec::with_capacity(lines),
            headers: Vec::with_capacity(headers),
            header_quantities: Vec::with_capacity(headers),
            header_amounts: Vec::with_capacity(headers),
        }
    }

    /// The lines at `place`, which have this header.
    pub(super) fn add(
        &mut self,
        number: u32,
        header: &Header,
        labels: &[LabelNumbers],
        lines: &InvoiceLines,
        place: Range<usize>,
    ) {
        let of_lines = || lines.label[place.clone()].iter().map(|&label| labels[label as usize]);
        self.invoices.extend(repeat_n(header.invoice, place.len()));
        self.products.extend(of_lines().map(|numbers| numbers.product));
        self.labels.extend(of_lines().map(|numbers| numbers.label));
        self.cancelled.append_n(place.len(), header.cancelled);
        let quantities = &lines.quantity[place.clone()];
        self.quantities.extend_from_slice(quantities);
        // 9 digits by 18, and many more lines than a block has: never more than an i128 holds.
        let prices = &lines.unit_price[place];
        let amounts = quantities.iter().zip(prices);
        let before = self.amounts.len();
        self.amounts.extend(
            amounts.map(|(&quantity, &price)| i128::from(quantity).wrapping_mul(i128::from(price))),
        );
        self.headers.push(number);
        self.header_quantities
            .push(quantities.iter().fold(0, |sum, it| i64::wrapping_add(sum, *it)));
        let amounts = self.amounts[before..].iter();
        self.header_amounts.push(amounts.fold(0, |sum, it| i128::wrapping_add(sum, *it)));
    }

    /// The facts, in these schemas.
    pub(super) fn finish(
        mut self,
        lines: &SchemaRef,
        parts: &SchemaRef,
    ) -> Result<Facts, DataFusionError> {
        let line_columns = vec![
            numbers_of(self.invoices),
            numbers_of(self.products),
            numbers_of(self.labels),
            Arc::new(self.cancelled.finish()),
            Arc::new(Int64Array::from(self.quantities)),
            amounts_of(self.amounts)?,
        ];
        let part_columns = vec![
            numbers_of(self.headers),
            Arc::new(Int64Array::from(self.header_quantities)) as ArrayRef,
            amounts_of(self.header_amounts)?,
        ];
        Ok(Facts {
            lines: RecordBatch::try_new(Arc::clone(lines), line_columns)?,
            parts: RecordBatch::try_new(Arc::clone(parts), part_columns)?,
        })
    }
}

fn amounts_of(amounts: Vec<i128>) -> Result<ArrayRef, DataFusionError> {
    let amounts = Decimal128Array::from(amounts);
    Ok(Arc::new(amounts.with_precision_and_scale(AMOUNT_PRECISION, PRICE_SCALE)?))
}

pub(super) fn numbers_of(numbers: Vec<u32>) -> ArrayRef {
    Arc::new(UInt32Array::from(numbers))
}
