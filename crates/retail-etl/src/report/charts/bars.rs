//! Customers by month: a bar a month, returning customers below, new ones on top.

use maud::{Markup, html};
use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, FontStyle};

use super::{Area, Drawn, Layout, Plot, svg, timeline, write};
use crate::Error;
use crate::report::figures::Customers;
use crate::report::palette::{Colour, INK, MAIN, SECOND};
use crate::report::text;

const HEIGHT: u32 = 340;
/// Room that the number over a bar needs, pixels.
const NUMBER_ROOM: f64 = 36.0;

/// The chart, for wide and for narrow pages. `name` says in words what is to be seen.
///
/// # Errors
/// [`Error::Report`]
pub(in crate::report) fn customers(rows: &[Customers], name: &str) -> Result<Markup, Error> {
    let months = timeline(rows.iter().map(|row| row.month));
    let shown: Vec<&Customers> =
        rows.iter().filter(|row| months.binary_search(&row.month).is_ok()).collect();
    let mut charts = Vec::new();
    for layout in Layout::BOTH {
        let plot = Plot::new(layout, HEIGHT, &months, shown.iter().map(|row| row.unique as f64));
        charts.push(svg(layout, HEIGHT, name, |area| draw(area, &plot, &shown))?);
    }
    Ok(html! { @for chart in charts { (chart) } })
}

fn draw(area: &Area<'_>, plot: &Plot<'_>, rows: &[&Customers]) -> Drawn {
    plot.axes(area, |value| text::count(value as i64))?;
    let most = rows.iter().map(|row| row.unique).max();
    let mut most_is_told = false;
    for row in rows {
        let at = plot.months.binary_search(&row.month).unwrap_or(0) as f64;
        bar(area, plot, at, (0, row.returning), MAIN)?;
        bar(area, plot, at, (row.returning, row.returning + row.new), SECOND)?;
        let is_most = Some(row.unique) == most && !most_is_told;
        if plot.slot() >= NUMBER_ROOM || is_most {
            most_is_told |= is_most;
            let point = (plot.x(at + 0.5), plot.y(row.unique as f64) - 5);
            let style = if is_most { FontStyle::Bold } else { FontStyle::Normal };
            let look = (plot.font_size, INK, style);
            write(area, &text::count(row.unique), point, (HPos::Center, VPos::Bottom), look)?;
        }
    }
    Ok(())
}

fn bar(area: &Area<'_>, plot: &Plot<'_>, at: f64, (from, to): (i64, i64), colour: Colour) -> Drawn {
    if to <= from {
        return Ok(());
    }
    let corners =
        [(plot.x(at + 0.14), plot.y(to as f64)), (plot.x(at + 0.86), plot.y(from as f64))];
    area.draw(&Rectangle::new(corners, colour.light().filled()))
}
