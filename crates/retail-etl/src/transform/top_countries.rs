//! Table `top_countries`: from which countries do customers buy the most?

/// The best `top`.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            country_invoices AS (
                SELECT country, invoice_no, cancelled, sum(revenue) AS revenue
                FROM invoices
                GROUP BY country, invoice_no, cancelled
            ),
            country_customers AS (
                SELECT country, count(DISTINCT customer_id) AS customers
                FROM invoices
                GROUP BY country
            ),
            sales AS (
                SELECT
                    country,
                    count(*) FILTER (WHERE NOT cancelled) AS orders,
                    sum(revenue) AS revenue
                FROM country_invoices
                GROUP BY country
            )
        SELECT
            row_number() OVER (ORDER BY revenue DESC, sales.country) AS rank,
            sales.country AS country,
            customers,
            orders,
            revenue
        FROM sales
        JOIN country_customers ON country_customers.country = sales.country
        ORDER BY rank
        LIMIT {top}"
    )
}
