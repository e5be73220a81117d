//! Retention: a row a cohort, a column a month after the first one, darker where more came back.

use maud::{Markup, html};
use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, FontStyle};

use super::{Area, Drawn, Layout, svg, write};
use crate::Error;
use crate::report::figures::Cohort;
use crate::report::palette::{Colour, INK, MAIN, MUTED, ON_MAIN};
use crate::report::text;

/// How strong the colour is. Steps, not a slope: between them neither light nor dark text would be
/// easy to read.
const HEAT: [f64; 8] = [0.06, 0.14, 0.22, 0.32, 0.42, 0.54, 0.82, 1.0];
/// From this step on the text is light.
const FIRST_DARK_STEP: usize = 6;
/// Room above the cells, for the numbers of the columns.
const HEAD: i32 = 44;
/// Cells at least so wide have the number of customers below the share, pixels.
const COUNT_ROOM: i32 = 48;

/// What part of the matrix there is room for.
#[derive(Clone, Copy)]
pub(in crate::report) struct Shown {
    /// The latest cohorts.
    pub(in crate::report) cohorts: usize,
    /// The first months after.
    pub(in crate::report) months_later: usize,
}

impl Shown {
    /// On wide pages.
    pub(in crate::report) const WIDE: Self = Self { cohorts: 24, months_later: 24 };
    const NARROW: Self = Self { cohorts: 13, months_later: 12 };
}

/// The chart, for wide and for narrow pages. `name` says in words what is to be seen.
///
/// # Errors
/// [`Error::Report`]
pub(in crate::report) fn cohorts(all: &[Cohort], name: &str) -> Result<Markup, Error> {
    let most = largest_share(all);
    let mut charts = Vec::new();
    for layout in Layout::BOTH {
        let shown = if layout == Layout::Wide { Shown::WIDE } else { Shown::NARROW };
        let cohorts = &all[all.len().saturating_sub(shown.cohorts)..];
        let later = cohorts.iter().map(|cohort| cohort.customers.len() - 1).max().unwrap_or(0);
        let grid = Grid::new(layout, later.clamp(1, shown.months_later), most);
        let height = grid.y(cohorts.len()) + 4;
        charts.push(svg(layout, height.unsigned_abs(), name, |area| grid.draw(area, cohorts))?);
    }
    Ok(html! { @for chart in charts { (chart) } })
}

/// The colours and what they stand for.
pub(in crate::report) fn legend(all: &[Cohort]) -> Markup {
    html! {
        span { "0%" }
        span.steps aria-hidden="true" {
            @for strength in HEAT { i style=(format!("opacity:{strength}")) {} }
        }
        span { (text::percent(largest_share(all))) }
    }
}

/// Beside the first month, in which it is all of them.
fn largest_share(all: &[Cohort]) -> f64 {
    let shares = all.iter().flat_map(|cohort| {
        (1..cohort.customers.len()).filter_map(move |later| cohort.share(later))
    });
    shares.fold(0.0, f64::max)
}

/// Where the cells are.
struct Grid {
    layout: Layout,
    columns: usize,
    /// Pixels from the left to the first cell.
    left: i32,
    cell_height: i32,
    /// The share of the strongest colour.
    most: f64,
}

impl Grid {
    fn new(layout: Layout, columns: usize, most: f64) -> Self {
        let (left, cell_height) = match layout {
            Layout::Wide => (140, 36),
            Layout::Narrow => (96, 26),
        };
        Self { layout, columns, left, cell_height, most }
    }

    fn x(&self, column: usize) -> i32 {
        let room = f64::from(self.layout.width()) - f64::from(self.left) - 4.0;
        // A matrix of a few columns is not blown up to the whole width.
        let cell = (room / self.columns as f64).min(room / 8.0);
        self.left + (column as f64 * cell).round() as i32
    }

    fn y(&self, row: usize) -> i32 {
        HEAD + i32::try_from(row).unwrap_or(i32::MAX / 64) * self.cell_height
    }

    fn draw(&self, area: &Area<'_>, cohorts: &[Cohort]) -> Drawn {
        let size = self.layout.font_size();
        let muted = (size, MUTED, FontStyle::Normal);
        write(area, "First month", (0, 12), (HPos::Left, VPos::Center), muted)?;
        let customers = if self.layout == Layout::Wide { "Customers" } else { "" };
        let point = (self.left - 12, 32);
        write(area, customers, point, (HPos::Right, VPos::Center), muted)?;
        let words = "Months after the first";
        write(area, words, (self.left, 12), (HPos::Left, VPos::Center), muted)?;
        for later in 1..=self.columns {
            let x = i32::midpoint(self.x(later - 1), self.x(later));
            write(area, &later.to_string(), (x, 32), (HPos::Center, VPos::Center), muted)?;
        }
        for (row, cohort) in cohorts.iter().enumerate() {
            let middle = i32::midpoint(self.y(row), self.y(row + 1));
            let plain = (size, INK, FontStyle::Normal);
            let month = text::short_month(cohort.month);
            write(area, &month, (0, middle), (HPos::Left, VPos::Center), plain)?;
            let point = (self.left - 12, middle);
            let number = text::count(cohort.size);
            write(area, &number, point, (HPos::Right, VPos::Center), muted)?;
            for later in 1..=self.columns {
                if let Some(share) = cohort.share(later) {
                    self.cell(area, (row, later), share, cohort.customers[later])?;
                }
            }
        }
        Ok(())
    }

    fn cell(
        &self,
        area: &Area<'_>,
        (row, later): (usize, usize),
        share: f64,
        customers: i64,
    ) -> Drawn {
        let (left, right) = (self.x(later - 1), self.x(later));
        let (top, bottom) = (self.y(row), self.y(row + 1));
        let (strength, ink) = self.look(share);
        let corners = [(left, top), (right - 2, bottom - 2)];
        area.draw(&Rectangle::new(corners, MAIN.light().mix(strength).filled()))?;
        let x = i32::midpoint(left, right - 2);
        let middle = i32::midpoint(top, bottom - 2);
        let size = self.layout.font_size();
        if right - left < COUNT_ROOM {
            let number = format!("{:.0}", share * 100.0);
            let look = (size - 1.0, ink, FontStyle::Normal);
            return write(area, &number, (x, middle), (HPos::Center, VPos::Center), look);
        }
        let share = text::percent(share);
        let look = (size, ink, FontStyle::Normal);
        write(area, &share, (x, middle - 7), (HPos::Center, VPos::Center), look)?;
        let look = (size - 2.5, ink, FontStyle::Normal);
        write(area, &text::count(customers), (x, middle + 8), (HPos::Center, VPos::Center), look)
    }

    fn look(&self, share: f64) -> (f64, Colour) {
        let part = if self.most > 0.0 { share / self.most } else { 0.0 };
        let step = ((part * HEAT.len() as f64) as usize).min(HEAT.len() - 1);
        (HEAT[step], if step < FIRST_DARK_STEP { INK } else { ON_MAIN })
    }
}
