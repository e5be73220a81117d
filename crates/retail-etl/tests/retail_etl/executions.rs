//! Runs as the history tells them: two at once, kills, timeouts, retries, stops, schedules and
//! backfills.
//!
//! A run that reads a pipe stays at work until somebody writes to it: so nothing here depends on
//! how fast a machine is.

mod backfills;
mod locks;
mod retries;
mod schedules;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::{Place, sample};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the tests of this part need of a place.
impl Place {
    /// Any subcommand, told where history and results are.
    fn command(&self, name: &str, flags: &[&str]) -> Command {
        let mut command = self.program();
        command.arg(name).args(self.flags()).args(flags);
        command
    }

    /// The history's runs, the oldest first.
    fn history(&self) -> Vec<Value> {
        let runs = self.history_json(&["--limit", "1000"]);
        let mut runs = runs.as_array().unwrap().clone();
        runs.reverse();
        runs
    }

    /// A run with its steps.
    fn run_of(&self, run: &Value) -> Value {
        self.history_json(&["--run", text(run, "run_id")])
    }

    fn history_json(&self, flags: &[&str]) -> Value {
        let mut command = self.program();
        command.args(["history", "--json", "--database-url", &self.database]);
        let output = command.args(["--table-prefix", &self.prefix]).args(flags).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asks the history until its newest run is as wanted, and gives that.
    #[track_caller]
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let clock = SystemClock::new();
        while clock.monotonic() < PATIENCE {
            if let Some(run) = self.history().pop().filter(&wanted) {
                return run;
            }
        }
        panic!("the history is not as wanted: {:#?}", self.history());
    }

    /// A pipe as input: who reads it waits.
    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field} in {value:#}"))
}

fn states(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| text(run, "state")).collect()
}

/// Gives the sample to whoever reads the pipe.
fn feed(pipe: &Path) {
    std::fs::write(pipe, std::fs::read(sample()).unwrap()).unwrap();
}

/// A process whose output is read; it is killed when the test fails.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    /// What was read of its log.
    said: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, said: String::new() }
    }

    fn process(&self) -> String {
        format!("process {} ", self.child.id())
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for a line of its log.
    #[track_caller]
    fn until_it_says(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert!(length > 0, "it never said {part:?}: {}", self.said);
            self.said.push_str(&line);
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Its exit code and what it said, when it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut stdout = self.child.stdout.take().unwrap();
        let output = std::thread::spawn(move || {
            let mut output = String::new();
            stdout.read_to_string(&mut output).unwrap();
            output
        });
        self.log.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), format!("{}{}", self.said, output.join().unwrap()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
