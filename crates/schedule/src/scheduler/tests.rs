use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn sleep(until: &str) -> Step {
    Step::Sleep { until: Some(at(until)) }
}

fn start(time: &str) -> Step {
    Step::Start { scheduled_for: at(time) }
}

fn missed(count: usize, first: &str, last: &str) -> Step {
    Step::Missed { count, first: at(first), last: at(last) }
}

/// Two in the morning in Jakarta is 19:00 UTC the day before, all the year.
fn nightly(catchup: Catchup, last_ended: Option<&str>, now: &str) -> Scheduler {
    let timetable = Timetable::parse("0 2 * * *", "Asia/Jakarta").unwrap();
    Scheduler::new(timetable, catchup, last_ended.map(at), at(now))
}

/// Each line: the clock, and what is to be done then.
fn check(mut scheduler: Scheduler, story: &[(&str, Step)]) {
    for (now, step) in story {
        assert_eq!(scheduler.step(at(now)), *step, "at {now}");
    }
}

#[test]
fn night_after_night() {
    for catchup in [Catchup::None, Catchup::Last, Catchup::All] {
        check(
            nightly(catchup, None, "2026-11-25T12:00:00Z"),
            &[
                ("2026-11-25T12:00:00Z", sleep("2026-11-25T19:00:00Z")),
                ("2026-11-25T18:59:59.999Z", sleep("2026-11-25T19:00:00Z")),
                ("2026-11-25T19:00:00Z", start("2026-11-25T19:00:00Z")),
                // The run took a quarter of an hour.
                ("2026-11-25T19:15:00Z", sleep("2026-11-26T19:00:00Z")),
                ("2026-11-26T19:00:00.250Z", start("2026-11-26T19:00:00Z")),
                ("2026-11-26T19:00:00.260Z", sleep("2026-11-27T19:00:00Z")),
            ],
        );
    }
}

#[test]
fn a_schedule_that_never_ran_has_missed_nothing() {
    check(
        nightly(Catchup::All, None, "2026-11-25T19:00:00Z"),
        &[("2026-11-25T19:00:00Z", sleep("2026-11-26T19:00:00Z"))],
    );
}

/// The machine was off from the 20th to the 25th: the nights of the 21st to the 24th passed, UTC.
#[test]
fn after_days_off() {
    let since = Some("2026-11-20T19:00:00Z");
    let now = "2026-11-25T12:00:00Z";
    let tonight = sleep("2026-11-25T19:00:00Z");
    check(
        nightly(Catchup::None, since, now),
        &[(now, missed(4, "2026-11-21T19:00:00Z", "2026-11-24T19:00:00Z")), (now, tonight)],
    );
    check(
        nightly(Catchup::Last, since, now),
        &[
            (now, missed(3, "2026-11-21T19:00:00Z", "2026-11-23T19:00:00Z")),
            (now, start("2026-11-24T19:00:00Z")),
            (now, tonight),
        ],
    );
    check(
        nightly(Catchup::All, since, now),
        &[
            (now, start("2026-11-21T19:00:00Z")),
            (now, start("2026-11-22T19:00:00Z")),
            (now, start("2026-11-23T19:00:00Z")),
            (now, start("2026-11-24T19:00:00Z")),
            (now, tonight),
        ],
    );
}

#[test]
fn one_missed_time_is_no_word_with_last() {
    let (since, now) = (Some("2026-11-23T19:00:00Z"), "2026-11-25T12:00:00Z");
    check(
        nightly(Catchup::Last, since, now),
        &[(now, start("2026-11-24T19:00:00Z")), (now, sleep("2026-11-25T19:00:00Z"))],
    );
}

/// A restart within the minute of the time misses nothing, whatever the catchup.
#[test]
fn a_minute_late_is_in_time() {
    let since = Some("2026-11-23T19:00:00Z");
    check(
        nightly(Catchup::None, since, "2026-11-24T19:01:00Z"),
        &[("2026-11-24T19:01:00Z", start("2026-11-24T19:00:00Z"))],
    );
    check(
        nightly(Catchup::None, since, "2026-11-24T19:01:01Z"),
        &[("2026-11-24T19:01:01Z", missed(1, "2026-11-24T19:00:00Z", "2026-11-24T19:00:00Z"))],
    );
    check(
        nightly(Catchup::None, Some("2026-11-20T19:00:00Z"), "2026-11-24T19:00:30Z"),
        &[
            ("2026-11-24T19:00:30Z", missed(3, "2026-11-21T19:00:00Z", "2026-11-23T19:00:00Z")),
            ("2026-11-24T19:00:30Z", start("2026-11-24T19:00:00Z")),
        ],
    );
}

/// A run that takes longer than the time between two.
#[test]
fn runs_that_take_longer_than_their_interval() {
    let every = |catchup| {
        let timetable = Timetable::parse("*/5 * * * *", "UTC").unwrap();
        Scheduler::new(timetable, catchup, None, at("2026-01-01T00:00:01Z"))
    };
    let begun = ("2026-01-01T00:05:00Z", start("2026-01-01T00:05:00Z"));
    let ended = "2026-01-01T00:21:30Z"; // 00:10, 00:15 and 00:20 went by
    check(
        every(Catchup::None),
        &[
            begun,
            (ended, missed(3, "2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z")),
            (ended, sleep("2026-01-01T00:25:00Z")),
        ],
    );
    check(
        every(Catchup::Last),
        &[
            begun,
            (ended, missed(2, "2026-01-01T00:10:00Z", "2026-01-01T00:15:00Z")),
            (ended, start("2026-01-01T00:20:00Z")),
            (ended, sleep("2026-01-01T00:25:00Z")),
        ],
    );
    check(
        every(Catchup::All),
        &[begun, (ended, start("2026-01-01T00:10:00Z")), (ended, start("2026-01-01T00:15:00Z"))],
    );
}

/// No time comes twice when the clock is set back, and those that had been passed over come.
#[test]
fn the_clock_is_set_back() {
    check(
        nightly(Catchup::Last, None, "2026-11-25T12:00:00Z"),
        &[
            ("2026-11-25T19:00:00Z", start("2026-11-25T19:00:00Z")),
            ("2026-11-25T18:30:00Z", sleep("2026-11-26T19:00:00Z")),
            ("2026-11-25T19:00:00Z", sleep("2026-11-26T19:00:00Z")),
            ("2026-11-26T19:00:00Z", start("2026-11-26T19:00:00Z")),
        ],
    );
    // It had been a year ahead: what the schedule did then does not silence it for a year.
    check(
        nightly(Catchup::Last, None, "2027-11-25T12:00:00Z"),
        &[
            ("2027-11-25T19:00:00Z", start("2027-11-25T19:00:00Z")),
            ("2026-11-25T12:00:00Z", sleep("2026-11-25T19:00:00Z")),
            ("2026-11-25T19:00:00Z", start("2026-11-25T19:00:00Z")),
            ("2027-11-24T19:00:00Z", missed(363, "2026-11-26T19:00:00Z", "2027-11-23T19:00:00Z")),
            ("2027-11-24T19:00:00Z", start("2027-11-24T19:00:00Z")),
            ("2027-11-25T19:00:00Z", sleep("2027-11-26T19:00:00Z")),
        ],
    );
    // The same over a restart: the last run's time is still ahead.
    check(
        nightly(Catchup::All, Some("2026-11-25T19:00:00Z"), "2026-11-25T18:00:00Z"),
        &[("2026-11-25T18:00:00Z", sleep("2026-11-26T19:00:00Z"))],
    );
}

/// As after a sleep of the machine.
#[test]
fn the_clock_jumps_ahead() {
    check(
        nightly(Catchup::Last, None, "2026-11-25T12:00:00Z"),
        &[
            ("2026-11-25T12:00:00Z", sleep("2026-11-25T19:00:00Z")),
            ("2026-11-28T03:00:00Z", missed(2, "2026-11-25T19:00:00Z", "2026-11-26T19:00:00Z")),
            ("2026-11-28T03:00:00Z", start("2026-11-27T19:00:00Z")),
            ("2026-11-28T03:00:01Z", sleep("2026-11-28T19:00:00Z")),
        ],
    );
}

/// Half past two does not exist on 29 March in Berlin, and exists twice on 25 October.
#[test]
fn through_daylight_saving() {
    let scheduler = |now| {
        let timetable = Timetable::parse("30 2 * * *", "Europe/Berlin").unwrap();
        Scheduler::new(timetable, Catchup::All, None, at(now))
    };
    check(
        scheduler("2026-03-28T12:00:00Z"),
        &[
            ("2026-03-28T12:00:00Z", sleep("2026-03-29T01:00:00Z")),
            ("2026-03-29T01:00:00Z", start("2026-03-29T01:00:00Z")),
            ("2026-03-29T01:00:01Z", sleep("2026-03-30T00:30:00Z")),
        ],
    );
    check(
        scheduler("2026-10-24T12:00:00Z"),
        &[
            ("2026-10-24T12:00:00Z", sleep("2026-10-25T00:30:00Z")),
            ("2026-10-25T00:30:00Z", start("2026-10-25T00:30:00Z")),
            ("2026-10-25T01:30:00Z", sleep("2026-10-26T01:30:00Z")),
        ],
    );
}

#[test]
fn missed_times_are_counted_to_a_thousand() {
    let timetable = Timetable::parse("* * * * * *", "UTC").unwrap();
    let since = Some(at("2020-01-01T00:00:00Z"));
    let mut scheduler = Scheduler::new(timetable, Catchup::Last, since, at("2026-01-01T00:00:00Z"));
    assert_eq!(
        scheduler.step(at("2026-01-01T00:00:00Z")),
        missed(1_000, "2020-01-01T00:00:01Z", "2025-12-31T23:59:59Z")
    );
    assert_eq!(scheduler.step(at("2026-01-01T00:00:00Z")), start("2026-01-01T00:00:00Z"));
}

#[test]
fn catchups_are_read_back() {
    for catchup in [Catchup::None, Catchup::Last, Catchup::All] {
        assert_eq!(catchup.to_string().parse(), Ok(catchup));
    }
    assert!("some".parse::<Catchup>().unwrap_err().contains("none, last, all"));
}
