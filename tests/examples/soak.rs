//! Everything at once on real servers for some minutes: both producers, the streaming job into a
//! table and a topic, the bank's consumer, and the batch job on its schedule. In the first half
//! they are killed, stopped, frozen and started again at random moments; in the second half they
//! work on undisturbed, so that one can see whether their memory grows. Then every invariant is
//! checked.
//!
//! `make soak MINUTES=20` runs it: it needs `ARUS_TEST_BROKERS` and `ARUS_TEST_POSTGRES_URL`.
//! `ARUS_TEST_SEED` repeats the moments of an earlier run.

use std::collections::BTreeMap;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::memory::{Growth, resident_mib};
use arus_tests::process::{Program, Running};
use arus_tests::{Draw, World, rows};
use chrono::{DateTime, SecondsFormat};
use rustix::process::Signal;

/// Event time of the first records, ms: 2024-01-01T00:00:00Z.
const START_MS: i64 = 1_704_067_200_000;
/// Purchases per second, and customers' changes.
const RATES: [u64; 2] = [1_000, 500];
/// How long it is at the most from one disturbance to the next, and a program frozen.
const QUIET: Duration = Duration::from_secs(2);

fn main() {
    let minutes: f64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .filter(|minutes| *minutes >= 1.0)
        .expect("usage: soak MINUTES, one or more");
    for variable in ["ARUS_TEST_BROKERS", "ARUS_TEST_POSTGRES_URL"] {
        let set = std::env::var(variable).is_ok_and(|value| !value.is_empty());
        assert!(set, "{variable} names the real server to use; make soak starts both");
    }
    let half = Duration::from_secs_f64(minutes * 30.0);
    let mut soak = Soak::start();
    soak.disturb(half);
    let growths = soak.watch(half);
    soak.check();
    for growth in &growths {
        println!("{growth}");
    }
    let grown: Vec<_> = growths.iter().filter(|growth| growth.is_too_much()).collect();
    assert!(grown.is_empty(), "these grew without bound: {grown:?}");
    println!("all invariants hold");
}

/// The worlds of three jobs, and who works in them.
struct Soak {
    shop: World,
    bank: World,
    etl: World,
    draw: Draw,
    clock: SystemClock,
    /// By their place in [`NAMES`].
    services: BTreeMap<usize, Running>,
    /// Records that producers told of at their ends, for the shop and for the bank. One that is killed
    /// tells nothing.
    told: [u64; 2],
    starts: u64,
    counts: Counts,
}

/// What was done to the programs.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    killed: u32,
    stopped: u32,
    frozen: u32,
}

const NAMES: [&str; 5] =
    ["purchase-producer", "bank-producer", "purchase-streaming", "bank-consumer", "retail-etl"];

impl Soak {
    fn start() -> Self {
        let draw = Draw::from_env();
        let [shop, bank, etl] =
            ["soak_shop", "soak_bank", "soak_etl"].map(|it| World::named(it).start());
        shop.make_topic(4);
        bank.make_topic(4);
        let clock = SystemClock::new();
        let (services, told) = (BTreeMap::new(), [0; 2]);
        let counts = Counts::default();
        let mut soak = Self { shop, bank, etl, draw, clock, services, told, starts: 0, counts };
        for at in 0..NAMES.len() {
            soak.restart(at);
        }
        soak
    }

    /// The program, set up to go on where the last one of its kind stood.
    fn program(&mut self, at: usize) -> Program {
        self.starts += 1;
        match at {
            0 => self.producer(self.shop.producer(), RATES[0]),
            1 => self.producer(self.bank.bank_producer(), RATES[1]),
            2 => into_both(&self.shop, self.shop.streaming()),
            3 => self.bank.bank_consumer(),
            _ => self.etl.etl_schedule(),
        }
    }

    /// Event time goes on with the clock, over all starts.
    fn producer(&self, program: Program, rate: u64) -> Program {
        let now_ms = START_MS + self.clock.monotonic().as_millis() as i64;
        let now = DateTime::from_timestamp_millis(now_ms).expect("a time in this century");
        program
            .with("--rate", rate)
            .with("--count", 1_000_000_000_u64)
            .with("--seed", self.starts)
            .with("--start-time", now.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    /// Programs die, end and freeze at random moments for so long.
    fn disturb(&mut self, time: Duration) {
        let end = self.clock.monotonic() + time;
        while self.clock.monotonic() < end {
            std::thread::sleep(self.draw.moment(QUIET));
            self.all_are_at_work();
            let at = self.draw.below(NAMES.len() as u64) as usize;
            match self.draw.below(4) {
                0 | 1 => {
                    self.counts.killed += 1;
                    self.take(at).kill();
                    self.restart(at);
                }
                2 => {
                    self.counts.stopped += 1;
                    self.stop(at);
                    self.restart(at);
                }
                _ => {
                    self.counts.frozen += 1;
                    self.services[&at].signal(Signal::STOP);
                    std::thread::sleep(self.draw.moment(QUIET));
                    self.services[&at].signal(Signal::CONT);
                }
            }
        }
        println!("{:?} of {:?}", self.counts, NAMES);
    }

    fn restart(&mut self, at: usize) {
        let service = self.program(at).start();
        self.services.insert(at, service);
    }

    fn take(&mut self, at: usize) -> Running {
        self.services.remove(&at).expect("all are at work but in between")
    }

    /// Ends a program as an operator does.
    fn stop(&mut self, at: usize) {
        let ended = self.take(at).stopped_by(Signal::TERM).well();
        if at < self.told.len() {
            assert!(ended.last_line().contains("· failed 0 ·"), "{}", ended.stdout);
            self.told[at] += [&self.shop, &self.bank][at].acknowledged();
        }
    }

    #[track_caller]
    fn all_are_at_work(&mut self) {
        for service in self.services.values_mut() {
            assert!(service.is_running(), "a program ended by itself: {}", service.stderr());
        }
    }

    /// Lets all work on for so long, and says what memory they took.
    fn watch(&mut self, time: Duration) -> Vec<Growth> {
        let mut growths = NAMES.map(Growth::of);
        // Programs that have just been started grow into their work.
        let settled = time / 4;
        let begin = self.clock.monotonic();
        loop {
            std::thread::sleep(Duration::from_millis(500));
            self.all_are_at_work();
            let passed = self.clock.monotonic() - begin;
            if passed >= time {
                return growths.to_vec();
            }
            let Some(steady) = passed.checked_sub(settled) else { continue };
            let share = steady.as_secs_f64() / (time - settled).as_secs_f64();
            for (growth, service) in growths.iter_mut().zip(self.services.values()) {
                let mib = resident_mib(service.pid()).expect("it is at work, on Linux");
                growth.see(share, mib);
            }
        }
    }

    /// Ends all, the producers first, and checks what they leave.
    fn check(&mut self) {
        for at in 0..NAMES.len() {
            self.stop(at);
        }
        let (shop, bank) = (&self.shop, &self.bank);
        let _ = into_both(shop, shop.draining()).run().well();
        let _ = bank.bank_consumer().with("--trigger", "available-now").run().well();

        // The summary itself is refused unless read = counted + late + rejected.
        let verdict = shop.check(&shop.question());
        rows::assert_same("the topic", &shop.topic_rows(&["furniture"]), &verdict.rows);
        let (total, purchases) = (shop.summary().total, shop.records().len() as u64);
        assert_eq!((total.read, total.counted), (purchases, verdict.counted));
        assert_eq!(total.late, verdict.late_for_all());
        assert_eq!(total.rejected, verdict.rejected.len() as u64);

        let ledger = bank.check_bank();
        let (read, changes) = (bank.bank_summary().total.read, bank.records().len() as u64);
        assert_eq!(read, changes);

        // Whatever a producer was told to be in the broker is there.
        assert!(self.told[0] <= purchases && self.told[1] <= changes, "{:?}", self.told);
        let runs = self.etl.check_etl();
        println!(
            "purchases: {purchases} = {} counted + {} late + {} rejected, {} rows in the table and on \
             the topic\nbank: {changes} changes, {} customers\nbatch job: {runs} runs",
            total.counted,
            total.late,
            total.rejected,
            verdict.rows.len(),
            ledger.customers.len(),
        );
    }
}

/// The job into a table and a topic.
fn into_both(world: &World, job: Program) -> Program {
    job.with("--sink", "database,kafka").with("--output-topic", format!("{}.out", world.topic()))
}
