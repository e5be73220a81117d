//! The days of the made-up shop: from 2010-12-01 to 2011-12-09, closed on Saturdays and around New
//! Year, busiest before Christmas.

/// Days from the first to the last.
pub(super) const DAYS: usize = 374;
/// Days of each month, from December 2010 on.
const MONTHS: [usize; 13] = [31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 9];
/// How busy a day of each month is.
const BUSY: [u64; 13] = [19, 14, 12, 14, 13, 15, 14, 15, 14, 19, 23, 32, 34];
/// From Christmas Eve to the third of January.
const HOLIDAYS: std::ops::RangeInclusive<usize> = 23..=33;

/// A day's place in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// The year.
    pub(super) year: u32,
    /// The month, 1 to 12.
    pub(super) month: u32,
    /// The day of the month, from 1.
    pub(super) day: u32,
}

/// The date of day `day`, from 0.
pub(super) fn date(day: usize) -> Date {
    let (month, day) = month_of(day);
    let months = 11 + month as u32;
    Date { year: 2010 + months / 12, month: months % 12 + 1, day: day as u32 + 1 }
}

/// The month since December 2010, and the day in it, both from 0.
fn month_of(day: usize) -> (usize, usize) {
    let mut rest = day;
    for (month, days) in MONTHS.into_iter().enumerate() {
        if rest < days {
            return (month, rest);
        }
        rest -= days;
    }
    (MONTHS.len() - 1, MONTHS[MONTHS.len() - 1] - 1)
}

/// Whether things for Christmas are sold: in October, November and December.
pub(super) fn is_before_christmas(day: usize) -> bool {
    date(day).month >= 10
}

/// How much is sold on that day, beside other days: nothing when the shop is closed.
pub(super) fn busy(day: usize) -> u64 {
    // 2010-12-01 was a Wednesday; weeks begin with Sunday here.
    let weekday = (day + 3) % 7;
    match weekday {
        6 => 0,
        _ if HOLIDAYS.contains(&day) => 0,
        0 => BUSY[month_of(day).0],
        _ => BUSY[month_of(day).0] * 2,
    }
}

/// How many customers come for the first time, beside other days: fewer as the year goes on, since
/// more and more have come before.
pub(super) fn first_visits(day: usize) -> u64 {
    busy(day) * (DAYS + 80 - day) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(MONTHS.iter().sum::<usize>(), DAYS);
        let cases = [
            (0, (2010, 12, 1)),
            (30, (2010, 12, 31)),
            (31, (2011, 1, 1)),
            (89, (2011, 2, 28)),
            (90, (2011, 3, 1)),
            (DAYS - 1, (2011, 12, 9)),
        ];
        for (day, (year, month, of_month)) in cases {
            assert_eq!(date(day), Date { year, month, day: of_month }, "{day}");
        }
    }

    #[test]
    fn closed_on_saturdays_and_holidays() {
        // 2010-12-04, 2010-12-25 and 2011-12-03 were Saturdays; 2010-12-27 a Monday.
        for day in [3, 24, 367, 26] {
            assert_eq!(busy(day), 0, "{:?}", date(day));
        }
        // A Wednesday, a Sunday, the last Friday.
        assert_eq!((busy(0), busy(4), busy(DAYS - 1)), (38, 19, 68));
    }
}
