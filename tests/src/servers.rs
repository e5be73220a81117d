//! Real servers, by the scripts that `make test-real` starts its own with: those that it names, and
//! a test's own, which the test may end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{LIMIT, wait_until};

/// An Apache Kafka. One of the test's own is gone when this is dropped.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    own: bool,
}

impl Kafka {
    /// The one that `make test-real` has started, for all tests.
    ///
    /// # Panics
    /// When there is none.
    pub fn shared() -> Self {
        Self { folder: named("ARUS_TEST_KAFKA"), own: false }
    }

    /// A node of the test's own.
    pub fn start() -> Self {
        let folder = new_folder("kafka");
        run_script("kafka.sh", &["up"], &folder);
        Self { folder, own: true }
    }

    /// A second node of this one's cluster.
    #[must_use]
    pub fn second(&self) -> Self {
        let folder = new_folder("kafka");
        let status = script("kafka.sh").arg("join").arg(&folder).arg(&self.folder).status();
        assert!(status.is_ok_and(|status| status.success()), "kafka.sh join");
        Self { folder, own: true }
    }

    /// The address of a listener: PLAINTEXT, SASL_SSL, …, and PROXY; see scripts/kafka.sh.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn address(&self, listener: &str) -> String {
        let text = read(&self.folder.join("listeners"));
        let line = text.lines().find_map(|line| line.strip_prefix(listener)?.strip_prefix(' '));
        line.expect("the node has such a listener").to_owned()
    }

    /// The password of user "ana", and of the client's encrypted key.
    pub fn password(&self) -> String {
        read(&self.folder.join("password")).trim().to_owned()
    }

    /// The file that holds it.
    pub fn password_file(&self) -> String {
        self.folder.join("password").display().to_string()
    }

    /// A file of certificates; see scripts/certificates.sh.
    pub fn tls(&self, file: &str) -> String {
        self.folder.join("tls").join(file).display().to_string()
    }

    /// Ends the node on the spot; its data stay.
    pub fn kill(&self) {
        run_script("kafka.sh", &["kill"], &self.folder);
    }

    /// Starts it again, at the same addresses.
    pub fn start_again(&self) {
        run_script("kafka.sh", &["start"], &self.folder);
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.own {
            // Whoever runs the tests ends what is left.
            let _ = script("kafka.sh").arg("down").arg(&self.folder).status();
        }
    }
}

/// A PostgreSQL. One of the test's own is gone when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    own: bool,
}

impl Postgres {
    /// The one that `make test-real` has started, for all tests.
    ///
    /// # Panics
    /// When there is none.
    pub fn shared() -> Self {
        Self { folder: named("ARUS_TEST_POSTGRES"), own: false }
    }

    /// A server of the test's own.
    pub fn start() -> Self {
        let folder = new_folder("postgres");
        run_script("postgres.sh", &["up"], &folder);
        Self { folder, own: true }
    }

    /// Its URL, for user "arus", who needs no password.
    pub fn url(&self) -> String {
        read(&self.folder.join("url")).trim().to_owned()
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        let url = self.url();
        let (_, rest) = url.split_once('@').expect("the URL names a user");
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    /// Its URL for another user, maybe with a password (`ana:…`), with these parameters.
    pub fn url_of(&self, user: &str, parameters: &str) -> String {
        format!("postgres://{user}@{}/postgres?{parameters}", self.address())
    }

    /// The password of user "ana".
    pub fn password(&self) -> String {
        read(&self.folder.join("password")).trim().to_owned()
    }

    /// A file of certificates; see scripts/certificates.sh.
    pub fn tls(&self, file: &str) -> String {
        self.folder.join("tls").join(file).display().to_string()
    }

    /// Ends the server in the middle of whatever it does, and starts it again.
    pub fn crash(&self) {
        run_script("postgres.sh", &["crash"], &self.folder);
    }

    /// What a statement gives, a line for each row.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, statement: &str) -> String {
        let output = psql(&self.url(), statement).output().expect("psql is there");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {told}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A session of somebody else's that has run these statements and stays; it ends with its
    /// value.
    ///
    /// # Panics
    /// When they fail.
    pub fn session(&self, user: &str, statements: &[&str]) -> Session {
        static SESSIONS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("other session {}", SESSIONS.fetch_add(1, Ordering::Relaxed));
        let mut psql = Command::new("psql");
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1"]).arg(self.url_of(user, ""));
        for statement in statements.iter().chain(&["SELECT pg_sleep(600)"]) {
            psql.args(["-c", *statement]);
        }
        let psql = psql.env("PGAPPNAME", &name).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut session = Session { psql: psql.expect("psql is there"), name, url: self.url() };
        wait_until("the other session", LIMIT, || {
            let ended = session.psql.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{} ended", session.name);
            let asked = format!(
                "SELECT query FROM pg_stat_activity WHERE application_name = '{}'",
                session.name
            );
            self.sql(&asked).contains("pg_sleep").then_some(())
        });
        session
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.own {
            // Whoever runs the tests ends what is left.
            let _ = script("postgres.sh").arg("down").arg(&self.folder).status();
        }
    }
}

/// Somebody else at work in the database.
#[derive(Debug)]
pub struct Session {
    psql: Child,
    name: String,
    url: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        // The server would see only in ten minutes that the client is gone. It may be gone itself.
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ";
        let _ = psql(&self.url, &format!("{end}'{}'", self.name)).output();
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn psql(url: &str, statement: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["-AtqXc", statement, url]).stdin(Stdio::null());
    psql
}

fn named(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable);
    folder.unwrap_or_else(|| panic!("{variable} names a server: run make test-real")).into()
}

/// A folder that is not there yet, where `make test-real` finds what a killed test left running.
fn new_folder(kind: &str) -> PathBuf {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    named("ARUS_TEST_SERVERS").join(format!("{kind}-{}-{number}", std::process::id()))
}

fn script(name: &str) -> Command {
    let mut command = Command::new(crate::project().join("scripts").join(name));
    // What a server inherits it would hold open.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a script on a folder; it must succeed.
fn run_script(name: &str, arguments: &[&str], folder: &Path) {
    let status = script(name).args(arguments).arg(folder).status();
    assert!(status.is_ok_and(|status| status.success()), "{name} {arguments:?}");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
