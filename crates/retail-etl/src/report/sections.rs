//! The sections about the results: a sentence, a chart, its numbers.

use maud::{Markup, html};

use super::figures::{Figures, MOST_MONTHS, Pounds, Ranked, ratio};
use super::table::{Column, numbers, table};
use super::{charts, headlines, text};
use crate::Error;

pub(super) fn customers(figures: &Figures) -> Result<Markup, Error> {
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
                "Different customers who bought in each month. New: for the first time in this \
                 input, so everybody is new in " (text::month(first)) "."
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

pub(super) fn cohorts(figures: &Figures) -> Result<Markup, Error> {
    let cohorts = &figures.cohorts;
    if cohorts.iter().all(|cohort| cohort.customers.len() < 2) {
        return Ok(html! {});
    }
    let name = format!(
        "Heat map of the share of each cohort that bought again, by months after the first. {}",
        headlines::retention(figures)
    );
    let rows = cohorts.iter().flat_map(|cohort| {
        (1..cohort.customers.len()).map(move |later| {
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
                "Customers by the month of their first purchase, and the share of them that bought \
                 again so many months later."
                @if let Some(month) = figures.broken_month {
                    " The last cell of each row is of " (text::month(month)) ", which is not whole."
                }
                @if cohorts.iter().any(|cohort| cohort.customers.len() > MOST_MONTHS) {
                    " Months more than " (MOST_MONTHS / 12) " years after are in the table only."
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
        (1..cohort.customers.len())
            .filter_map(move |later| Some((cohort, later, cohort.share(later)?)))
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
        // Later cells are left out.
        _ if figures.cohorts.iter().any(|cohort| cohort.customers.len() > MOST_MONTHS) => {
            format!("Nobody came back within {} years.", MOST_MONTHS / 12)
        }
        _ => "Nobody has come back so far.".to_owned(),
    }
}

pub(super) fn sales(figures: &Figures) -> Result<Markup, Error> {
    let Some(headline) = headlines::sales(figures) else { return Ok(html! {}) };
    let name = format!("Line of the sales of each month. {headline}");
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
            h2 { (headline) }
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

pub(super) fn products(figures: &Figures) -> Markup {
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

pub(super) fn countries(figures: &Figures) -> Markup {
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

fn cut_note(months: usize) -> Markup {
    html! {
        @if months > charts::MOST_MONTHS {
            p { "The chart shows the last " (charts::MOST_MONTHS) " months; all are below." }
        }
    }
}
