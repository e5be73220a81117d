//! Programs that are not ours: Apache Kafka's own, and PostgreSQL's.

use std::fs::{self, File};
use std::process::{Child, Command};

use crate::project;
use crate::{LIMIT, World, wait_until};

/// A program that ends when this is dropped, whatever happens.
#[derive(Debug)]
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of Kafka's own programs, which are Java classes; `scripts/kafka.sh` has them.
pub fn kafka_class(class: &str) -> Command {
    let mut command = Command::new(project().join("scripts/kafka.sh"));
    command.args(["tool", class]);
    command
}

impl World {
    /// Runs a program on this input and gives what it says. It must end well.
    ///
    /// # Panics
    /// When it cannot be started, takes too long, or ends with another code than 0.
    #[track_caller]
    pub fn ask(&self, command: &mut Command, input: &str) -> String {
        let [input_path, out, err] =
            ["tool.in", "tool.out", "tool.err"].map(|name| self.path(name));
        let file = |path| File::create(path).expect("the world's folder is writable");
        fs::write(&input_path, input).expect("the world's folder is writable");
        let stdin = File::open(&input_path).expect("it was written just now");
        let child = command.stdin(stdin).stdout(file(&out)).stderr(file(&err)).spawn();
        let mut child = Guarded(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let what = format!("{command:?}");
        let status = wait_until(&what, LIMIT, || child.0.try_wait().expect("a child can be asked"));
        let said = |path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned();
        assert!(status.success(), "{what}: {status}: {}{}", said(&out), said(&err));
        said(&out)
    }

    /// Runs one of Kafka's own tools against the world's broker.
    #[track_caller]
    pub fn kafka_tool(&self, class: &str, arguments: &[&str], input: &str) -> String {
        let mut command = kafka_class(class);
        self.ask(command.args(["--bootstrap-server", self.brokers()]).args(arguments), input)
    }

    /// What `psql` answers to a query: rows of texts.
    #[track_caller]
    pub fn psql(&self, query: &str) -> Vec<Vec<String>> {
        let mut command = Command::new("psql");
        command.args([self.database_url(), "--no-psqlrc", "--no-align", "--tuples-only"]);
        command.args(["--field-separator=|", "--set=ON_ERROR_STOP=1", "--command", query]);
        let said = self.ask(&mut command, "");
        let row = |line: &str| line.split('|').map(str::to_owned).collect();
        said.lines().map(row).collect()
    }
}
