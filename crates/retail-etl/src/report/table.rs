//! Tables of the page.

use maud::{Markup, html};

/// A column of a table.
pub(super) struct Column {
    name: &'static str,
    class: &'static str,
    spare: bool,
}

impl Column {
    /// Of words.
    pub(super) fn text(name: &'static str) -> Self {
        Self { name, class: "text", spare: false }
    }

    /// Of numbers: they stand below one another.
    pub(super) fn number(name: &'static str) -> Self {
        Self { name, class: "number", spare: false }
    }

    /// A narrow page does without.
    pub(super) fn spare(self) -> Self {
        Self { spare: true, ..self }
    }

    fn classes(&self) -> String {
        format!("{}{}", self.class, if self.spare { " spare" } else { "" })
    }
}

/// A table; the first cell of a row names it.
pub(super) fn table(columns: &[Column], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table {
            thead {
                tr {
                    @for column in columns {
                        th scope="col" class=(column.classes()) { (column.name) }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
                            @if at == 0 {
                                th scope="row" class=(column.classes()) { (cell) }
                            } @else {
                                td class=(column.classes()) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The numbers of a chart.
pub(super) fn numbers(columns: &[Column], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        details {
            summary { "The numbers" }
            (table(columns, rows))
        }
    }
}
