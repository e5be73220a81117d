//! The report: one HTML page, for people, that answers the question of the job: how many different
//! customers bought in each month, and do they come back?
//!
//! ```text
//! Tables ─► figures: plain numbers ─┬─► headlines: sentences ─┐
//!                                   ├─► charts: SVG ──────────┼─► page: HTML and its style
//! Quality ──────────────────────────┴─────────────────────────┘
//! ```
//!
//! The page needs nothing but itself: no network, no script, no font. The same input gives the same
//! bytes; the time of the run comes in as data.

mod charts;
mod figures;
mod headlines;
mod page;
mod palette;
mod quality;
mod sections;
pub mod stored;
mod table;
mod text;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::Error;
use crate::quality::Quality;
use crate::tables::Tables;
use figures::Figures;

/// What a report says about its run, beside the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportMeta {
    /// When the run was made.
    pub made_at: DateTime<Utc>,
    /// Whether cancelled invoices were left out of the tables.
    pub exclude_cancelled: bool,
    /// The dates of the first and of the last invoice line that was loaded. By the last one a month
    /// that is not whole is told; `None`: every month is taken for a whole one.
    pub period: Option<(NaiveDateTime, NaiveDateTime)>,
}

/// A report as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The page.
    pub page: String,
    /// What the page can be drawn again from, together with the tables.
    pub stored: Vec<u8>,
}

impl Report {
    /// Of these results.
    ///
    /// # Errors
    /// As [`render`].
    pub fn new(tables: &Tables, quality: &Quality, meta: &ReportMeta) -> Result<Self, Error> {
        let page = render(tables, quality, meta)?;
        Ok(Self { page, stored: stored::encode(tables, quality, meta)? })
    }
}

/// The page.
///
/// # Errors
/// [`Error::Report`] when a table lacks a column that its description names, or when a chart cannot
/// be drawn.
pub fn render(tables: &Tables, quality: &Quality, meta: &ReportMeta) -> Result<String, Error> {
    let figures = Figures::read(tables, meta.period.map(|(_, last)| last.date()))?;
    Ok(page::page(&figures, quality, meta)?.into_string())
}

#[cfg(test)]
mod tests;
