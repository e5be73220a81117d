//! Sales by month: a line with a point a month.

use maud::{Markup, html};
use plotters::element::{Circle, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, FontStyle};

use super::{Area, Drawn, Layout, Plot, line, svg, timeline, write};
use crate::Error;
use crate::report::figures::Sales;
use crate::report::palette::{INK, MAIN};
use crate::report::text;

const HEIGHT: u32 = 300;
/// Room that the amount over a point needs, pixels.
const AMOUNT_ROOM: f64 = 48.0;
/// Between a point and its amount, pixels.
const GAP: i32 = 10;

/// The chart, for wide and for narrow pages. `name` says in words what is to be seen.
///
/// # Errors
/// [`Error::Report`]
pub(in crate::report) fn sales(rows: &[Sales], name: &str) -> Result<Markup, Error> {
    let months = timeline(rows.iter().map(|row| row.month));
    // A month without a row had no sales: the line goes down to zero there.
    let value = |month| {
        let row = rows.binary_search_by_key(month, |row: &Sales| row.month);
        row.map_or(0.0, |at| rows[at].revenue.to_f64())
    };
    let values: Vec<f64> = months.iter().map(value).collect();
    let mut charts = Vec::new();
    for layout in Layout::BOTH {
        let plot = Plot::new(layout, HEIGHT, &months, values.iter().copied());
        charts.push(svg(layout, HEIGHT, name, |area| draw(area, &plot, &values))?);
    }
    Ok(html! { @for chart in charts { (chart) } })
}

fn draw(area: &Area<'_>, plot: &Plot<'_>, values: &[f64]) -> Drawn {
    plot.axes(area, text::short_pounds)?;
    let points: Vec<(i32, i32)> = values
        .iter()
        .enumerate()
        .map(|(at, value)| (plot.x(at as f64 + 0.5), plot.y(*value)))
        .collect();
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let zero = plot.y(0.0);
        let mut below = vec![(first.0, zero)];
        below.extend(&points);
        below.push((last.0, zero));
        area.draw(&Polygon::new(below, MAIN.light().mix(0.1)))?;
    }
    line(area, points.clone(), MAIN, 2)?;
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut most_is_told = false;
    for (at, (point, value)) in points.iter().zip(values).enumerate() {
        area.draw(&Circle::new(*point, 4, MAIN.light().filled()))?;
        let is_most = *value >= most && !most_is_told;
        if plot.slot() >= AMOUNT_ROOM || is_most {
            most_is_told |= is_most;
            let style = if is_most { FontStyle::Bold } else { FontStyle::Normal };
            let look = (plot.font_size, INK, style);
            // Below a valley, for the line goes up from there on both sides; but not over the months.
            let is_valley = at > 0
                && values[at - 1] > *value
                && values.get(at + 1).is_none_or(|next| next > value);
            let has_room = f64::from(point.1 + GAP) + plot.font_size <= plot.bottom;
            let (beside, anchor) = match is_valley && has_room {
                true => (GAP, VPos::Top),
                false => (-GAP, VPos::Bottom),
            };
            let place = (point.0, point.1 + beside);
            write(area, &text::short_pounds(*value), place, (HPos::Center, anchor), look)?;
        }
    }
    Ok(())
}
