//! The part of the page about the input: its files, and what became of every row.

use maud::{Markup, html};

use super::table::{Column, table};
use super::text;
use crate::check::rules;
use crate::quality::{Compression, Quality, Warnings};

/// With more files than this, the list is folded.
const MANY_FILES: usize = 5;

/// Files, rejected rows, warnings.
pub(super) fn section(quality: &Quality, exclude_cancelled: bool) -> Markup {
    html! {
        p.sum {
            span { b { (text::rows(quality.rows)) } " rows read" }
            " = " span { b { (text::rows(quality.loaded)) } " loaded" }
            " + " span { b { (text::rows(quality.rejected)) } " rejected" }
        }
        (rejected(quality))
        (warnings(quality, exclude_cancelled))
        @if quality.files.len() > MANY_FILES {
            details {
                summary { (text::of(quality.files.len(), "file")) }
                (files(quality))
            }
        } @else {
            (files(quality))
        }
    }
}

fn rejected(quality: &Quality) -> Markup {
    if quality.rejected_by_rule.is_empty() {
        return html! {};
    }
    let rows = quality.rejected_by_rule.iter().map(|(rule, rows)| {
        let meaning = rules::ALL.iter().find(|known| known.name == *rule);
        let meaning = meaning.map_or("", |rule| rule.meaning);
        let rule = html! { (rule) " " small.means { (meaning) } };
        vec![rule, html! { (text::rows(*rows)) }, share(*rows, quality.rows)]
    });
    html! {
        h3 { "Rejected: not loaded, kept in the file of rejected rows" }
        (table(
            &[Column::text("Broken rule"), Column::number("Rows"), Column::number("Of all")],
            rows,
        ))
    }
}

fn warnings(quality: &Quality, exclude_cancelled: bool) -> Markup {
    // By name, so that a warning that is new cannot be forgotten here.
    let Warnings { missing_customer, cancelled, zero_price, duplicates } = quality.warnings;
    let cancelled_means = if exclude_cancelled {
        "left out of every table"
    } else {
        "counted, as what was given back"
    };
    let rows = [
        ("Without a customer", missing_customer, "in sales, but in no number of customers"),
        ("Of a cancelled invoice", cancelled, cancelled_means),
        ("Price of zero", zero_price, "counted as they are"),
        ("The same as a row before", duplicates, "counted as they are"),
    ];
    let rows = rows.into_iter().map(|(what, rows, means)| {
        let what = html! { (what) " " small.means { (means) } };
        vec![what, html! { (text::rows(rows)) }, share(rows, quality.loaded)]
    });
    html! {
        h3 { "Loaded, but worth a word" }
        (table(
            &[Column::text("Rows"), Column::number("Number"), Column::number("Of loaded")],
            rows,
        ))
    }
}

fn files(quality: &Quality) -> Markup {
    let rows = quality.files.iter().map(|file| {
        let packed = match file.compression {
            Compression::None => String::new(),
            packed => format!(", {packed}"),
        };
        vec![
            html! { span.path { (file.path.display().to_string()) } },
            html! { (file.encoding.to_string()) },
            html! { (text::size(file.bytes)) (packed) },
            html! { (text::rows(file.rows)) },
        ]
    });
    html! {
        h3 { "Files" }
        (table(
            &[
                Column::text("File"),
                Column::text("Encoding").spare(),
                Column::number("Size").spare(),
                Column::number("Rows"),
            ],
            rows,
        ))
    }
}

fn share(part: u64, whole: u64) -> Markup {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    html! { (text::exact_percent(share)) }
}
