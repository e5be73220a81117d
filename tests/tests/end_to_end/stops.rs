//! Asked to stop: the programs end well, and the next start goes on from there.

use std::time::Duration;

use arus_tests::process::Program;
use arus_tests::{LIMIT, World, wait_until};
use rustix::process::Signal;

/// Nobody listens there: the port is reserved, and no ordinary program takes it.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn a_stopped_job_goes_on_where_it_stood() {
    let world = World::named("stopped").in_memory().start();
    let _ = world.producer().run().well();
    let mut read = 0;
    for (round, signal) in [Signal::TERM, Signal::INT].into_iter().enumerate() {
        let mut job = world.streaming().start();
        world.wait_for_epoch_after(world.epoch(), &mut job);
        let ended = job.stopped_by(signal).well();
        let summary = world.summary();
        read += summary.run.read;
        assert_eq!(summary.total.read, read);
        let line = format!("· epoch {}", summary.epoch);
        assert!(ended.last_line().starts_with("read ") && ended.last_line().ends_with(&line));
        // More, so that there is something to go on with: the first records of another minute.
        let start = format!("2024-01-01T00:0{}:00Z", round + 1);
        let _ = world.producer().with("--count", 7_000).with("--start-time", start).run().well();
    }
    let _ = world.draining().run().well();
    let summary = world.summary();
    assert_eq!((summary.total.read, summary.run.read), (34_000, 34_000 - read));
    world.check(&world.question());
}

#[test]
fn a_stopped_producer_sends_what_it_has() {
    let world = World::named("producer_stopped").in_memory().start();
    let producer = world.producer().with("--rate", 5_000).with("--count", 1_000_000).start();
    wait_until("some records", LIMIT, || {
        let found = arus_kafka::inspect::read_topic(&world.kafka(), world.topic());
        found.ok().filter(|records| records.len() > 1_000)
    });
    let ended = producer.stopped_by(Signal::INT).well();
    assert!(ended.last_line().contains("· failed 0 ·"), "{}", ended.stdout);
    assert_eq!(world.records().len() as u64, world.acknowledged());
}

#[test]
fn results_from_now_on_and_from_where_the_group_stood() {
    let world = World::named("start").in_memory().start();
    let _ = world.producer().run().well();
    // From now on: there is nothing.
    let _ = world.draining().with("--start", "latest").run().well();
    assert_eq!(world.summary().run.read, 0);
    // All of it, which is committed to the group.
    let _ = world.draining().switch("--reset").run().well();
    assert_eq!(world.summary().run.read, 20_000);
    let _ = world.producer().with("--count", 500).run().well();
    // Another checkpoint and other files, but the same group.
    let job = world
        .draining()
        .with("--checkpoint", world.path("another").display())
        .with("--sink", "csv")
        .with("--start", "committed");
    let _ = job.run().well();
    assert_eq!(world.summary().run.read, 500);
}

/// Nothing has begun, so there is nothing to finish.
#[test]
fn a_program_that_waits_for_its_servers_stops_at_once() {
    let world = World::named("stopped_waiting").in_memory().start();
    let database = format!("postgres://arus@{NOBODY}/arus");
    let cases = [
        (world.streaming().with("--brokers", NOBODY), "no broker yet"),
        (world.bank_consumer().with("--brokers", NOBODY), "no broker yet"),
        (world.producer().with("--brokers", NOBODY), "no broker yet"),
        (world.streaming().with("--database-url", &database), "database unavailable"),
        (world.bank_consumer().with("--database-url", &database), "database unavailable"),
    ];
    world.make_topic(1);
    for (program, waits) in cases {
        let waiting = program.with("--retry-for", "10m").with("--log", "debug").start();
        wait_until("it to wait", LIMIT, || waiting.stderr().contains(waits).then_some(()));
        waiting.signal(Signal::TERM);
        let ended = waiting.finished(Duration::from_secs(5)).well();
        assert!(ended.stderr.ends_with("stopped before it began\n"), "{}", ended.stderr);
    }
}

/// Records that were set aside and not acknowledged are set aside again by the next start.
#[test]
fn a_job_stops_soon_though_the_broker_is_gone() {
    let mut world = World::named("stopped_alone").embedded().start();
    world.make_topic(4);
    let bad = world.producer().with("--bad-fraction", 0.5).with("--rate", 5_000);
    let bad = bad.with("--count", 10_000_000).start();
    let mut job = world.streaming().with("--trigger", "100ms").start();
    world.wait_for_epoch_after(1, &mut job);
    world.kill_broker();
    bad.kill();
    job.signal(Signal::TERM);
    let ended = job.finished(Duration::from_secs(15));
    // It depends on the moment whether records were on their way.
    if ended.code != Some(0) {
        assert!(ended.sentence().contains("the next start sets them aside again"));
    }
    world.restart_broker();
    let _ = world.draining().run().well();
    world.check(&world.question());
}

/// Its rows are in the checkpoint, from which the next start writes them.
#[test]
fn a_job_whose_rows_wait_for_the_broker_stops_soon_all_the_same() {
    let mut world = World::named("stopped_with_rows").embedded().start();
    world.make_topic(4);
    // None that would be set aside, for which it would wait first.
    let events = world.producer().with("--late-fraction", 0).with("--bad-fraction", 0);
    let events = events.with("--out-of-order", "0s").with("--rate", 5_000);
    let events = events.with("--count", 10_000_000).start();
    let to_kafka = |job: Program| {
        job.with("--sink", "kafka,database")
            .with("--output-mode", "update")
            .with("--output-topic", format!("{}.out", world.topic()))
    };
    let [job, again] = [world.streaming().with("--trigger", "1s"), world.draining()].map(to_kafka);
    let mut job = job.start();
    world.wait_for_epoch_after(1, &mut job);
    world.kill_broker();
    events.kill();
    wait_until("the broker to be missed", LIMIT, || {
        job.stderr().contains("the broker does not answer").then_some(())
    });
    job.signal(Signal::TERM);
    let ended = job.finished(Duration::from_secs(20));
    // It depends on the moment whether records had been read since the last epoch.
    if ended.code != Some(0) {
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.ends_with("the next start writes them\n"), "{}", ended.stderr);
    }
    world.restart_broker();
    let _ = again.run().well();
    world.check(&world.question());
}

#[test]
fn a_job_that_drains_waits_for_the_broker_to_tell_what_is_there() {
    let mut world = World::named("drained_alone").embedded().start();
    let _ = world.producer().run().well();
    let mut job = world.streaming().with("--trigger", "100ms").switch("--drain").start();
    world.wait_for_epoch_after(0, &mut job);
    world.kill_broker();
    job.signal(Signal::TERM);
    // Time enough to ask in vain.
    wait_until("the broker to be missed", LIMIT, || {
        job.stderr().contains("the broker does not answer").then_some(())
    });
    world.restart_broker();
    let _ = job.finished(LIMIT).well();
    world.check(&world.question());
    assert_eq!(world.summary().total.read, 20_000);
}
