//! What every exactly-once file sink must pass: any sequence of epochs, with deaths at any steps,
//! leaves the files that the same epochs without a death leave.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;

use super::files::fault;
use super::fixture::epoch_rows;
use super::{EpochOutput, Sink};
use crate::operator::TableRows;

/// Makes a sink on a folder.
pub(crate) type Make<'a> = &'a dyn Fn(&Path) -> Box<dyn Sink>;

/// Runs epochs 1 to `epochs` as the job does; life ends after each number of steps in `deaths` and
/// begins anew.
pub(crate) fn run(make: Make<'_>, folder: &Path, epochs: u64, deaths: &[u32]) -> u32 {
    let mut died = 0;
    let lives = deaths.iter().copied().map(Some).chain([None]);
    for life in lives {
        fault::live_for(life);
        let ended = live(make(folder).as_mut(), epochs);
        if fault::has_died() {
            died += 1;
            assert!(ended.is_err(), "a killed sink said all was well");
        } else {
            ended.unwrap();
        }
    }
    fault::live_for(None);
    died
}

fn live(sink: &mut dyn Sink, epochs: u64) -> Result<(), crate::Error> {
    let last = sink.last_epoch()?.unwrap_or(0);
    assert!(last <= epochs, "an epoch from nowhere: {last}");
    for epoch in last + 1..=epochs {
        let rows: RecordBatch = epoch_rows(epoch);
        sink.commit(EpochOutput::new(epoch, &[TableRows::new(rows.clone())]))?;
    }
    Ok(())
}

/// All files below a folder, by name.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = contents(&path).into_iter();
            found.extend(inner.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

/// One death at every step there is, then two deaths at every pair of steps among the first.
pub(crate) fn every_death_is_survived(make: Make<'_>) {
    let calm = tempfile::tempdir().unwrap();
    run(make, calm.path(), 5, &[]);
    let expected = contents(calm.path());
    let mut first = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let died = run(make, folder.path(), 5, &[first]);
        assert_eq!(contents(folder.path()), expected, "after a death at step {first}");
        if died == 0 {
            break;
        }
        for second in [1, 4] {
            let folder = tempfile::tempdir().unwrap();
            run(make, folder.path(), 5, &[first, second]);
            assert_eq!(contents(folder.path()), expected, "deaths at steps {first}, {second}");
        }
        first += 1;
    }
    assert!(first > 8, "only {first} steps were found to die in");
}

/// A reset that dies anywhere leaves what the next start can use, and a whole one leaves the state
/// before epoch 1.
pub(crate) fn resets_survive_every_death(make: Make<'_>) {
    let fresh = tempfile::tempdir().unwrap();
    run(make, fresh.path(), 3, &[]);
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        run(make, folder.path(), 6, &[]);
        fault::live_for(Some(steps));
        let ended = make(folder.path()).reset();
        let died = fault::has_died();
        fault::live_for(None);
        assert_eq!(ended.is_err(), died, "at step {steps}");
        make(folder.path()).reset().unwrap();
        assert_eq!(make(folder.path()).last_epoch().unwrap(), None);
        run(make, folder.path(), 3, &[]);
        assert_eq!(contents(folder.path()), contents(fresh.path()), "reset died at step {steps}");
        if !died {
            break;
        }
    }
}
