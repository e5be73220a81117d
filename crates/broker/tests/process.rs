//! The broker as a process: what it prints, how it refuses, how it leaves.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Bound on everything that a healthy broker does at once.
const LIMIT: Duration = Duration::from_secs(30);

/// A running broker; killed when the test ends, however it ends.
struct Running {
    child: Child,
    ready_line: String,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str], work: &Path) -> Self {
        let mut child = command(arguments, work).spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            // The test may have given up on the line; it has said so then.
            let _ = sender.send(read.map(|_| (line, stdout)));
        });
        match receiver.recv_timeout(LIMIT) {
            Ok(Ok((line, stdout))) if line.starts_with("broker ready on ") => {
                Self { child, ready_line: line.trim_end().to_owned(), stdout }
            }
            other => {
                child.kill().expect("a child can be killed");
                let output = child.wait_with_output().expect("a killed child ends");
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                panic!("no ready line within {LIMIT:?}: {other:?}; stderr: {stderr}");
            }
        }
    }

    fn address(&self) -> SocketAddr {
        let text = self.ready_line.split(' ').nth(3).expect("the line names the address");
        text.parse().expect("it is an address")
    }

    /// Sends the signal and returns the exit code and what was printed after the ready line.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill exists");
        assert!(sent.success(), "kill {signal} {pid}");
        let code = exit_code(&mut self.child);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("stdout is text");
        (code, rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone in the tests that stop it themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str], work: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    command.args(arguments).current_dir(work).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["LISTEN", "ADVERTISE", "DATA", "CLUSTER_ID", "NODE_ID"] {
        command.env_remove(format!("BROKER_{name}"));
    }
    command.env_remove("ARUS_LOG");
    command
}

/// Waits for the end with a bound; `None` when a signal ended the process.
fn exit_code(child: &mut Child) -> Option<i32> {
    for _ in 0..LIMIT.as_millis() / 10 {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child can be killed");
    panic!("the broker was still there after {LIMIT:?}");
}

/// Runs a broker that is expected to refuse.
fn refusal(arguments: &[&str], work: &Path) -> (Option<i32>, String) {
    let mut child = command(arguments, work).spawn().expect("the binary starts");
    let code = exit_code(&mut child);
    let Output { stderr, .. } = child.wait_with_output().expect("output can be read");
    (code, String::from_utf8(stderr).expect("stderr is text"))
}

fn work_folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn says_when_and_where_it_is_ready() {
    let work = work_folder();
    let cases: [(&[&str], &str); 3] = [
        (&["--listen", "127.0.0.1:0"], "(data in .arus/broker)"),
        (&["--listen", "localhost:0", "--data", "a folder %20"], "(data in a folder %20)"),
        (&["--listen", "127.0.0.1:0", "--memory"], "(in memory, nothing is kept)"),
    ];
    for (arguments, place) in cases {
        let broker = Running::start(arguments, work.path());
        assert!(broker.ready_line.ends_with(place), "{}", broker.ready_line);
        assert_ne!(broker.address().port(), 0, "{}", broker.ready_line);
        TcpStream::connect(broker.address()).expect("ready means that it takes connections");
    }
    for made in [".arus/broker/broker.db", "a folder %20/broker.db"] {
        assert!(work.path().join(made).is_file(), "{made} holds the data");
    }
}

#[test]
fn memory_leaves_no_trace() {
    let work = work_folder();
    let broker = Running::start(&["--listen", "127.0.0.1:0", "--memory"], work.path());
    assert_eq!(broker.stop("-TERM").0, Some(0));
    assert_eq!(std::fs::read_dir(work.path()).expect("it is a folder").count(), 0);
}

#[test]
fn a_taken_port_is_one_sentence_and_code_1() {
    let work = work_folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let (code, stderr) = refusal(&["--listen", &address.to_string(), "--memory"], work.path());
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = format!("error: cannot listen on {address}: stop what uses port");
    assert!(stderr.starts_with(&expected), "{stderr}");
}

#[test]
fn an_unwritable_folder_is_one_sentence_and_code_1() {
    let work = work_folder();
    let file = work.path().join("file");
    std::fs::write(&file, "not a folder").expect("the work folder is writable");
    let locked = work.path().join("locked");
    std::fs::create_dir(&locked).expect("the work folder is writable");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).expect("it is ours");
    // Root may write anywhere, so for root only the first case is one.
    let root = std::fs::write(locked.join("probe"), "").is_ok();
    let folders = [Some("file/under"), (!root).then_some("locked")];
    for folder in folders.into_iter().flatten() {
        let arguments = ["--listen", "127.0.0.1:0", "--data", folder];
        let (code, stderr) = refusal(&arguments, work.path());
        assert_eq!(code, Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let expected = format!("error: cannot write to the data folder {folder}: name another");
        assert!(stderr.starts_with(&expected), "{stderr}");
    }
}

#[test]
fn a_folder_serves_one_broker_at_a_time() {
    let work = work_folder();
    let arguments = ["--listen", "127.0.0.1:0", "--data", "shared"];
    let first = Running::start(&arguments, work.path());
    let (code, stderr) = refusal(&arguments, work.path());
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = format!("another broker (process {}) is using", first.child.id());
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(first.stop("-KILL").0, None);
    // A killed broker holds nothing back.
    Running::start(&arguments, work.path());
}

#[test]
fn signals_end_it_cleanly_even_with_clients_attached() {
    let work = work_folder();
    for signal in ["-TERM", "-INT"] {
        let broker = Running::start(&["--listen", "127.0.0.1:0"], work.path());
        let _idle_client = TcpStream::connect(broker.address()).expect("it is ready");
        let (code, rest) = broker.stop(signal);
        assert_eq!(code, Some(0), "{signal}");
        assert_eq!(rest, "", "stdout holds the ready line only");
    }
}

#[test]
fn wrong_use_is_code_2() {
    let work = work_folder();
    let cases: [(&[&str], &str); 4] = [
        (&["--listen", "9092"], "is not HOST:PORT"),
        (&["--memory", "--data", "x"], "give one of them"),
        (&["--listen", "0.0.0.0:0", "--memory"], "add --advertise"),
        (&["--frobnicate"], "unexpected argument"),
    ];
    for (arguments, expected) in cases {
        let (code, stderr) = refusal(arguments, work.path());
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn help_tells_what_it_does_and_what_it_does_not() {
    let output = command(&["--help"], work_folder().path()).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).expect("help is text");
    let expected = [
        "for machines without Kafka",
        "--listen",
        "BROKER_LISTEN",
        "--advertise",
        "--data",
        "--memory",
        "survive",
        "No transactions",
        "million events",
        "create them first",
        "Exit codes",
    ];
    for phrase in expected {
        assert!(help.contains(phrase), "{phrase:?} is not in:\n{help}");
    }
}
