//! The totals over lines beside what they are of: the ground of the tables about sales.

/// Who bought when, where, and for how much. An invoice has one row, unless its lines say different
/// months, customers or countries.
pub(super) const INVOICES: &str = "
    SELECT invoice, cancelled, month, customer_id, country, items, revenue
    FROM invoice_headers
    JOIN header_totals ON header_totals.header = invoice_headers.header";

/// What a product is called and how it sells. It has a row for each of its names.
pub(super) const PRODUCT_NAMES: &str = "
    SELECT product, description, lines, items, revenue
    FROM product_labels
    JOIN label_totals ON label_totals.label = product_labels.label";
