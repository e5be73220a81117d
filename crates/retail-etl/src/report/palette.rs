//! The colours of the charts, by day and by night.
//!
//! A chart is drawn in the colours of the day, as attributes. The style sheet turns each of them
//! into a variable, so that the same SVG follows the reader's choice of a dark page.

use std::fmt::Write;

use plotters::style::RGBColor;

/// A colour, light and dark.
#[derive(Clone, Copy)]
pub(super) struct Colour {
    name: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

impl Colour {
    /// As charts are drawn.
    pub(super) fn light(self) -> RGBColor {
        let (red, green, blue) = self.light;
        RGBColor(red, green, blue)
    }
}

/// Text.
pub(super) const INK: Colour =
    Colour { name: "ink", light: (0x1C, 0x25, 0x30), dark: (0xE6, 0xEB, 0xF1) };
/// Text that steps back: labels of axes.
pub(super) const MUTED: Colour =
    Colour { name: "muted", light: (0x5A, 0x66, 0x74), dark: (0x9B, 0xA8, 0xB7) };
/// Lines behind the data.
pub(super) const GRID: Colour =
    Colour { name: "grid", light: (0xE0, 0xE5, 0xEB), dark: (0x2E, 0x37, 0x42) };
/// The main colour: returning customers, cohorts, sales.
pub(super) const MAIN: Colour =
    Colour { name: "main", light: (0x1B, 0x4F, 0x8A), dark: (0x5A, 0xA2, 0xE8) };
/// The second colour: new customers.
pub(super) const SECOND: Colour =
    Colour { name: "second", light: (0xE0, 0x8A, 0x2E), dark: (0xF2, 0xA6, 0x54) };
/// Text on the main colour.
pub(super) const ON_MAIN: Colour =
    Colour { name: "on-main", light: (0xFF, 0xFF, 0xFE), dark: (0x0E, 0x13, 0x19) };

const ALL: [Colour; 6] = [INK, MUTED, GRID, MAIN, SECOND, ON_MAIN];

/// The style sheet's part about these colours.
pub(super) fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    let mut rules = String::new();
    for Colour { name, light: day, dark: night } in ALL {
        let _ = write!(light, "--{name}:{};", hex(day));
        let _ = write!(dark, "--{name}:{};", hex(night));
        for attribute in ["fill", "stroke"] {
            let day = hex(day);
            let _ = writeln!(rules, "svg [{attribute}=\"{day}\"]{{{attribute}:var(--{name})}}");
        }
    }
    let at_night = "@media screen and (prefers-color-scheme:dark)";
    format!(":root{{{light}}}\n{at_night}{{:root{{{dark}}}}}\n{rules}")
}

/// As the SVG writer spells it.
fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}
