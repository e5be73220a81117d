//! Instances of a job on a broker in memory that loses answers, gives transactions up, and fences.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;

const TOPIC: &str = "windows";

/// What befalls a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is refused and undone.
    Refused,
    /// It is undone, and nobody hears of it.
    Lost,
    /// It is carried out, and nobody hears of it.
    Unheard,
}

#[derive(Default)]
struct Broker {
    /// Who opened the id last.
    writer: u32,
    opened: u32,
    rows: Vec<String>,
    committed: Vec<Committed>,
    fates: VecDeque<Fate>,
    no_transactions: bool,
}

#[derive(Clone, Default)]
struct World(Arc<Mutex<Broker>>);

impl World {
    /// An instance of the job that has not taken over yet.
    fn instance(&self) -> Exact {
        let port = FakePort { world: self.clone(), opened: 0 };
        let mut exact = Exact::new(Box::new(port), TOPIC, format!("topic {TOPIC}"));
        exact.pause = Duration::ZERO;
        exact
    }

    /// An instance that has.
    fn taken_over(&self, checkpoint: u64) -> Exact {
        let mut exact = self.instance();
        assert_eq!(exact.take_over(&origin(), checkpoint).unwrap(), Opened::Ready);
        exact
    }

    fn rows(&self) -> Vec<String> {
        self.0.lock().unwrap().rows.clone()
    }

    fn fates(&self, fates: &[Fate]) {
        self.0.lock().unwrap().fates.extend(fates);
    }

    fn noted(&self) -> Note {
        let broker = self.0.lock().unwrap();
        Note::read(&broker.committed[0].metadata, TOPIC).unwrap()
    }
}

struct FakePort {
    world: World,
    /// The opening that made this one the writer.
    opened: u32,
}

impl Port for FakePort {
    fn committed(&mut self, _: Reading) -> Result<Vec<Committed>, Error> {
        let broker = self.world.0.lock().unwrap();
        let nothing = || Committed { partition: 0, offset: 0, metadata: String::new() };
        Ok(broker.committed.first().cloned().map_or_else(|| vec![nothing()], |it| vec![it]))
    }

    fn open(&mut self) -> Result<Opened, Error> {
        let mut broker = self.world.0.lock().unwrap();
        if broker.no_transactions {
            return Ok(Opened::NoTransactions);
        }
        broker.opened += 1;
        broker.writer = broker.opened;
        self.opened = broker.opened;
        Ok(Opened::Ready)
    }

    fn write(
        &mut self,
        _: u64,
        rows: &[Row],
        offsets: &[(i32, i64)],
        note: &str,
    ) -> Result<(), Failure> {
        let mut broker = self.world.0.lock().unwrap();
        if broker.writer != self.opened {
            return Err(Failure::Unknown(arus_kafka::Error::Fenced { id: "arus.job".into() }));
        }
        let fate = broker.fates.pop_front();
        let error = || arus_kafka::Error::Transaction {
            action: "commit a transaction",
            id: "arus.job".into(),
            reason: format!("{fate:?}"),
        };
        match fate {
            Some(Fate::Refused) => return Err(Failure::Aborted(error())),
            Some(Fate::Lost) => {
                // The broker gave it up, which fences its writer too.
                broker.opened += 1;
                broker.writer = broker.opened;
                return Err(Failure::Unknown(error()));
            }
            Some(Fate::Unheard) | None => {}
        }
        broker.rows.extend(rows.iter().map(|row| String::from_utf8(row.value.clone()).unwrap()));
        let metadata = note.to_owned();
        let committed = |&(partition, offset): &(i32, i64)| Committed {
            partition,
            offset,
            metadata: metadata.clone(),
        };
        broker.committed = offsets.iter().map(committed).collect();
        if fate.is_some() {
            return Err(Failure::Unknown(error()));
        }
        Ok(())
    }
}

fn origin() -> Origin {
    Origin::new("job", 1_700_000_000_000)
}

fn note(term: u64, epoch: u64) -> Note {
    Note { term, epoch, origin: origin() }
}

fn row(value: &str) -> Row {
    Row { key: b"{}".to_vec(), value: value.into(), timestamp_ms: None }
}

fn commit(exact: &mut Exact, epoch: u64) -> Result<(), Error> {
    exact.commit(epoch, &[row(&format!("row {epoch}"))], &[(0, epoch as i64 * 10)])
}

#[test]
fn notes_are_read_back_and_others_are_not() {
    let note = note(3, 12);
    assert_eq!(
        note.text(TOPIC),
        "arus epoch 12 term 3 of windows by job since 2023-11-14T22:13:20.000Z"
    );
    assert_eq!(Note::read(&note.text(TOPIC), TOPIC), Some(note.clone()));
    let older = Note { origin: Origin::default(), ..note };
    assert_eq!(Note::read("arus epoch 12 term 3 of windows", TOPIC), Some(older));
    for other in ["", "arus epoch 12 term 3 of other-windows", "arus epoch x term 3 of windows"] {
        assert_eq!(Note::read(other, TOPIC), None, "{other}");
    }
}

#[test]
fn an_epoch_and_its_rows_are_there_together() {
    let world = World::default();
    let mut job = world.taken_over(0);
    assert_eq!(job.epoch().unwrap(), 0);
    commit(&mut job, 1).unwrap();
    // One without rows is kept too.
    job.commit(2, &[], &[(0, 25)]).unwrap();
    assert_eq!((job.epoch().unwrap(), world.rows()), (2, vec!["row 1".to_owned()]));
    assert_eq!(world.0.lock().unwrap().committed[0].offset, 25);
    // The next start finds it, and goes on.
    let mut next = world.taken_over(2);
    assert_eq!(next.epoch().unwrap(), 2);
    commit(&mut next, 3).unwrap();
    assert_eq!(world.noted(), note(2, 3));
}

#[test]
fn an_epoch_that_does_not_follow_is_refused() {
    let world = World::default();
    let mut job = world.taken_over(0);
    for epoch in [0, 2] {
        let error = commit(&mut job, epoch).unwrap_err();
        assert!(matches!(error, Error::EpochConflict { found: None, .. }), "{error}");
    }
    // Nothing is written by one that has not taken over.
    commit(&mut world.instance(), 1).unwrap_err();
    assert_eq!(world.rows(), Vec::<String>::new());
}

#[test]
fn whatever_becomes_of_transactions_each_epoch_is_there_once() {
    use Fate::{Lost, Refused, Unheard};
    let cases: [&[Fate]; 6] = [
        &[Refused],
        &[Lost],
        &[Unheard],
        &[Refused, Refused, Lost, Lost],
        &[Lost, Refused, Unheard],
        &[Refused, Lost, Unheard],
    ];
    for fates in cases {
        let world = World::default();
        let mut job = world.taken_over(0);
        commit(&mut job, 1).unwrap();
        world.fates(fates);
        commit(&mut job, 2).unwrap();
        commit(&mut job, 3).unwrap();
        assert_eq!(world.rows(), ["row 1", "row 2", "row 3"], "{fates:?}");
        assert_eq!(world.noted(), note(1, 3), "{fates:?}");
    }
}

#[test]
fn what_never_succeeds_ends_with_its_reason() {
    let world = World::default();
    let mut job = world.taken_over(0);
    world.fates(&[Fate::Refused; ATTEMPTS as usize]);
    let error = commit(&mut job, 1).unwrap_err().to_string();
    assert!(error.contains("arus.job") && error.contains("Refused"), "{error}");
    // Nothing is lost by it.
    commit(&mut world.taken_over(1), 1).unwrap();
    assert_eq!(world.rows(), ["row 1"]);
}

#[test]
fn a_zombie_writes_nothing_and_does_not_disturb() {
    let world = World::default();
    let mut zombie = world.taken_over(0);
    commit(&mut zombie, 1).unwrap();
    let mut job = world.taken_over(1);
    for epoch in 2..5 {
        let error = commit(&mut zombie, 2).unwrap_err().to_string();
        assert!(error.contains("another instance of this job"), "{error}");
        commit(&mut job, epoch).unwrap();
    }
    assert_eq!(world.rows(), ["row 1", "row 2", "row 3", "row 4"]);
}

#[test]
fn offsets_that_the_broker_forgot_are_no_other_instance() {
    let world = World::default();
    let mut job = world.taken_over(0);
    commit(&mut job, 1).unwrap();
    world.0.lock().unwrap().committed.clear();
    world.fates(&[Fate::Lost]);
    let error = commit(&mut job, 2).unwrap_err().to_string();
    assert!(error.contains("forgotten the consumer group's offsets"), "{error}");
    assert_eq!(world.rows(), ["row 1"]);
}

#[test]
fn of_two_that_meet_in_the_middle_of_a_take_over_one_goes_on() {
    let world = World::default();
    let mut old = world.taken_over(0);
    commit(&mut old, 1).unwrap();
    // The new one has pushed the old one out, but not said so yet when the old one wakes.
    let mut port = FakePort { world: world.clone(), opened: 0 };
    port.open().unwrap();
    commit(&mut old, 2).unwrap();
    let claim = note(2, 1).text(TOPIC);
    let failure = port.write(1, &[], &[(0, 10)], &claim).unwrap_err();
    assert!(matches!(failure, Failure::Unknown(arus_kafka::Error::Fenced { .. })), "{failure:?}");
    commit(&mut old, 3).unwrap();
    assert_eq!(world.rows(), ["row 1", "row 2", "row 3"]);
}

#[test]
fn a_job_that_does_not_belong_there_does_not_push_out_the_one_that_does() {
    let world = World::default();
    let mut job = world.taken_over(0);
    for epoch in 1..=5 {
        commit(&mut job, epoch).unwrap();
    }
    for checkpoint in [0, 4, 8] {
        let mut stranger = world.taken_over(checkpoint);
        assert_eq!(stranger.epoch().unwrap(), 5);
        commit(&mut stranger, checkpoint + 1).unwrap_err();
    }
    commit(&mut job, 6).unwrap();
    // Those that may be the same job do.
    for checkpoint in [6, 7, 8] {
        assert_eq!(world.taken_over(checkpoint).epoch().unwrap(), 6);
    }
    commit(&mut job, 7).unwrap_err();
}

/// Though it happens to be as far.
#[test]
fn a_job_of_another_start_does_not_go_on_with_the_epochs_there() {
    let world = World::default();
    let mut job = world.taken_over(0);
    commit(&mut job, 1).unwrap();
    let mut other = world.instance();
    let of_another = Origin::new("job", 1_800_000_000_000);
    assert_eq!(other.take_over(&of_another, 1).unwrap(), Opened::Ready);
    assert_eq!(other.written_by().unwrap(), Some(origin()));
    commit(&mut other, 2).unwrap_err();
    commit(&mut job, 2).unwrap();
    assert_eq!(world.rows(), ["row 1", "row 2"]);
}

#[test]
fn a_reset_forgets_the_epoch_and_pushes_out_the_old_job() {
    let world = World::default();
    let mut old = world.taken_over(0);
    commit(&mut old, 1).unwrap();
    let mut anew = world.instance();
    assert_eq!(anew.reset().unwrap(), Opened::Ready);
    assert_eq!(anew.take_over(&origin(), 0).unwrap(), Opened::Ready);
    assert_eq!(anew.epoch().unwrap(), 0);
    commit(&mut anew, 1).unwrap();
    commit(&mut old, 2).unwrap_err();
    assert_eq!(world.noted(), note(3, 1));
}

#[test]
fn a_broker_without_transactions_is_told() {
    let world = World::default();
    world.0.lock().unwrap().no_transactions = true;
    for checkpoint in [0, 1, 7] {
        assert_eq!(
            world.instance().take_over(&origin(), checkpoint).unwrap(),
            Opened::NoTransactions
        );
    }
    assert_eq!(world.instance().reset().unwrap(), Opened::NoTransactions);
}
