//! Our programs as processes: to be started, at work, ended. None outlives its value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use crate::{LIMIT, wait_until};

/// Variables that would change what a program does; a test says itself all that it wants. So would
/// those that begin like a flag's, the broker's or libpq's.
const VARIABLES: [&str; 4] =
    ["DATABASE_URL", "DATABASE_URL_FILE", "METRICS_ADDR", "RUST_BACKTRACE"];
const PREFIXES: [&str; 4] = ["ARUS_", "BROKER_", "KAFKA_", "PG"];

/// How long a program that is dropped at work may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A program that is to be started.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    folder: PathBuf,
    working_folder: PathBuf,
    flags: Vec<(String, Option<String>)>,
    variables: Vec<(String, String)>,
    largest_file_kib: Option<u32>,
}

impl Program {
    /// A program of this build, which is to work in `folder` and leave its output there.
    pub fn new(name: &'static str, folder: &Path) -> Self {
        let (folder, working_folder) = (folder.to_owned(), folder.to_owned());
        let (flags, variables) = (vec![], vec![]);
        Self { name, folder, working_folder, flags, variables, largest_file_kib: None }
    }

    /// Lets it work in another folder than the one that takes its output.
    #[must_use]
    pub fn working_in(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.working_folder);
        self
    }

    /// Sets a flag, in place of an earlier one of that name.
    #[must_use]
    pub fn with(self, flag: &str, value: impl ToString) -> Self {
        self.without(flag).and(flag, value)
    }

    /// Adds a flag that may come more than once.
    #[must_use]
    pub fn and(mut self, flag: &str, value: impl ToString) -> Self {
        self.flags.push((flag.to_owned(), Some(value.to_string())));
        self
    }

    /// Sets a flag without a value.
    #[must_use]
    pub fn switch(self, flag: &str) -> Self {
        let mut program = self.without(flag);
        program.flags.push((flag.to_owned(), None));
        program
    }

    /// Takes a flag away.
    #[must_use]
    pub fn without(mut self, flag: &str) -> Self {
        self.flags.retain(|(name, _)| name != flag);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets every write fail that would make a file larger than this, as a full disk does.
    #[must_use]
    pub fn with_largest_file(mut self, kib: u32) -> Self {
        self.largest_file_kib = Some(kib);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it is not built, or cannot be started.
    pub fn start(&self) -> Running {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = |kind: &str| self.folder.join(format!("{number:03}-{}.{kind}.log", self.name));
        let (out, err) = (log("out"), log("err"));
        let mut command = self.command();
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_ours = PREFIXES.iter().any(|prefix| text.starts_with(prefix));
            if is_ours || VARIABLES.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (flag, value) in &self.flags {
            command.arg(flag).args(value);
        }
        let file = |path: &Path| File::create(path).expect("the test's folder is writable");
        command
            .current_dir(&self.working_folder)
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err));
        let child = command.spawn().expect("a program that is there can be started");
        Running { name: self.name, child, out, err }
    }

    /// Starts it and waits for its end.
    pub fn run(&self) -> Finished {
        self.start().finished(LIMIT)
    }

    fn command(&self) -> Command {
        let path = path_of(self.name);
        match self.largest_file_kib {
            None => Command::new(path),
            Some(kib) => {
                // The signal would kill the program; ignored, it leaves the failed write.
                let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
                let mut command = Command::new("bash");
                command.arg("-c").arg(script).arg(path);
                command
            }
        }
    }
}

/// Where a program of this build is: beside the folder of the test's own executable.
fn path_of(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let folder = own.parent().and_then(Path::parent).expect("tests are in target/debug/deps");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing; build all programs first: make build", path.display());
    path
}

/// A program at work. It ends when this is dropped: asked first, then killed.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Its process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        read(&self.err)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a number"), signal).expect("a child takes signals");
    }

    /// Ends it on the spot, as `kill -9` does. It must have been at work until then.
    pub fn kill(mut self) {
        if !self.is_running() {
            let Finished { code, stderr, .. } = self.finished(LIMIT);
            panic!("ended by itself with {code:?} before it was killed: {stderr}");
        }
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn finished(mut self, limit: Duration) -> Finished {
        let what = format!("{} to end", self.name);
        let status: ExitStatus =
            wait_until(&what, limit, || self.child.try_wait().expect("a child can be asked"));
        let (stdout, stderr) = (self.stdout(), self.stderr());
        Finished { name: self.name, code: status.code(), stdout, stderr }
    }

    /// Sends it a signal and waits for its end.
    pub fn stopped_by(self, signal: Signal) -> Finished {
        self.signal(signal);
        self.finished(LIMIT)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if !running(&mut self.child) {
            return;
        }
        // Asked first, so that a program with children of its own can end them.
        self.signal(Signal::TERM);
        let clock = SystemClock::new();
        while running(&mut self.child) && clock.monotonic() < GRACE {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may have ended just now: then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).expect("the test's folder is readable");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its name.
    pub name: &'static str,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// It must have ended well.
    #[must_use]
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}: {}", self.name, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}: {}", self.name, self.stderr);
        self
    }

    /// It must have failed with code 1 and one sentence, which this gives.
    #[track_caller]
    pub fn sentence(&self) -> String {
        self.told_with(1)
    }

    /// It must have refused its flags, with code 2 and one sentence, which this gives.
    #[track_caller]
    pub fn refusal(&self) -> String {
        self.told_with(2)
    }

    #[track_caller]
    fn told_with(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}: {}", self.name, self.stderr);
        for word in ["panicked", "RUST_BACKTRACE", "Os {", "stack backtrace"] {
            assert!(!self.stderr.contains(word), "{word} in {}", self.stderr);
        }
        let told: Vec<&str> =
            self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(told.len(), 1, "one sentence: {}", self.stderr);
        assert_eq!(self.stderr.lines().last(), Some(told[0]), "it comes last: {}", self.stderr);
        told[0].to_owned()
    }

    /// Its last line on standard output.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}
