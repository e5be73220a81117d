//! Invoice lines as a star schema: facts that are numbers, and dimensions that say what these stand
//! for.
//!
//! To group by a dense number takes a fraction of the time that the texts behind it take.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use hashbrown::HashMap;

use super::facts::{Facts, FactsBuilder, lines_schema, numbers_of, parts_schema};
use crate::invoice_lines::{InvoiceLines, NewLabels, is_cancelled};
use crate::texts::{Texts, next_number};

/// The same for all lines of an invoice, unless they disagree: then it has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Header {
    pub(super) invoice: u32,
    pub(super) cancelled: bool,
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
pub(super) struct LabelNumbers {
    pub(super) product: u32,
    pub(super) label: u32,
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
