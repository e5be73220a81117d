//! Table `top_countries`: from which countries do customers buy the most?

/// The best `top`. An invoice counts once, also where its lines disagree about the month or customer.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            sales AS (
                SELECT
                    country,
                    count(DISTINCT customer_id) AS customers,
                    distinct_numbers(invoice) FILTER (WHERE NOT cancelled) AS orders,
                    sum(revenue) AS revenue
                FROM invoices
                GROUP BY country
            )
        SELECT
            row_number() OVER (ORDER BY revenue DESC, name) AS rank,
            name AS country,
            customers,
            orders,
            revenue
        FROM sales
        JOIN country_names ON country_names.country = sales.country
        ORDER BY rank
        LIMIT {top}"
    )
}
