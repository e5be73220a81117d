//! The page of small tables, whole; and that no input can break it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use chrono::{DateTime, NaiveDate};

use super::*;
use crate::quality::{Compression, Encoding, FileRead, Warnings};
use crate::tables::{MONEY_PRECISION, MONEY_SCALE, SHAPES};

/// Tables as rows, easy to write down.
#[derive(Clone, Default)]
pub(super) struct Rows {
    /// Year, month, new, returning.
    customers: Vec<(i32, i32, i64, i64)>,
    /// Year, month, months later, customers, size.
    cohorts: Vec<(i32, i32, i32, i64, i64)>,
    /// Year, month, orders, revenue in pounds.
    sales: Vec<(i32, i32, i64, i64)>,
    /// Code, name, revenue in pounds.
    products: Vec<(&'static str, Option<&'static str>, i64)>,
    /// Name, revenue in pounds.
    countries: Vec<(&'static str, i64)>,
}

fn ints(values: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn longs(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn pounds(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let values = values.map(|pounds| pounds.map(|pounds| i128::from(pounds) * 10_000));
    let array = Decimal128Array::from_iter(values);
    Arc::new(array.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap())
}

impl Rows {
    pub(super) fn small() -> Self {
        Self {
            customers: vec![(2010, 12, 948, 0), (2011, 1, 421, 362), (2011, 2, 380, 418)],
            cohorts: vec![
                (2010, 12, 0, 948, 948),
                (2010, 12, 1, 362, 948),
                (2010, 12, 2, 317, 948),
                (2011, 1, 0, 421, 421),
                (2011, 1, 1, 101, 421),
                (2011, 2, 0, 380, 380),
            ],
            sales: vec![(2010, 12, 1_708, 748_957), (2011, 1, 1_236, 560_000), (2011, 2, 0, -498)],
            products: vec![
                ("22423", Some("REGENCY CAKESTAND 3 TIER"), 164_762),
                ("X<1>", Some("<script>alert(\"1\")</script> & 'so' on"), 99),
                ("DOT", None, -5),
            ],
            countries: vec![("United Kingdom", 8_187_806), ("Réunion <b>", 10)],
        }
    }

    /// Every month from the first one on, all alike.
    fn of_months(first_year: i32, months: i32) -> Self {
        let all = (0..months).map(|at| (first_year + at / 12, at % 12 + 1));
        Self {
            customers: all.clone().map(|(year, month)| (year, month, 10, 20)).collect(),
            cohorts: all
                .clone()
                .flat_map(|(year, month)| {
                    let left = months - ((year - first_year) * 12 + month - 1);
                    (0..left)
                        .map(move |later| (year, month, later, 10 - i64::from(later.min(9)), 10))
                })
                .collect(),
            sales: all.map(|(year, month)| (year, month, 5, 100)).collect(),
            ..Self::default()
        }
    }

    pub(super) fn tables(&self) -> Tables {
        let batch = |at: usize, columns: Vec<ArrayRef>| {
            RecordBatch::try_new(SHAPES[at].schema(), columns).unwrap()
        };
        let years = || ints(self.customers.iter().map(|row| row.0));
        let months = || ints(self.customers.iter().map(|row| row.1));
        let unique = || longs(self.customers.iter().map(|row| row.2 + row.3));
        let share = self.cohorts.iter().map(|row| row.3 as f64 / row.4 as f64);
        let basket = self.sales.iter().map(|row| (row.2 > 0).then(|| row.3 / row.2));
        Tables::from_batches([
            batch(0, vec![years(), months(), unique()]),
            batch(
                1,
                vec![
                    years(),
                    months(),
                    unique(),
                    longs(self.customers.iter().map(|row| row.2)),
                    longs(self.customers.iter().map(|row| row.3)),
                ],
            ),
            batch(
                2,
                vec![
                    ints(self.cohorts.iter().map(|row| row.0)),
                    ints(self.cohorts.iter().map(|row| row.1)),
                    ints(self.cohorts.iter().map(|row| row.2)),
                    longs(self.cohorts.iter().map(|row| row.3)),
                    longs(self.cohorts.iter().map(|row| row.4)),
                    Arc::new(Float64Array::from_iter_values(share)),
                ],
            ),
            batch(
                3,
                vec![
                    ints(self.sales.iter().map(|row| row.0)),
                    ints(self.sales.iter().map(|row| row.1)),
                    longs(self.sales.iter().map(|row| row.2)),
                    longs(self.sales.iter().map(|_| 3)),
                    longs(self.sales.iter().map(|row| row.2 * 100)),
                    pounds(self.sales.iter().map(|row| Some(row.3))),
                    pounds(self.sales.iter().map(|_| Some(75))),
                    pounds(basket),
                ],
            ),
            self.products(),
            self.countries(),
        ])
    }

    fn products(&self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            longs(1..=self.products.len() as i64),
            Arc::new(StringArray::from_iter_values(self.products.iter().map(|row| row.0))),
            Arc::new(StringArray::from_iter(self.products.iter().map(|row| row.1))),
            longs(self.products.iter().map(|_| 11_555)),
            longs(self.products.iter().map(|_| 1_988)),
            pounds(self.products.iter().map(|row| Some(row.2))),
        ];
        RecordBatch::try_new(SHAPES[4].schema(), columns).unwrap()
    }

    fn countries(&self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            longs(1..=self.countries.len() as i64),
            Arc::new(StringArray::from_iter_values(self.countries.iter().map(|row| row.0))),
            longs(self.countries.iter().map(|_| 42)),
            longs(self.countries.iter().map(|_| 77)),
            pounds(self.countries.iter().map(|row| Some(row.1))),
        ];
        RecordBatch::try_new(SHAPES[5].schema(), columns).unwrap()
    }
}

pub(super) fn quality() -> Quality {
    Quality {
        files: vec![FileRead {
            path: PathBuf::from("invoices/<2010>.csv.gz"),
            bytes: 7_500_000,
            modified_ns: 0,
            xxh3: 0,
            compression: Compression::Gzip,
            encoding: Encoding::Latin1,
            rows: 100_000,
        }],
        rows: 100_000,
        loaded: 99_990,
        rejected: 10,
        rejected_by_rule: [("date", 7), ("price", 3)].into(),
        warnings: Warnings {
            missing_customer: 25_000,
            cancelled: 1_700,
            zero_price: 2,
            duplicates: 0,
        },
    }
}

pub(super) fn meta() -> ReportMeta {
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(8, 26, 0);
    ReportMeta {
        made_at: DateTime::from_timestamp(1_795_645_800, 0).unwrap(),
        exclude_cancelled: false,
        period: day(2010, 12, 1).zip(day(2011, 2, 28)),
    }
}

fn page(rows: &Rows) -> String {
    render(&rows.tables(), &quality(), &meta()).unwrap()
}

/// Compares with the file, or writes it where `UPDATE_REPORT` is set: look at the change before it
/// is committed.
#[test]
fn a_small_report_is_as_it_was() {
    let path = Path::new("src/report/tests/small.html");
    let page = page(&Rows::small());
    if std::env::var_os("UPDATE_REPORT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    let differs = expected.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(expected == page, "{} has changed, first here: {differs:#?}", path.display());
}

#[test]
fn the_question_is_answered_in_the_title() {
    let page = page(&Rows::small());
    for sentence in [
        "In December 2010, 948 different customers bought, the most of 3 months; in an average \
         month it was 843.",
        // (362 + 101) of (948 + 421).
        "Of those who buy for the first time, 34% buy again in the next month.",
        "52% of the customers of February 2011 had bought before.",
        "The most faithful: of the 948 customers who first bought in December 2010, 38% bought in \
         January 2011.",
        "Sales were best in December 2010, £748,957, the most of 3 months.",
        "Of 100,000 rows, 10 were rejected (&lt;0.1%).",
    ] {
        assert!(page.contains(sentence), "{sentence}");
    }
}

#[test]
fn a_month_that_is_not_over_is_told_and_left_out_of_averages() {
    let mut meta = meta();
    let last = NaiveDate::from_ymd_opt(2011, 2, 9).unwrap().and_hms_opt(12, 50, 0);
    meta.period = meta.period.map(|(first, _)| first).zip(last);
    let page = render(&Rows::small().tables(), &quality(), &meta).unwrap();
    for sentence in [
        "The input ends within February 2011, which averages leave out.",
        "in an average month it was 866.",
        // 362 of 948: the 101 are of February.
        "Of those who buy for the first time, 38% buy again in the next month.",
        "46% of the customers of January 2011 had bought before.",
        "Invoices of 1 December 2010 to 9 February 2011",
    ] {
        assert!(page.contains(sentence), "{sentence}");
    }
}

#[test]
fn nothing_of_the_input_becomes_markup() {
    let page = page(&Rows::small());
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; 'so' on"));
    assert!(page.contains("Réunion &lt;b&gt;"));
    assert!(page.contains("X&lt;1&gt;"));
    assert!(page.contains("invoices/&lt;2010&gt;.csv.gz"));
    for forbidden in ["<script", "<b>", "<1>", "<2010>"] {
        // The page's own words in bold have no space within.
        let allowed = if forbidden == "<b>" { 3 } else { 0 };
        assert_eq!(page.matches(forbidden).count(), allowed, "{forbidden}");
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&Rows::small());
    for forbidden in ["http:", "https:", "url(", "@import", "src=", "<link", "<script", "xlink"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn every_chart_has_a_name_and_its_numbers() {
    let page = page(&Rows::small());
    let charts = page.matches("<svg").count();
    assert_eq!(charts, 6);
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), charts);
    assert_eq!(page.matches("</svg>").count(), charts);
    assert_eq!(page.matches("<summary>The numbers</summary>").count(), 3);
}

#[test]
fn any_tables_can_be_drawn() {
    let mut gap = Rows::small();
    gap.customers[2] = (2013, 6, 1, 1);
    gap.sales[0].3 = -1_000_000;
    let huge = Rows {
        customers: vec![(1, 1, i64::MAX / 2, i64::MAX / 2), (9999, 12, 0, 0)],
        sales: vec![(1, 1, 1, i64::MAX), (9999, 12, 1, i64::MIN)],
        ..Rows::default()
    };
    let one = Rows { customers: vec![(2011, 1, 1, 0)], ..Rows::default() };
    for (name, rows, parts) in [
        ("nothing", Rows::default(), vec!["no purchase of a known customer"]),
        ("one customer", one, vec!["In January 2011, 1 customer bought.", "too early to tell"]),
        ("a gap of years", gap, vec!["2012</text>"]),
        ("numbers beyond reason", huge, vec!["January 1"]),
        (
            "sixteen years",
            Rows::of_months(1995, 200),
            vec!["last 120 months", "last 24 cohorts and 24 months after"],
        ),
    ] {
        let page = page(&rows).replace("\n</text>", "</text>");
        for part in parts {
            assert!(page.contains(part), "{name}: {part}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "{name}");
    }
}

/// Somebody comes back after a century, and buys so little that the line is at the foot of the chart.
#[test]
fn a_mistyped_year_makes_no_sentence_untrue() {
    let page = page(&Rows {
        customers: vec![(2010, 12, 72, 0), (2111, 12, 0, 1)],
        cohorts: vec![(2010, 12, 0, 72, 72), (2010, 12, 1_212, 1, 72)],
        sales: vec![(2010, 12, 91, 37_811), (2111, 12, 1, 5)],
        ..Rows::default()
    });
    for words in ["Nobody came back within 50 years.", "Months more than 50 years after"] {
        assert!(page.contains(words), "{words}");
    }
    let heights: Vec<i32> = page
        .split("<text ")
        .filter(|text| text.contains("£5\n</text>"))
        .map(|text| {
            let height = text.split_once(" y=\"").unwrap().1;
            height.split_once('"').unwrap().0.parse().unwrap()
        })
        .collect();
    // For wide and for narrow pages; months begin at 264.
    assert!(heights.len() == 2 && heights.iter().all(|&height| height < 250), "{heights:?}");
}

#[test]
fn a_table_that_lacks_a_column_is_named() {
    let mut tables = Rows::small().tables();
    tables.monthly_sales = tables.monthly_customers.clone();
    let error = render(&tables, &quality(), &meta()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot make the report: column orders of table monthly_sales: it is absent"
    );
}
