//! Invoice lines as a star schema: facts that are numbers, and dimensions that say what these stand
//! for.
//!
//! To group by a dense number takes a fraction of the time that the texts behind it take.

use std::hash::Hash;
use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Decimal128Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_models::PRICE_SCALE;
use datafusion::error::DataFusionError;
use hashbrown::HashMap;

use crate::invoice_lines::{InvoiceLines, NewLabels, is_cancelled};
use crate::texts::{Texts, next_number};

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
fn lines_schema() -> SchemaRef {
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
fn parts_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        number("header"),
        Field::new("quantity", DataType::Int64, false),
        Field::new("amount", AMOUNT, false),
    ]))
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::UInt32, false)
}

/// The same for all lines of an invoice, unless they disagree: then it has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Header {
    invoice: u32,
    cancelled: bool,
    month: i32,
    customer: Option<i64>,
    country: u32,
}

/// A product and what it is called, if it is called anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Label {
    product: u32,
    description: Option<u32>,
}

/// All dimensions so far.
pub(super) struct Star {
    exclude_cancelled: bool,
    lines: SchemaRef,
    parts: SchemaRef,
    invoices: Texts<1>,
    products: Texts<1>,
    descriptions: Texts<1>,
    countries: Texts<1>,
    headers: Numbers<Header>,
    labels: Numbers<Label>,
    /// For each builder of lines: what its labels are here.
    builders: Vec<Vec<LabelNumbers>>,
}

/// The numbers of a label and of its product.
#[derive(Clone, Copy)]
struct LabelNumbers {
    product: u32,
    label: u32,
}

impl Star {
    /// `exclude_cancelled`: whether cancelled invoices are left out of the facts and of the headers. What
    /// they alone say of products has numbers all the same, which no fact has.
    pub(super) fn new(exclude_cancelled: bool) -> Self {
        Self {
            exclude_cancelled,
            lines: lines_schema(),
            parts: parts_schema(),
            invoices: Texts::default(),
            products: Texts::default(),
            descriptions: Texts::default(),
            countries: Texts::default(),
            headers: Numbers::default(),
            labels: Numbers::default(),
            builders: Vec::new(),
        }
    }

    /// The columns of [`Facts::lines`].
    pub(super) fn lines_schema(&self) -> &SchemaRef {
        &self.lines
    }

    /// The columns of [`Facts::parts`].
    pub(super) fn parts_schema(&self) -> &SchemaRef {
        &self.parts
    }

    /// The facts of a block of lines. What is new in it goes into the dimensions.
    ///
    /// # Panics
    /// When a block of the same builder was left out before.
    pub(super) fn facts(&mut self, lines: &InvoiceLines) -> Result<Facts, DataFusionError> {
        self.learn(lines.builder, &lines.new_labels);
        let mut facts = FactsBuilder::with_capacity(lines.len(), lines.headers.len());
        let mut end = 0;
        for (index, &count) in lines.headers.lines.iter().enumerate() {
            let of_header = end..end + count;
            end = of_header.end;
            let invoice_no = lines.headers.invoice_no.value(index);
            let cancelled = is_cancelled(invoice_no);
            if cancelled && self.exclude_cancelled {
                continue;
            }
            let header = Header {
                invoice: self.invoices.number([invoice_no]),
                cancelled,
                month: lines.headers.month[index],
                customer: lines.headers.customer_id[index],
                country: self.countries.number([lines.headers.country.value(index)]),
            };
            let number = self.headers.number(header);
            facts.add(number, &header, &self.builders[lines.builder], lines, of_header);
        }
        facts.finish(&self.lines, &self.parts)
    }

    /// Gives numbers to labels that are new to a builder of lines.
    fn learn(&mut self, builder: usize, new: &NewLabels) {
        if self.builders.len() <= builder {
            self.builders.resize_with(builder + 1, Vec::new);
        }
        let known = &mut self.builders[builder];
        known.truncate(new.first);
        assert_eq!(known.len(), new.first, "each block of a builder comes, and in order");
        for (stock_code, description) in new.stock_code.iter().zip(&new.description) {
            let product = self.products.number([stock_code.unwrap_or_default()]);
            let description = description.filter(|description| !description.is_empty());
            let description = description.map(|text| self.descriptions.number([text]));
            let label = self.labels.number(Label { product, description });
            known.push(LabelNumbers { product, label });
        }
    }

    /// The dimensions, each with what its table is to be called.
    pub(super) fn dimensions(self) -> Result<[(&'static str, RecordBatch); 4], DataFusionError> {
        let descriptions = self.descriptions.into_array();
        Ok([
            ("invoice_headers", headers(&self.headers.keys)?),
            ("product_labels", labels(&self.labels.keys, &descriptions)?),
            ("product_codes", texts("product", "stock_code", self.products)?),
            ("country_names", texts("country", "name", self.countries)?),
        ])
    }
}

/// The columns of [`Facts`] while they are made.
struct FactsBuilder {
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
    fn with_capacity(lines: usize, headers: usize) -> Self {
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
    fn add(
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

    fn finish(mut self, lines: &SchemaRef, parts: &SchemaRef) -> Result<Facts, DataFusionError> {
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

fn headers(headers: &[Header]) -> Result<RecordBatch, DataFusionError> {
    let invoice = headers.iter().map(|header| header.invoice);
    let cancelled = headers.iter().map(|header| Some(header.cancelled));
    let month = headers.iter().map(|header| header.month);
    let customer_id = headers.iter().map(|header| header.customer);
    let country = headers.iter().map(|header| header.country);
    table([
        ("header", numbers_of((0..).take(headers.len()).collect())),
        ("invoice", numbers_of(invoice.collect())),
        ("cancelled", Arc::new(BooleanArray::from_iter(cancelled))),
        ("month", Arc::new(Int32Array::from_iter_values(month))),
        ("customer_id", Arc::new(Int64Array::from_iter(customer_id))),
        ("country", numbers_of(country.collect())),
    ])
}

fn labels(labels: &[Label], descriptions: &StringArray) -> Result<RecordBatch, DataFusionError> {
    let product = labels.iter().map(|label| label.product);
    let description = labels.iter().map(|label| label.description);
    let description = description.map(|number| Some(descriptions.value(number? as usize)));
    table([
        ("label", numbers_of((0..).take(labels.len()).collect())),
        ("product", numbers_of(product.collect())),
        ("description", Arc::new(StringArray::from_iter(description))),
    ])
}

fn texts(number: &str, name: &str, texts: Texts<1>) -> Result<RecordBatch, DataFusionError> {
    let texts = texts.into_array();
    let number = (number, numbers_of((0..).take(texts.len()).collect()));
    table([number, (name, Arc::new(texts))])
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, DataFusionError> {
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn numbers_of(numbers: Vec<u32>) -> ArrayRef {
    Arc::new(UInt32Array::from(numbers))
}

/// Numbers for keys that come again and again.
struct Numbers<K> {
    numbers: HashMap<K, u32>,
    /// Each at its number.
    keys: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), keys: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Numbers<K> {
    fn number(&mut self, key: K) -> u32 {
        let next = next_number(self.keys.len());
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.keys.push(key);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Decimal128Type, Int64Type, UInt32Type};
    use arrow::util::pretty::pretty_format_batches;

    use super::*;
    use crate::invoice_lines::LinesBuilder;
    use crate::invoice_lines::rows::{Row, build};

    type Said = (&'static str, &'static str, &'static str, i64, Option<i64>, &'static str);

    /// Lines of December 2010, each for a pound.
    fn lines(builder: &mut LinesBuilder, lines: &[Said]) -> InvoiceLines {
        let rows = lines.iter().map(|line| Row {
            invoice_no: line.0.into(),
            stock_code: line.1.into(),
            description: line.2.into(),
            quantity: line.3,
            date_ms: 1_291_191_960_000,
            month: 2010 * 12 + 11,
            unit_price: 10_000,
            customer_id: line.4,
            country: line.5.into(),
            cancelled: line.0.starts_with('C'),
        });
        build(builder, &rows.collect::<Vec<_>>())
    }

    fn numbers(facts: &RecordBatch, column: usize) -> &[u32] {
        facts.column(column).as_primitive::<UInt32Type>().values()
    }

    #[test]
    fn lines_are_numbers_and_dimensions_say_which() {
        let mut star = Star::new(false);
        // The second knows nothing of what the first has met.
        let mut builders = [LinesBuilder::new(0), LinesBuilder::new(1)];
        let first = lines(
            &mut builders[0],
            &[
                ("536365", "85123A", "HOLDER", 6, Some(17850), "United Kingdom"),
                ("536365", "71053", "LANTERN", 6, Some(17850), "United Kingdom"),
                ("C536379", "85123A", "HOLDER", -1, None, "France"),
            ],
        );
        let second = lines(
            &mut builders[1],
            &[
                // Again a known invoice and product; another name, none, and the first one.
                ("536365", "85123A", "holder, white", 1, Some(17850), "United Kingdom"),
                ("536365", "85123A", "", 1, Some(17850), "United Kingdom"),
                ("536365", "85123A", "HOLDER", 1, Some(17850), "United Kingdom"),
                // Its lines disagree about the customer.
                ("536365", "71053", "HOLDER", 1, None, "United Kingdom"),
            ],
        );
        let third = lines(&mut builders[0], &[("536380", "71053", "LANTERN", 2, None, "France")]);
        let facts = [first, second, third].map(|lines| star.facts(&lines).unwrap());
        let parts: Vec<Vec<(u32, i64, i128)>> = facts
            .iter()
            .map(|facts| {
                let quantities = facts.parts.column(1).as_primitive::<Int64Type>().values();
                let amounts = facts.parts.column(2).as_primitive::<Decimal128Type>().values();
                let rows = numbers(&facts.parts, 0).iter().zip(quantities).zip(amounts);
                rows.map(|((&header, &quantity), &amount)| (header, quantity, amount)).collect()
            })
            .collect();
        let expected: [&[_]; 3] = [
            &[(0, 12, 120_000), (1, -1, -10_000)],
            &[(0, 3, 30_000), (2, 1, 10_000)],
            &[(3, 2, 20_000)],
        ];
        assert_eq!(parts, expected);
        let facts = facts.map(|facts| facts.lines);
        let all = |column| facts.iter().flat_map(move |facts| numbers(facts, column)).copied();
        assert_eq!(all(0).collect::<Vec<_>>(), [0, 0, 1, 0, 0, 0, 0, 2], "invoices");
        assert_eq!(all(1).collect::<Vec<_>>(), [0, 1, 0, 0, 0, 0, 1, 1], "products");
        assert_eq!(all(2).collect::<Vec<_>>(), [0, 1, 0, 2, 3, 0, 4, 1], "labels");
        let cancelled = facts[0].column(3).as_boolean();
        assert_eq!(cancelled.iter().flatten().collect::<Vec<_>>(), [false, false, true]);
        let quantities = facts[0].column(4).as_primitive::<Int64Type>();
        assert_eq!(quantities.values(), &[6, 6, -1]);
        let amounts = facts[0].column(5).as_primitive::<Decimal128Type>();
        assert_eq!(amounts.values(), &[60_000, 60_000, -10_000]);
        let shown = star
            .dimensions()
            .unwrap()
            .map(|(name, table)| format!("{name}\n{}\n", pretty_format_batches(&[table]).unwrap()));
        assert_eq!(
            shown.concat(),
            "\
invoice_headers
+--------+---------+-----------+-------+-------------+---------+
| header | invoice | cancelled | month | customer_id | country |
+--------+---------+-----------+-------+-------------+---------+
| 0      | 0       | false     | 24131 | 17850       | 0       |
| 1      | 1       | true      | 24131 |             | 1       |
| 2      | 0       | false     | 24131 |             | 0       |
| 3      | 2       | false     | 24131 |             | 1       |
+--------+---------+-----------+-------+-------------+---------+
product_labels
+-------+---------+---------------+
| label | product | description   |
+-------+---------+---------------+
| 0     | 0       | HOLDER        |
| 1     | 1       | LANTERN       |
| 2     | 0       | holder, white |
| 3     | 0       |               |
| 4     | 1       | HOLDER        |
+-------+---------+---------------+
product_codes
+---------+------------+
| product | stock_code |
+---------+------------+
| 0       | 85123A     |
| 1       | 71053      |
+---------+------------+
country_names
+---------+----------------+
| country | name           |
+---------+----------------+
| 0       | United Kingdom |
| 1       | France         |
+---------+----------------+
"
        );
    }

    #[test]
    fn cancelled_invoices_are_left_out() {
        let mut star = Star::new(true);
        let facts = star.facts(&lines(
            &mut LinesBuilder::new(0),
            &[
                ("C1", "A", "a", -1, Some(1), "France"),
                ("2", "B", "b", 2, Some(2), "Spain"),
                ("C3", "A", "a", -3, Some(3), "Italy"),
                ("4", "A", "a", 4, Some(2), "Spain"),
            ],
        ));
        let Facts { lines, parts } = facts.unwrap();
        assert_eq!(numbers(&lines, 0), [0, 1], "invoices");
        assert_eq!(lines.column(4).as_primitive::<Int64Type>().values(), &[2, 4]);
        assert_eq!(numbers(&parts, 0), [0, 1]);
        let [(_, headers), .., (_, countries)] = star.dimensions().unwrap();
        assert_eq!((headers.num_rows(), countries.num_rows()), (2, 1));
    }

    /// A builder that has too many labels begins anew: the numbers here stay the same.
    #[test]
    fn what_a_builder_forgets_keeps_its_numbers() {
        let mut star = Star::new(false);
        let mut builder = LinesBuilder::new(0);
        let row = |product: usize| Row {
            stock_code: product.to_string(),
            description: "x".repeat(1 << 20),
            ..Row::default()
        };
        for product in 0..10 {
            let lines = build(&mut builder, &[row(product), row(0)]);
            let facts = star.facts(&lines).unwrap().lines;
            assert_eq!(numbers(&facts, 1), [product as u32, 0], "products");
            assert_eq!(numbers(&facts, 2), [product as u32, 0], "labels");
        }
    }
}
