//! The tables that a run makes: their names, columns and keys.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType::{Decimal128, Float64, Int32, Int64, Utf8};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// All digits of an amount of money.
pub const MONEY_PRECISION: u8 = 38;
/// Digits after the point of an amount of money.
pub const MONEY_SCALE: i8 = 4;

const MONEY: DataType = Decimal128(MONEY_PRECISION, MONEY_SCALE);

/// A table's name, columns and key.
#[derive(Clone, Copy, Debug)]
pub struct TableShape {
    /// Its name, in the database and of its files.
    pub name: &'static str,
    /// Its columns: name, type, whether it may be null.
    pub columns: &'static [(&'static str, DataType, bool)],
    /// The columns that identify a row; rows are sorted by them.
    pub key: &'static [&'static str],
}

impl TableShape {
    /// The columns as Arrow has them.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter();
        let fields = fields.map(|(name, kind, null)| Field::new(*name, kind.clone(), *null));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// All tables, in the order of [`Tables`]' fields.
pub const SHAPES: [TableShape; 6] = [
    TableShape {
        name: "monthly_customers",
        columns: &[
            ("InvoiceYear", Int32, false),
            ("InvoiceMonth", Int32, false),
            ("unique_customers", Int64, false),
        ],
        key: &["InvoiceYear", "InvoiceMonth"],
    },
    TableShape {
        name: "new_and_returning",
        columns: &[
            ("InvoiceYear", Int32, false),
            ("InvoiceMonth", Int32, false),
            ("unique_customers", Int64, false),
            ("new_customers", Int64, false),
            ("returning_customers", Int64, false),
        ],
        key: &["InvoiceYear", "InvoiceMonth"],
    },
    TableShape {
        name: "customer_cohorts",
        columns: &[
            ("CohortYear", Int32, false),
            ("CohortMonth", Int32, false),
            ("months_later", Int32, false),
            ("customers", Int64, false),
            ("cohort_size", Int64, false),
            ("share", Float64, false),
        ],
        key: &["CohortYear", "CohortMonth", "months_later"],
    },
    TableShape {
        name: "monthly_sales",
        columns: &[
            ("InvoiceYear", Int32, false),
            ("InvoiceMonth", Int32, false),
            ("orders", Int64, false),
            ("cancelled_invoices", Int64, false),
            ("items", Int64, false),
            ("revenue", MONEY, false),
            ("cancelled_value", MONEY, false),
            ("average_basket", MONEY, true),
        ],
        key: &["InvoiceYear", "InvoiceMonth"],
    },
    TableShape {
        name: "top_products",
        columns: &[
            ("rank", Int64, false),
            ("stock_code", Utf8, false),
            ("description", Utf8, true),
            ("items", Int64, false),
            ("orders", Int64, false),
            ("revenue", MONEY, false),
        ],
        key: &["rank"],
    },
    TableShape {
        name: "top_countries",
        columns: &[
            ("rank", Int64, false),
            ("country", Utf8, false),
            ("customers", Int64, false),
            ("orders", Int64, false),
            ("revenue", MONEY, false),
        ],
        key: &["rank"],
    },
];

/// The results of a run, each sorted by its key.
///
/// Money is pounds, exact; a quotient is rounded half up to four digits. `InvoiceYear`,
/// `InvoiceMonth` (1 to 12) are spelt as the course spells them, in every table that has a row per
/// month; a month without any invoice has no row. Rows without a customer count in sales, not in
/// customers. With `--exclude-cancelled` no table knows of cancelled invoices.
#[derive(Clone, Debug)]
pub struct Tables {
    /// `InvoiceYear Int32, InvoiceMonth Int32, unique_customers Int64`; key: the month.
    pub monthly_customers: RecordBatch,
    /// `InvoiceYear, InvoiceMonth, unique_customers Int64, new_customers Int64,
    /// returning_customers Int64`; new: this is the month of the first purchase. Key: the month.
    pub new_and_returning: RecordBatch,
    /// `CohortYear Int32, CohortMonth Int32, months_later Int32, customers Int64, cohort_size Int64,
    /// share Float64`: of those whose first purchase was in the cohort's month, how many bought so
    /// many months later (0: all of them). Key: cohort and `months_later`.
    pub customer_cohorts: RecordBatch,
    /// `InvoiceYear, InvoiceMonth, orders Int64, cancelled_invoices Int64, items Int64,
    /// revenue Decimal128(38, 4), cancelled_value Decimal128(38, 4),
    /// average_basket Decimal128(38, 4)`. Orders are invoices that are no cancellations (one whose
    /// lines fall in two months counts in both); items and revenue are net of cancellations, whose
    /// worth is `cancelled_value`; the basket is revenue by order, null where there is no order.
    /// Key: the month.
    pub monthly_sales: RecordBatch,
    /// `rank Int64, stock_code Utf8, description Utf8, items Int64, orders Int64,
    /// revenue Decimal128(38, 4)`, by revenue, then by code. The description is the one that most
    /// lines have (of equally frequent ones the first by its bytes); null where no line has one.
    /// Key: the rank.
    pub top_products: RecordBatch,
    /// `rank Int64, country Utf8, customers Int64, orders Int64, revenue Decimal128(38, 4)`, by
    /// revenue, then by name. Key: the rank.
    pub top_countries: RecordBatch,
}

impl Tables {
    /// From batches in the order of [`SHAPES`].
    #[must_use]
    pub fn from_batches(batches: [RecordBatch; 6]) -> Self {
        let [
            monthly_customers,
            new_and_returning,
            customer_cohorts,
            monthly_sales,
            top_products,
            top_countries,
        ] = batches;
        Self {
            monthly_customers,
            new_and_returning,
            customer_cohorts,
            monthly_sales,
            top_products,
            top_countries,
        }
    }

    /// Every table with its shape, in the order of [`SHAPES`].
    #[must_use]
    pub fn all(&self) -> [(&'static TableShape, &RecordBatch); 6] {
        let batches = [
            &self.monthly_customers,
            &self.new_and_returning,
            &self.customer_cohorts,
            &self.monthly_sales,
            &self.top_products,
            &self.top_countries,
        ];
        std::array::from_fn(|index| (&SHAPES[index], batches[index]))
    }

    /// Rows in all tables together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.all().iter().map(|(_, rows)| rows.num_rows() as u64).sum()
    }
}
