//! What the tables must be, worked out in plain Rust over the `csv` crate: hash maps and integers,
//! nothing of the job's own reading, plans or types.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

/// A table as the rows of its CSV file, header first.
pub(crate) type Rows = Vec<Vec<String>>;

/// Digits after the point of money.
const UNIT: i128 = 10_000;

struct Line {
    invoice: String,
    stock_code: String,
    description: String,
    quantity: i128,
    /// Months since the year 0.
    month: i32,
    /// In ten-thousandths of a pound.
    value: i128,
    customer: Option<String>,
    country: String,
}

impl Line {
    fn is_cancelled(&self) -> bool {
        self.invoice.starts_with('C')
    }
}

/// The judge of one input.
pub(crate) struct Judge {
    lines: Vec<Line>,
    /// Rows that cannot be read.
    pub(crate) rejected: usize,
}

impl Judge {
    /// Reads a file whose columns come in the usual order and whose dates are like
    /// `12/1/2010 8:26`.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let text = String::from_utf8(bytes.clone())
            .unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect());
        let mut lines = Vec::new();
        let mut rejected = 0;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            [
                "InvoiceNo",
                "StockCode",
                "Description",
                "Quantity",
                "InvoiceDate",
                "UnitPrice",
                "CustomerID",
                "Country"
            ]
        );
        for record in reader.records() {
            match line(&record.unwrap()) {
                Some(line) => lines.push(line),
                None => rejected += 1,
            }
        }
        assert!(!lines.is_empty());
        Self { lines, rejected }
    }

    /// Without the cancelled invoices.
    pub(crate) fn without_cancelled(mut self) -> Self {
        self.lines.retain(|line| !line.is_cancelled());
        self
    }

    /// How many rows can be read.
    pub(crate) fn loaded(&self) -> usize {
        self.lines.len()
    }

    /// All tables by their names.
    pub(crate) fn tables(&self, top: usize) -> BTreeMap<&'static str, Rows> {
        BTreeMap::from([
            ("monthly_customers", self.monthly_customers()),
            ("new_and_returning", self.new_and_returning()),
            ("customer_cohorts", self.customer_cohorts()),
            ("monthly_sales", self.monthly_sales()),
            ("top_products", self.top_products(top)),
            ("top_countries", self.top_countries(top)),
        ])
    }

    fn months(&self) -> BTreeSet<i32> {
        self.lines.iter().map(|line| line.month).collect()
    }

    fn customers(&self) -> BTreeMap<i32, HashSet<&str>> {
        let mut customers: BTreeMap<i32, HashSet<&str>> =
            self.months().into_iter().map(|month| (month, HashSet::new())).collect();
        for line in &self.lines {
            if let Some(customer) = &line.customer {
                customers.get_mut(&line.month).unwrap().insert(customer);
            }
        }
        customers
    }

    fn monthly_customers(&self) -> Rows {
        let header = header(&["InvoiceYear", "InvoiceMonth", "unique_customers"]);
        let rows = self.customers().into_iter();
        let rows = rows.map(|(month, customers)| cells(month, &[customers.len() as i128]));
        std::iter::once(header).chain(rows).collect()
    }

    fn first_months(&self) -> HashMap<&str, i32> {
        let mut first: HashMap<&str, i32> = HashMap::new();
        for line in &self.lines {
            if let Some(customer) = &line.customer {
                let month = first.entry(customer).or_insert(line.month);
                *month = line.month.min(*month);
            }
        }
        first
    }

    fn new_and_returning(&self) -> Rows {
        let first = self.first_months();
        let mut rows = vec![header(&[
            "InvoiceYear",
            "InvoiceMonth",
            "unique_customers",
            "new_customers",
            "returning_customers",
        ])];
        for (month, customers) in self.customers() {
            let new = customers.iter().filter(|customer| first[*customer] == month).count();
            let all = customers.len();
            rows.push(cells(month, &[all as i128, new as i128, (all - new) as i128]));
        }
        rows
    }

    fn customer_cohorts(&self) -> Rows {
        let first = self.first_months();
        let customers = self.customers();
        let mut rows = vec![header(&[
            "CohortYear",
            "CohortMonth",
            "months_later",
            "customers",
            "cohort_size",
            "share",
        ])];
        for cohort in customers.keys() {
            let size = first.values().filter(|month| *month == cohort).count();
            if size == 0 {
                continue;
            }
            for (month, customers) in customers.range(cohort..) {
                let back = customers.iter().filter(|customer| first[*customer] == *cohort).count();
                let mut row =
                    cells(*cohort, &[i128::from(month - cohort), back as i128, size as i128]);
                row.push(format!("{:?}", back as f64 / size as f64));
                rows.push(row);
            }
        }
        rows
    }

    fn monthly_sales(&self) -> Rows {
        let mut rows = vec![header(&[
            "InvoiceYear",
            "InvoiceMonth",
            "orders",
            "cancelled_invoices",
            "items",
            "revenue",
            "cancelled_value",
            "average_basket",
        ])];
        for month in self.months() {
            let lines = || self.lines.iter().filter(|line| line.month == month);
            let invoices = |cancelled: bool| -> i128 {
                let lines = lines().filter(|line| line.is_cancelled() == cancelled);
                lines.map(|line| &line.invoice).collect::<HashSet<_>>().len() as i128
            };
            let orders = invoices(false);
            let items: i128 = lines().map(|line| line.quantity).sum();
            let revenue: i128 = lines().map(|line| line.value).sum();
            let cancelled: i128 =
                lines().filter(|line| line.is_cancelled()).map(|line| line.value).sum();
            let mut row = cells(month, &[orders, invoices(true), items]);
            row.extend([money(revenue), money(-cancelled)]);
            row.push(if orders == 0 { String::new() } else { money(half_up(revenue, orders)) });
            rows.push(row);
        }
        rows
    }

    fn top_products(&self, top: usize) -> Rows {
        #[derive(Default)]
        struct Product<'a> {
            items: i128,
            revenue: i128,
            orders: HashSet<&'a str>,
            descriptions: HashMap<&'a str, usize>,
        }
        let mut products: HashMap<&str, Product<'_>> = HashMap::new();
        for line in &self.lines {
            let product = products.entry(&line.stock_code).or_default();
            product.items += line.quantity;
            product.revenue += line.value;
            if !line.is_cancelled() {
                product.orders.insert(&line.invoice);
            }
            if !line.description.is_empty() {
                *product.descriptions.entry(&line.description).or_default() += 1;
            }
        }
        let mut products: Vec<_> = products.into_iter().collect();
        products.sort_by_key(|(code, product)| (-product.revenue, *code));
        let mut rows =
            vec![header(&["rank", "stock_code", "description", "items", "orders", "revenue"])];
        for (index, (code, product)) in products.into_iter().take(top).enumerate() {
            let mut names: Vec<_> = product.descriptions.into_iter().collect();
            names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
            rows.push(vec![
                (index + 1).to_string(),
                code.to_owned(),
                names.first().map_or(String::new(), |(name, _)| (*name).to_owned()),
                product.items.to_string(),
                product.orders.len().to_string(),
                money(product.revenue),
            ]);
        }
        rows
    }

    fn top_countries(&self, top: usize) -> Rows {
        #[derive(Default)]
        struct Country<'a> {
            customers: HashSet<&'a str>,
            orders: HashSet<&'a str>,
            revenue: i128,
        }
        let mut countries: HashMap<&str, Country<'_>> = HashMap::new();
        for line in &self.lines {
            let country = countries.entry(&line.country).or_default();
            country.revenue += line.value;
            country.customers.extend(line.customer.as_deref());
            if !line.is_cancelled() {
                country.orders.insert(&line.invoice);
            }
        }
        let mut countries: Vec<_> = countries.into_iter().collect();
        countries.sort_by_key(|(name, country)| (-country.revenue, *name));
        let mut rows = vec![header(&["rank", "country", "customers", "orders", "revenue"])];
        for (index, (name, country)) in countries.into_iter().take(top).enumerate() {
            rows.push(vec![
                (index + 1).to_string(),
                name.to_owned(),
                country.customers.len().to_string(),
                country.orders.len().to_string(),
                money(country.revenue),
            ]);
        }
        rows
    }
}

/// `None` when the row is one that must be rejected.
fn line(record: &csv::StringRecord) -> Option<Line> {
    let fields: [&str; 8] = record.iter().collect::<Vec<_>>().try_into().ok()?;
    let [invoice, stock_code, description, quantity, date, price, customer, country] = fields;
    let quantity: i128 = quantity.strip_suffix(".0").unwrap_or(quantity).parse().ok()?;
    let price = ten_thousandths(price)?;
    let customer = match customer.strip_suffix(".0").unwrap_or(customer) {
        "" => None,
        number => Some(number.parse::<u64>().ok()?.to_string()),
    };
    if invoice.is_empty() || stock_code.is_empty() {
        return None;
    }
    Some(Line {
        invoice: invoice.to_owned(),
        stock_code: stock_code.to_owned(),
        description: description.to_owned(),
        quantity,
        month: month(date)?,
        value: quantity * price,
        customer,
        country: country.to_owned(),
    })
}

/// The month of `12/1/2010 8:26`, if there is such a minute.
fn month(date: &str) -> Option<i32> {
    let (day, time) = date.split_once(' ')?;
    let [month, day, year]: [u32; 3] = numbers(day, '/')?;
    let [hour, minute]: [u32; 2] = numbers(time, ':')?;
    let exists = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    exists.and_hms_opt(hour, minute, 0)?;
    i32::try_from(year * 12 + month - 1).ok()
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u32; N]> {
    let numbers: Option<Vec<u32>> = text.split(separator).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn ten_thousandths(price: &str) -> Option<i128> {
    let (sign, digits) = price.strip_prefix('-').map_or((1, price), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 4 {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    Some(sign * (whole * UNIT + format!("{part:0<4}").parse::<i128>().ok()?))
}

fn half_up(value: i128, by: i128) -> i128 {
    value.signum() * ((value.abs() * 2 + by) / (by * 2))
}

fn money(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", value.abs() / UNIT, value.abs() % UNIT)
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Year, month, and these.
fn cells(month: i32, values: &[i128]) -> Vec<String> {
    let date = [i128::from(month / 12), i128::from(month % 12 + 1)];
    date.iter().chain(values).map(ToString::to_string).collect()
}
