//! Invoice lines as a star schema: facts that are numbers, and dimensions that say what these stand
//! for.
//!
//! To group by a dense number takes a fraction of the time that the texts behind it take. And a
//! line says again what the line before it said (the invoice, its customer, its country), so nearly
//! all numbers are found by a look at the last one.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, SchemaRef};
use arus_models::PRICE_SCALE;
use datafusion::error::DataFusionError;
use hashbrown::HashMap;

use super::texts::{Texts, next_number};

/// Digits of an amount: as many as there can be.
const AMOUNT_PRECISION: u8 = 38;
const AMOUNT: DataType = DataType::Decimal128(AMOUNT_PRECISION, PRICE_SCALE);

/// The facts of a batch of lines.
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
    /// What the lines say of invoices; a row for lines that follow one another and say the same.
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
    lines: SchemaRef,
    parts: SchemaRef,
    invoices: Texts,
    products: Texts,
    descriptions: Texts,
    countries: Texts,
    headers: Numbers<Header>,
    labels: Numbers<Label>,
    /// The label that each product had last.
    last_labels: Vec<u32>,
}

impl Star {
    pub(super) fn new() -> Self {
        Self {
            lines: lines_schema(),
            parts: parts_schema(),
            invoices: Texts::default(),
            products: Texts::default(),
            descriptions: Texts::default(),
            countries: Texts::default(),
            headers: Numbers::default(),
            labels: Numbers::default(),
            last_labels: Vec::new(),
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

    /// The facts of a batch of `invoice_schema()`. What is new in it goes into the dimensions.
    pub(super) fn facts(&mut self, batch: &RecordBatch) -> Result<Facts, DataFusionError> {
        let lines = Lines::of(batch)?;
        let rows = batch.num_rows();
        let [mut invoices, mut products, mut labels] =
            std::array::from_fn(|_| Vec::with_capacity(rows));
        let mut amounts: Vec<i128> = Vec::with_capacity(rows);
        let mut parts = Parts::default();
        let texts = lines.invoice_no.iter().zip(lines.stock_code.iter());
        let texts = texts.zip(lines.description.iter()).zip(lines.country.iter());
        let values = lines.cancelled.values().iter().zip(lines.month.values());
        let values = values.zip(lines.customer_id.iter());
        let numbers = lines.quantity.values().iter().zip(lines.unit_price.values());
        for ((texts, values), (&quantity, &price)) in texts.zip(values).zip(numbers) {
            let (((invoice_no, stock_code), description), country) = texts;
            let ((cancelled, &month), customer) = values;
            let invoice = self.invoices.number(invoice_no.unwrap_or_default());
            let country = self.countries.number(country.unwrap_or_default());
            let header =
                self.headers.number(Header { invoice, cancelled, month, customer, country });
            let product = self.products.number(stock_code.unwrap_or_default());
            invoices.push(invoice);
            products.push(product);
            labels.push(self.label(product, description));
            // 19 digits by 18: never more than an i128 holds.
            let amount = i128::from(quantity).wrapping_mul(price);
            amounts.push(amount);
            parts.add(header, quantity, amount);
        }
        let columns = vec![
            numbers_of(invoices),
            numbers_of(products),
            numbers_of(labels),
            Arc::new(lines.cancelled.clone()),
            Arc::new(lines.quantity.clone()),
            amounts_of(amounts)?,
        ];
        let Parts { headers, quantities, amounts } = parts;
        let parts = vec![
            numbers_of(headers),
            Arc::new(Int64Array::from(quantities)) as ArrayRef,
            amounts_of(amounts)?,
        ];
        Ok(Facts {
            lines: RecordBatch::try_new(Arc::clone(&self.lines), columns)?,
            parts: RecordBatch::try_new(Arc::clone(&self.parts), parts)?,
        })
    }

    #[inline]
    fn label(&mut self, product: u32, description: Option<&str>) -> u32 {
        match self.last_labels.get(product as usize) {
            Some(&last) if self.is_called(last, description) => return last,
            Some(_) => {}
            // Products are numbered as they come, so this one is the next.
            None => self.last_labels.push(0),
        }
        let description = description.map(|text| self.descriptions.number(text));
        let label = self.labels.number(Label { product, description });
        self.last_labels[product as usize] = label;
        label
    }

    #[inline]
    fn is_called(&self, label: u32, description: Option<&str>) -> bool {
        match (self.labels.keys[label as usize].description, description) {
            (Some(number), Some(text)) => self.descriptions.is(number, text),
            (None, None) => true,
            _ => false,
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

/// The columns of [`Facts::parts`] while they are made.
#[derive(Default)]
struct Parts {
    headers: Vec<u32>,
    quantities: Vec<i64>,
    amounts: Vec<i128>,
}

impl Parts {
    /// One line more.
    #[inline]
    fn add(&mut self, header: u32, quantity: i64, amount: i128) {
        match (self.headers.last(), self.quantities.last_mut(), self.amounts.last_mut()) {
            // Nine digits by 27: many more lines than a batch has fit.
            (Some(&last), Some(quantities), Some(amounts)) if last == header => {
                *quantities = quantities.wrapping_add(quantity);
                *amounts = amounts.wrapping_add(amount);
            }
            _ => {
                self.headers.push(header);
                self.quantities.push(quantity);
                self.amounts.push(amount);
            }
        }
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

fn texts(number: &str, name: &str, texts: Texts) -> Result<RecordBatch, DataFusionError> {
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

/// Numbers for keys that come again and again, most of them right after the last one.
struct Numbers<K> {
    numbers: HashMap<K, u32>,
    /// Each at its number.
    keys: Vec<K>,
    last: u32,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), keys: Vec::new(), last: 0 }
    }
}

impl<K: Copy + Eq + Hash> Numbers<K> {
    #[inline]
    fn number(&mut self, key: K) -> u32 {
        if self.keys.get(self.last as usize) != Some(&key) {
            let next = next_number(self.keys.len());
            self.last = *self.numbers.entry(key).or_insert(next);
            if self.last == next {
                self.keys.push(key);
            }
        }
        self.last
    }
}

/// The columns of a batch that facts are made of.
struct Lines<'a> {
    invoice_no: &'a StringArray,
    stock_code: &'a StringArray,
    description: &'a StringArray,
    quantity: &'a Int64Array,
    month: &'a Int32Array,
    unit_price: &'a Decimal128Array,
    customer_id: &'a Int64Array,
    country: &'a StringArray,
    cancelled: &'a BooleanArray,
}

impl<'a> Lines<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, DataFusionError> {
        let column = |name: &str| {
            let lacks = || DataFusionError::Internal(format!("invoice lines lack column {name}"));
            batch.column_by_name(name).ok_or_else(lacks)
        };
        Ok(Self {
            invoice_no: column("invoice_no")?.as_string(),
            stock_code: column("stock_code")?.as_string(),
            description: column("description")?.as_string(),
            quantity: column("quantity")?.as_primitive::<Int64Type>(),
            month: column("month")?.as_primitive::<Int32Type>(),
            unit_price: column("unit_price")?.as_primitive::<Decimal128Type>(),
            customer_id: column("customer_id")?.as_primitive::<Int64Type>(),
            country: column("country")?.as_string(),
            cancelled: column("cancelled")?.as_boolean(),
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMillisecondArray;
    use arrow::datatypes::UInt32Type;
    use arrow::util::pretty::pretty_format_batches;
    use arus_models::{PRICE_PRECISION, invoice_schema};

    use super::*;

    type Line<'a> = (&'a str, &'a str, Option<&'a str>, i64, Option<i64>, &'a str);

    /// Lines of December 2010, each for a pound.
    fn batch(lines: &[Line<'_>]) -> RecordBatch {
        let count = lines.len();
        let price = Decimal128Array::from(vec![10_000; count])
            .with_precision_and_scale(PRICE_PRECISION, PRICE_SCALE);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(lines.iter().map(|line| line.0))),
            Arc::new(StringArray::from_iter_values(lines.iter().map(|line| line.1))),
            Arc::new(StringArray::from_iter(lines.iter().map(|line| line.2))),
            Arc::new(Int64Array::from_iter_values(lines.iter().map(|line| line.3))),
            Arc::new(TimestampMillisecondArray::from(vec![1_291_191_960_000; count])),
            Arc::new(Int32Array::from(vec![2010 * 12 + 11; count])),
            Arc::new(price.unwrap()),
            Arc::new(Int64Array::from_iter(lines.iter().map(|line| line.4))),
            Arc::new(StringArray::from_iter_values(lines.iter().map(|line| line.5))),
            Arc::new(BooleanArray::from_iter(
                lines.iter().map(|line| Some(line.0.starts_with('C'))),
            )),
        ];
        RecordBatch::try_new(invoice_schema(), columns).unwrap()
    }

    #[test]
    fn lines_are_numbers_and_dimensions_say_which() {
        let mut star = Star::new();
        let batches = [
            batch(&[
                ("536365", "85123A", Some("HOLDER"), 6, Some(17850), "United Kingdom"),
                ("536365", "71053", Some("LANTERN"), 6, Some(17850), "United Kingdom"),
                ("C536379", "85123A", Some("HOLDER"), -1, None, "France"),
            ]),
            batch(&[
                // Again a known invoice and product; another name, none, and the first one.
                ("536365", "85123A", Some("holder, white"), 1, Some(17850), "United Kingdom"),
                ("536365", "85123A", None, 1, Some(17850), "United Kingdom"),
                ("536365", "85123A", Some("HOLDER"), 1, Some(17850), "United Kingdom"),
                // Its lines disagree about the customer.
                ("536365", "71053", Some("HOLDER"), 1, None, "United Kingdom"),
            ]),
        ];
        let facts = batches.map(|batch| star.facts(&batch).unwrap());
        let parts: Vec<Vec<(u32, i64, i128)>> = facts
            .iter()
            .map(|facts| {
                let headers = facts.parts.column(0).as_primitive::<UInt32Type>().values();
                let quantities = facts.parts.column(1).as_primitive::<Int64Type>().values();
                let amounts = facts.parts.column(2).as_primitive::<Decimal128Type>().values();
                let rows = headers.iter().zip(quantities).zip(amounts);
                rows.map(|((&header, &quantity), &amount)| (header, quantity, amount)).collect()
            })
            .collect();
        let expected: [&[_]; 2] =
            [&[(0, 12, 120_000), (1, -1, -10_000)], &[(0, 3, 30_000), (2, 1, 10_000)]];
        assert_eq!(parts, expected);
        let facts = facts.map(|facts| facts.lines);
        let numbers = |column: usize| -> Vec<u32> {
            let values =
                facts.iter().map(|facts| facts.column(column).as_primitive::<UInt32Type>());
            values.flat_map(|values| values.values().to_vec()).collect()
        };
        assert_eq!(numbers(0), [0, 0, 1, 0, 0, 0, 0], "invoices");
        assert_eq!(numbers(1), [0, 1, 0, 0, 0, 0, 1], "products");
        assert_eq!(numbers(2), [0, 1, 0, 2, 3, 0, 4], "labels");
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
}
