//! Table `top_products`: which products bring in the most?

/// The best `top`. Only these are given a name and their orders.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            sales AS (
                SELECT product, sum(items) AS items, sum(revenue) AS revenue
                FROM product_names
                GROUP BY product
            ),
            best AS (
                SELECT sales.product AS product, stock_code, items, revenue
                FROM sales
                JOIN product_codes ON product_codes.product = sales.product
                ORDER BY revenue DESC, stock_code
                LIMIT {top}
            ),
            names AS (
                SELECT
                    product,
                    first_value(description ORDER BY lines DESC, description) AS description
                FROM product_names
                WHERE description <> ''
                GROUP BY product
            )
        SELECT
            row_number() OVER (ORDER BY revenue DESC, stock_code) AS rank,
            stock_code,
            description,
            items,
            orders,
            revenue
        FROM best
        LEFT JOIN names ON names.product = best.product
        JOIN product_orders ON product_orders.product = best.product
        ORDER BY rank"
    )
}
