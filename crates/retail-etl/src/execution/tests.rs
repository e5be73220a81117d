use super::*;

#[test]
fn names_of_runs() {
    let began: DateTime<Utc> = "2026-11-25T22:31:01.005Z".parse().unwrap();
    let time: DateTime<Utc> = "2026-11-25T19:00:00Z".parse().unwrap();
    let cases = [
        (RunKind::Scheduled, Some(time), "scheduled-20261125T190000Z"),
        (RunKind::Backfill, Some(time), "backfill-20261125T190000Z"),
        (RunKind::Manual, Some(time), "manual-20261125T223101.005Z"),
        (RunKind::Manual, None, "manual-20261125T223101.005Z"),
    ];
    for (kind, scheduled_for, expected) in cases {
        let occasion = Occasion { kind, scheduled_for, zone: Tz::UTC, waits_for_lock: false };
        assert_eq!(base_id(&occasion, began), expected);
    }
}

#[test]
fn delays_as_they_are_shown() {
    for (millis, expected) in [(300_000, "5m"), (299_999, "4m59s"), (50, "50ms"), (0, "0s")] {
        let shown = duration::display(rounded(Duration::from_millis(millis)));
        assert_eq!(shown, expected);
    }
}
