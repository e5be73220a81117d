//! Table `customer_cohorts`: of those whose first purchase was in a month, how many bought in each
//! later month?

/// Every cohort has a row for every month from its own on, also where nobody came back.
pub(super) const SQL: &str = r#"
    WITH
        months AS (SELECT DISTINCT month FROM customer_months),
        bought AS (
            SELECT cohort, month, count(*) AS customers
            FROM customer_months
            WHERE customer_id IS NOT NULL
            GROUP BY cohort, month
        ),
        cohorts AS (
            SELECT cohort, customers AS cohort_size FROM bought WHERE month = cohort
        ),
        cells AS (
            SELECT cohort, cohort_size, month FROM cohorts JOIN months ON month >= cohort
        )
    SELECT
        cells.cohort / 12 AS "CohortYear",
        cells.cohort % 12 + 1 AS "CohortMonth",
        cells.month - cells.cohort AS months_later,
        coalesce(customers, 0) AS customers,
        cohort_size,
        CAST(coalesce(customers, 0) AS DOUBLE) / cohort_size AS share
    FROM cells
    LEFT JOIN bought ON bought.cohort = cells.cohort AND bought.month = cells.month
    ORDER BY cells.cohort, cells.month"#;
