//! What the end-to-end tests are made of: a world to run our programs in, and a judge of what they
//! give.
//!
//! - [`World`]: a folder, a broker, a database, and our real programs as processes in it;
//! - [`process`]: a program to be started, at work, ended;
//! - [`judge`]: what must come of a log, worked out in plain Rust with nothing of `arus-window`;
//! - [`rows`]: what did come of it, read from the database and from files;
//! - [`bank`]: the judge of bank customers;
//! - [`servers`]: real servers, to be ended and started again;
//! - [`proxy`]: a bad network;
//! - [`etl`]: the batch job's months and runs, checked;
//! - [`memory`]: whether programs at work grow;
//! - [`compose`](mod@compose): what `docker-compose.yml` says;
//! - [`tool`]: programs of others;
//! - [`yaml`]: YAML as a JSON value.
//!
//! With `ARUS_TEST_BROKERS` set the tests use that Kafka, with `ARUS_TEST_POSTGRES_URL` that
//! PostgreSQL, in place of the embedded pair; names of topics, tables and jobs are new in each run.
//! `ARUS_TEST_SEED` chooses the random moments.

pub mod bank;
mod check;
pub mod compose;
pub mod etl;
pub mod judge;
pub mod memory;
pub mod process;
pub mod proxy;
pub mod rows;
pub mod servers;
pub mod tool;
mod world;
pub mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use world::{Summary, Totals, World, WorldBuilder};

/// Bound on everything that healthy programs do at once, on a machine with other work.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The project's folder: this one, or one above it. It is not the one that this was compiled in,
/// for clones may share Cargo's target folder.
///
/// # Panics
/// When run elsewhere.
pub fn project() -> PathBuf {
    let here = std::env::current_dir().expect("there is a current folder");
    let folder = here.ancestors().find(|folder| folder.join("docker-compose.yml").exists());
    folder.unwrap_or_else(|| panic!("{} is not in the project", here.display())).to_owned()
}

/// Looks until there is something to see, and gives it.
///
/// # Panics
/// When `limit` has passed.
pub fn wait_until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    wait_closely(what, limit, Duration::from_millis(20), look)
}

/// The same with looks so far apart.
///
/// # Panics
/// When `limit` has passed.
pub fn wait_closely<T>(
    what: &str,
    limit: Duration,
    pause: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let clock = SystemClock::new();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(clock.monotonic() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(pause);
    }
}

/// Random moments from a seed, which it prints: a failed test shows how to run it again.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// From `ARUS_TEST_SEED`, or from a seed that is always the same.
    ///
    /// # Panics
    /// When `ARUS_TEST_SEED` is no number.
    pub fn from_env() -> Self {
        let seed = std::env::var("ARUS_TEST_SEED").ok();
        let seed =
            seed.map_or(20_240_101, |seed| seed.parse().expect("ARUS_TEST_SEED is a number"));
        println!("ARUS_TEST_SEED={seed}");
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    /// A moment from none to below `bound`.
    pub fn moment(&mut self, bound: Duration) -> Duration {
        let bound_us = bound.as_micros() as u64;
        Duration::from_micros(self.below(bound_us))
    }
}
