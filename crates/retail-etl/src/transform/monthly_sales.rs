//! Table `monthly_sales`: what was sold in each month, in how many orders, and what was cancelled?

/// An invoice counts once, also where its lines disagree about customer or country. The quotient has
/// more than four digits after the point; the table rounds it half up.
pub(super) const SQL: &str = r#"
    WITH
        sales AS (
            SELECT
                month,
                distinct_numbers(invoice) FILTER (WHERE NOT cancelled) AS orders,
                distinct_numbers(invoice) FILTER (WHERE cancelled) AS cancelled_invoices,
                sum(items) AS items,
                sum(revenue) AS revenue,
                coalesce(-sum(revenue) FILTER (WHERE cancelled), 0) AS cancelled_value
            FROM invoices
            GROUP BY month
        )
    SELECT
        month / 12 AS "InvoiceYear",
        month % 12 + 1 AS "InvoiceMonth",
        orders,
        cancelled_invoices,
        items,
        revenue,
        cancelled_value,
        revenue / nullif(orders, 0) AS average_basket
    FROM sales
    ORDER BY month"#;
