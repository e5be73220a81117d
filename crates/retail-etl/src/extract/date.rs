//! Dates and times in three fixed formats, read from their bytes.
//!
//! | name | looks like | |
//! |---|---|---|
//! | `us` | `12/1/2010 8:26` | month, day and hour of one or two digits |
//! | `sql` | `2010-12-01 08:26:00` | |
//! | `iso` | `2010-12-01T08:26:00` | seconds, their fraction, and `Z` or an offset as one likes |
//!
//! What is read is the local time of the shop, so the time counts as it is written: an offset is
//! checked and left out. Digits after the millisecond are left out too.

use clap::ValueEnum;

use crate::invoice_lines::DateTime;

/// `--date-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DateFormat {
    /// Any of the others, each value by its looks
    Auto,
    /// As 12/1/2010 8:26, month first
    Us,
    /// As 2010-12-01 08:26:00
    Sql,
    /// ISO 8601, as 2010-12-01T08:26:00, with a fraction and Z or an offset if need be
    Iso,
}

/// Reads a date in `format`; why it cannot be read, for a person.
pub(crate) fn parse(text: &[u8], format: DateFormat) -> Result<DateTime, &'static str> {
    match format {
        DateFormat::Us => us(text),
        DateFormat::Sql => dashed(text, b' '),
        DateFormat::Iso => dashed(text, b'T'),
        DateFormat::Auto => match text {
            [_, _, _, _, b'-', _, _, b'-', _, _, between @ (b' ' | b'T'), ..] => {
                dashed(text, *between)
            }
            [_, b'/', ..] | [_, _, b'/', ..] => us(text),
            _ => Err("is no date; declared are 12/1/2010 8:26, 2010-12-01 08:26:00 and \
                      2010-12-01T08:26:00"),
        },
    }
}

/// `M/d/yyyy H:mm`.
fn us(text: &[u8]) -> Result<DateTime, &'static str> {
    const SHAPE: &str = "is no date like 12/1/2010 8:26";
    let mut rest = Digits { text };
    let month = rest.one_or_two().ok_or(SHAPE)?;
    rest.expect(b'/').ok_or(SHAPE)?;
    let day = rest.one_or_two().ok_or(SHAPE)?;
    rest.expect(b'/').ok_or(SHAPE)?;
    let year = rest.four().ok_or(SHAPE)?;
    rest.expect(b' ').ok_or(SHAPE)?;
    let hour = rest.one_or_two().ok_or(SHAPE)?;
    rest.expect(b':').ok_or(SHAPE)?;
    let minute = rest.two().ok_or(SHAPE)?;
    if !rest.text.is_empty() {
        return Err(SHAPE);
    }
    build(Parts { year, month, day, hour, minute, second: 0, ms: 0 })
}

/// `yyyy-MM-dd HH:mm:ss`, or ISO 8601 if there is a `T` between the date and the time.
fn dashed(text: &[u8], between: u8) -> Result<DateTime, &'static str> {
    let shape = if between == b'T' {
        "is no date like 2010-12-01T08:26:00"
    } else {
        "is no date like 2010-12-01 08:26:00"
    };
    let mut rest = Digits { text };
    let year = rest.four().ok_or(shape)?;
    rest.expect(b'-').ok_or(shape)?;
    let month = rest.two().ok_or(shape)?;
    rest.expect(b'-').ok_or(shape)?;
    let day = rest.two().ok_or(shape)?;
    rest.expect(between).ok_or(shape)?;
    let hour = rest.two().ok_or(shape)?;
    rest.expect(b':').ok_or(shape)?;
    let minute = rest.two().ok_or(shape)?;
    let (mut second, mut ms) = (0, 0);
    if between == b'T' {
        if rest.expect(b':').is_some() {
            second = rest.two().ok_or(shape)?;
            if rest.expect(b'.').is_some() {
                ms = rest.fraction().ok_or(shape)?;
            }
        }
        rest.offset().ok_or("has no offset like Z or +01:00")?;
    } else {
        rest.expect(b':').ok_or(shape)?;
        second = rest.two().ok_or(shape)?;
    }
    if !rest.text.is_empty() {
        return Err(shape);
    }
    build(Parts { year, month, day, hour, minute, second, ms })
}

/// Numbers as they were read.
struct Parts {
    year: i32,
    month: i32,
    day: i32,
    hour: i32,
    minute: i32,
    second: i32,
    ms: i32,
}

fn build(parts: Parts) -> Result<DateTime, &'static str> {
    let Parts { year, month, day, hour, minute, second, ms } = parts;
    if !(1..=12).contains(&month) {
        return Err("has no month from 1 to 12");
    }
    if day < 1 || day > days_in(year, month) {
        return Err("has a day that its month does not have");
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err("has a time that the clock does not show");
    }
    let day_ms = i64::from(days_since_epoch(year, month, day)) * 86_400_000;
    let seconds = (hour * 60 + minute) * 60 + second;
    let ms = day_ms + i64::from(seconds) * 1_000 + i64::from(ms);
    Ok(DateTime { ms, month: year * 12 + month - 1 })
}

fn days_in(year: i32, month: i32) -> i32 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, in the Gregorian calendar: years begin in March, so that the leap day is
/// the last of a year, and 400 years are always 146 097 days.
fn days_since_epoch(year: i32, month: i32, day: i32) -> i32 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Takes digits off the front of a text. `None`: something else is there.
struct Digits<'a> {
    text: &'a [u8],
}

impl Digits<'_> {
    fn one(&mut self) -> Option<i32> {
        let (&first, rest) = self.text.split_first()?;
        let digit = first.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        self.text = rest;
        Some(i32::from(digit))
    }

    fn two(&mut self) -> Option<i32> {
        Some(self.one()? * 10 + self.one()?)
    }

    fn four(&mut self) -> Option<i32> {
        Some(self.two()? * 100 + self.two()?)
    }

    fn one_or_two(&mut self) -> Option<i32> {
        let first = self.one()?;
        Some(self.one().map_or(first, |second| first * 10 + second))
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.text = self.text.strip_prefix(&[byte])?;
        Some(())
    }

    /// One to nine digits after a second's point, in ms.
    fn fraction(&mut self) -> Option<i32> {
        let (mut ms, mut unit) = (self.one()? * 100, 10);
        for _ in 1..9 {
            let Some(digit) = self.one() else { break };
            ms += digit * unit;
            unit /= 10;
        }
        Some(ms)
    }

    /// Nothing, `Z`, `+hh:mm`, `+hhmm` or `+hh`.
    fn offset(&mut self) -> Option<()> {
        if self.text.is_empty() || self.expect(b'Z').is_some() {
            return Some(());
        }
        self.expect(b'+').or_else(|| self.expect(b'-'))?;
        let hours = self.two()?;
        let has_colon = self.expect(b':').is_some();
        let minutes = if has_colon || !self.text.is_empty() { self.two()? } else { 0 };
        (hours <= 18 && minutes <= 59).then_some(())
    }
}

#[cfg(test)]
mod tests;
