//! Table `top_countries`: from which countries do customers buy the most?

/// The best `top`.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            country_invoices AS (
                SELECT country, invoice, cancelled, sum(revenue) AS revenue
                FROM invoices
                GROUP BY country, invoice, cancelled
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
            row_number() OVER (ORDER BY revenue DESC, name) AS rank,
            name AS country,
            customers,
            orders,
            revenue
        FROM sales
        JOIN country_customers ON country_customers.country = sales.country
        JOIN country_names ON country_names.country = sales.country
        ORDER BY rank
        LIMIT {top}"
    )
}
