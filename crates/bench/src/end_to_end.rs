//! The streaming job reading from a broker, beside a librdkafka consumer that only counts, each a
//! process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use arus_runtime::clock::Clock;

use crate::{rate, timed};

/// Ends a process with the value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures and prints.
pub(crate) fn measure(events: usize, rounds: usize, clock: &dyn Clock) -> anyhow::Result<()> {
    println!("end to end: {events} purchases from the embedded broker, 4 partitions");
    let folder = std::env::temp_dir().join(format!("arus-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure_in(&folder, events, rounds, clock);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure_in(
    folder: &Path,
    events: usize,
    rounds: usize,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let (_broker, brokers) = start_broker(folder)?;
    let (_, time) = timed(clock, || {
        run(Command::new(program("purchase-producer")?).args([
            "--brokers",
            &brokers,
            "--rate",
            "0",
            "--start-time",
            "2026-01-01T00:00:00Z",
            "--late-fraction",
            "0",
            "--bad-fraction",
            "0",
            "--count",
            &events.to_string(),
        ]))
    })?;
    println!("  producer into the broker: {}", rate(events, time));
    let mut best = [Duration::MAX; 2];
    let mut peak_kib = 0;
    for round in 0..rounds {
        let (_, time) = timed(clock, || {
            run(Command::new(example("count")?).args([&brokers, "purchases", &events.to_string()]))
        })?;
        best[0] = best[0].min(time);
        let (peak, time) = timed(clock, || stream(folder, &brokers, round, events))?;
        best[1] = best[1].min(time);
        peak_kib = peak_kib.max(peak);
    }
    println!("  consumer that only counts: {}", rate(events, best[0]));
    println!(
        "  purchase-streaming into SQLite: {}, {:.2} of the counting consumer, peak memory {} MB",
        rate(events, best[1]),
        best[0].as_secs_f64() / best[1].as_secs_f64(),
        peak_kib / 1024
    );
    Ok(())
}

/// Runs the whole job over the topic; says the peak of its memory, KiB.
fn stream(folder: &Path, brokers: &str, round: usize, events: usize) -> anyhow::Result<u64> {
    let database = format!("sqlite://{}", folder.join(format!("{round}.db")).display());
    let summary = folder.join("summary.json");
    let mut command = Command::new(program("purchase-streaming")?);
    command
        .args(["--brokers", brokers, "--database-url", &database, "--sink", "database"])
        .args(["--trigger", "available-now", "--drain", "--log", "warn", "--checkpoint"])
        .arg(folder.join(format!("checkpoint-{round}")))
        .arg("--summary")
        .arg(&summary)
        .stdout(Stdio::null());
    let mut job = Killed(command.spawn().context("cannot start purchase-streaming")?);
    let mut peak = 0;
    let status = loop {
        peak = peak_memory(job.0.id()).unwrap_or(peak);
        if let Some(status) = job.0.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    ensure!(status.success(), "purchase-streaming failed");
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary)?)?;
    let counted = &summary["run"]["counted"];
    ensure!(*counted == events, "purchase-streaming counted {counted} of {events}");
    Ok(peak)
}

/// The largest resident size so far, KiB.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
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
