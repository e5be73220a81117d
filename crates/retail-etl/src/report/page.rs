//! The page: its sections, and the tables beside the charts.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportMeta;
use super::figures::{Figures, Pounds, Ranked, ratio};
use super::{charts, headlines, palette, quality, text};
use crate::Error;
use crate::quality::Quality;

const STYLE: &str = include_str!("style.css");

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
                    @for column in columns { th scope="col" class=(column.classes()) { (column.name) } }
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

/// The whole page.
///
/// # Errors
/// [`Error::Report`] when a chart cannot be drawn.
pub(super) fn page(
    figures: &Figures,
    quality: &Quality,
    meta: &ReportMeta,
) -> Result<Markup, Error> {
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Customers by month" }
                style { (PreEscaped(palette::style())) (PreEscaped(STYLE)) }
            }
            body {
                (header(figures, quality, meta))
                main {
                    (tiles(figures))
                    (customers(figures)?)
                    (cohorts(figures)?)
                    (sales(figures)?)
                    div.pair { (products(figures)) (countries(figures)) }
                    section {
                        h2 { (headlines::quality(quality)) }
                        (quality::section(quality, meta.exclude_cancelled))
                    }
                }
                (footer(meta))
            }
        }
    })
}

fn header(figures: &Figures, quality: &Quality, meta: &ReportMeta) -> Markup {
    html! {
        header {
            p.question { "How many different customers bought in each month, and do they come back?" }
            h1 { (headlines::customers(figures)) " " (headlines::retention(figures)) }
            p.meta {
                @if let Some((first, last)) = meta.period {
                    "Invoices of " (text::day(first.date())) " to " (text::day(last.date())) " · "
                }
                (text::rows(quality.rows)) " rows in " (text::of(quality.files.len(), "file"))
                " · computed " (text::moment(meta.made_at))
            }
        }
    }
}

fn tiles(figures: &Figures) -> Markup {
    let orders: i64 = figures.sales.iter().map(|row| row.orders).sum();
    let revenue = headlines::all_sales(figures);
    let basket = match i128::from(orders) {
        0 => "–".to_owned(),
        orders => text::pounds_and_pence(Pounds(revenue.0 / orders)),
    };
    let tiles = [
        ("Customers", text::count(headlines::all_customers(figures)), "each counted once"),
        ("Orders", text::count(orders), "without cancellations"),
        ("Sales", text::pounds(revenue), "less what was cancelled"),
        ("Average basket", basket, "sales by order"),
    ];
    html! {
        dl.tiles {
            @for (name, number, means) in tiles {
                div { dt { (name) } dd { (number) small { (means) } } }
            }
        }
    }
}

fn customers(figures: &Figures) -> Result<Markup, Error> {
    if figures.customers.is_empty() {
        return Ok(html! {});
    }
    let name = format!(
        "Bars of the customers of each month, new and returning. {}",
        headlines::customers(figures)
    );
    let rows = figures.customers.iter().map(|row| {
        vec![
            html! { (text::short_month(row.month)) },
            html! { (text::count(row.unique)) },
            html! { (text::count(row.new)) },
            html! { (text::count(row.returning)) },
            html! { (text::percent(ratio(row.returning, row.unique))) },
        ]
    });
    let columns = [
        Column::text("Month"),
        Column::number("Customers"),
        Column::number("New"),
        Column::number("Returning"),
        Column::number("Returning").spare(),
    ];
    let title = headlines::returning(figures);
    let first = figures.customers[0].month;
    Ok(html! {
        section {
            h2 { (title.unwrap_or_else(|| "Customers by month".to_owned())) }
            p {
                "Different customers who bought in each month. New: for the first time in this input, so \
                 everybody is new in " (text::month(first)) "."
                @if let Some(month) = figures.broken_month {
                    " The input ends within " (text::month(month)) ", which averages leave out."
                }
            }
            figure {
                p.legend {
                    span { i.main {} "Returning" } span { i.second {} "New" }
                }
                (charts::customers(&figures.customers, &name)?)
                (cut_note(figures.customers.len()))
                (numbers(&columns, rows))
            }
        }
    })
}

fn cohorts(figures: &Figures) -> Result<Markup, Error> {
    let cohorts = &figures.cohorts;
    if cohorts.iter().all(|cohort| cohort.customers.len() < 2) {
        return Ok(html! {});
    }
    let name = format!(
        "Heat map of the share of each cohort that bought again, by months after the first. {}",
        headlines::retention(figures)
    );
    let rows = cohorts.iter().flat_map(|cohort| {
        (1..cohort.customers.len()).map(|later| {
            vec![
                html! { (text::short_month(cohort.month)) },
                html! { (text::count(cohort.size)) },
                html! { (later) },
                html! { (text::count(cohort.customers[later])) },
                html! { (text::exact_percent(cohort.share(later).unwrap_or_default())) },
            ]
        })
    });
    let columns = [
        Column::text("First month"),
        Column::number("Customers"),
        Column::number("Months after"),
        Column::number("Bought"),
        Column::number("Share"),
    ];
    let wide = charts::Shown::WIDE;
    Ok(html! {
        section {
            h2 { (best_cohort(figures)) }
            p {
                "Customers by the month of their first purchase, and the share of them that bought again \
                 so many months later."
                @if let Some(month) = figures.broken_month {
                    " The last cell of each row is of " (text::month(month)) ", which is not whole."
                }
                @if cohorts.len() > wide.cohorts {
                    " The chart shows the last " (wide.cohorts) " cohorts and " (wide.months_later)
                    " months after; all numbers are below."
                }
            }
            figure {
                p.legend { span { "Bought again" } (charts::legend(cohorts)) }
                (charts::cohorts(cohorts, &name)?)
                (numbers(&columns, rows))
            }
        }
    })
}

/// The cell of the matrix where most came back.
fn best_cohort(figures: &Figures) -> String {
    let cells = figures.cohorts.iter().flat_map(|cohort| {
        (1..cohort.customers.len()).filter_map(move |later| Some((cohort, later, cohort.share(later)?)))
    });
    let best = cells.reduce(|best, cell| if cell.2 > best.2 { cell } else { best });
    match best {
        Some((cohort, later, share)) if share > 0.0 => format!(
            "The most faithful: of the {} customers who first bought in {}, {} bought in {}.",
            text::count(cohort.size),
            text::month(cohort.month),
            text::percent(share),
            text::month(cohort.month.plus(later)),
        ),
        _ => "Nobody has come back so far.".to_owned(),
    }
}

fn sales(figures: &Figures) -> Result<Markup, Error> {
    if figures.sales.is_empty() {
        return Ok(html! {});
    }
    let name = format!("Line of the sales of each month. {}", headlines::sales(figures));
    let rows = figures.sales.iter().map(|row| {
        vec![
            html! { (text::short_month(row.month)) },
            html! { (text::pounds(row.revenue)) },
            html! { (text::count(row.orders)) },
            html! { (row.average_basket.map_or_else(|| "–".to_owned(), text::pounds_and_pence)) },
            html! { (text::count(row.items)) },
            html! { (text::count(row.cancelled_invoices)) },
            html! { (text::pounds(row.cancelled_value)) },
        ]
    });
    let columns = [
        Column::text("Month"),
        Column::number("Sales"),
        Column::number("Orders"),
        Column::number("Basket"),
        Column::number("Pieces").spare(),
        Column::number("Cancelled").spare(),
        Column::number("Worth").spare(),
    ];
    Ok(html! {
        section {
            h2 { (headlines::sales(figures)) }
            p {
                "Pounds, less what was cancelled; with sales to customers who are not known."
                @if let Some(month) = figures.broken_month {
                    " " (text::month(month)) " is not whole."
                }
            }
            figure {
                (charts::sales(&figures.sales, &name)?)
                (cut_note(figures.sales.len()))
                (numbers(&columns, rows))
            }
        }
    })
}

fn products(figures: &Figures) -> Markup {
    let most = largest(&figures.products);
    let rows = figures.products.iter().map(|row| {
        let code = row.code.as_deref().unwrap_or_default();
        let name = if row.name.is_empty() { code } else { &row.name };
        vec![
            html! { (row.rank) },
            html! { (name) " " small { (code) } (bar(row.revenue, most)) },
            html! { (text::count(row.items.unwrap_or_default())) },
            html! { (text::count(row.orders)) },
            html! { (text::pounds(row.revenue)) },
        ]
    });
    let columns = [
        Column::number("#"),
        Column::text("Product"),
        Column::number("Pieces").spare(),
        Column::number("Orders").spare(),
        Column::number("Sales"),
    ];
    html! {
        section { h2 { "Best products" } (table(&columns, rows)) }
    }
}

fn countries(figures: &Figures) -> Markup {
    let most = largest(&figures.countries);
    let rows = figures.countries.iter().map(|row| {
        vec![
            html! { (row.rank) },
            html! { (row.name) (bar(row.revenue, most)) },
            html! { (text::count(row.customers.unwrap_or_default())) },
            html! { (text::count(row.orders)) },
            html! { (text::pounds(row.revenue)) },
        ]
    });
    let columns = [
        Column::number("#"),
        Column::text("Country"),
        Column::number("Customers"),
        Column::number("Orders").spare(),
        Column::number("Sales"),
    ];
    html! {
        section { h2 { "Best countries" } (table(&columns, rows)) }
    }
}

fn largest(rows: &[Ranked]) -> Pounds {
    rows.iter().map(|row| row.revenue).max().unwrap_or_default()
}

/// A small bar below a name.
fn bar(amount: Pounds, most: Pounds) -> Markup {
    let share = if most.0 > 0 { (amount.to_f64() / most.to_f64()).clamp(0.0, 1.0) } else { 0.0 };
    html! { i.bar aria-hidden="true" style=(format!("width:{:.1}%", share * 100.0)) {} }
}

/// The numbers of a chart.
fn numbers(columns: &[Column], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        details {
            summary { "The numbers" }
            (table(columns, rows))
        }
    }
}

fn cut_note(months: usize) -> Markup {
    html! {
        @if months > charts::MOST_MONTHS {
            p { "The chart shows the last " (charts::MOST_MONTHS) " months; all are below." }
        }
    }
}

fn footer(meta: &ReportMeta) -> Markup {
    html! {
        footer {
            p {
                "A customer counts once in a month, however often they bought. Rows without a customer are \
                 not counted among customers. "
                @if meta.exclude_cancelled {
                    "Cancelled invoices (their numbers begin with C) are left out everywhere."
                } @else {
                    "Who only cancelled in a month is counted too: cancelled invoices (their numbers begin \
                     with C) are invoices. retail-etl run --exclude-cancelled leaves them out."
                }
            }
        }
    }
}
