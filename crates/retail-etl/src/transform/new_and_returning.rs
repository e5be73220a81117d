//! Table `new_and_returning`: how many of a month's customers bought for the first time?

/// The others had bought in an earlier month.
pub(super) const SQL: &str = r#"
    SELECT
        month / 12 AS "InvoiceYear",
        month % 12 + 1 AS "InvoiceMonth",
        count(customer_id) AS unique_customers,
        count(customer_id) FILTER (WHERE month = cohort) AS new_customers,
        count(customer_id) FILTER (WHERE month > cohort) AS returning_customers
    FROM customer_months
    GROUP BY month
    ORDER BY month"#;
