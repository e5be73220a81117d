//! Asked to stop: the programs end well, and the next start goes on from there.

use arus_tests::World;
use rustix::process::Signal;

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
    arus_tests::wait_until("some records", arus_tests::LIMIT, || {
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
    let _ = world.draining().run().well();
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
