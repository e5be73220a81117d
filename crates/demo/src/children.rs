//! The programs that the demo runs: started, waited for, ended.
//!
//! Each runs in a process group of its own, so that Ctrl-C in the terminal reaches the demo alone,
//! which then ends them in order. Whatever happens, no child outlives its value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::{Args, BANK_TOPIC, TABLE, TOPIC};

/// A program at work.
pub(crate) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts a broker on a free port and says its address once it is ready.
    pub(crate) async fn broker(folder: &Path) -> anyhow::Result<(Self, String)> {
        let mut command = program("broker")?;
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.join("broker"));
        command.stdout(Stdio::piped());
        let mut child = Self::spawn("broker", command, folder)?;
        let stdout = child.process.stdout.take().context("the broker has no output")?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let reading = stdout.read_line(&mut line);
        match tokio::time::timeout(Duration::from_secs(30), reading).await {
            Ok(read) => read?,
            Err(_) => {
                bail!("the broker was not ready after 30 s; its log is {}", child.log.display())
            }
        };
        let address = line.strip_prefix("broker ready on ").and_then(|rest| rest.split(' ').next());
        match address {
            Some(address) => Ok((child, address.trim().to_owned())),
            None => Err(child.failure("did not start")),
        }
    }

    /// Starts the streaming job; the terminal is its. Without a database it is the one that the
    /// environment names.
    pub(crate) fn streaming(
        args: &Args,
        brokers: &str,
        database: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut command = program("purchase-streaming")?;
        command
            .envs(database.map(|url| ("DATABASE_URL", url)))
            .args(["--brokers", brokers, "--topic", TOPIC, "--table", TABLE, "--job", "arus-demo"])
            .args(["--close-idle-windows", "--drain", "--reset", "--trigger", "500ms"])
            .arg("--window")
            .arg(format!("{}ms", args.window.as_millis()))
            .arg("--checkpoint")
            .arg(args.folder.join("checkpoint"))
            .arg("--summary")
            .arg(args.folder.join("streaming.json"));
        Self::spawn("purchase-streaming", command, &args.folder)
    }

    /// Starts the producer.
    pub(crate) fn producer(args: &Args, brokers: &str) -> anyhow::Result<Self> {
        let mut command = program("purchase-producer")?;
        command
            .args(["--brokers", brokers, "--topic", TOPIC, "--out-of-order", "2s"])
            .args(["--rate", &args.rate.to_string()])
            .args(["--late-fraction", &args.late_fraction.to_string(), "--max-lateness", "1m"])
            .args(["--bad-fraction", &args.bad_fraction.to_string()])
            .arg("--summary")
            .arg(args.folder.join("producer.json"))
            .stdout(Stdio::null());
        if let Some(length) = args.length {
            command.arg("--duration").arg(format!("{}ms", length.as_millis()));
        }
        Self::spawn("purchase-producer", command, &args.folder)
    }

    /// Starts the bank's producer.
    pub(crate) fn bank_producer(args: &Args, brokers: &str) -> anyhow::Result<Self> {
        let mut command = program("bank-producer")?;
        command
            .args(["--brokers", brokers, "--topic", BANK_TOPIC, "--rate", "500"])
            .args(["--out-of-order-fraction", "0.01", "--duplicate-fraction", "0.01"])
            .args(["--bad-fraction", &args.bad_fraction.to_string()])
            .arg("--summary")
            .arg(args.folder.join("bank-producer.json"))
            .stdout(Stdio::null());
        Self::spawn("bank-producer", command, &args.folder)
    }

    /// Starts the bank's consumer; `last`: to read what is there and end.
    pub(crate) fn bank_consumer(
        args: &Args,
        brokers: &str,
        database: Option<&str>,
        last: bool,
    ) -> anyhow::Result<Self> {
        let mut command = program("bank-consumer")?;
        command
            .envs(database.map(|url| ("DATABASE_URL", url)))
            .args(["--brokers", brokers, "--topic", BANK_TOPIC, "--job", "arus-demo-bank"])
            .args(["--table-prefix", "demo_", "--sink", "database"])
            .args(if last { &["--trigger", "available-now"][..] } else { &["--reset"] })
            .arg("--checkpoint")
            .arg(args.folder.join("bank-checkpoint"))
            .arg("--summary")
            .arg(args.folder.join("bank-consumer.json"))
            .stdout(Stdio::null());
        Self::spawn("bank-consumer", command, &args.folder)
    }

    fn spawn(name: &'static str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let process = command
            .stdin(Stdio::null())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, process, log })
    }

    /// Waits for the end, which must be a good one.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        match self.process.wait().await? {
            status if status.success() => Ok(()),
            _ => Err(self.failure("failed")),
        }
    }

    /// The same of a program that is to run until it is told to end: any end is a failure.
    pub(crate) async fn ended_early(&mut self) -> anyhow::Result<()> {
        self.ended().await?;
        bail!("{} ended before its time", self.name)
    }

    /// Waits for a good end, but not for ever.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> anyhow::Result<()> {
        match tokio::time::timeout(patience, self.ended()).await {
            Ok(ended) => ended,
            Err(_) => Err(self.failure(&format!("did not end within {} s", patience.as_secs()))),
        }
    }

    /// Asks the program to end, if it has not already, and waits.
    pub(crate) async fn stop(&mut self, patience: Duration) -> anyhow::Result<()> {
        if let Some(pid) = self.process.id().and_then(|id| Pid::from_raw(id as i32)) {
            // It may have ended this moment; then there is nobody to tell.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.ended_within(patience).await
    }

    /// What happened, with the last thing that the program said.
    fn failure(&self, what: &str) -> anyhow::Error {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        anyhow::anyhow!("{} {what}: {last} (all of it in {})", self.name, self.log.display())
    }
}

/// A program of the same build.
fn program(name: &str) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("cannot tell where the demo itself is")?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: build all programs with \"make build\"", path.display());
    }
    Ok(Command::new(path))
}
