//! Table `top_products`: which products bring in the most?

/// The best `top`. Only these are given a name and their orders.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            best AS (
                SELECT stock_code, sum(items) AS items, sum(revenue) AS revenue
                FROM product_names
                GROUP BY stock_code
                ORDER BY revenue DESC, stock_code
                LIMIT {top}
            ),
            names AS (
                SELECT
                    stock_code,
                    first_value(description ORDER BY lines DESC, description) AS description
                FROM product_names
                WHERE description <> ''
                GROUP BY stock_code
            )
        SELECT
            row_number() OVER (ORDER BY revenue DESC, best.stock_code) AS rank,
            best.stock_code AS stock_code,
            description,
            items,
            coalesce(orders, 0) AS orders,
            revenue
        FROM best
        LEFT JOIN names ON names.stock_code = best.stock_code
        LEFT JOIN product_orders ON product_orders.stock_code = best.stock_code
        ORDER BY rank"
    )
}
