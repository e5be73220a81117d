//! The CSV file: what is in it, what is refused, and every death.

use super::*;
use crate::operator::TableRows;
use crate::sink::crash::{self, contents};
use crate::sink::fixture::{epoch_rows, purchases, table};
use proptest::prelude::*;
use std::fs;

fn make(mode: OutputMode) -> impl Fn(&Path) -> Box<dyn Sink> {
    move |folder| Box::new(CsvSink::new(folder, table(mode)).unwrap())
}

fn commit(sink: &mut CsvSink, epoch: u64, rows: &RecordBatch) -> Result<(), Error> {
    sink.commit(EpochOutput::new(epoch, &[TableRows::new(rows.clone())]))
}

const NOON: i64 = 1_795_435_230_000;

#[test]
fn append_adds_rows_below_one_header() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = CsvSink::new(folder.path(), table(OutputMode::Append)).unwrap();
    assert_eq!(sink.last_epoch().unwrap(), None);
    commit(&mut sink, 1, &purchases(&[])).unwrap();
    commit(&mut sink, 2, &purchases(&[(NOON, "Bed", 12, 6_120_000)])).unwrap();
    let mut sink = CsvSink::new(folder.path(), table(OutputMode::Append)).unwrap();
    assert_eq!(sink.last_epoch().unwrap(), Some(2));
    commit(&mut sink, 3, &purchases(&[(NOON, "a \"b\", c", -1, 0)])).unwrap();
    let expected = "\
window_start,window_end,furniture,purchases,total_price
2026-11-23T12:00:30.000Z,2026-11-23T12:01:00.000Z,Bed,12,6120000
2026-11-23T12:00:30.000Z,2026-11-23T12:01:00.000Z,\"a \"\"b\"\", c\",-1,0
";
    assert_eq!(fs::read_to_string(sink.path()).unwrap(), expected);
    let names: Vec<_> = contents(folder.path()).into_keys().collect();
    assert_eq!(names, ["purchase_windows.csv", "purchase_windows.csv.epoch"]);
}

#[test]
fn complete_holds_the_newest_rows_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = CsvSink::new(folder.path(), table(OutputMode::Complete)).unwrap();
    commit(&mut sink, 1, &purchases(&[(NOON, "Bed", 1, 2), (NOON, "Sofa", 3, 4)])).unwrap();
    commit(&mut sink, 2, &purchases(&[(NOON, "Bed", 9, 8)])).unwrap();
    let text = fs::read_to_string(sink.path()).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.ends_with("Bed,9,8\n"), "{text}");
    commit(&mut sink, 3, &purchases(&[])).unwrap();
    let text = fs::read_to_string(sink.path()).unwrap();
    assert_eq!(text, "window_start,window_end,furniture,purchases,total_price\n");
    assert_eq!(contents(folder.path()).len(), 2);
}

#[test]
fn every_death_is_survived() {
    for mode in [OutputMode::Append, OutputMode::Complete] {
        crash::every_death_is_survived(&make(mode));
        crash::resets_survive_every_death(&make(mode));
    }
}

#[test]
fn files_of_others_are_refused_and_stay_as_they_are() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, OutputMode, &str); 5] = [
        (
            |at| fs::write(at.join("purchase_windows.csv"), "mine\n").unwrap(),
            OutputMode::Append,
            "no job wrote it",
        ),
        (
            |at| {
                crash::run(&make(OutputMode::Append), at, 3, &[]);
                fs::write(at.join("purchase_windows.csv"), "short").unwrap();
            },
            OutputMode::Append,
            "rows are lost",
        ),
        (
            |at| assert_eq!(crash::run(&make(OutputMode::Append), at, 3, &[]), 0),
            OutputMode::Complete,
            "it holds \"append: window_start",
        ),
        (
            |at| fs::write(at.join("purchase_windows.csv.epoch"), "{\"epoch\":").unwrap(),
            OutputMode::Append,
            "cannot be read",
        ),
        (
            |at| fs::create_dir(at.join("purchase_windows.csv.epoch")).unwrap(),
            OutputMode::Append,
            "cannot read ",
        ),
    ];
    for (spoil, mode, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        spoil(folder.path());
        let before = contents(folder.path());
        let error = make(mode)(folder.path()).last_epoch().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(contents(folder.path()), before, "{expected}");
    }
}

#[test]
fn other_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    crash::run(&make(OutputMode::Append), folder.path(), 2, &[]);
    let mut other = table(OutputMode::Append);
    other.schema = Arc::new(other.schema.project(&[0, 1, 2, 3]).unwrap());
    let error = CsvSink::new(folder.path(), other).unwrap().last_epoch().unwrap_err();
    assert!(matches!(error, Error::OtherOutput { .. }), "{error}");
}

#[test]
fn a_second_process_on_the_same_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || CsvSink::new(folder.path(), table(OutputMode::Append)).unwrap();
    let (mut one, mut two) = (open(), open());
    assert_eq!((one.last_epoch().unwrap(), two.last_epoch().unwrap()), (None, None));
    commit(&mut one, 1, &epoch_rows(1)).unwrap();
    let error = commit(&mut two, 1, &epoch_rows(1)).unwrap_err();
    assert!(matches!(error, Error::EpochConflict { found: Some(1), epoch: 1, .. }), "{error}");
    let error = commit(&mut one, 3, &epoch_rows(3)).unwrap_err();
    assert!(matches!(error, Error::EpochConflict { found: Some(1), epoch: 3, .. }), "{error}");
    assert!(error.to_string().contains("holds epoch 1, but epoch 3 is to be written"), "{error}");
    commit(&mut one, 2, &epoch_rows(2)).unwrap();
}

#[test]
fn names_and_modes_that_cannot_work_are_refused() {
    let folder = Path::new("never-made");
    let refused = CsvSink::new(folder, table(OutputMode::Update)).map(drop).unwrap_err();
    assert!(refused.to_string().contains("append or complete"), "{refused}");
    for name in ["", "../x", "a/b", ".hidden", "_x"] {
        let named = OutputTable { name: name.to_owned(), ..table(OutputMode::Append) };
        assert!(CsvSink::new(folder, named).is_err(), "{name}");
    }
    assert!(!folder.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = make(OutputMode::Append)(&file.join("x")).last_epoch().unwrap_err().to_string();
    assert!(error.starts_with("cannot create the folder "), "{error}");
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = CsvSink::new(folder.path(), table(OutputMode::Append)).unwrap();
    commit(&mut sink, 1, &epoch_rows(1)).unwrap();
    let before = contents(folder.path());
    // The manifest's temporary name is a device that is always full.
    let temporary = folder.path().join(".purchase_windows.csv.epoch.tmp");
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let error = commit(&mut sink, 2, &epoch_rows(2)).unwrap_err().to_string();
    assert!(error.starts_with("cannot write "), "{error}");
    fs::remove_file(&temporary).unwrap();
    assert_eq!(sink.last_epoch().unwrap(), Some(1));
    assert_eq!(contents(folder.path()), before);
    commit(&mut sink, 2, &epoch_rows(2)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_deaths_leave_the_same_file(
        complete: bool,
        epochs in 1_u64..12,
        deaths in proptest::collection::vec(0_u32..20, 0..5),
    ) {
        let mode = if complete { OutputMode::Complete } else { OutputMode::Append };
        let (calm, hard) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        crash::run(&make(mode), calm.path(), epochs, &[]);
        crash::run(&make(mode), hard.path(), epochs, &deaths);
        prop_assert_eq!(contents(hard.path()), contents(calm.path()));
    }
}
