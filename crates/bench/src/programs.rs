//! The programs that are measured, each a process of its own, and the embedded broker they share.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use arus_runtime::clock::Clock;

use crate::timed;

/// Ends a process with the value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A topic of purchases.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Its name.
    pub(crate) topic: &'static str,
    /// How many purchases it holds.
    pub(crate) events: usize,
    /// How many customers there are.
    pub(crate) customers: usize,
}

/// What one run of purchase-streaming came to.
#[derive(Clone, Copy)]
pub(crate) struct Streamed {
    /// From start to end of the process.
    pub(crate) time: Duration,
    /// The peak of its memory, bytes.
    pub(crate) peak: u64,
    /// Rows of windows that are open at its end.
    pub(crate) open_rows: u64,
}

/// An embedded broker in memory, and a folder for what the programs write. Both go with the value.
pub(crate) struct World<'a> {
    folder: PathBuf,
    brokers: String,
    clock: &'a dyn Clock,
    runs: usize,
    _broker: Killed,
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} could not be removed: {error}", self.folder.display());
        }
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(clock: &'a dyn Clock) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("arus-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (broker, brokers) = start_broker(&folder)?;
        Ok(Self { folder, brokers, clock, runs: 0, _broker: broker })
    }

    /// Fills a topic; says how long that took.
    pub(crate) fn produce(&self, load: Load) -> anyhow::Result<Duration> {
        let mut command = Command::new(program("purchase-producer")?);
        command
            .args(["--brokers", &self.brokers, "--topic", load.topic, "--rate", "0"])
            .args(["--count", &load.events.to_string()])
            .args(["--customers", &load.customers.to_string()])
            .args(["--start-time", "2026-01-01T00:00:00Z"])
            .args(["--late-fraction", "0", "--bad-fraction", "0"]);
        Ok(timed(self.clock, || run(&mut command))?.1)
    }

    /// Counts a topic's records with a bare consumer; says how long that took.
    pub(crate) fn count(&self, load: Load) -> anyhow::Result<Duration> {
        let mut command = Command::new(example("count")?);
        command.args([&self.brokers, load.topic, &load.events.to_string()]);
        Ok(timed(self.clock, || run(&mut command))?.1)
    }

    /// Runs the whole job over all that the topic holds, into SQLite.
    pub(crate) fn stream(&mut self, load: Load, flags: &[&str]) -> anyhow::Result<Streamed> {
        self.runs += 1;
        let checkpoint = self.folder.join(format!("run-{}", self.runs));
        let database = format!("sqlite://{}", checkpoint.with_extension("db").display());
        let summary = self.folder.join("summary.json");
        let mut command = Command::new(program("purchase-streaming")?);
        command
            .args(["--brokers", &self.brokers, "--topic", load.topic])
            .args(["--database-url", &database, "--sink", "database"])
            .args(["--trigger", "available-now", "--log", "warn"])
            .arg("--checkpoint")
            .arg(&checkpoint)
            .arg("--summary")
            .arg(&summary)
            .args(flags)
            .stdout(Stdio::null());
        let (peak, time) = timed(self.clock, || watch(&mut command))?;
        let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary)?)?;
        let counted = &summary["run"]["counted"];
        ensure!(*counted == load.events, "purchase-streaming counted {counted} of {}", load.events);
        let open_rows = summary["rows_kept"].as_u64().context("the summary has no rows_kept")?;
        Ok(Streamed { time, peak, open_rows })
    }
}

/// Runs a program to its end; says the peak of its memory, bytes.
fn watch(command: &mut Command) -> anyhow::Result<u64> {
    let mut process = Killed(command.spawn().context("cannot start a program")?);
    let mut peak = 0;
    let status = loop {
        peak = peak_memory(process.0.id()).unwrap_or(peak);
        if let Some(status) = process.0.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(peak)
}

/// The largest resident size so far, bytes.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn start_broker(folder: &Path) -> anyhow::Result<(Killed, String)> {
    let mut command = Command::new(program("broker")?);
    command.args(["--listen", "127.0.0.1:0", "--memory"]).current_dir(folder);
    let mut broker = Killed(command.stdout(Stdio::piped()).spawn().context("cannot start broker")?);
    let mut line = String::new();
    let stdout = broker.0.stdout.take().context("the broker has no output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let address =
        line.strip_prefix("broker ready on ").and_then(|rest| rest.split_whitespace().next());
    let address = address.with_context(|| format!("the broker says {line:?}"))?.to_owned();
    Ok((broker, address))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("cannot start a program")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: build all programs with \"make build\"", path.display());
    }
    Ok(path)
}

fn example(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("examples").join(name);
    if !path.exists() {
        bail!("{} is missing: make bench builds it", path.display());
    }
    Ok(path)
}
