//! The schedule at work. What is due when is tested in `arus_schedule`, with a clock of its own;
//! here the times come every second.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use arus_store::Store;
use retail_etl::history::{History, RunKind};
use serde_json::Value;

use super::{Running, states, text};
use crate::{Place, sample};

const EVERY_SECOND: [&str; 4] = ["--cron", "* * * * * *", "--tz", "Asia/Jakarta"];

fn schedule(place: &Place, flags: &[&str]) -> Running {
    let sample = sample().display().to_string();
    Running::start(place.command("schedule", &[&EVERY_SECOND[..], &[&sample], flags].concat()))
}

/// Runs until the newest run is as wanted, then stops it.
fn until(place: &Place, flags: &[&str], wanted: impl Fn(&Value) -> bool) -> (Vec<Value>, String) {
    let running = schedule(place, flags);
    place.until(wanted);
    running.signal("-TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    (place.history(), said)
}

#[test]
fn time_after_time() {
    let place = Place::new();
    let (runs, said) = until(&place, &[], |run| run["state"] == "skipped");
    assert_eq!(text(&runs[0], "state"), "success", "{runs:#?}");
    for run in &runs {
        let state = text(run, "state");
        assert!(["success", "skipped", "interrupted"].contains(&state), "{run:#}");
        assert_eq!(text(run, "kind"), "scheduled");
        let time = text(run, "scheduled_for").replace([':', '-'], "").replace(".000", "");
        assert_eq!(text(run, "run_id"), format!("scheduled-{time}"));
        assert!(text(run, "scheduled_for") <= text(run, "started"), "{run:#}");
        let log = std::fs::read_to_string(place.path().join(text(run, "log_file"))).unwrap();
        assert!(log.contains("run started"), "{log}");
    }
    for part in ["schedule started", "* * * * * * Asia/Jakarta", "next run", " WIB", "run over"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

/// The first tables are there long before the first time; later starts find nothing new.
#[test]
fn now_and_then_on_time() {
    let place = Place::new();
    let sample = sample().display().to_string();
    for state in ["success", "skipped"] {
        let flags = [&sample, "--cron", "@yearly", "--now"];
        let mut running = Running::start(place.command("schedule", &flags));
        running.until_it_says("next run");
        running.signal("-TERM");
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{said}");
        let runs = place.history();
        let run = runs.last().unwrap();
        assert_eq!((text(run, "kind"), text(run, "state")), ("manual", state), "{runs:#?}");
        assert!(run["scheduled_for"].is_null(), "{run:#}");
    }
    assert_eq!(place.history().len(), 2);
}

/// There is none before it from which on times would be due.
#[test]
fn the_first_run_that_is_cut_off_is_made_up_too() {
    let place = Place::new();
    let pipe = place.pipe("pipe.csv").display().to_string();
    let hangs = place.command("schedule", &[&EVERY_SECOND[..], &[&pipe]].concat());
    let killed = Running::start(hangs);
    let cut_off = place.until(|run| run["state"] == "running");
    killed.signal("-KILL");
    assert_eq!(killed.end().0, None);
    let (runs, said) = until(&place, &["--catchup", "all"], |run| run["state"] == "skipped");
    let id = text(&cut_off, "run_id");
    let made = runs.iter().find(|run| text(run, "run_id") == id).unwrap();
    assert_eq!((text(made, "state"), &made["attempt"]), ("success", &2.into()), "{said}");
}

/// The last scheduled run was for the beginning of 2026.
fn ran_long_ago(place: &Place) {
    place.run(&sample(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::connect(&place.database, Duration::from_secs(10)).await.unwrap();
        let history = History::open(store, "retail-etl", "").await.unwrap();
        let mut run = history.last_success().await.unwrap().unwrap();
        run.kind = RunKind::Scheduled;
        run.scheduled_for = Some("2026-01-01T00:00:00Z".parse().unwrap());
        history.write(Some(&run), &[]).await.unwrap();
        history.close().await;
    });
}

/// What went by while nobody was there, month after month, by `--catchup`.
#[test]
fn missed_times() {
    for catchup in ["none", "last", "all"] {
        let place = Place::new();
        ran_long_ago(&place);
        let sample = sample().display().to_string();
        let flags = [&sample, "--cron", "@monthly", "--catchup", catchup];
        let mut running = Running::start(place.command("schedule", &flags));
        if catchup != "all" {
            let line = running.until_it_says("missed times are not made up");
            assert!(line.contains("first=2026-02-01 00:00:00 UTC"), "{line}");
        }
        running.until_it_says("next run");
        let runs = place.history();
        let made: Vec<&str> = runs[1..].iter().map(|run| text(run, "scheduled_for")).collect();
        match catchup {
            "none" => assert!(made.is_empty(), "{made:?}"),
            "last" => {
                assert_eq!(made.len(), 1, "{made:?}");
                let late = days_late(&runs[1]);
                assert!((0..31).contains(&late), "{late} days late: {runs:#?}");
            }
            _ => {
                assert_eq!(made[0], "2026-02-01T00:00:00.000Z");
                assert!(made.len() > 1 && made.is_sorted(), "{made:?}");
                assert!((0..31).contains(&days_late(runs.last().unwrap())));
            }
        }
    }
}

fn days_late(run: &Value) -> i64 {
    let time = |field| text(run, field).parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    (time("started") - time("scheduled_for")).num_days()
}

/// One of them makes a run, the other finds it made.
#[test]
fn two_schedulers_make_each_run_once() {
    let place = Place::new();
    let (one, other) = (schedule(&place, &["--force"]), schedule(&place, &["--force"]));
    let three = |_: &Value| {
        states(&place.history()).iter().filter(|state| **state == "success").count() >= 3
    };
    place.until(three);
    for running in [&one, &other] {
        running.signal("-TERM");
    }
    let mut started = Vec::new();
    for running in [one, other] {
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{said}");
        started.extend(said.lines().filter(|line| line.contains("run started")).map(|line| {
            line.split("scheduled-").nth(1).unwrap().split(' ').next().unwrap().to_owned()
        }));
    }
    let finals = place.history().iter().filter(|run| run["state"] == "success").count();
    assert!(finals >= 3);
    // An interrupted run may have been begun by the one and then by the other.
    let mut once = started.clone();
    once.sort();
    once.dedup();
    let again = started.len() - once.len();
    let attempts = place.history().iter().filter(|run| run["attempt"].as_u64() > Some(1)).count();
    assert_eq!(again, attempts, "{started:?}");
}

#[test]
fn metrics() {
    let place = Place::new();
    let mut running = schedule(&place, &["--metrics-addr", "127.0.0.1:0"]);
    let line = running.until_it_says("metrics at /metrics");
    let address = line.rsplit("address=").next().unwrap().trim().to_owned();
    place.until(|run| run["state"] == "skipped");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    for part in [
        "etl_runs_total{job=\"retail-etl\",kind=\"scheduled\",state=\"success\"} 1\n",
        "etl_last_success_timestamp_seconds{job=\"retail-etl\"} 1",
        "etl_next_run_timestamp_seconds{job=\"retail-etl\"} 1",
        "etl_run_duration_seconds_count{job=\"retail-etl\"} ",
        "etl_rows_total{job=\"retail-etl\",fate=\"loaded\"} ",
        "# HELP etl_runs_total ",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn wrong_use() {
    let place = Place::new();
    for (flags, part) in [
        (&["--cron", "0 2 * *"][..], "it has 4 fields"),
        (&["--cron", "@daily", "--tz", "Jakarta"][..], "did you mean Asia/Jakarta?"),
        (&["--cron", "@daily", "--catchup", "some"][..], "none, last, all"),
        (&["--cron", "@daily", "--retry-delay", "5"][..], "did you mean 5s?"),
        (&[][..], "--cron"),
    ] {
        let output = place.command("schedule", flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
}
