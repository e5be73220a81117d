//! Table `monthly_customers`: how many different customers bought in each month?

/// Customers who are not known are null and not counted.
pub(super) const SQL: &str = r#"
    SELECT
        month / 12 AS "InvoiceYear",
        month % 12 + 1 AS "InvoiceMonth",
        count(customer_id) AS unique_customers
    FROM customer_months
    GROUP BY month
    ORDER BY month"#;
