//! State that a job cannot go on from: it is refused, in a sentence that says what to do.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::restarts::{log, simple_plan};
use crate::support::{MemoryLog, MemoryTable, SteppingClock, job, options, query};
use arus_streaming::Error;
use arus_streaming::job::{JobOptions, Trigger};
use arus_streaming::origin::Origin;
use arus_streaming::progress::Progress;
use arus_streaming::sink::OutputMode;
use arus_window::Window;

fn start(
    folder: &Path,
    table: &Arc<Mutex<MemoryTable>>,
    window: Window,
    change: impl FnOnce(&mut JobOptions),
) -> Result<Progress, Error> {
    let partitions = log(&simple_plan());
    let visible = partitions.iter().map(Vec::len).collect();
    let log = MemoryLog { partitions, visible, chunk: 100, ..MemoryLog::default() };
    let mut options = options(folder);
    options.trigger = Trigger::Once;
    change(&mut options);
    let clock = SteppingClock::new(0);
    job(query(window), OutputMode::Append, options, log, table, &Arc::default(), clock).run()
}

#[test]
fn a_changed_query_is_refused_with_what_changed_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::default();
    start(folder.path(), &table, Window::Tumbling { size_ms: 10_000 }, |_| ()).unwrap();
    let error =
        start(folder.path(), &table, Window::Tumbling { size_ms: 20_000 }, |_| ()).unwrap_err();
    let text = error.to_string();
    for part in [r#"window = "tumbling 10000 ms""#, r#"now it is "tumbling 20000 ms""#, "--reset"] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    // With --reset it starts anew, and the table with it.
    let reset = start(folder.path(), &table, Window::Tumbling { size_ms: 20_000 }, |options| {
        options.reset = true;
        options.drain = true;
    });
    assert_eq!(reset.unwrap().total.read, 500);
    let rows = table.lock().unwrap().rows.len();
    assert!(rows > 0);
}

#[test]
fn a_checkpoint_and_a_table_that_do_not_belong_together_are_refused() {
    let window = Window::Tumbling { size_ms: 10_000 };
    let folder = tempfile::tempdir().unwrap();
    let table: Arc<Mutex<MemoryTable>> = Arc::default();
    start(folder.path(), &table, window, |_| ()).unwrap();

    // The folder was lost: the table knows more than the job.
    let empty = tempfile::tempdir().unwrap();
    let error = start(empty.path(), &table, window, |_| ()).unwrap_err().to_string();
    assert!(error.contains("there is no checkpoint in"), "{error}");

    // The table was lost: earlier rows would be missing. (One epoch behind is a kill, and mended.)
    table.lock().unwrap().epoch = Some(5);
    let error = start(folder.path(), &table, window, |_| ()).unwrap_err().to_string();
    assert!(error.contains("do not belong together"), "{error}");
}

/// Two jobs that are as far as each other, so that no number of an epoch tells them apart.
#[test]
fn a_job_does_not_go_on_with_the_rows_of_another() {
    let window = Window::Tumbling { size_ms: 10_000 };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let tables: [Arc<Mutex<MemoryTable>>; 2] = Default::default();
    let start = |at: usize, table: usize, name: &str, reset: bool| {
        start(folders[at].path(), &tables[table], window, |options| {
            (options.name, options.reset) = (name.into(), reset);
        })
    };
    let refused = |error: Error, parts: [&str; 2]| {
        let error = error.to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let ours = start(0, 0, "ours", false).unwrap();
    let rows = tables[0].lock().unwrap().rows.clone();

    // Neither at its first start, nor with --reset, which would wipe them.
    for reset in [false, true] {
        let error = start(1, 0, "theirs", reset).unwrap_err();
        refused(
            error,
            ["those of job ours since 2027-01-15", "run that job with --job ours --reset"],
        );
    }
    // Nor when it has been writing to another table so far.
    let theirs = start(1, 1, "theirs", false).unwrap();
    assert_eq!(theirs.epoch, ours.epoch);
    refused(start(1, 0, "theirs", false).unwrap_err(), ["those of job ours", "write elsewhere"]);
    assert_eq!(tables[0].lock().unwrap().rows, rows);

    // A job that was reset with another folder is another start of itself.
    let (again, text) = (Origin::new("ours", 0), Origin::new("ours", 0).to_string());
    tables[0].lock().unwrap().writer = again;
    refused(start(0, 0, "ours", false).unwrap_err(), [&text, "do not belong together"]);
    start(0, 0, "ours", true).unwrap();
}

#[test]
fn one_folder_serves_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let held = arus_streaming::checkpoint::CheckpointFolder::open(folder.path()).unwrap();
    let window = Window::Tumbling { size_ms: 10_000 };
    let error = start(folder.path(), &Arc::default(), window, |_| ()).unwrap_err().to_string();
    assert!(error.contains("another process works with the checkpoint folder"), "{error}");
    drop(held);
    start(folder.path(), &Arc::default(), window, |_| ()).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let window = Window::Tumbling { size_ms: 10_000 };
    let folder = tempfile::tempdir().unwrap();
    let table: Arc<Mutex<MemoryTable>> = Arc::default();
    start(folder.path(), &table, window, |_| ()).unwrap();
    // A second epoch's file that the disk lost the half of; its rows never reached the table.
    std::fs::write(folder.path().join("epoch-000000000002.checkpoint"), b"ARUSCKP1 half").unwrap();
    let again = start(folder.path(), &table, window, |options| options.drain = true).unwrap();
    assert_eq!(again.total.read, 500, "nothing is read twice");
    assert_eq!(again.run.read, 0);
}

/// Not even a job whose sinks keep nothing begins at the beginning as if there had been no epoch.
#[test]
fn a_folder_in_which_no_checkpoint_is_whole_is_refused() {
    let window = Window::Tumbling { size_ms: 10_000 };
    for damage in ["", "ARUSCKP1 half", "ARUSCKP9, and more than that"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("epoch-000000000002.checkpoint"), damage).unwrap();
        let error = start(folder.path(), &Arc::default(), window, |_| ()).unwrap_err().to_string();
        assert!(error.contains("epoch-000000000002.checkpoint cannot be read"), "{error}");
        start(folder.path(), &Arc::default(), window, |options| options.reset = true).unwrap();
    }
}

#[test]
fn an_unusable_checkpoint_folder_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let window = Window::Tumbling { size_ms: 10_000 };
    let error = start(&file, &Arc::default(), window, |_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot make the checkpoint folder"), "{error}");
    assert!(error.contains("file"), "{error}");
}
