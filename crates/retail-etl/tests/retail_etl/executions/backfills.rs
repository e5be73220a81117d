//! Runs for times that went by.

use std::process::Output;

use super::{states, text};
use crate::{Place, sample};

const NIGHTLY: [&str; 4] = ["--cron", "0 2 * * *", "--tz", "Asia/Jakarta"];

fn backfill(place: &Place, flags: &[&str]) -> Output {
    let all = [&["sales/%Y-%m-%d.csv"], &NIGHTLY[..], flags].concat();
    place.command("backfill", &all).output().unwrap()
}

/// What it printed, if it ended so.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_is_missing_failed_or_all() {
    let place = Place::new();
    let file = |day: u32| place.path().join(format!("sales/2026-11-{day:02}.csv"));
    std::fs::create_dir(place.path().join("sales")).unwrap();
    for day in [3, 5] {
        std::fs::copy(sample(), file(day)).unwrap();
    }
    let days = ["--from", "2026-11-03", "--to", "2026-11-05"];
    let with = |flags: &[&'static str]| [&days[..], flags].concat();

    assert!(place.history().is_empty());
    let plan = said(&backfill(&place, &with(&["--dry-run"])), 0);
    assert!(!place.path().join("results.db").exists(), "who only asks leaves no database");
    assert_eq!(
        plan,
        "2026-11-03 02:00:00 WIB    no run       would run\n\
         2026-11-04 02:00:00 WIB    no run       would run\n\
         2026-11-05 02:00:00 WIB    no run       would run\n\
         3 of 3 scheduled times would run\n"
    );
    assert!(place.history().is_empty());

    // The file of the 4th is not there: that run fails, the others are made.
    let output = backfill(&place, &days);
    let told = said(&output, 1);
    assert!(told.contains("2026-11-04 02:00:00 WIB  failed: "), "{told}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 3 runs failed"));
    let runs = place.history();
    assert_eq!(states(&runs), ["success", "failed", "success"]);
    assert_eq!(text(&runs[0], "run_id"), "backfill-20261102T190000Z");
    assert_eq!(text(&runs[0], "scheduled_for"), "2026-11-02T19:00:00.000Z");
    assert_eq!(text(&runs[0], "input"), "sales/2026-11-03.csv");
    assert_eq!(text(&runs[0], "kind"), "backfill");

    let plan = said(&backfill(&place, &with(&["--dry-run"])), 0);
    assert!(
        plan.ends_with("0 of 3 scheduled times would run\n"),
        "a failed run is not missing: {plan}"
    );
    let plan = said(&backfill(&place, &with(&["--dry-run", "--only", "failed"])), 0);
    assert_eq!(
        plan,
        "2026-11-03 02:00:00 WIB    success      -\n\
         2026-11-04 02:00:00 WIB    failed       would run\n\
         2026-11-05 02:00:00 WIB    success      -\n\
         1 of 3 scheduled times would run\n"
    );

    std::fs::copy(sample(), file(4)).unwrap();
    let told = said(&backfill(&place, &with(&["--only", "failed"])), 0);
    assert!(told.contains("2026-11-04 02:00:00 WIB  success"), "{told}");
    let runs = place.history();
    assert_eq!(states(&runs), ["success", "failed", "success", "success"]);
    assert_eq!(text(&runs[3], "run_id"), "backfill-20261103T190000Z-2", "the failure is kept");

    let told = said(&backfill(&place, &with(&["--only", "all"])), 0);
    assert!(told.starts_with("3 of 3 scheduled times are to run\n"), "{told}");
    assert_eq!(place.history().len(), 7);
    let told = said(&backfill(&place, &days), 0);
    assert_eq!(told, "0 of 3 scheduled times are to run\n");
}

#[test]
fn a_time_of_another_schedule() {
    let place = Place::new();
    let input = place.path().join("sales-2026-11-25.csv");
    std::fs::copy(sample(), &input).unwrap();
    let time = ["--scheduled-for", "2026-11-24T19:00:00+00:00", "--tz", "Asia/Jakarta"];
    place.run("sales-%Y-%m-%d.csv".as_ref(), &time);
    let [run] = place.history().try_into().unwrap();
    assert_eq!(text(&run, "input"), "sales-2026-11-25.csv");
    assert_eq!(text(&run, "scheduled_for"), "2026-11-24T19:00:00.000Z");
    assert!(text(&run, "run_id").starts_with("manual-"), "{run:#}");

    let again = place.run("sales-%Y-%m-%d.csv".as_ref(), &time);
    assert!(again.contains("nothing to do"), "{again}");
    place.run("sales-%Y-%m-%d.csv".as_ref(), &[&time[..], &["--force"]].concat());
    assert_eq!(states(&place.history()), ["success", "skipped", "success"]);
}

#[test]
fn the_history_as_text() {
    let place = Place::new();
    let history = |flags: &[&str]| {
        let mut command = place.program();
        let command = command.args(["history", "--database-url", &place.database]).args(flags);
        command.output().unwrap()
    };
    let none = said(&history(&[]), 0);
    assert!(none.starts_with("no runs of job retail-etl in SQLite file "), "{none}");
    place.run(&sample(), &[]);
    place.refusal("absent.csv".as_ref(), &[]);
    let lines: Vec<String> = said(&history(&[]), 0).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].contains("failed") && lines[2].contains("success"), "{lines:#?}");
    let failed = said(&history(&["--state", "failed,timed_out", "--limit", "5"]), 0);
    assert_eq!(failed.lines().count(), 2, "{failed}");
    let id = place.history()[0]["run_id"].as_str().unwrap().to_owned();
    let one = said(&history(&["--run", &id]), 0);
    for part in ["state          success", " loaded + ", "extract    success", "load       success"]
    {
        assert!(one.contains(part), "{part} in {one}");
    }
    let output = history(&["--run", "no-such"]);
    said(&output, 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no run \"no-such\""));
    said(&history(&["--state", "done"]), 2);
}
