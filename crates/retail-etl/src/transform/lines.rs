//! The plans that touch every line, as facts of a star schema ([`super::star`]). What they give is
//! small: one row per invoice header (25,900 in the real data), product label (some 5,500) and
//! product (some 4,000).

/// A plan over lines.
pub(super) struct LinesPlan {
    /// The name of the table that it gives.
    pub(super) gives: &'static str,
    /// The table of facts that it reads.
    pub(super) reads: Reads,
    /// The query.
    pub(super) sql: &'static str,
}

/// A table of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// A row for each line ([`super::facts::Facts::lines`]).
    Lines,
    /// A row for lines that follow one another in an invoice ([`super::facts::Facts::parts`]).
    Parts,
}

impl Reads {
    /// What queries call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Reads::Lines => "invoice_lines",
            Reads::Parts => "invoice_parts",
        }
    }
}

/// All plans over lines; each sees every line once.
pub(super) static PLANS: [LinesPlan; 3] = [
    LinesPlan {
        gives: "header_totals",
        reads: Reads::Parts,
        sql: "
            SELECT header, sum(quantity) AS items, sum(amount) AS revenue
            FROM invoice_parts
            GROUP BY header",
    },
    LinesPlan {
        gives: "label_totals",
        reads: Reads::Lines,
        sql: "
            SELECT label, count(*) AS lines, sum(quantity) AS items, sum(amount) AS revenue
            FROM invoice_lines
            GROUP BY label",
    },
    // How many orders a product is in, however many of their lines it has.
    LinesPlan {
        gives: "product_orders",
        reads: Reads::Lines,
        sql: "
            SELECT product, distinct_numbers(invoice) FILTER (WHERE NOT cancelled) AS orders
            FROM invoice_lines
            GROUP BY product",
    },
];
