//! A job shared by several processes through a database: whoever holds which partition when, and
//! whoever dies in between, the rows are those of one process that reads the whole log.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use arus_store::{Store, TableSpec};
use arus_streaming::Error;
use arus_streaming::aside::{Aside, KeptRecord, Why};
use arus_streaming::progress::Progress;
use arus_streaming::sink::database::OutputTables;
use arus_streaming::sink::{EpochOutput, Guarantee, OutputMode, OutputTable, Sink};
use arus_window::{Window, WindowQuery};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::restarts::{Plan, log, run, simple_plan, texts_of};
use crate::support::{
    MemoryAside, MemoryLog, MemoryTable, SteppingClock, job, options, query, texts,
};

/// A start of one process.
#[derive(Clone, Debug)]
struct Turn {
    /// Which partitions it holds: one bit each.
    held: u8,
    /// How much of the log is there, in tenths.
    tenths: usize,
    chunk: usize,
    step_ms: u64,
    dies: Option<Death>,
    /// Which of the first questions to the broker get no answer: one bit each.
    unanswered: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// Before it commits its epoch of this number, counted from 0.
    Before(u8),
    /// Right after that.
    After(u8),
}

/// A database of processes that share a job.
struct World {
    runtime: Runtime,
    url: String,
    folder: tempfile::TempDir,
    query: Arc<WindowQuery>,
}

impl World {
    fn new(window: Window) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        Self { runtime: Runtime::new().unwrap(), url, folder, query: query(window) }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> Store {
        self.runtime.block_on(Store::connect(&self.url, Duration::from_secs(5))).unwrap()
    }

    fn table(&self) -> OutputTable {
        OutputTable {
            name: "totals".into(),
            schema: Arc::clone(self.query.output_schema()),
            key: self.query.key_columns(),
            mode: OutputMode::Append,
        }
    }

    fn rows(&self) -> Vec<String> {
        let OutputTable { name, schema, key, .. } = self.table();
        let table = TableSpec { name, schema, key };
        let rows = self.runtime.block_on(self.store().read_table(&table)).unwrap();
        let mut rows = texts(&rows);
        rows.sort();
        rows
    }

    /// Runs one process to its end.
    fn start(
        &self,
        plan: &Plan,
        turn: &Turn,
        visible: Vec<usize>,
        aside: Arc<dyn Aside>,
    ) -> Result<Progress, Error> {
        self.start_with(plan, turn, visible, aside, false)
    }

    /// The same; forgets all before, if it is to `reset`.
    fn start_with(
        &self,
        plan: &Plan,
        turn: &Turn,
        visible: Vec<usize>,
        aside: Arc<dyn Aside>,
        reset: bool,
    ) -> Result<Progress, Error> {
        let count = plan.counts.len();
        let held = (0..count as i32).filter(|at| turn.held & (1 << at) != 0).collect();
        let log = MemoryLog {
            partitions: log(plan),
            visible,
            chunk: turn.chunk,
            dealt: Some(held),
            unanswered: turn.unanswered.into(),
            ..MemoryLog::default()
        };
        let mut options = options(self.folder());
        options.drain = turn.tenths == 10;
        options.reset = reset;
        let clock = SteppingClock::new(turn.step_ms);
        let (table, nowhere) = (Arc::<Mutex<MemoryTable>>::default(), Arc::default());
        let query = Arc::clone(&self.query);
        let mut job = job(query, OutputMode::Append, options, log, &table, &nowhere, clock);
        job.operator = job.operator.with_chain_limits(0, 3);
        let handle = self.runtime.handle().clone();
        job.shared = Some(OutputTables::new(self.store(), handle, vec![self.table()]));
        job.aside = aside;
        job.sinks = vec![Box::new(Witness { commits: 0, dies: turn.dies })];
        job.run()
    }
}

/// Looks on, and dies after a commit.
struct Witness {
    commits: u8,
    dies: Option<Death>,
}

impl Sink for Witness {
    fn name(&self) -> String {
        "witness".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn commit(&mut self, _: EpochOutput<'_>) -> Result<(), Error> {
        self.commits += 1;
        match self.dies {
            Some(Death::After(number)) if number + 1 == self.commits => Err(killed()),
            _ => Ok(()),
        }
    }

    fn reset(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Keeps what is set aside, and dies before a commit.
struct MortalAside {
    kept: Arc<MemoryAside>,
    flushes: Mutex<u8>,
    dies: Option<Death>,
}

impl Aside for MortalAside {
    fn put(&self, partition: i32, record: KeptRecord, why: Why) -> Result<(), Error> {
        self.kept.put(partition, record, why)
    }

    fn turn(&self) {}

    fn flush(&self) -> Result<(), Error> {
        let mut flushes = self.flushes.lock().unwrap();
        *flushes += 1;
        match self.dies {
            Some(Death::Before(number)) if number + 1 == *flushes => Err(killed()),
            _ => Ok(()),
        }
    }
}

fn killed() -> Error {
    Error::Unsupported("killed".into())
}

fn plan() -> impl Strategy<Value = (Plan, Vec<Turn>)> {
    let window = prop_oneof![
        Just(Window::Tumbling { size_ms: 10_000 }),
        Just(Window::Hopping { size_ms: 20_000, slide_ms: 5_000 }),
    ];
    let dies = prop_oneof![
        3 => Just(None),
        1 => (0..3_u8).prop_map(|number| Some(Death::Before(number))),
        1 => (0..3_u8).prop_map(|number| Some(Death::After(number))),
    ];
    let unanswered = prop_oneof![2 => Just(0), 1 => any::<u32>()];
    let turn = (0..16_u8, 1..10_usize, 1..500_usize, 0..400_u64, dies, unanswered).prop_map(
        |(held, tenths, chunk, step_ms, dies, unanswered)| Turn {
            held,
            tenths,
            chunk,
            step_ms,
            dies,
            unanswered,
        },
    );
    let turns = proptest::collection::vec(turn, 0..9);
    let counts = proptest::collection::vec(0..400_usize, 1..5);
    (any::<u64>(), counts, window, turns).prop_map(|(seed, counts, window, turns)| {
        let (mode, limits) = (OutputMode::Append, (0, 3));
        (Plan { seed, counts, window, mode, runs: Vec::new(), limits }, turns)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_holds_what_the_rows_are_those_of_one_process((plan, turns) in plan()) {
        let alone = run(&plan, &[]);
        let world = World::new(plan.window);
        let kept = Arc::new(MemoryAside::default());
        let mut seen = vec![0; plan.counts.len()];
        let last = Turn { held: 255, tenths: 10, chunk: 8192, step_ms: 0, dies: None, unanswered: 0 };
        for turn in turns.iter().chain([&last]) {
            for (seen, count) in seen.iter_mut().zip(&plan.counts) {
                *seen = (count * turn.tenths / 10).max(*seen);
            }
            let (kept, flushes) = (Arc::clone(&kept), Mutex::default());
            let aside = Arc::new(MortalAside { kept, flushes, dies: turn.dies });
            if let Err(error) = world.start(&plan, turn, seen.clone(), aside) {
                prop_assert!(turn.dies.is_some() && error.to_string() == "killed", "{}", error);
            }
        }
        prop_assert_eq!(world.rows(), alone.rows);
        prop_assert_eq!(texts_of(&kept), alone.aside);
    }
}

/// Waits inside the first epoch, between the cut and the commit, until it is let go.
struct SlowAside {
    reached: SyncSender<()>,
    go_on: Mutex<Option<Receiver<()>>>,
}

impl Aside for SlowAside {
    fn put(&self, _: i32, _: KeptRecord, _: Why) -> Result<(), Error> {
        Ok(())
    }

    fn turn(&self) {}

    fn flush(&self) -> Result<(), Error> {
        if let Some(go_on) = self.go_on.lock().unwrap().take() {
            self.reached.send(()).unwrap();
            go_on.recv().unwrap();
        }
        Ok(())
    }
}

/// A process that was thought dead while it held an epoch in hand, and goes on when another one has
/// read the same records and committed them.
#[test]
fn a_process_that_was_overtaken_writes_nothing() {
    let window = Window::Tumbling { size_ms: 10_000 };
    let plan = Plan { counts: vec![300, 300], seed: 3, window, ..simple_plan() };
    let world = World::new(window);
    let turn = Turn { held: 255, tenths: 9, chunk: 100, step_ms: 0, dies: None, unanswered: 0 };
    let (reached, is_there) = sync_channel(1);
    let (let_go, go_on) = sync_channel(1);
    let slow = Arc::new(SlowAside { reached, go_on: Mutex::new(Some(go_on)) });
    let whole = vec![300, 300];
    thread::scope(|scope| {
        let zombie = scope.spawn(|| world.start(&plan, &turn, whole.clone(), slow.clone()));
        is_there.recv().unwrap();
        world.start(&plan, &turn, whole.clone(), Arc::new(MemoryAside::default())).unwrap();
        let before = world.rows();
        assert!(!before.is_empty());
        let_go.send(()).unwrap();
        zombie.join().unwrap().unwrap();
        assert_eq!(world.rows(), before);
    });
    let last = Turn { tenths: 10, ..turn };
    world.start(&plan, &last, whole, Arc::new(MemoryAside::default())).unwrap();
    assert_eq!(world.rows(), run(&plan, &[]).rows);
}

/// A --reset takes the states away first: killed then, it leaves epochs without any.
#[test]
fn a_reset_that_was_cut_off_is_told_and_can_be_given_again() {
    let window = Window::Tumbling { size_ms: 10_000 };
    let plan = Plan { counts: vec![300, 300], seed: 3, window, ..simple_plan() };
    let world = World::new(window);
    let start = |tenths: usize, reset: bool| {
        let turn = Turn { held: 255, tenths, chunk: 100, step_ms: 0, dies: None, unanswered: 0 };
        let aside = Arc::new(MemoryAside::default());
        world.start_with(&plan, &turn, vec![300, 300], aside, reset)
    };
    start(9, false).unwrap();
    assert!(!world.rows().is_empty());
    // Only its name matters: the table is dropped.
    let OutputTable { schema, key, .. } = world.table();
    let states = TableSpec { name: "arus_states".into(), schema, key };
    world.runtime.block_on(world.store().reset_job("another", &[&states])).unwrap();
    for _ in 0..2 {
        let error = start(9, false).unwrap_err().to_string();
        assert!(error.contains("was cut off: start once more with --reset"), "{error}");
    }
    start(10, true).unwrap();
    assert_eq!(world.rows(), run(&plan, &[]).rows);
}
