//! The tables as plain numbers, in the shape in which sentences and charts want them.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Decimal128Type, Int32Type, Int64Type};
use chrono::{Datelike, Days, NaiveDate};

use crate::Error;
use crate::tables::Tables;

/// A month whose last invoice is further than this from its end is not whole. A shop may be closed
/// over the last days of a month.
const CLOSED_DAYS: u64 = 3;

/// A cohort is followed for so many months: fifty years. One date with a mistyped year would else make the
/// report a thousand times as long; the table has the rest.
pub(super) const MOST_MONTHS: usize = 600;

/// A month of a year. They follow one another without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(i32);

impl Month {
    /// `number`: 1 to 12.
    pub(super) fn new(year: i32, number: i32) -> Self {
        Self(year.saturating_mul(12).saturating_add(number - 1))
    }

    pub(super) fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// 1 to 12.
    pub(super) fn number(self) -> i32 {
        self.0.rem_euclid(12) + 1
    }

    /// So many months later.
    pub(super) fn plus(self, months: usize) -> Self {
        Self(self.0.saturating_add(i32::try_from(months).unwrap_or(i32::MAX)))
    }

    /// How many months it is after the other one; 0 if it is before.
    pub(super) fn since(self, other: Self) -> usize {
        usize::try_from(self.0.saturating_sub(other.0)).unwrap_or(0)
    }
}

/// An amount of money, in the fourth part after the point: 10 000 is a pound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pounds(pub(super) i128);

impl Pounds {
    /// For charts and shares, where the last digits do not matter.
    pub(super) fn to_f64(self) -> f64 {
        self.0 as f64 / 10_000.0
    }
}

impl std::iter::Sum for Pounds {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}

/// The customers of a month.
#[derive(Clone, Copy, Debug)]
pub(super) struct Customers {
    pub(super) month: Month,
    pub(super) unique: i64,
    pub(super) new: i64,
    pub(super) returning: i64,
}

/// The sales of a month.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sales {
    pub(super) month: Month,
    pub(super) orders: i64,
    pub(super) cancelled_invoices: i64,
    pub(super) items: i64,
    pub(super) revenue: Pounds,
    pub(super) cancelled_value: Pounds,
    /// `None` in a month without an order.
    pub(super) average_basket: Option<Pounds>,
}

/// Those whose first purchase was in one month.
#[derive(Clone, Debug)]
pub(super) struct Cohort {
    pub(super) month: Month,
    pub(super) size: i64,
    /// How many of them bought so many months later, up to the last month of all; 0 is there too.
    pub(super) customers: Vec<i64>,
}

impl Cohort {
    /// The share that bought so many months later, 0 to 1; `None` if nobody can know yet.
    pub(super) fn share(&self, months_later: usize) -> Option<f64> {
        let customers = *self.customers.get(months_later)?;
        Some(ratio(customers, self.size))
    }
}

/// A product, or a country.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) rank: i64,
    pub(super) name: String,
    /// A product's code.
    pub(super) code: Option<String>,
    /// A country's customers.
    pub(super) customers: Option<i64>,
    pub(super) orders: i64,
    /// A product's pieces.
    pub(super) items: Option<i64>,
    pub(super) revenue: Pounds,
}

/// All of a report's numbers.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) customers: Vec<Customers>,
    pub(super) cohorts: Vec<Cohort>,
    pub(super) sales: Vec<Sales>,
    pub(super) products: Vec<Ranked>,
    pub(super) countries: Vec<Ranked>,
    /// The last month, where the input ends in the midst of it.
    pub(super) broken_month: Option<Month>,
}

impl Figures {
    /// Reads the tables. `last_day`: of the last invoice, where it is known.
    ///
    /// # Errors
    /// [`Error::Report`] when a column is absent, or of another type than it should be.
    pub(super) fn read(tables: &Tables, last_day: Option<NaiveDate>) -> Result<Self, Error> {
        let customers = read_customers(&tables.new_and_returning)?;
        let last = customers.last().map(|row| row.month);
        Ok(Self {
            cohorts: read_cohorts(&tables.customer_cohorts, last)?,
            customers,
            sales: read_sales(&tables.monthly_sales)?,
            products: read_products(&tables.top_products)?,
            countries: read_countries(&tables.top_countries)?,
            broken_month: last_day.and_then(broken_month),
        })
    }

    /// The customers of the months that are whole.
    pub(super) fn whole_months(&self) -> impl DoubleEndedIterator<Item = &Customers> + Clone {
        self.customers.iter().filter(|row| Some(row.month) != self.broken_month)
    }

    /// Of all customers, the share that bought so many months after their first month; only where
    /// that month is over and whole. `None` where there is no such month yet.
    pub(super) fn share_back(&self, months_later: usize) -> Option<f64> {
        let last = self.whole_months().next_back()?.month;
        let known = |cohort: &&Cohort| cohort.month.plus(months_later) <= last;
        let (back, size) =
            self.cohorts.iter().filter(known).fold((0, 0), |(back, size), cohort| {
                (back + cohort.customers.get(months_later).unwrap_or(&0), size + cohort.size)
            });
        (size > 0).then(|| ratio(back, size))
    }
}

/// A share, 0 to 1; of nothing it is 0.
pub(super) fn ratio(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The month of the day, unless it is its last one or about.
fn broken_month(last_day: NaiveDate) -> Option<Month> {
    let later = last_day.checked_add_days(Days::new(CLOSED_DAYS))?;
    let month = |day: NaiveDate| Month::new(day.year(), day.month0().cast_signed() + 1);
    (month(later) == month(last_day)).then(|| month(last_day))
}

/// A table whose columns are asked for by name and type.
struct Columns<'a> {
    table: &'static str,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    fn column(&self, name: &str) -> Result<&'a ArrayRef, Error> {
        self.batch.column_by_name(name).ok_or_else(|| self.broken(name, "it is absent".into()))
    }

    fn numbers<T: ArrowPrimitiveType>(&self, name: &str) -> Result<Vec<Option<T::Native>>, Error> {
        let column = self.column(name)?;
        let numbers = column
            .as_primitive_opt::<T>()
            .ok_or_else(|| self.broken(name, format!("it holds {}", column.data_type())))?;
        Ok(numbers.iter().collect())
    }

    /// Without nulls: a null counts as 0.
    fn counts(&self, name: &str) -> Result<Vec<i64>, Error> {
        Ok(self.numbers::<Int64Type>(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn pounds(&self, name: &str) -> Result<Vec<Option<Pounds>>, Error> {
        let amounts = self.numbers::<Decimal128Type>(name)?;
        Ok(amounts.into_iter().map(|amount| amount.map(Pounds)).collect())
    }

    fn months(&self, year: &str, number: &str) -> Result<Vec<Month>, Error> {
        let years = self.numbers::<Int32Type>(year)?;
        let numbers = self.numbers::<Int32Type>(number)?;
        let pairs = years.into_iter().zip(numbers);
        let month = |(year, number): (Option<i32>, Option<i32>)| {
            Month::new(year.unwrap_or_default(), number.unwrap_or(1))
        };
        Ok(pairs.map(month).collect())
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let column = self.column(name)?;
        let texts = column
            .as_string_opt::<i32>()
            .ok_or_else(|| self.broken(name, format!("it holds {}", column.data_type())))?;
        Ok(texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
    }

    fn broken(&self, column: &str, reason: String) -> Error {
        Error::Report { reason: format!("column {column} of table {}: {reason}", self.table) }
    }
}

fn read_customers(batch: &RecordBatch) -> Result<Vec<Customers>, Error> {
    let columns = Columns { table: "new_and_returning", batch };
    let months = columns.months("InvoiceYear", "InvoiceMonth")?;
    let unique = columns.counts("unique_customers")?;
    let new = columns.counts("new_customers")?;
    let returning = columns.counts("returning_customers")?;
    let row = |at: usize| Customers {
        month: months[at],
        unique: unique[at],
        new: new[at],
        returning: returning[at],
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// `last`: the last month of all; cells later than [`MOST_MONTHS`] are left out. A month in which nobody of a cohort bought has no row, and is 0.
fn read_cohorts(batch: &RecordBatch, last: Option<Month>) -> Result<Vec<Cohort>, Error> {
    let columns = Columns { table: "customer_cohorts", batch };
    let months = columns.months("CohortYear", "CohortMonth")?;
    let later = columns.numbers::<Int32Type>("months_later")?;
    let customers = columns.counts("customers")?;
    let sizes = columns.counts("cohort_size")?;
    let mut cohorts = BTreeMap::new();
    for at in 0..batch.num_rows() {
        let month = months[at];
        let later = usize::try_from(later[at].unwrap_or_default()).unwrap_or(0);
        let known = last.map_or(0, |last| last.since(month)).max(later).min(MOST_MONTHS) + 1;
        let cohort = cohorts.entry(month).or_insert_with(|| Cohort {
            month,
            size: sizes[at],
            customers: vec![0; known],
        });
        cohort.customers.resize(cohort.customers.len().max(known), 0);
        if let Some(cell) = cohort.customers.get_mut(later) {
            *cell = customers[at];
        }
    }
    Ok(cohorts.into_values().collect())
}

fn read_sales(batch: &RecordBatch) -> Result<Vec<Sales>, Error> {
    let columns = Columns { table: "monthly_sales", batch };
    let months = columns.months("InvoiceYear", "InvoiceMonth")?;
    let orders = columns.counts("orders")?;
    let cancelled_invoices = columns.counts("cancelled_invoices")?;
    let items = columns.counts("items")?;
    let revenue = columns.pounds("revenue")?;
    let cancelled_value = columns.pounds("cancelled_value")?;
    let average_basket = columns.pounds("average_basket")?;
    let row = |at: usize| Sales {
        month: months[at],
        orders: orders[at],
        cancelled_invoices: cancelled_invoices[at],
        items: items[at],
        revenue: revenue[at].unwrap_or_default(),
        cancelled_value: cancelled_value[at].unwrap_or_default(),
        average_basket: average_basket[at],
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn read_products(batch: &RecordBatch) -> Result<Vec<Ranked>, Error> {
    let columns = Columns { table: "top_products", batch };
    let ranks = columns.counts("rank")?;
    let codes = columns.texts("stock_code")?;
    let names = columns.texts("description")?;
    let items = columns.counts("items")?;
    let orders = columns.counts("orders")?;
    let revenue = columns.pounds("revenue")?;
    let row = |at: usize| Ranked {
        rank: ranks[at],
        name: names[at].clone(),
        code: Some(codes[at].clone()),
        customers: None,
        orders: orders[at],
        items: Some(items[at]),
        revenue: revenue[at].unwrap_or_default(),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn read_countries(batch: &RecordBatch) -> Result<Vec<Ranked>, Error> {
    let columns = Columns { table: "top_countries", batch };
    let ranks = columns.counts("rank")?;
    let names = columns.texts("country")?;
    let customers = columns.counts("customers")?;
    let orders = columns.counts("orders")?;
    let revenue = columns.pounds("revenue")?;
    let row = |at: usize| Ranked {
        rank: ranks[at],
        name: names[at].clone(),
        code: None,
        customers: Some(customers[at]),
        orders: orders[at],
        items: None,
        revenue: revenue[at].unwrap_or_default(),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}
