//! Table `top_products`: which products bring in the most?

/// The best `top`. Of a product's names the one that most lines have is shown.
pub(super) fn sql(top: u32) -> String {
    format!(
        "
        WITH
            sales AS (
                SELECT
                    product,
                    first_value(description ORDER BY lines DESC, description)
                        FILTER (WHERE description <> '') AS description,
                    sum(items) AS items,
                    sum(revenue) AS revenue
                FROM product_names
                GROUP BY product
            )
        SELECT
            row_number() OVER (ORDER BY revenue DESC, stock_code) AS rank,
            stock_code,
            description,
            items,
            orders,
            revenue
        FROM sales
        JOIN product_codes ON product_codes.product = sales.product
        JOIN product_orders ON product_orders.product = sales.product
        ORDER BY rank
        LIMIT {top}"
    )
}
