//! One run at a time, whatever happens to it.

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
