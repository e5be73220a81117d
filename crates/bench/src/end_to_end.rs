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

/// A topic and how many purchases it holds.
#[derive(Clone, Copy)]
struct Load {
    topic: &'static str,
    events: usize,
}

fn measure_in(
    folder: &Path,
    events: usize,
    rounds: usize,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let (_broker, brokers) = start_broker(folder)?;
    let many = Load { topic: "purchases", events };
    // What a program takes to start and stop, whatever it reads.
    let one = Load { topic: "one", events: 1 };
    produce(&brokers, one)?;
    let (_, time) = timed(clock, || produce(&brokers, many))?;
    println!("  producer into the broker: {}", rate(events, time));

    let mut best = [[Duration::MAX; 2]; 2];
    let mut peak_kib = 0;
    for round in 0..rounds {
        for (row, load) in [many, one].into_iter().enumerate() {
            let (_, time) = timed(clock, || count(&brokers, load))?;
            best[row][0] = best[row][0].min(time);
            let name = format!("{}-{round}", load.topic);
            let (peak, time) = timed(clock, || stream(folder, &name, &brokers, load))?;
            best[row][1] = best[row][1].min(time);
            peak_kib = peak_kib.max(peak);
        }
    }
    let [counting, streaming] = best[0];
    let [net_counting, net_streaming] = [0, 1].map(|of| best[0][of].saturating_sub(best[1][of]));
    println!(
        "  whole processes: counting {}, purchase-streaming into SQLite {}, ratio {:.2}",
        rate(events, counting),
        rate(events, streaming),
        counting.as_secs_f64() / streaming.as_secs_f64(),
    );
    println!(
        "  without start and stop: counting {}, purchase-streaming {}, ratio {:.2}",
        rate(events, net_counting),
        rate(events, net_streaming),
        net_counting.as_secs_f64() / net_streaming.as_secs_f64(),
    );
    println!("  purchase-streaming's peak memory: {} MB", peak_kib / 1024);
    Ok(())
}

fn produce(brokers: &str, load: Load) -> anyhow::Result<()> {
    let events = load.events.to_string();
    let mut command = Command::new(program("purchase-producer")?);
    command
        .args(["--brokers", brokers, "--topic", load.topic, "--rate", "0", "--count", &events])
        .args(["--start-time", "2026-01-01T00:00:00Z"])
        .args(["--late-fraction", "0", "--bad-fraction", "0"]);
    run(&mut command)
}

fn count(brokers: &str, load: Load) -> anyhow::Result<()> {
    run(Command::new(example("count")?).args([brokers, load.topic, &load.events.to_string()]))
}

/// Runs the whole job over the topic; says the peak of its memory, KiB.
fn stream(folder: &Path, name: &str, brokers: &str, load: Load) -> anyhow::Result<u64> {
    let database = format!("sqlite://{}", folder.join(name).with_extension("db").display());
    let summary = folder.join("summary.json");
    let mut command = Command::new(program("purchase-streaming")?);
    command
        .args(["--brokers", brokers, "--topic", load.topic, "--database-url", &database])
        .args(["--sink", "database", "--trigger", "available-now", "--drain", "--log", "warn"])
        .arg("--checkpoint")
        .arg(folder.join(name))
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
    ensure!(*counted == load.events, "purchase-streaming counted {counted} of {}", load.events);
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
