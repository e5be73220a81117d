//! When a run has nothing to do; and when it only looks so, because something else has changed the
//! results since the last run of this input.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use retail_etl::tables::SHAPES;

use crate::judge::{Judge, Rows};
use crate::{Place, sample};

const NOTHING_TO_DO: &str = "nothing to do";
const KILLS: u32 = 30;

/// The first lines of the sample, as another input.
fn a_part(place: &Place) -> PathBuf {
    let path = place.path().join("part.csv");
    let text = std::fs::read(sample()).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').take(2_000).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    path
}

/// The result of an input in all places, as a reader of any of them finds it.
#[track_caller]
fn assert_there(place: &Place, input: &std::path::Path, what: &str) {
    let expected = Judge::read(input).tables(20);
    for (shape, stored) in SHAPES.iter().zip(place.database()) {
        let rows: &Rows = &expected[shape.name];
        assert_eq!(stored.as_ref(), Some(rows), "{what}: {} in the database", shape.name);
        assert_eq!(&place.csv(shape.name), rows, "{what}: {}.csv", shape.name);
        assert_eq!(&place.parquet(shape.name), rows, "{what}: {}.parquet", shape.name);
    }
}

#[test]
fn nothing_is_done_twice() {
    let place = Place::new();
    place.run(&sample(), &[]);
    assert!(place.run(&sample(), &[]).contains(NOTHING_TO_DO));
    let part = a_part(&place);
    assert!(!place.run(&part, &[]).contains(NOTHING_TO_DO));
    assert!(place.run(&part, &[]).contains(NOTHING_TO_DO));
    assert!(!place.run(&sample(), &[]).contains(NOTHING_TO_DO));
    assert_there(&place, &sample(), "back again");
}

/// A run over another input is killed wherever it is; then the run over the first one must not believe
/// that all is as it left it.
#[test]
fn after_a_kill_the_results_are_those_of_the_run_that_came_last() {
    let place = Place::new();
    let part = a_part(&place);
    place.run(&sample(), &[]);
    let clock = SystemClock::new();
    place.run(&part, &["--force"]);
    let whole_s = clock.monotonic().as_secs_f64();
    place.run(&sample(), &[]);
    let (mut made, mut skipped) = (0, 0);
    for number in 0..KILLS {
        let mut job = place.job(&part, &[]);
        let mut child = job.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Most of them in the last third, where the load is.
        let share = f64::from(number + 1) / f64::from(KILLS);
        std::thread::sleep(Duration::from_secs_f64(whole_s * 1.1 * share.cbrt()));
        let _ = child.kill();
        child.wait().unwrap();
        match place.run(&sample(), &[]).contains(NOTHING_TO_DO) {
            true => skipped += 1,
            false => made += 1,
        }
        assert_there(&place, &sample(), &format!("kill {number}"));
    }
    println!("{KILLS} kills: {made} runs were made again, {skipped} had nothing to do");
}

#[test]
fn what_was_taken_away_is_made_again() {
    let place = Place::new();
    let bad = place.with_a_bad_line();
    let again = |why: &str, flags: &[&str]| {
        assert!(!place.run(&bad, flags).contains(NOTHING_TO_DO), "{why}");
        assert!(place.run(&bad, flags).contains(NOTHING_TO_DO), "{why}, twice");
    };
    again("the first run", &[]);
    let remove = |name: &str| std::fs::remove_file(place.output().join(name)).unwrap();
    remove("monthly_sales.csv");
    again("a file is gone", &[]);
    remove("rejects.csv");
    again("the reject file is gone", &[]);
    std::fs::remove_file(place.path().join("results.db")).unwrap();
    again("the database is gone", &[]);
    again("the reject file is to be elsewhere", &["--rejects", "elsewhere.csv"]);
    // The rejected row is still one too many.
    let sentence = place.refusal(&bad, &["--max-rejects", "0"]);
    assert!(sentence.contains("--max-rejects 0"), "{sentence}");
}

/// The reject file of a run that failed is not one of the results that are there.
#[test]
fn the_rejects_of_a_run_that_failed_go_with_the_next() {
    let place = Place::new();
    let bad = place.with_a_bad_line();
    let rejects = place.output().join("rejects.csv");
    for sinks in ["database", "csv", "database,csv,parquet,report"] {
        let flags = ["--sink", sinks];
        place.run(&sample(), &flags);
        place.refusal(&bad, &["--sink", sinks, "--max-rejects", "0"]);
        assert!(rejects.exists(), "{sinks}: it tells why");
        assert!(!place.run(&sample(), &flags).contains(NOTHING_TO_DO), "{sinks}");
        assert!(!rejects.exists(), "{sinks}");
        assert!(place.run(&sample(), &flags).contains(NOTHING_TO_DO), "{sinks}");
    }
}

#[test]
fn jobs_that_write_to_the_same_tables_notice_each_other() {
    let place = Place::new();
    let part = a_part(&place);
    for round in 0..2 {
        place.run(&sample(), &["--job", "all"]);
        assert_there(&place, &sample(), &format!("round {round}"));
        place.run(&part, &["--job", "some"]);
        assert_there(&place, &part, &format!("round {round}"));
    }
}

/// Two jobs, each with a database of its own, and one folder: it has the files of one of them.
#[test]
fn two_at_once_do_not_mix_their_files() {
    let place = Place::new();
    let part = a_part(&place);
    let other = format!("sqlite://{}/other.db", place.path().display());
    let expected = [sample(), part.clone()].map(|input| Judge::read(&input).tables(20));
    for round in 0..8 {
        let mut second = place.program();
        second.arg("run").arg(&part).args(["--database-url", &other, "--force"]);
        second.arg("--output").arg(place.output());
        let jobs = [place.job(&sample(), &["--force"]), second];
        let children =
            jobs.map(|mut job| job.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        for child in children {
            let ended = child.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "round {round}: {told}");
        }
        let found: Vec<Rows> = SHAPES.iter().map(|shape| place.csv(shape.name)).collect();
        let is = |tables: &std::collections::BTreeMap<&str, Rows>| {
            SHAPES.iter().zip(&found).all(|(shape, rows)| rows == &tables[shape.name])
        };
        assert!(expected.iter().any(is), "round {round}: files of both");
    }
}

/// Two jobs that have nothing in common but the tables: these are those of one of them, and that one knows.
fn two_jobs_at_once(place: &Place) {
    // Other months, so that each has rows that the other does not touch.
    let text = std::fs::read_to_string(sample()).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let of_year = |year: &str, name: &str| {
        let lines = lines.lines().filter(|line| line.contains(&format!("/{year} ")));
        let path = place.path().join(name);
        let lines: Vec<&str> = std::iter::once(header).chain(lines).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    };
    let inputs = [of_year("2010", "early.csv"), of_year("2011", "late.csv")];
    let expected = inputs.each_ref().map(|input| Judge::read(input).tables(20));
    let flags = |job: usize| ["--sink", "database", "--job", ["early", "late"][job]];
    for round in 0..10 {
        let children = [0, 1].map(|job| {
            let mut command = place.job(&inputs[job], &flags(job));
            let command = command.arg("--force").stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        });
        for child in children {
            let ended = child.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "round {round}: {told}");
        }
        let stored = place.database();
        let is = |job: usize| {
            let mut tables = SHAPES.iter().zip(&stored);
            tables.all(|(shape, rows)| rows.as_ref() == Some(&expected[job][shape.name]))
        };
        let last = (0..2).find(|job| is(*job));
        let last = last.unwrap_or_else(|| panic!("round {round}: tables of both"));
        let skipped = place.run(&inputs[last], &flags(last)).contains(NOTHING_TO_DO);
        assert!(skipped, "round {round}: they are those of the last");
    }
}

#[test]
fn two_jobs_at_once_on_sqlite() {
    two_jobs_at_once(&Place::new());
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn two_jobs_at_once_on_postgres() {
    two_jobs_at_once(&Place::on_postgres("two_jobs"));
}
