//! The page: its frame, and what stands before and after the sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportMeta;
use super::figures::{Figures, Pounds};
use super::{headlines, palette, quality, sections, text};
use crate::Error;
use crate::quality::Quality;

const STYLE: &str = include_str!("style.css");

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
                    (sections::customers(figures)?)
                    (sections::cohorts(figures)?)
                    (sections::sales(figures)?)
                    div.pair { (sections::products(figures)) (sections::countries(figures)) }
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
            p.question {
                "How many different customers bought in each month, and do they come back?"
            }
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

fn footer(meta: &ReportMeta) -> Markup {
    let cancelled = if meta.exclude_cancelled {
        "Cancelled invoices (their numbers begin with C) are left out everywhere."
    } else {
        "Who only cancelled in a month is counted too: cancelled invoices (their numbers begin \
         with C) are invoices. retail-etl run --exclude-cancelled leaves them out."
    };
    html! {
        footer {
            p {
                "A customer counts once in a month, however often they bought. Rows without a \
                 customer are not counted among customers. "
                (cancelled)
            }
        }
    }
}
