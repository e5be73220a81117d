//! From invoice lines to tables: DataFusion plans, one file a table.

/// What is asked of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformOptions {
    /// Whether cancelled invoices are left out everywhere.
    pub exclude_cancelled: bool,
    /// Rows of the tables of the best products and countries, at the most.
    pub top: u32,
}
