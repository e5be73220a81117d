//! The charts, drawn as SVG: each twice, for wide pages and for narrow ones.
//!
//! A chart that is only scaled down has unreadable text on a phone, so it is laid out anew; the
//! style sheet shows the one that fits. The SVG writer has no fonts and guesses the width of a
//! text, so nothing here depends on a width: texts are anchored at points with room around them.

mod bars;
mod heat_map;
mod line;

use maud::{Markup, PreEscaped, html};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle};

use super::figures::Month;
use super::palette::{Colour, GRID, INK, MUTED};
use super::text;
use crate::Error;

pub(super) use bars::customers;
pub(super) use heat_map::{Shown, cohorts, legend};
pub(super) use line::sales;

/// Months that a chart over time shows at the most: the last ones.
pub(super) const MOST_MONTHS: usize = 120;

/// Room between two labels of the time axis, pixels.
const LABEL_ROOM: f64 = 30.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// For which pages a chart is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    Narrow,
}

impl Layout {
    const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    /// Pixels, before the page scales it to its own width.
    fn width(self) -> u32 {
        match self {
            Self::Wide => 920,
            Self::Narrow => 360,
        }
    }

    /// Of the small text, pixels.
    fn font_size(self) -> f64 {
        match self {
            Self::Wide => 13.0,
            Self::Narrow => 12.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// An SVG with a name for those who cannot see it.
fn svg(
    layout: Layout,
    height: u32,
    name: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<Markup, Error> {
    let width = layout.width();
    let mut drawing = String::new();
    {
        let area = SVGBackend::with_string(&mut drawing, (width, height)).into_drawing_area();
        draw(&area)
            .and_then(|()| area.present())
            .map_err(|error| Error::Report { reason: format!("a chart: {error}") })?;
    }
    // Its own opening tag has a fixed size and no name.
    let body = drawing.split_once('>').map_or("", |(_, rest)| rest);
    let body = body.trim_end().trim_end_matches("</svg>");
    Ok(html! {
        svg class=(layout.class()) viewBox=(format!("0 0 {width} {height}")) role="img"
            aria-label=(name) {
            title { (name) }
            (PreEscaped(body))
        }
    })
}

/// Writes a text so that the point is where `anchor` says.
fn write(
    area: &Area<'_>,
    words: &str,
    point: (i32, i32),
    anchor: (HPos, VPos),
    (size, colour, style): (f64, Colour, FontStyle),
) -> Drawn {
    // The SVG writer divides by this.
    let font = FontDesc::new(FontFamily::SansSerif, size * 1.24, style);
    let style = font.color(&colour.light()).pos(Pos::new(anchor.0, anchor.1));
    area.draw(&Text::new(words, point, style))
}

fn line(area: &Area<'_>, points: Vec<(i32, i32)>, colour: Colour, width: u32) -> Drawn {
    area.draw(&PathElement::new(points, colour.light().stroke_width(width)))
}

/// The months of a chart over time: without gaps, but no more than fit.
fn timeline(months: impl DoubleEndedIterator<Item = Month> + Clone) -> Vec<Month> {
    let (Some(first), Some(last)) = (months.clone().next(), months.clone().next_back()) else {
        return Vec::new();
    };
    if last.since(first) < MOST_MONTHS {
        return (0..=last.since(first)).map(|later| first.plus(later)).collect();
    }
    let mut latest: Vec<Month> = months.rev().take(MOST_MONTHS).collect();
    latest.reverse();
    latest
}

/// Where values over time are on the area: a slot per month, and a scale for the values.
struct Plot<'a> {
    months: &'a [Month],
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    low: f64,
    high: f64,
    step: f64,
    font_size: f64,
}

impl<'a> Plot<'a> {
    fn new(
        layout: Layout,
        height: u32,
        months: &'a [Month],
        values: impl Iterator<Item = f64>,
    ) -> Self {
        let (least, most) = values.fold((0.0, 0.0), |(least, most): (f64, f64), value| {
            (least.min(value), most.max(value))
        });
        let step = step(most - least);
        Self {
            months,
            left: if layout == Layout::Wide { 64.0 } else { 58.0 },
            right: f64::from(layout.width()) - 8.0,
            top: 26.0,
            bottom: f64::from(height) - 44.0,
            low: (least / step).floor() * step,
            high: ((most / step).ceil() * step).max(step),
            step,
            font_size: layout.font_size(),
        }
    }

    fn slot(&self) -> f64 {
        (self.right - self.left) / self.months.len().max(1) as f64
    }

    /// `along`: slots from the left; a half is the middle of the first month.
    fn x(&self, along: f64) -> i32 {
        (self.left + along * self.slot()).round() as i32
    }

    fn y(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        (self.bottom - share * (self.bottom - self.top)).round() as i32
    }

    /// Lines for values, months below.
    fn axes(&self, area: &Area<'_>, label: impl Fn(f64) -> String) -> Drawn {
        let muted = (self.font_size, MUTED, FontStyle::Normal);
        let ticks = ((self.high - self.low) / self.step).round() as i32;
        for tick in 0..=ticks {
            let value = self.low + f64::from(tick) * self.step;
            let y = self.y(value);
            let colour = if value.abs() < self.step / 2.0 { MUTED } else { GRID };
            line(area, vec![(self.x(0.0), y), (self.right as i32, y)], colour, 1)?;
            let point = (self.x(0.0) - 8, y);
            write(area, &label(value), point, (HPos::Right, VPos::Center), muted)?;
        }
        let every = [1, 2, 3, 6, 12]
            .into_iter()
            .find(|every| f64::from(*every) * self.slot() >= LABEL_ROOM);
        let every = every.unwrap_or(12);
        let below = (HPos::Center, VPos::Top);
        let mut year = None;
        for (at, month) in self.months.iter().enumerate() {
            if every > 1 && (month.number() - 1) % every != 0 {
                continue;
            }
            let point = (self.x(at as f64 + 0.5), self.bottom as i32 + 8);
            let size = self.font_size as i32;
            write(area, text::short_month_name(*month), point, below, muted)?;
            if year != Some(month.year()) {
                year = Some(month.year());
                let point = (point.0, point.1 + size + 4);
                let strong = (self.font_size, INK, FontStyle::Normal);
                write(area, &month.year().to_string(), point, below, strong)?;
            }
        }
        Ok(())
    }
}

/// Between two lines behind the data: 1, 2 or 5 with zeros, so that there are four to seven lines.
fn step(span: f64) -> f64 {
    if span <= 0.0 {
        return 1.0;
    }
    let rough = span / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power);
    step.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power)
}
