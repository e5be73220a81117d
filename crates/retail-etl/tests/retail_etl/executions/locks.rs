//! One run at a time, whatever happens to it.

use std::path::Path;
use std::process::Command;

use super::{Running, feed, states, text};
use crate::{Place, sample};

fn two_at_once(place: &Place) {
    let pipe = place.pipe("pipe.csv");
    let first = Running::start(place.job(&pipe, &[]));
    let run = place.until(|run| run["state"] == "running");

    let sentence = place.refusal(&sample(), &[]);
    for part in
        ["job retail-etl is at work already", text(&run, "run_id"), &first.process(), "since 2"]
    {
        assert!(sentence.contains(part), "{part} in {sentence}");
    }
    // Another job has another lock.
    place.run(&sample(), &["--job", "other"]);

    let mut second = Running::start(place.job(&sample(), &["--wait-for-lock"]));
    second.until_it_says("waiting for the run that is at work");
    feed(&pipe);
    let (code, said) = first.end();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = second.end();
    assert_eq!(code, Some(0), "{said}");
    let runs = place.history();
    assert_eq!(states(&runs), ["success", "success"]);
    // Written the same way, so text sorts as time.
    assert!(text(&runs[0], "ended") <= text(&runs[1], "started"), "{runs:#?}");
}

fn killed(place: &Place) {
    let pipe = place.pipe("pipe.csv");
    let first = Running::start(place.job(&pipe, &[]));
    let process = first.process();
    place.until(|run| {
        run["state"] == "running" && place.run_of(run)["steps"][0]["state"] == "running"
    });
    first.signal("-KILL");
    assert_eq!(first.end().0, None);
    assert_eq!(states(&place.history()), ["running"], "nobody could write down its end");

    place.run(&sample(), &["--wait-for-lock"]);
    let runs = place.history();
    assert_eq!(states(&runs), ["interrupted", "success"]);
    let error = text(&runs[0], "error");
    assert!(error.starts_with(&process) && error.contains("died"), "{error}");
    let dead = place.run_of(&runs[0]);
    for step in dead["steps"].as_array().unwrap() {
        assert_eq!(step["state"], "interrupted", "{dead:#}");
    }
    let done = place.run_of(&runs[1]);
    let steps: Vec<&str> =
        done["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
    assert_eq!(steps, ["extract", "transform", "report", "load"]);
    for step in done["steps"].as_array().unwrap() {
        assert_eq!(step["state"], "success", "{done:#}");
    }
    assert_eq!(done["steps"][0]["rows_in"], done["rows_in"]);
    assert_eq!(done["steps"][0]["rows_rejected"], done["rows_rejected"]);
}

/// A run that reads a pipe, and whose lock goes with its session: the server has ended that.
fn run_without_its_lock(place: &Place, pipe: &Path) -> Running {
    let name = format!("{}_{}", place.prefix, std::process::id());
    let mut job = place.job(pipe, &[]);
    job.env("PGAPPNAME", &name);
    let run = Running::start(job);
    place.until(|run| run["state"] == "running");
    let lose = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid) \
         WHERE locktype = 'advisory' AND application_name = '{name}'"
    );
    let psql = Command::new("psql").args(["-AtqXc", &lose, &place.database]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&psql.stdout).trim(), "1", "{psql:?}");
    run
}

#[track_caller]
fn assert_loads_nothing(run: Running, pipe: &Path) {
    feed(pipe);
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the lock of job retail-etl was lost"), "{said}");
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn a_run_whose_lock_was_lost_takes_it_again() {
    let place = Place::on_postgres("lock_taken_again");
    let pipe = place.pipe("pipe.csv");
    let run = run_without_its_lock(&place, &pipe);
    feed(&pipe);
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(place.database().iter().all(Option::is_some));
    assert_eq!(states(&place.history()), ["success"]);
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn a_run_whose_lock_was_lost_loads_nothing_while_another_is_at_work() {
    let place = Place::on_postgres("lock_lost");
    let [early, late] = ["early.csv", "late.csv"].map(|name| place.pipe(name));
    let first = run_without_its_lock(&place, &early);
    let process = first.process();
    let mut second = Running::start(place.job(&late, &["--wait-for-lock"]));
    place.until(|run| {
        run["state"] == "running" && !text(run, "process").starts_with(process.trim())
    });
    assert_loads_nothing(first, &early);
    assert!(place.database().iter().all(Option::is_none), "nothing was loaded");
    assert!(second.child.try_wait().unwrap().is_none(), "it waits for its input");
    feed(&late);
    let (code, said) = second.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(place.database().iter().all(Option::is_some));
    assert_eq!(states(&place.history()), ["interrupted", "success"]);
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn a_run_whose_lock_was_lost_does_not_undo_a_later_one() {
    let place = Place::on_postgres("lock_lost_before");
    let pipe = place.pipe("pipe.csv");
    let first = run_without_its_lock(&place, &pipe);
    place.run(&sample(), &["--top", "3"]);
    let later = place.database();
    assert_loads_nothing(first, &pipe);
    assert_eq!(place.database(), later);
    assert_eq!(states(&place.history()), ["interrupted", "success"]);
}

macro_rules! on_both {
    ($($case:ident),*) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&super::Place::new()); })*
        }
        mod postgres {
            $(#[test]
            #[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
            fn $case() {
                super::$case(&super::Place::on_postgres(stringify!($case)));
            })*
        }
    };
}
on_both!(two_at_once, killed);
