//! The plans that touch every line, as facts of a star schema ([`super::star`]). What they give is
//! small: one row per invoice header (25,900 in the real data), product label (some 5,500) and
//! product (some 4,000).

/// The table of facts that the plans read.
pub(super) const INPUT: &str = "invoice_lines";

/// A plan over lines.
pub(super) struct LinesPlan {
    /// The name of the table that it gives.
    pub(super) gives: &'static str,
    /// The query.
    pub(super) sql: &'static str,
}

/// All plans over lines; each sees every line once.
pub(super) static PLANS: [LinesPlan; 3] = [
    LinesPlan {
        gives: "header_totals",
        sql: "
            SELECT header, sum(quantity) AS items, sum(amount) AS revenue
            FROM invoice_lines
            GROUP BY header",
    },
    LinesPlan {
        gives: "label_totals",
        sql: "
            SELECT label, count(*) AS lines, sum(quantity) AS items, sum(amount) AS revenue
            FROM invoice_lines
            GROUP BY label",
    },
    // How many orders a product is in, however many of their lines it has.
    LinesPlan {
        gives: "product_orders",
        sql: "
            SELECT product, distinct_numbers(invoice) FILTER (WHERE NOT cancelled) AS orders
            FROM invoice_lines
            GROUP BY product",
    },
];
