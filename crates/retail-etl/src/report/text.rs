//! Numbers, money and months as people write them.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use super::figures::{Month, Pounds};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `1,711`.
pub(super) fn count(number: i64) -> String {
    let sign = if number < 0 { "−" } else { "" };
    format!("{sign}{}", thousands(u128::from(number.unsigned_abs())))
}

/// The same, of a number without a sign.
pub(super) fn rows(number: u64) -> String {
    thousands(u128::from(number))
}

/// `1 month`, `13 months`.
pub(super) fn of(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", rows(number as u64)) }
}

/// Whole pounds: `£1,461,756`.
pub(super) fn pounds(amount: Pounds) -> String {
    money(amount, 0)
}

/// Pounds and pence: `£439.27`.
pub(super) fn pounds_and_pence(amount: Pounds) -> String {
    money(amount, 2)
}

/// What fits over a point of a chart: `£1.46M`, `£748k`, `£7,480`.
pub(super) fn short_pounds(amount: f64) -> String {
    let sign = if amount < 0.0 { "−" } else { "" };
    match amount.abs() {
        size if size >= 999_500.0 => format!("{sign}£{:.2}M", size / 1e6),
        size if size >= 9_999.5 => format!("{sign}£{:.0}k", size / 1e3),
        size => format!("{sign}£{}", thousands(size.round() as u128)),
    }
}

/// `37%`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// `37.4%`; `<0.1%` where there is something, but less than can be shown.
pub(super) fn exact_percent(share: f64) -> String {
    if share > 0.0 && share < 0.0005 {
        return "<0.1%".to_owned();
    }
    format!("{:.1}%", share * 100.0)
}

/// `November 2011`.
pub(super) fn month(month: Month) -> String {
    format!("{} {}", month_name(month), month.year())
}

/// `Nov 2011`.
pub(super) fn short_month(month: Month) -> String {
    format!("{} {}", short_month_name(month), month.year())
}

/// `Nov`.
pub(super) fn short_month_name(month: Month) -> &'static str {
    &month_name(month)[..3]
}

/// `9 December 2011`.
pub(super) fn day(day: NaiveDate) -> String {
    format!("{} {} {}", day.day(), MONTHS[day.month0() as usize], day.year())
}

/// `25 November 2026, 22:30 UTC`.
pub(super) fn moment(moment: DateTime<Utc>) -> String {
    format!("{}, {:02}:{:02} UTC", day(moment.date_naive()), moment.hour(), moment.minute())
}

/// `46.7 MB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn month_name(month: Month) -> &'static str {
    MONTHS[usize::try_from(month.number() - 1).unwrap_or(0)]
}

fn money(amount: Pounds, digits: usize) -> String {
    let sign = if amount.0 < 0 { "−" } else { "" };
    let part = 10_u128.pow(4 - digits as u32);
    let rounded = (amount.0.unsigned_abs() + part / 2) / part;
    let whole = 10_u128.pow(digits as u32);
    let pounds = thousands(rounded / whole);
    match digits {
        0 => format!("{sign}£{pounds}"),
        _ => format!("{sign}£{pounds}.{:0digits$}", rounded % whole),
    }
}

fn thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_711, "1,711"), (541_909, "541,909"), (-1_000, "−1,000")]
        {
            assert_eq!(count(number), text);
        }
        for (number, text) in [(0, "0 files"), (1, "1 file"), (1_200, "1,200 files")] {
            assert_eq!(of(number, "file"), text);
        }
    }

    #[test]
    fn money_is_rounded_and_never_loses_its_sign() {
        for (amount, whole, exact) in [
            (0, "£0", "£0.00"),
            (4_392_650, "£439", "£439.27"),
            (14_617_561_999, "£1,461,756", "£1,461,756.20"),
            (9_999, "£1", "£1.00"),
            (-75_000, "−£8", "−£7.50"),
        ] {
            assert_eq!(pounds(Pounds(amount)), whole, "{amount}");
            assert_eq!(pounds_and_pence(Pounds(amount)), exact, "{amount}");
        }
        for (amount, text) in [
            (1_461_756.2, "£1.46M"),
            (999_600.0, "£1.00M"),
            (748_957.0, "£749k"),
            (9_999.6, "£10k"),
            (7_480.3, "£7,480"),
            (-12_000.0, "−£12k"),
        ] {
            assert_eq!(short_pounds(amount), text, "{amount}");
        }
    }

    #[test]
    fn small_shares_are_not_called_none() {
        for (share, text) in [(0.0, "0.0%"), (0.0001, "<0.1%"), (0.0005, "0.1%"), (1.0, "100.0%")] {
            assert_eq!(exact_percent(share), text);
        }
    }

    #[test]
    fn months_days_and_sizes() {
        assert_eq!(month(Month::new(2011, 11)), "November 2011");
        assert_eq!(short_month(Month::new(2010, 12).plus(1)), "Jan 2011");
        assert_eq!(day(NaiveDate::from_ymd_opt(2011, 12, 9).unwrap()), "9 December 2011");
        for (bytes, text) in [(12, "12 B"), (1_500, "1.5 kB"), (46_700_000, "46.7 MB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
