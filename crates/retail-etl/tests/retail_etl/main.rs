//! The batch job as a program: what it writes, judged by plain Rust; and what it leaves alone when it
//! fails.
//!
//! On the sample always; on the real data where `../shared/data` is there, and on PostgreSQL where
//! `ARUS_TEST_POSTGRES_URL` names one: both with `--include-ignored`.

mod executions;
mod judge;
mod kills;
mod refusals;
mod results;
mod unchanged;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arus_store::{Store, TableSpec};
use retail_etl::tables::SHAPES;

use judge::Rows;

/// A folder to run the job in, and where its results are.
struct Place {
    folder: tempfile::TempDir,
    database: String,
    prefix: String,
}

impl Place {
    /// With a SQLite file.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/results.db", folder.path().display());
        Self { folder, database, prefix: String::new() }
    }

    /// With tables of its own in the PostgreSQL for tests.
    fn on_postgres(name: &str) -> Self {
        let url = std::env::var("ARUS_TEST_POSTGRES_URL");
        let database = url.expect("ARUS_TEST_POSTGRES_URL names a PostgreSQL: see scripts/");
        let prefix = format!("retail_{name}_{}.", std::process::id());
        Self { database, prefix, ..Self::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The sample with one line more, which cannot be read.
    fn with_a_bad_line(&self) -> PathBuf {
        let path = self.path().join("bad.csv");
        let mut text = std::fs::read(sample()).unwrap();
        text.extend_from_slice(
            b"536365,71053,LANTERN,six,12/1/2010 8:26,3.39,17850,United Kingdom\n",
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn output(&self) -> PathBuf {
        self.path().join("out")
    }

    /// `retail-etl run INPUT` with more flags, ready to be started.
    fn job(&self, input: &Path, flags: &[&str]) -> Command {
        let mut command = self.program();
        command.arg("run").arg(input).args(self.flags()).args(flags);
        command
    }

    /// The flags that say where results go.
    fn flags(&self) -> Vec<String> {
        let output = self.output().display().to_string();
        let flags = ["--output", &output, "--database-url", &self.database, "--retry-for", "2s"];
        let prefix = ["--table-prefix", &self.prefix];
        let prefix = prefix.iter().filter(|_| !self.prefix.is_empty());
        flags.iter().chain(prefix).map(ToString::to_string).collect()
    }

    /// The program, in the folder, with nothing from the environment that changes what it does.
    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retail-etl"));
        command.current_dir(self.path());
        for variable in ["DATABASE_URL", "ARUS_LOG", "ARUS_LOG_FORMAT", "ARUS_RETRY_FOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the job, which must end well; gives what it printed.
    #[track_caller]
    fn run(&self, input: &Path, flags: &[&str]) -> String {
        let output = self.job(input, flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the job, which must fail; gives its one sentence.
    #[track_caller]
    fn refusal(&self, input: &Path, flags: &[&str]) -> String {
        sentence(&self.job(input, flags).output().unwrap())
    }

    /// A table from its CSV file.
    fn csv(&self, table: &str) -> Rows {
        let path = self.output().join(format!("{table}.csv"));
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_path(&path).expect("a CSV file");
        let rows = reader.records();
        rows.map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    /// A table from its Parquet file.
    fn parquet(&self, table: &str) -> Rows {
        let file = std::fs::File::open(self.output().join(format!("{table}.parquet"))).unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<RecordBatch> = reader.build().unwrap().collect::<Result<_, _>>().unwrap();
        rows(&arrow::compute::concat_batches(&schema, &batches).unwrap())
    }

    /// All tables from the database; `None` for those that are not there.
    fn database(&self) -> Vec<Option<Rows>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::connect(&self.database, Duration::from_secs(10)).await.unwrap();
            let mut tables = Vec::new();
            for shape in &SHAPES {
                let spec = TableSpec {
                    name: format!("{}{}", self.prefix, shape.name),
                    schema: shape.schema(),
                    key: shape.key.iter().map(ToString::to_string).collect(),
                };
                let there = store.has_table(&spec).await.unwrap();
                tables.push(match there {
                    true => Some(rows(&store.read_table(&spec).await.unwrap())),
                    false => None,
                });
            }
            store.close().await;
            tables
        })
    }
}

/// The one sentence of a job that failed.
#[track_caller]
fn sentence(output: &Output) -> String {
    told(output, 1)
}

/// The one sentence of a job that ended with this code.
#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let told: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(told.len(), 1, "one sentence: {stderr}");
    told[0].to_owned()
}

/// A batch as its CSV file would have it, header first.
fn rows(batch: &RecordBatch) -> Rows {
    let header = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = FormatOptions::default();
    let columns: Vec<_> = batch.columns().iter().collect();
    let body = (0..batch.num_rows()).map(|row| {
        let cell = |column: &&std::sync::Arc<dyn Array>| {
            let formatter = ArrayFormatter::try_new(column, &options).unwrap();
            formatter.value(row).to_string()
        };
        columns.iter().map(cell).collect()
    });
    std::iter::once(header).chain(body).collect()
}

/// From the project's root. Cargo runs a test in its package's folder.
fn project(path: &str) -> PathBuf {
    std::path::absolute(Path::new("../..").join(path)).unwrap()
}

/// The sample that the project ships.
fn sample() -> PathBuf {
    project("data/online-retail-dataset.csv")
}

/// The real data, as it is stored.
fn real() -> PathBuf {
    let path = project("../shared/data/online-retail-dataset.csv.zst");
    assert!(path.is_file(), "{} is missing: see ../shared/data/README.md", path.display());
    path
}
