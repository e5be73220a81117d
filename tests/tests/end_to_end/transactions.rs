//! Exactly once into Kafka, and out of a topic that was written by transactions. On a real Kafka:
//! the embedded broker has no transactions, and what it has instead is tested last.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arus_kafka::admin::delete_topic;
use arus_kafka::inspect::{FullRecord, read_topic};
use arus_kafka::producer::Record;
use arus_kafka::transactions::{Failure, Opened, Transactions};
use arus_tests::process::{Program, Running};
use arus_tests::{Draw, LIMIT, World, judge, rows, wait_closely, wait_until};
use rustix::process::Signal;

/// Kills of the job.
const KILLS: u32 = 51;
/// Instances that are stopped, given up, and wake again.
const ZOMBIES: u32 = 8;

/// A world on the real Kafka that the environment names.
fn real_world(name: &'static str) -> World {
    assert!(
        std::env::var("ARUS_TEST_BROKERS").is_ok_and(|brokers| !brokers.is_empty()),
        "this test needs a real Kafka: run it by make test-real, or set ARUS_TEST_BROKERS"
    );
    World::named(name).start()
}

/// A job with a Kafka sink.
fn into_kafka(world: &World, job: Program) -> Program {
    job.with("--sink", "kafka").with("--output-topic", format!("{}.out", world.topic()))
}

/// Waits until a job has written the checkpoint of an epoch after `epoch`: now it commits it.
fn wait_for_commit_after(world: &World, folder: &str, epoch: u64, job: &mut Running) -> u64 {
    wait_closely("the job's next commit", LIMIT, Duration::from_micros(500), || {
        assert!(job.is_running(), "the job ended: {}", job.stderr());
        Some(world.epoch_in(folder)).filter(|&now| now > epoch)
    })
}

/// What the job left on its topic and beside it must be what the judge says.
#[track_caller]
fn check_topic(world: &World) {
    let verdict = world.check_aside(&world.question());
    rows::assert_same("the topic", &world.topic_rows(&["furniture"]), &verdict.rows);
    let summary = world.summary();
    assert_eq!(summary.total.read, world.records().len() as u64);
    assert_eq!(summary.total.counted, verdict.counted);
    assert_eq!(summary.total.late, verdict.late_for_all());
    assert_eq!(summary.total.rejected, verdict.rejected.len() as u64);
}

#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn killed_at_random_moments_the_topic_and_the_table_are_exact() {
    let world = real_world("exact");
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let both = |job| into_kafka(&world, job).with("--sink", "kafka,database");
    let producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000);
    let mut producer = producer.start();
    for round in 0..KILLS {
        let epoch = world.epoch();
        let mut job = both(world.streaming().with("--trigger", "50ms")).start();
        let latest = match round % 3 {
            // Anywhere.
            0 => {
                world.wait_for_epoch_after(epoch, &mut job);
                Duration::from_millis(200)
            }
            // In the commit.
            1 => {
                wait_for_commit_after(&world, "checkpoint", epoch, &mut job);
                Duration::from_millis(15)
            }
            // In the start-up.
            _ => Duration::from_millis(600),
        };
        std::thread::sleep(draw.moment(latest));
        job.kill();
    }
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    assert!(world.epoch() >= u64::from(KILLS / 3 * 2), "epochs came between the kills");
    let _ = both(world.draining()).run().well();
    // Kills did hit what they were meant for: a commit, between the checkpoint and the topic.
    let cut_off =
        world.starts_that_said("purchase-streaming", "writing the epoch that was cut off");
    println!("{cut_off} of {KILLS} kills cut an epoch off");
    assert!(cut_off > 5, "only {cut_off} of {KILLS} kills cut an epoch off");
    check_topic(&world);
    world.check(&world.question());
}

/// Copies a folder of files.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the folder is new");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("it can be read");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("its files can be copied");
    }
}

/// Stops a process where it stands.
fn freeze(job: &Running) {
    job.signal(Signal::STOP);
    wait_until("the job to stand still", LIMIT, || {
        let status = fs::read_to_string(format!("/proc/{}/stat", job.pid())).expect("it runs");
        let state = status.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'));
        state.filter(|&stopped| stopped)
    });
}

/// A machine hangs, the job is started again elsewhere on a copy of its folder, and the machine
/// comes back.
#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn an_instance_that_was_given_up_writes_nothing_more() {
    let world = real_world("zombies");
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let folder = |round: u32| format!("checkpoint-{round}");
    let job = |job: Program, round| {
        let place = world.path(&folder(round));
        into_kafka(&world, job).with("--checkpoint", place.display())
    };
    let mut producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000).start();
    let mut old = job(world.streaming().with("--trigger", "50ms"), 0).start();
    for round in 0..ZOMBIES {
        let epoch = world.epoch_in(&folder(round));
        let epoch = wait_for_commit_after(&world, &folder(round), epoch, &mut old);
        // Half of them in a commit.
        let latest = if round % 2 == 0 { 15 } else { 200 };
        std::thread::sleep(draw.moment(Duration::from_millis(latest)));
        freeze(&old);
        copy_folder(&world.path(&folder(round)), &world.path(&folder(round + 1)));
        let mut new = job(world.streaming().with("--trigger", "50ms"), round + 1).start();
        let epoch = epoch.max(world.epoch_in(&folder(round)));
        wait_for_commit_after(&world, &folder(round + 1), epoch, &mut new);
        old.signal(Signal::CONT);
        let sentence = old.finished(LIMIT).sentence();
        for word in ["another instance of this job", ".out", "--job"] {
            assert!(sentence.contains(word), "\"{word}\" is missing: {sentence}");
        }
        assert!(new.is_running(), "{}", new.stderr());
        old = new;
    }
    let _ = old.stopped_by(Signal::TERM).well();
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    let _ = job(world.draining(), ZOMBIES).run().well();
    check_topic(&world);
}

#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn a_job_that_is_started_by_mistake_is_refused_and_disturbs_nobody() {
    let world = real_world("mistake");
    world.make_topic(4);
    let producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000).start();
    let mut job = into_kafka(&world, world.streaming().with("--trigger", "50ms")).start();
    let epoch = world.wait_for_epoch_after(3, &mut job);
    let elsewhere = world.path("elsewhere").display().to_string();
    let other = into_kafka(&world, world.streaming()).with("--checkpoint", &elsewhere);
    let sentence = other.with("--summary", world.path("other.json").display()).run().sentence();
    for word in ["epoch", "no checkpoint", &elsewhere, "--reset"] {
        assert!(sentence.contains(word), "\"{word}\" is missing: {sentence}");
    }
    world.wait_for_epoch_after(epoch + 5, &mut job);
    let _ = job.stopped_by(Signal::TERM).well();
    let _ = producer.stopped_by(Signal::TERM).well();
    let _ = into_kafka(&world, world.draining()).run().well();
    check_topic(&world);
}

#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn a_reset_begins_anew_and_a_topic_that_is_gone_is_told() {
    let world = real_world("anew");
    let _ = world.producer().run().well();
    let draining = || into_kafka(&world, world.draining());
    let _ = draining().run().well();
    check_topic(&world);
    // Rows on a topic stay.
    let once = world.topic_rows(&["furniture"]);
    let ended = draining().switch("--reset").run().well();
    assert!(ended.stderr.contains("stay after a reset"), "{}", ended.stderr);
    let twice = world.topic_rows(&["furniture"]);
    assert_eq!(twice.len(), 2 * once.len());
    rows::assert_same("every second row", &twice.into_iter().step_by(2).collect::<Vec<_>>(), &once);

    let topic = format!("{}.out", world.topic());
    delete_topic(&world.kafka(), &topic).expect("the broker deletes topics");
    let sentence = draining().run().sentence();
    for word in [&topic, "its rows are gone", "--reset"] {
        assert!(sentence.contains(word), "\"{word}\" is missing: {sentence}");
    }
    let _ = draining().switch("--reset").run().well();
    check_topic(&world);
}

/// A record of another topic, for the topic of purchases.
fn again<'a>(world: &'a World, record: &'a FullRecord) -> Record<'a> {
    Record {
        topic: world.topic(),
        key: record.key.as_deref(),
        payload: record.payload.as_deref(),
        timestamp_ms: record.timestamp_ms,
        ..Record::default()
    }
}

/// Writes records that are in the log and are not committed.
fn write_in_vain(world: &World, writer: &mut Transactions, records: &[FullRecord]) {
    let mut all = world.kafka();
    all.kafka_options.push("isolation.level=read_uncommitted".parse().expect("an option"));
    let seen = || read_topic(&all, world.topic()).expect("the topic can be read").len();
    let before = seen();
    let too_large = vec![b' '; 2_000_000];
    let last = std::iter::once_with(|| {
        // Not before they are in the broker.
        wait_until("the records to be there", LIMIT, || {
            (seen() == before + records.len()).then_some(())
        });
        Record { topic: world.topic(), payload: Some(&too_large), ..Record::default() }
    });
    let vain = records.iter().map(|record| again(world, record)).chain(last);
    let failure = writer.write(vain, &[], "").unwrap_err();
    assert!(matches!(failure, Failure::Aborted(_)), "{failure:?}");
}

#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn a_topic_written_by_transactions_is_read_to_its_end() {
    let world = real_world("markers");
    world.make_topic(4);
    let raw = format!("{}.raw", world.topic());
    let _ = world.producer().with("--topic", &raw).with("--count", 6_000).run().well();
    let mut raw = world.records_of(".raw");
    // Each chunk has records of all partitions.
    raw.sort_by_key(|record| (record.offset, record.partition));
    let mut chunks = raw.chunks(1_000);
    let mut next = || chunks.next().expect("there are six");
    let id = format!("{}.writer", world.topic());
    let mut writer =
        Transactions::new(&world.kafka(), &id, &id, world.topic()).expect("it is made");
    assert_eq!(writer.open(LIMIT).expect("the broker answers"), Opened::Ready);
    let commit = |writer: &mut Transactions, records: &[FullRecord]| {
        let records = records.iter().map(|record| again(&world, record));
        writer.write(records, &[], "").expect("it is committed");
    };

    // Markers in between and at the end, and records there that do not count.
    commit(&mut writer, next());
    write_in_vain(&world, &mut writer, next());
    commit(&mut writer, next());
    write_in_vain(&world, &mut writer, next());
    let _ = world.streaming().with("--trigger", "available-now").run().well();
    assert_eq!((world.summary().run.read, world.records().len()), (2_000, 2_000));
    // Nothing new: it ends too, though its offsets are not at the end.
    let _ = world.streaming().with("--trigger", "available-now").run().well();
    assert_eq!(world.summary().run.read, 0);

    // Stopped right after it has read a transaction's last record, a job knows that it has all.
    for round in 0..2 {
        let name = format!("{}_{round}", world.table());
        let folder = format!("checkpoint-{round}");
        let job = world.streaming().with("--job", &name).with("--table", &name);
        let job = job.with("--checkpoint", world.path(&folder).display());
        let mut job = job.with("--trigger", "50ms").switch("--drain").start();
        wait_for_commit_after(&world, &folder, 0, &mut job);
        commit(&mut writer, next());
        let epoch = world.epoch_in(&folder);
        wait_for_commit_after(&world, &folder, epoch, &mut job);
        let _ = job.stopped_by(Signal::TERM).well();
        let expected = judge::expected(&world.records(), &world.question()).rows;
        rows::assert_same(&name, &world.rows_in(&name, &["furniture"]), &expected);
    }
}

#[test]
fn without_transactions_the_job_says_so_once_and_goes_on() {
    let world = World::named("plain").embedded().start();
    let _ = world.producer().run().well();
    for round in 0..2 {
        let ended = into_kafka(&world, world.draining()).run().well();
        let told = ended.stderr.lines().filter(|line| line.contains("at-least-once")).count();
        assert_eq!(told, 1, "{}", ended.stderr);
        assert_eq!(world.summary().run.read, if round == 0 { 20_000 } else { 0 });
    }
    check_topic(&world);
}
