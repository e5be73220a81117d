//! The plans that touch every line. What they give is small: one row per invoice (25,900 in the
//! real data), product and description (some 5,500) and product (some 4,000). Invoices, products and
//! countries are numbers here ([`super::names`]).

/// The table of lines that the plans read.
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
    // Who bought when, where, and for how much. An invoice has one row, unless its lines say
    // different months, customers or countries.
    LinesPlan {
        gives: "invoices",
        sql: "
            SELECT
                invoice, cancelled, month, customer_id, country,
                sum(quantity) AS items,
                sum(quantity * unit_price) AS revenue
            FROM invoice_lines
            GROUP BY invoice, cancelled, month, customer_id, country",
    },
    // What a product is called and how it sells. It has a row for each of its names.
    LinesPlan {
        gives: "product_names",
        sql: "
            SELECT
                product, description,
                count(*) AS lines,
                sum(quantity) AS items,
                sum(quantity * unit_price) AS revenue
            FROM invoice_lines
            GROUP BY product, description",
    },
    // How many orders a product is in, however many of their lines it has.
    LinesPlan {
        gives: "product_orders",
        sql: "
            SELECT product, count(DISTINCT invoice) AS orders
            FROM invoice_lines
            WHERE NOT cancelled
            GROUP BY product",
    },
];
