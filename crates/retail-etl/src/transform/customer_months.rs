//! The months in which each customer bought, beside the month of the first purchase: the ground of
//! the three tables about customers.

/// The name of the result.
pub(super) const GIVES: &str = "customer_months";

/// A row per customer and month, and one per month for buyers who are not known (null), so that a
/// month with none but those is not forgotten. `cohort` is the month of the first purchase.
pub(super) const SQL: &str = "
    WITH bought AS (SELECT DISTINCT customer_id, month FROM invoices)
    SELECT customer_id, month, min(month) OVER (PARTITION BY customer_id) AS cohort
    FROM bought";
