//! The months in which each customer bought, beside the month of the first purchase: the ground of
//! the three tables about customers.

/// A row per customer and month, and one per month for buyers who are not known (null), so that a
/// month with none but those is not forgotten. `cohort` is the month of the first purchase (null
/// where the buyer is).
pub(super) const SQL: &str = "
    WITH
        bought AS (SELECT DISTINCT customer_id, month FROM invoice_headers),
        firsts AS (
            SELECT customer_id, min(month) AS cohort FROM invoice_headers GROUP BY customer_id
        )
    SELECT bought.customer_id AS customer_id, month, cohort
    FROM bought
    LEFT JOIN firsts ON firsts.customer_id = bought.customer_id";
