//! `kill -9` at many moments of a run: the tables are all old or all new, and each file is one of
//! the two.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use retail_etl::tables::SHAPES;

use crate::judge::{Judge, Rows};
use crate::{Place, sample};

const KILLS: u32 = 40;

/// Two results that differ in every table, and the flags that make them.
const FLAGS: [&[&str]; 2] =
    [&["--top", "20", "--force"], &["--exclude-cancelled", "--top", "7", "--force"]];

type Results = BTreeMap<&'static str, Rows>;

fn expected() -> [Results; 2] {
    let all = Judge::read(&sample()).tables(20);
    let without = Judge::read(&sample()).without_cancelled().tables(7);
    for shape in &SHAPES {
        assert_ne!(all[shape.name], without[shape.name], "{} would tell nothing", shape.name);
    }
    [all, without]
}

fn killed_again_and_again(place: &Place) {
    let expected = expected();
    let quiet = |flags| {
        let mut job = place.job(&sample(), flags);
        job.stdout(Stdio::null()).stderr(Stdio::null());
        job
    };
    place.run(&sample(), FLAGS[0]);
    let clock = SystemClock::new();
    place.run(&sample(), FLAGS[0]);
    let whole = clock.monotonic();
    let mut there = 0;
    let (mut old, mut new) = (0, 0);
    // A machine may have been quicker when the run was measured: then a little after its end is too early,
    // and the kills begin again with more time.
    let (mut number, mut reach_s) = (0, whole.as_secs_f64() * 1.1);
    while number < KILLS || (number < 4 * KILLS && (old == 0 || new == 0)) {
        if number > 0 && number % KILLS == 0 {
            reach_s *= 1.5;
        }
        let next = 1 - there;
        let mut child = quiet(FLAGS[next]).spawn().unwrap();
        // From the beginning to a little after the usual end: most of the time is reading, so most
        // kills go to the last half.
        let share = f64::from(number % KILLS) / f64::from(KILLS);
        std::thread::sleep(Duration::from_secs_f64(reach_s * share.sqrt()));
        let _ = child.kill();
        child.wait().unwrap();

        let stored = place.database();
        let is = |state: usize| {
            let tables = SHAPES.iter().zip(&stored);
            let mut tables =
                tables.map(|(shape, rows)| rows.as_ref() == Some(&expected[state][shape.name]));
            tables.all(|same| same)
        };
        let state = (0..2).find(|state| is(*state));
        let state = state.unwrap_or_else(|| panic!("kill {number}: a mix of old and new tables"));
        if state == next {
            new += 1
        } else {
            old += 1
        }
        for shape in &SHAPES {
            for (form, rows) in
                [("CSV", place.csv(shape.name)), ("Parquet", place.parquet(shape.name))]
            {
                let known = expected.iter().any(|results| rows == results[shape.name]);
                assert!(known, "kill {number}: the {form} file of {} is half", shape.name);
            }
        }
        there = state;
        number += 1;
    }
    println!("{number} kills over {reach_s} s: {old} left the old tables, {new} the new ones");
    assert!(old > 0 && new > 0, "no kill came near the load");
    // And the job is well: another run makes all places agree.
    place.run(&sample(), FLAGS[1]);
    for (shape, stored) in SHAPES.iter().zip(place.database()) {
        let rows = &expected[1][shape.name];
        assert_eq!(stored.as_ref(), Some(rows));
        assert_eq!(&place.csv(shape.name), rows);
        assert_eq!(&place.parquet(shape.name), rows);
    }
}

#[test]
fn on_sqlite() {
    killed_again_and_again(&Place::new());
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn on_postgres() {
    killed_again_and_again(&Place::on_postgres("kills"));
}
