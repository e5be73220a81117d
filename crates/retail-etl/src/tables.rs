//! The tables that a run makes: their names, columns and keys.

use arrow::array::RecordBatch;

/// The results of a run, each sorted by its key.
///
/// Money is pounds. `InvoiceYear`, `InvoiceMonth` (1 to 12) are spelt as the course spells them, in
/// every table that has a row per month.
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
    /// average_basket Decimal128(38, 4)`; revenue is net of cancellations, the basket is revenue by
    /// order. Key: the month.
    pub monthly_sales: RecordBatch,
    /// `rank Int64, stock_code Utf8, description Utf8, items Int64, orders Int64,
    /// revenue Decimal128(38, 4)`, by revenue. Key: the rank.
    pub top_products: RecordBatch,
    /// `rank Int64, country Utf8, customers Int64, orders Int64, revenue Decimal128(38, 4)`, by
    /// revenue. Key: the rank.
    pub top_countries: RecordBatch,
}
