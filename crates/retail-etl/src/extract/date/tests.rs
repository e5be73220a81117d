//! Dates as data, and every day of four centuries against `chrono`.

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Result<DateTime, &'static str> {
    let time: NaiveDateTime = text.parse().unwrap();
    let month = time.year() * 12 + time.month0() as i32;
    Ok(DateTime { ms: time.and_utc().timestamp_millis(), month })
}

const US: &str = "is no date like 12/1/2010 8:26";
const SQL: &str = "is no date like 2010-12-01 08:26:00";
const ISO: &str = "is no date like 2010-12-01T08:26:00";
const DAY: &str = "has a day that its month does not have";
const MONTH: &str = "has no month from 1 to 12";
const CLOCK: &str = "has a time that the clock does not show";
const OFFSET: &str = "has no offset like Z or +01:00";

#[test]
fn formats() {
    let cases = [
        ("12/1/2010 8:26", at("2010-12-01T08:26:00")),
        ("1/31/2011 00:00", at("2011-01-31T00:00:00")),
        ("02/29/2012 23:59", at("2012-02-29T23:59:00")),
        ("2/29/2011 8:26", Err(DAY)),
        ("2/29/1900 8:26", Err(DAY)),
        ("2/30/2012 8:26", Err(DAY)),
        ("4/31/2011 8:26", Err(DAY)),
        ("4/0/2011 8:26", Err(DAY)),
        ("13/1/2010 8:26", Err(MONTH)),
        ("0/1/2010 8:26", Err(MONTH)),
        ("12/1/2010 24:00", Err(CLOCK)),
        ("12/1/2010 8:60", Err(CLOCK)),
        ("12/1/2010 8:6", Err(US)),
        ("12/1/2010 8:26 ", Err(US)),
        ("12/1/2010 8:26:00", Err(US)),
        ("12/1/2010 8:26 PM", Err(US)),
        ("12/1/10 8:26", Err(US)),
        ("12/1/2010", Err(US)),
        (
            "112/1/2010 8:26",
            Err("is no date; declared are 12/1/2010 8:26, 2010-12-01 08:26:00 \
                                 and 2010-12-01T08:26:00"),
        ),
        ("2010-12-01 08:26:59", at("2010-12-01T08:26:59")),
        ("2010-12-01 08:26", Err(SQL)),
        ("2010-12-01 08:26:59.5", Err(SQL)),
        ("2010-12-01 08:26:60", Err(CLOCK)),
        ("2010-13-01 08:26:00", Err(MONTH)),
        ("2010-02-30 08:26:00", Err(DAY)),
        ("2010-12-01T08:26:59", at("2010-12-01T08:26:59")),
        ("2010-12-01T08:26", at("2010-12-01T08:26:00")),
        ("2010-12-01T08:26:59.5", at("2010-12-01T08:26:59.5")),
        ("2010-12-01T08:26:59.123456789Z", at("2010-12-01T08:26:59.123")),
        ("2010-12-01T08:26:59.1234567890Z", Err(OFFSET)),
        ("2010-12-01T08:26:59.", Err(ISO)),
        ("2010-12-01T08:26:59Z", at("2010-12-01T08:26:59")),
        // The time as it is written counts, not what it would be elsewhere.
        ("2010-12-31T23:30:00-08:00", at("2010-12-31T23:30:00")),
        ("2010-12-01T08:26:59+0100", at("2010-12-01T08:26:59")),
        ("2010-12-01T08:26:59+01", at("2010-12-01T08:26:59")),
        ("2010-12-01T08:26:59+1", Err(OFFSET)),
        ("2010-12-01T08:26:59+01:0", Err(OFFSET)),
        ("2010-12-01T08:26:59+01:60", Err(OFFSET)),
        ("2010-12-01T08:26:59Zulu", Err(ISO)),
        ("2010-12-01T08:26:59 ", Err(OFFSET)),
        ("0000-01-01T00:00:00", at("0000-01-01T00:00:00")),
        ("9999-12-31T23:59:59.999", at("9999-12-31T23:59:59.999")),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes(), DateFormat::Auto), expected, "{text:?}");
    }
    for text in ["", "yesterday", "40513", "01-12-2010 08:26", "20101201T082600", "२०१०"] {
        assert!(parse(text.as_bytes(), DateFormat::Auto).is_err(), "{text:?}");
    }
}

#[test]
fn a_chosen_format_takes_no_other() {
    let texts = [
        (DateFormat::Us, "12/1/2010 8:26"),
        (DateFormat::Sql, "2010-12-01 08:26:00"),
        (DateFormat::Iso, "2010-12-01T08:26:00"),
    ];
    for (chosen, _) in texts {
        for (format, text) in texts {
            let parsed = parse(text.as_bytes(), chosen);
            assert_eq!(parsed.is_ok(), chosen == format, "{chosen:?} {text:?}: {parsed:?}");
        }
    }
}

/// Every day from 1800 to 2200, in every format, at a time of day that changes with the day.
#[test]
fn every_day_is_chronos() {
    let mut day = NaiveDate::from_ymd_opt(1800, 1, 1).unwrap();
    let end = NaiveDate::from_ymd_opt(2200, 1, 1).unwrap();
    let mut seconds = 0;
    while day < end {
        seconds = (seconds + 7_919) % 86_400;
        let time = day.and_hms_opt(seconds / 3_600, seconds / 60 % 60, seconds % 60).unwrap();
        let month = day.year() * 12 + day.month0() as i32;
        let expected = DateTime { ms: time.and_utc().timestamp_millis(), month };
        let to_the_minute =
            DateTime { ms: expected.ms - i64::from(seconds % 60) * 1_000, ..expected };
        for (pattern, expected) in [
            ("%-m/%-d/%Y %-H:%M", to_the_minute),
            ("%m/%d/%Y %H:%M", to_the_minute),
            ("%Y-%m-%d %H:%M:%S", expected),
            ("%Y-%m-%dT%H:%M:%S", expected),
            ("%Y-%m-%dT%H:%M:%SZ", expected),
        ] {
            let text = time.format(pattern).to_string();
            assert_eq!(parse(text.as_bytes(), DateFormat::Auto), Ok(expected), "{text}");
        }
        day = day.succ_opt().unwrap();
    }
}

/// Every month and day number there could be, of a leap year and of one that is none: exactly the
/// days that exist are read.
#[test]
fn only_days_that_exist() {
    for year in [1900, 2000, 2010, 2012] {
        for month in 0..=99 {
            for day in 0..=99 {
                let text = format!("{year}-{month:02}-{day:02}T08:26:00");
                let exists = NaiveDate::from_ymd_opt(year, month, day).is_some();
                assert_eq!(parse(text.as_bytes(), DateFormat::Iso).is_ok(), exists, "{text}");
            }
        }
    }
}

proptest! {
    /// Whatever is read in the format of the data, `chrono` reads as well, and as the same.
    #[test]
    fn chrono_agrees(text in "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}") {
        let judged = NaiveDateTime::parse_from_str(&text, "%m/%d/%Y %H:%M").ok();
        let parsed = parse(text.as_bytes(), DateFormat::Us).ok().map(|time| time.ms);
        prop_assert_eq!(parsed, judged.map(|time| time.and_utc().timestamp_millis()));
    }

    #[test]
    fn nothing_makes_it_panic(text in "[0-9TZ:./ +-]{0,40}") {
        for format in [DateFormat::Auto, DateFormat::Us, DateFormat::Sql, DateFormat::Iso] {
            if let Ok(time) = parse(text.as_bytes(), format) {
                prop_assert!((0..=9999).contains(&time.month.div_euclid(12)));
            }
        }
    }
}
