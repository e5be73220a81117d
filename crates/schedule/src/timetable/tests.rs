use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The times of a stretch as the zone's clock shows them: `03-29 03:00 CEST`.
fn times(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let timetable = Timetable::parse(cron, zone).unwrap();
    let times = timetable.between(at(from), at(to));
    times.map(|time| timetable.local(time).format("%m-%d %H:%M %Z").to_string()).collect()
}

/// In Berlin the clock goes from 02:00 CET to 03:00 CEST on 29 March 2026, and back from 03:00 CEST
/// to 02:00 CET on 25 October.
#[test]
fn berlin() {
    let spring = ("2026-03-28T12:00:00Z", "2026-03-30T10:00:00Z");
    let autumn = ("2026-10-24T12:00:00Z", "2026-10-26T10:00:00Z");
    let cases: [(&str, (&str, &str), &[&str]); 10] = [
        // A time that does not exist: once, right after the gap.
        ("30 2 * * *", spring, &["03-29 03:00 CEST", "03-30 02:30 CEST"]),
        ("0 2 * * *", spring, &["03-29 03:00 CEST", "03-30 02:00 CEST"]),
        // Several in one gap, and one right after it, are one.
        ("*/20 2 29 3 *", spring, &["03-29 03:00 CEST"]),
        ("0 2,3 29 3 *", spring, &["03-29 03:00 CEST"]),
        // Its neighbours are as ever.
        ("59 1 * * *", spring, &["03-29 01:59 CET", "03-30 01:59 CEST"]),
        ("0 3 * * *", spring, &["03-29 03:00 CEST", "03-30 03:00 CEST"]),
        // A time that exists twice: once, the first time.
        ("30 2 * * *", autumn, &["10-25 02:30 CEST", "10-26 02:30 CET"]),
        ("*/30 2 25 10 *", autumn, &["10-25 02:00 CEST", "10-25 02:30 CEST"]),
        ("0 3 * * *", autumn, &["10-25 03:00 CET", "10-26 03:00 CET"]),
        (
            "0 */2 25 10 *",
            ("2026-10-24T23:00:00Z", "2026-10-25T05:00:00Z"),
            &["10-25 02:00 CEST", "10-25 04:00 CET", "10-25 06:00 CET"],
        ),
    ];
    for (cron, (from, to), expected) in cases {
        assert_eq!(times(cron, "Europe/Berlin", from, to), expected, "{cron}");
    }
}

/// An hourly job follows real hours: 23 on the one day, 25 on the other.
#[test]
fn every_hour() {
    let cases = [
        ("2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", 23),
        ("2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", 25),
        ("2026-06-01T22:00:00Z", "2026-06-02T21:59:59Z", 24),
    ];
    for (from, to, hours) in cases {
        for (cron, an_hour) in [("0 * * * *", 1), ("*/15 0-23 * * *", 4), ("@hourly", 1)] {
            let timetable = Timetable::parse(cron, "Europe/Berlin").unwrap();
            let times: Vec<_> = timetable.between(at(from), at(to)).collect();
            assert_eq!(times.len(), hours * an_hour, "{cron} from {from}");
            let apart = TimeDelta::minutes(60 / an_hour as i64);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == apart), "{times:?}");
        }
    }
}

/// In New York the clock goes from 02:00 EST to 03:00 EDT on 8 March 2026, and back from 02:00 EDT
/// to 01:00 EST on 1 November.
#[test]
fn new_york() {
    let spring = ("2026-03-08T05:00:00Z", "2026-03-09T08:00:00Z");
    let autumn = ("2026-11-01T04:00:00Z", "2026-11-02T08:00:00Z");
    let zone = "America/New_York";
    let times = |cron, (from, to)| times(cron, zone, from, to);
    assert_eq!(times("30 2 * * *", spring), ["03-08 03:00 EDT", "03-09 02:30 EDT"]);
    assert_eq!(times("30 1 * * *", spring), ["03-08 01:30 EST", "03-09 01:30 EDT"]);
    assert_eq!(times("30 1 * * *", autumn), ["11-01 01:30 EDT", "11-02 01:30 EST"]);
    assert_eq!(times("0 1,2 * * *", autumn)[..2], ["11-01 01:00 EDT", "11-01 02:00 EST"]);
    assert_eq!(times("@daily", autumn), ["11-01 00:00 EDT", "11-02 00:00 EST"]);
}

/// Midnight itself does not exist on the day that Beirut's clock goes ahead; in Samoa, all of
/// 30 December 2011 does not.
#[test]
fn gaps_at_midnight_and_of_a_day() {
    assert_eq!(
        times("0 0 * * *", "Asia/Beirut", "2026-03-27T22:30:00Z", "2026-03-29T22:00:00Z"),
        ["03-29 01:00 EEST", "03-30 00:00 EEST"]
    );
    let timetable = Timetable::parse("0 2 * * *", "Pacific/Apia").unwrap();
    let found: Vec<String> = timetable
        .between(at("2011-12-29T00:00:00Z"), at("2012-01-01T00:00:00Z"))
        .map(|time| timetable.local(time).naive_local().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "2011-12-29 02:00:00",
            "2011-12-31 00:00:00",
            "2011-12-31 02:00:00",
            "2012-01-01 02:00:00"
        ]
    );
}

#[test]
fn jakarta_has_no_daylight_saving() {
    let timetable = Timetable::parse("0 2 * * *", "Asia/Jakarta").unwrap();
    let times: Vec<_> =
        timetable.between(at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59Z")).collect();
    assert_eq!(times.len(), 365);
    assert!(times.iter().all(|time| time.format("%H:%M:%S").to_string() == "19:00:00"));
}

#[test]
fn leap_days() {
    let timetable = Timetable::parse("0 12 29 2 *", "Asia/Jakarta").unwrap();
    let first = timetable.next_after(at("2024-02-29T05:00:00Z")).unwrap();
    assert_eq!(first, at("2028-02-29T05:00:00Z"));
    assert_eq!(timetable.latest_until(first), Some(first));
    assert_eq!(
        timetable.latest_until(first - TimeDelta::seconds(1)),
        Some(at("2024-02-29T05:00:00Z"))
    );
    // The year 2100 has none.
    assert_eq!(timetable.next_after(at("2096-03-01T00:00:00Z")), Some(at("2104-02-29T05:00:00Z")));
    assert_eq!(
        times("0 0 L 2 *", "UTC", "2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ["02-28 00:00 UTC", "02-29 00:00 UTC"]
    );
}

#[test]
fn names_and_seconds() {
    let stretch = ("2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z");
    for (name, fields) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@YEARLY", "0 0 1 1 *"),
        ("0 9 * * MON-FRI", "0 9 * * 1-5"),
        ("0 0 9 * * *", "0 9 * * *"),
    ] {
        let found = times(name, "UTC", stretch.0, stretch.1);
        assert_eq!(found, times(fields, "UTC", stretch.0, stretch.1), "{name}");
        assert!(!found.is_empty(), "{name}");
    }
    let timetable = Timetable::parse("*/20 * * * * *", "UTC").unwrap();
    assert_eq!(
        timetable.next_after(at("2026-01-01T00:00:39.9Z")),
        Some(at("2026-01-01T00:00:40Z"))
    );
    assert_eq!(timetable.next_after(at("2026-01-01T00:00:40Z")), Some(at("2026-01-01T00:01:00Z")));
}

#[test]
fn refusals_say_what_to_write() {
    let cases = [
        ("0 2 * *", "UTC", "\"0 2 * *\" is no cron expression (it has 4 fields)"),
        ("", "UTC", "(it has 0 fields)"),
        ("0 2 * * * * 2027", "UTC", "(it has 7 fields)"),
        ("61 2 * * *", "UTC", "\"61 2 * * *\" is no cron expression ("),
        ("0 2 * * FREITAG", "UTC", "is no cron expression (it has illegal character"),
        ("@reboot", "UTC", "(no name of that kind): write minute, hour,"),
        ("0 0 30 2 *", "UTC", "\"0 0 30 2 *\" never comes"),
        ("@daily", "Jakarta", "\"Jakarta\" is no time zone (did you mean Asia/Jakarta?)"),
        ("@daily", "america/new york", "(did you mean America/New_York?)"),
        ("@daily", "Mars/Olympus", "\"Mars/Olympus\" is no time zone: write"),
    ];
    for (cron, zone, part) in cases {
        let error = Timetable::parse(cron, zone).unwrap_err().to_string();
        assert!(error.contains(part), "{error} should say {part}");
    }
}

/// What the module says, told in another way: walk all minutes of the clock, and look each up.
fn by_hand(timetable: &Timetable, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let zone = timetable.zone();
    let mut found = Vec::new();
    let day = TimeDelta::days(2);
    let mut on_clock = timetable.local(from - day).naive_local();
    let end = timetable.local(to + day).naive_local();
    while on_clock <= end {
        if timetable.cron.is_time_matching(&on_clock).unwrap() {
            match (zone.from_local_datetime(&on_clock), timetable.every_hour) {
                (LocalResult::Single(one), _) => found.push(one.to_utc()),
                (LocalResult::Ambiguous(first, _), false) => found.push(first.to_utc()),
                (LocalResult::Ambiguous(first, again), true) => {
                    found.extend([first.to_utc(), again.to_utc()]);
                }
                (LocalResult::None, true) => {}
                (LocalResult::None, false) => {
                    let mut later = on_clock;
                    while zone.from_local_datetime(&later).earliest().is_none() {
                        later += TimeDelta::minutes(1);
                    }
                    found.extend(zone.from_local_datetime(&later).earliest().map(|it| it.to_utc()));
                }
            }
        }
        on_clock += TimeDelta::minutes(1);
    }
    found.sort();
    found.dedup();
    found.retain(|time| (from..=to).contains(time));
    found
}

/// Zones and the days on which their clocks change; Lord Howe's by half an hour.
const CHANGES: [(&str, &str); 9] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Asia/Beirut", "2026-10-24T21:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Jakarta", "2026-06-01T00:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn times_around_a_change_of_the_clock(
        change in 0..CHANGES.len(),
        minute in prop::sample::select(vec!["0", "30", "*/20", "59", "*/7", "10-12"]),
        hour in prop::sample::select(vec!["*", "2", "1,2,3", "*/2", "0", "0-23", "1-2", "23"]),
        day in prop::sample::select(vec!["* *", "*/2 *", "* 3,10", "L *"]),
        offset_minutes in -1_440_i64..1_440,
    ) {
        let (zone, changes) = CHANGES[change];
        let timetable = Timetable::parse(&format!("{minute} {hour} {day} *"), zone).unwrap();
        let middle = at(changes) + TimeDelta::minutes(offset_minutes);
        let (from, to) = (middle - TimeDelta::hours(30), middle + TimeDelta::hours(30));
        let expected = by_hand(&timetable, from, to);
        let found: Vec<_> = timetable.between(from, to).collect();
        prop_assert_eq!(&found, &expected, "{}", timetable);
        // Looking back from each quarter of an hour finds the one before it.
        for quarter in 0..96 {
            let instant = middle - TimeDelta::hours(12) + TimeDelta::minutes(15 * quarter);
            let before = expected.iter().rev().find(|time| **time <= instant);
            if let Some(before) = before {
                prop_assert_eq!(timetable.latest_until(instant), Some(*before), "{}", timetable);
            }
        }
    }
}
