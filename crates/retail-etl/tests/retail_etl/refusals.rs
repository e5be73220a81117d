//! What goes wrong is told in one sentence, and what was there stays as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::datatypes::{DataType, Field, Schema};
use arus_store::{Store, TableSpec};

use crate::judge::Rows;
use crate::{Place, sample, sentence, told};

/// Everything that a run leaves: the tables, and the bytes of all files.
#[derive(Debug, PartialEq)]
struct Left {
    tables: Vec<Option<Rows>>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn left(place: &Place) -> Left {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(place.output()).unwrap() {
        let path = entry.unwrap().path();
        // The lock's file stays, and says nothing.
        if path.is_file() && !path.ends_with(".retail-etl.lock") {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    Left { tables: place.database(), files }
}

/// A place with the results of a good run.
fn place() -> (Place, Left) {
    let place = Place::new();
    place.run(&sample(), &["--top", "5"]);
    let left = left(&place);
    let names = left.files.keys();
    assert_eq!(names.len(), 15, "six tables twice, the report twice, the mark: {names:?}");
    (place, left)
}

#[test]
fn too_many_rejects() {
    let (place, before) = place();
    let input = place.with_a_bad_line();
    let sentence = place.refusal(&input, &["--max-rejects", "0"]);
    assert!(sentence.contains("--max-rejects") && sentence.contains("rejects.csv"), "{sentence}");
    let rejects = place.output().join("rejects.csv");
    let text = std::fs::read_to_string(&rejects).unwrap();
    assert!(text.contains("six"), "{text}");
    std::fs::remove_file(rejects).unwrap();
    assert_eq!(left(&place), before);
    place.run(&input, &["--max-rejects", "1"]);
}

/// The reject file is of the results that are there: a run that fails later leaves it too.
#[test]
fn a_run_that_fails_leaves_the_old_reject_file() {
    let place = Place::new();
    place.run(&place.with_a_bad_line(), &[]);
    let before = left(&place);
    assert!(before.files.keys().any(|path| path.ends_with("rejects.csv")));
    make_foreign_table(&place, "other_monthly_sales");
    // It fails as late as can be: its own rows were read, and its files written.
    let sentence = place.refusal(&sample(), &["--table-prefix", "other_"]);
    assert!(sentence.contains("other_monthly_sales"), "{sentence}");
    assert_eq!(left(&place), before);
}

#[test]
fn input_that_would_be_overwritten() {
    let place = Place::new();
    let invoices = place.output().join("monthly_sales.csv");
    std::fs::create_dir(place.output()).unwrap();
    std::fs::copy(sample(), &invoices).unwrap();
    let before = std::fs::read(&invoices).unwrap();
    let sentence = told(&place.job(&invoices, &[]).output().unwrap(), 2);
    assert!(sentence.contains("monthly_sales.csv is read"), "{sentence}");
    assert_eq!(std::fs::read(&invoices).unwrap(), before);
    // A folder that holds the invoices and, after the first run, the results.
    std::fs::rename(&invoices, place.output().join("invoices.csv")).unwrap();
    place.run(&place.output(), &[]);
    let sentence = told(&place.job(&place.output(), &[]).output().unwrap(), 2);
    assert!(sentence.contains("is read, and the results would be written over it"), "{sentence}");
}

#[test]
fn an_export_that_has_no_rows() {
    let (place, before) = place();
    let path = place.path().join("empty.csv");
    let header =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
    std::fs::write(&path, format!("{header}\n")).unwrap();
    let sentence = place.refusal(&path, &[]);
    assert!(sentence.contains("empty.csv") && sentence.contains("--allow-empty"), "{sentence}");
    assert_eq!(left(&place), before);
    place.run(&path, &["--allow-empty"]);
    let tables = place.database();
    assert!(tables.iter().all(|rows| rows.as_ref().is_some_and(|rows| rows.len() == 1)), "headers");
}

#[test]
fn an_absent_input() {
    let (place, before) = place();
    let sentence = place.refusal(Path::new("no/such/file.csv"), &[]);
    assert!(sentence.contains("no/such/file.csv"), "{sentence}");
    assert_eq!(left(&place), before);
}

#[test]
fn an_absent_column() {
    let (place, before) = place();
    let path = place.path().join("short.csv");
    std::fs::write(
        &path,
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,Country\n",
    )
    .unwrap();
    let sentence = place.refusal(&path, &[]);
    assert!(sentence.contains("CustomerID") && sentence.contains("short.csv"), "{sentence}");
    assert_eq!(left(&place), before);
}

#[test]
fn a_database_that_is_away() {
    let (place, before) = place();
    // Nobody listens at port 1.
    let flags = ["--database-url", "postgres://nobody@127.0.0.1:1/none", "--retry-for", "1s"];
    let mut job = place.program();
    job.arg("run").arg(sample()).arg("--output").arg(place.output()).args(flags);
    let sentence = sentence(&job.output().unwrap());
    assert!(
        sentence.contains("127.0.0.1:1") && sentence.contains("start the server"),
        "{sentence}"
    );
    assert_eq!(left(&place), before);
}

#[test]
fn a_folder_that_cannot_be() {
    let (place, before) = place();
    let file = place.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let mut job = place.program();
    job.arg("run").arg(sample()).arg("--output").arg(file.join("out"));
    job.args(["--database-url", &place.database]);
    let sentence = sentence(&job.output().unwrap());
    assert!(sentence.contains("a-file"), "{sentence}");
    assert_eq!(left(&place), before);
}

/// The job, unable to make a file larger than so many KiB, as on a full disk.
fn with_largest_file(job: &Command, kib: u32) -> Command {
    // The signal would kill the program; ignored, it leaves the failed write.
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).arg(job.get_program()).args(job.get_args());
    command.current_dir(job.get_current_dir().unwrap());
    for (name, value) in job.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_full_disk_under_the_files() {
    let (place, before) = place();
    let job = place.job(&sample(), &["--top", "9", "--sink", "csv,parquet,report"]);
    // Less than the report takes, more than the database does with its history.
    let sentence = sentence(&with_largest_file(&job, 100).output().unwrap());
    assert!(sentence.contains("cannot write") && sentence.contains("report.html"), "{sentence}");
    assert_eq!(left(&place), before);
}

#[test]
fn a_full_disk_under_the_database() {
    let (place, before) = place();
    let job = place.job(&sample(), &["--top", "1000", "--exclude-cancelled", "--sink", "database"]);
    // Less than the write-ahead log of all tables takes (some 60), more than its index does (32).
    let output = with_largest_file(&job, 44).output().unwrap();
    let sentence = sentence(&output);
    assert!(sentence.contains("SQLite file"), "{sentence}");
    assert_eq!(left(&place), before);
    place.run(&sample(), &["--top", "1000", "--exclude-cancelled"]);
}

/// A table that somebody else made.
fn make_foreign_table(place: &Place, name: &str) {
    let schema = Schema::new(vec![Field::new("anything", DataType::Utf8, false)]);
    let table = TableSpec {
        name: name.to_owned(),
        schema: schema.into(),
        key: vec!["anything".to_owned()],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let patience = std::time::Duration::from_secs(10);
        let store = Store::connect(&place.database, patience).await.unwrap();
        store.ensure_table(&table).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_table_of_another_shape() {
    let place = Place::new();
    make_foreign_table(&place, "monthly_sales");
    let sentence = place.refusal(&sample(), &[]);
    assert!(
        sentence.contains("monthly_sales") && sentence.contains("--table-prefix"),
        "{sentence}"
    );
    assert!(!place.output().join("monthly_sales.csv").exists());
    place.run(&sample(), &["--table-prefix", "retail_"]);
}

#[test]
fn wrong_use_has_code_2() {
    let place = Place::new();
    for flags in [
        &["run", "--top", "0"][..],
        &["run", "--sink", "carrier-pigeon"],
        &["run", "--max-rejects", "many"],
        &["run", "--no-such-flag"],
        &["walk"],
        &[],
        &["run", "--timeout", "0s"],
        &["run", "--database-url", "mysql://a/b"],
        &["history", "--database-url", "mysql://a/b"],
        &["history", "--limit", "0"],
        &["run", "sales/%Q.csv"],
        &["schedule", "--cron", "@daily", "sales/%Q.csv"],
        &["backfill", "--cron", "@daily", "--from", "2026-11-05", "--to", "2026-11-04"],
        &["backfill", "--cron", "@daily", "--from", "2999-01-01", "--to", "2999-01-02"],
    ] {
        let output = place.program().args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn every_subcommand_has_help() {
    let place = Place::new();
    for command in ["run", "schedule", "history", "backfill", "generate", "report"] {
        let output = place.program().args([command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(
            text.contains("Usage: retail-etl") && text.contains("Options"),
            "{command}: {text}"
        );
    }
}
