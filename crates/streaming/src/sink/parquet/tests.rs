//! The Parquet folder: what is in it, what is refused, and every death.

use super::*;
use crate::operator::TableRows;
use crate::sink::crash::{self, contents};
use crate::sink::fixture::{epoch_rows, purchases, table};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::fs;

fn make(mode: OutputMode) -> impl Fn(&Path) -> Box<dyn Sink> {
    move |folder| Box::new(ParquetSink::new(folder, table(mode)).unwrap())
}

/// All rows that a reader of `*.parquet` sees, file by file.
fn read(folder: &Path) -> Vec<RecordBatch> {
    let names = files::names_in(folder).unwrap();
    let shown = names.iter().filter(|n| !n.starts_with(['.', '_']) && n.ends_with(".parquet"));
    let mut batches = Vec::new();
    for name in shown {
        let file = fs::File::open(folder.join(name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        batches.extend(reader.map(Result::unwrap));
    }
    batches
}

#[test]
fn append_makes_a_file_per_epoch_with_rows() {
    let folder = tempfile::tempdir().unwrap();
    crash::run(&make(OutputMode::Append), folder.path(), 5, &[]);
    let files: Vec<_> = contents(folder.path()).into_keys().collect();
    let expected = [
        "purchase_windows/_epoch.json",
        "purchase_windows/epoch-000000000001.parquet",
        "purchase_windows/epoch-000000000002.parquet",
        "purchase_windows/epoch-000000000003.parquet",
        "purchase_windows/epoch-000000000005.parquet",
    ];
    assert_eq!(files, expected);
    let rows = read(&folder.path().join("purchase_windows"));
    assert_eq!(rows, [1, 2, 3, 5].map(epoch_rows));
}

#[test]
fn complete_shows_the_newest_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(folder.path(), table(OutputMode::Complete)).unwrap();
    for epoch in 1..=3 {
        let rows = epoch_rows(epoch);
        sink.commit(EpochOutput::new(epoch, &[TableRows::new(rows.clone())])).unwrap();
        assert_eq!(read(sink.path()), [rows]);
    }
    let none = purchases(&[]);
    sink.commit(EpochOutput::new(4, &[TableRows::new(none.clone())])).unwrap();
    assert_eq!(read(sink.path()).iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(sink.epochs().unwrap(), [4]);
}

#[test]
fn every_death_is_survived() {
    for mode in [OutputMode::Append, OutputMode::Complete] {
        crash::every_death_is_survived(&make(mode));
        crash::resets_survive_every_death(&make(mode));
    }
}

#[test]
fn a_reader_never_sees_two_tables_in_complete_mode() {
    for steps in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        crash::run(&make(OutputMode::Complete), folder.path(), 2, &[]);
        files::fault::live_for(Some(steps));
        let mut sink = ParquetSink::new(folder.path(), table(OutputMode::Complete)).unwrap();
        let rows = epoch_rows(3);
        let _ = sink.commit(EpochOutput::new(3, &[TableRows::new(rows.clone())]));
        files::fault::live_for(None);
        let seen = read(sink.path());
        assert!(seen == [epoch_rows(2)] || seen == [rows], "after {steps} steps: {seen:?}");
    }
}

#[test]
fn folders_of_others_and_modes_that_cannot_work_are_refused() {
    let refused =
        ParquetSink::new(Path::new("x"), table(OutputMode::Update)).map(drop).unwrap_err();
    assert!(refused.to_string().contains("append or complete"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("purchase_windows");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("mine.parquet"), "x").unwrap();
    let error = make(OutputMode::Append)(folder.path()).last_epoch().unwrap_err().to_string();
    assert!(error.contains("no job wrote it"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    crash::run(&make(OutputMode::Append), folder.path(), 2, &[]);
    let error = make(OutputMode::Complete)(folder.path()).last_epoch().unwrap_err().to_string();
    assert!(error.contains("it holds \"append: "), "{error}");
}

#[test]
fn an_epoch_out_of_turn_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(folder.path(), table(OutputMode::Append)).unwrap();
    let rows = epoch_rows(1);
    let error = sink.commit(EpochOutput::new(2, &[TableRows::new(rows.clone())])).unwrap_err();
    assert!(matches!(error, Error::EpochConflict { found: None, epoch: 2, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_deaths_leave_the_same_folder(
        complete: bool,
        epochs in 1_u64..10,
        deaths in proptest::collection::vec(0_u32..20, 0..5),
    ) {
        let mode = if complete { OutputMode::Complete } else { OutputMode::Append };
        let (calm, hard) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        crash::run(&make(mode), calm.path(), epochs, &[]);
        crash::run(&make(mode), hard.path(), epochs, &deaths);
        prop_assert_eq!(contents(hard.path()), contents(calm.path()));
    }
}
