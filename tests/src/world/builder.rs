//! How a test's world is made: whose broker, which database.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use arus_runtime::clock::{Clock, SystemClock};

use super::World;
use crate::process::{Program, Running};
use crate::{LIMIT, wait_until};

/// Where the broker keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Folder,
    Memory,
}

/// Whose the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// Somebody's at this address.
    Theirs(String),
    /// The Kafka that the environment names, else the world's own.
    Any,
    /// The world's own.
    Own,
    /// There is none.
    Nobodys,
}

/// How a world is to be.
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    name: &'static str,
    storage: Storage,
    whose: Whose,
    database_url: Option<String>,
    advertised: Option<String>,
}

impl WorldBuilder {
    pub(super) fn named(name: &'static str) -> Self {
        Self {
            name,
            storage: Storage::Folder,
            whose: Whose::Any,
            database_url: None,
            advertised: None,
        }
    }

    /// The broker keeps its records in memory.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.storage = Storage::Memory;
        self
    }

    /// A broker of its own, also when the environment names a Kafka: the test kills it.
    #[must_use]
    pub fn embedded(mut self) -> Self {
        self.whose = Whose::Own;
        self
    }

    /// No broker: the test needs none, or its program brings one.
    #[must_use]
    pub fn without_broker(mut self) -> Self {
        self.whose = Whose::Nobodys;
        self
    }

    /// The broker at this address, which the test has started.
    #[must_use]
    pub fn on_kafka(mut self, brokers: String) -> Self {
        self.whose = Whose::Theirs(brokers);
        self
    }

    /// The database at this address, which the test has started.
    #[must_use]
    pub fn on_database(mut self, url: String) -> Self {
        self.database_url = Some(url);
        self
    }

    /// The world's own broker tells clients this address.
    #[must_use]
    pub fn advertised_at(mut self, address: String) -> Self {
        self.advertised = Some(address);
        self
    }

    /// Makes it.
    ///
    /// # Panics
    /// When the broker does not start.
    pub fn start(self) -> World {
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let named = |variable| std::env::var(variable).ok().filter(|value| !value.is_empty());
        // Topics of a Kafka that goes with the test need not be deleted.
        let mut leaves_topics = false;
        let (broker, brokers) = match (self.whose, named("ARUS_TEST_BROKERS")) {
            (Whose::Nobodys, _) => (None, String::new()),
            (Whose::Theirs(brokers), _) => (None, brokers),
            (Whose::Any, Some(brokers)) => {
                leaves_topics = true;
                (None, brokers)
            }
            (Whose::Any | Whose::Own, _) => {
                let told = self.advertised.as_deref();
                let (broker, address) =
                    start_broker(folder.path(), self.storage, "127.0.0.1:0", told);
                (Some(broker), address)
            }
        };
        let file = || format!("sqlite://{}", folder.path().join("arus.db").display());
        // Names that no other run has on a server, an earlier one or one at the same moment.
        let (process, ms) = (std::process::id(), SystemClock::new().wall_ms());
        let id = format!("t{ms}_{process}_{number}_{}", self.name);
        World {
            database_url: self
                .database_url
                .or_else(|| named("ARUS_TEST_POSTGRES_URL"))
                .unwrap_or_else(file),
            leaves_topics,
            topic: id.replace('_', "-"),
            table: id,
            prefix: format!("t{ms}_{process}_{number}_"),
            storage: self.storage,
            advertised: self.advertised,
            broker,
            brokers,
            folder,
        }
    }
}

/// Starts a broker and waits until it serves; gives its address.
pub(super) fn start_broker(
    folder: &Path,
    storage: Storage,
    listen: &str,
    advertised: Option<&str>,
) -> (Running, String) {
    let mut program = Program::new("broker", folder).with("--listen", listen);
    if let Some(address) = advertised {
        program = program.with("--advertise", address);
    }
    let program = match storage {
        Storage::Folder => program.with("--data", folder.join("broker").display()),
        Storage::Memory => program.switch("--memory"),
    };
    let mut broker = program.start();
    let address = wait_until("the broker to be ready", LIMIT, || {
        let said = broker.stdout();
        let line = said.split_once('\n').map(|(line, _)| line.to_owned());
        assert!(line.is_some() || broker.is_running(), "no broker: {}", broker.stderr());
        let address = line?.strip_prefix("broker ready on ")?.split(' ').next()?.to_owned();
        Some(address)
    });
    (broker, address)
}
