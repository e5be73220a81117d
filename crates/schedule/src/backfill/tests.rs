use super::RunState::*;
use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn which_times_run() {
    let timetable = Timetable::parse("0 2 * * *", "Asia/Jakarta").unwrap();
    // What the history holds for one time, oldest first; then whether it runs with
    // missed, failed, all.
    let cases: [(&[RunState], Option<RunState>, [bool; 3]); 12] = [
        (&[], None, [true, false, true]),
        (&[Success], Some(Success), [false, false, true]),
        (&[Skipped], Some(Skipped), [false, false, true]),
        (&[Failed], Some(Failed), [false, true, true]),
        (&[TimedOut], Some(TimedOut), [false, true, true]),
        (&[Interrupted], Some(Interrupted), [true, false, true]),
        (&[Running], Some(Running), [true, false, true]),
        (&[Failed, Success], Some(Success), [false, false, true]),
        (&[Success, Failed], Some(Success), [false, false, true]),
        (&[Failed, Interrupted], Some(Interrupted), [true, false, true]),
        (&[Interrupted, TimedOut], Some(TimedOut), [false, true, true]),
        (&[Failed, Skipped, Failed], Some(Skipped), [false, false, true]),
    ];
    let range = range(timetable.zone(), "2026-11-20", "2026-11-22").unwrap();
    let asked = at("2026-11-20T19:00:00Z");
    for (states, state, runs) in cases {
        let recorded: Vec<Recorded> =
            states.iter().map(|&state| Recorded { scheduled_for: asked, state }).collect();
        for (only, is_due) in [Only::Missing, Only::Failed, Only::All].into_iter().zip(runs) {
            let planned = plan(&timetable, range, only, &recorded).unwrap();
            let of_asked = Planned { scheduled_for: asked, recorded: state, is_due };
            assert_eq!(planned.len(), 3, "one a day");
            assert_eq!(planned[1], of_asked, "{states:?} {only:?}");
            for other in [planned[0], planned[2]] {
                assert_eq!((other.recorded, other.is_due), (None, only != Only::Failed));
            }
        }
    }
}

#[test]
fn runs_of_other_times_do_not_count() {
    let timetable = Timetable::parse("0 2 * * *", "UTC").unwrap();
    let range = range(timetable.zone(), "2026-11-20", "2026-11-20").unwrap();
    let other = Recorded { scheduled_for: at("2026-11-20T02:00:01Z"), state: Success };
    let planned = plan(&timetable, range, Only::Missing, &[other]).unwrap();
    assert!(planned[0].is_due);
}

#[test]
fn bounds() {
    let timetable = Timetable::parse("@daily", "Europe/Berlin").unwrap();
    let cases = [
        ("2026-03-29", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"),
        ("2026-10-25", "2026-10-26", "2026-10-24T22:00:00Z", "2026-10-26T22:59:59Z"),
        ("2026-11-01T02:00", "2026-11-01 03:30:10", "2026-11-01T01:00:00Z", "2026-11-01T02:30:10Z"),
        (
            "2026-11-01T02:00:00Z",
            "2026-11-01T02:00:00+01:00",
            "range ends before it begins",
            "2026-11-01T02:00:00+01:00",
        ),
        ("2024-02-29", "2024-02-29", "2024-02-28T23:00:00Z", "2024-02-29T22:59:59Z"),
        ("2023-02-29", "2024-02-29", "is no time", "2023-02-29"),
        ("yesterday", "2024-02-29", "is no time", "yesterday"),
        ("2026-02-02", "2026-02-01", "range ends before it begins", "2026-02-01"),
    ];
    for (from, to, first, second) in cases {
        match range(timetable.zone(), from, to) {
            Ok(found) => assert_eq!(found, (at(first), at(second)), "{from} {to}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(first) && error.contains(second), "{error}");
            }
        }
    }
}

#[test]
fn too_many_times() {
    let timetable = Timetable::parse("* * * * *", "UTC").unwrap();
    let day = TimeDelta::days(1);
    let from = at("2026-01-01T00:00:00Z");
    let week = plan(&timetable, (from, from + day * 6), Only::All, &[]).unwrap();
    assert_eq!(week.len(), 6 * 1_440 + 1);
    let error = plan(&timetable, (from, from + day * 7), Only::All, &[]).unwrap_err();
    assert_eq!(error, Error::TooMany { most: MOST_TIMES });
}
