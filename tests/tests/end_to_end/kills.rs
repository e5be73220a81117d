//! Killed and started again: nothing is lost, nothing is doubled.

use std::time::Duration;

use arus_tests::judge::Verdict;
use arus_tests::process::Program;
use arus_tests::{Draw, World, rows};
use rustix::process::Signal;

/// Kills in each of the two tests.
const KILLS: u32 = 26;

/// Kills the job again and again while purchases come in, then lets it end; gives what the judge
/// says. Every third kill falls into the start-up.
fn kill_the_job(world: &World, job: impl Fn(Program) -> Program) -> Verdict {
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let mut producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000).start();
    for round in 0..KILLS {
        let epoch = world.epoch();
        let mut job = job(world.streaming().with("--trigger", "50ms")).start();
        let latest = if round % 3 == 2 {
            Duration::from_millis(300)
        } else {
            world.wait_for_epoch_after(epoch, &mut job);
            Duration::from_millis(200)
        };
        std::thread::sleep(draw.moment(latest));
        job.kill();
    }
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    let epoch = world.epoch();
    assert!(epoch >= u64::from(KILLS / 3 * 2), "epochs were made between the kills: {epoch}");

    let _ = job(world.draining()).run().well();
    let verdict = world.check_aside(&world.question());
    let summary = world.summary();
    assert_eq!(summary.total.read, world.acknowledged());
    assert_eq!(summary.total.counted, verdict.counted);
    assert_eq!(summary.total.late, verdict.late_for_all());
    assert_eq!(summary.total.rejected, verdict.rejected.len() as u64);
    verdict
}

#[test]
fn killed_at_random_moments_the_table_is_exact() {
    let world = World::named("killed").start();
    let verdict = kill_the_job(&world, |job| job);
    rows::assert_same("the table", &world.rows(&["furniture"]), &verdict.rows);
}

/// Before it has read anything, too: what came since its first start is read by the next.
#[test]
fn killed_before_its_first_trigger_a_job_that_begins_at_the_latest_loses_nothing() {
    let world = World::named("killed_latest").start();
    world.make_topic(2);
    let send = |count: u64| {
        let _ = world.producer().with("--rate", 0).with("--count", count).run().well();
    };
    send(300);
    let job = || world.streaming().with("--start", "latest");
    let mut running = job().with("--trigger", "1h").start();
    world.wait_for_epoch_after(0, &mut running);
    send(500);
    running.kill();
    let _ = job().with("--trigger", "available-now").run().well();
    assert_eq!(world.summary().total.read, 500);
}

#[test]
fn killed_at_random_moments_the_files_are_exact() {
    let world = World::named("killed_files").start();
    let verdict = kill_the_job(&world, |job| job.with("--sink", "csv,parquet"));
    let output = world.path("output");
    let csv = rows::of_csv(&output.join(format!("{}.csv", world.table())), &["furniture"]);
    rows::assert_same("the CSV file", &csv, &verdict.rows);
    let parquet = rows::of_parquet(&output.join(world.table()), 1);
    rows::assert_same("the Parquet files", &parquet, &verdict.rows);
}

#[test]
fn the_job_goes_on_by_itself_when_the_broker_was_killed() {
    let mut world = World::named("broker_killed").embedded().start();
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000);
    let mut producer = producer.with("--delivery-timeout", "2m").start();
    let mut job = world.streaming().with("--trigger", "50ms").switch("--drain").start();
    let mut epoch = world.wait_for_epoch_after(0, &mut job);
    for _ in 0..3 {
        std::thread::sleep(draw.moment(Duration::from_millis(500)));
        world.kill_broker();
        std::thread::sleep(draw.moment(Duration::from_millis(1_500)));
        world.restart_broker();
        // Not the epochs of what was read before the kill: some later one needs the new broker.
        for _ in 0..8 {
            epoch = world.wait_for_epoch_after(epoch, &mut job);
        }
    }
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    let _ = job.stopped_by(Signal::TERM).well();
    let verdict = world.check(&world.question());
    let summary = world.summary();
    // Neither lost by the broker nor doubled by the producer's retries.
    assert_eq!(world.records().len() as u64, world.acknowledged());
    assert_eq!(
        (summary.total.read, summary.total.counted),
        (world.acknowledged(), verdict.counted)
    );
}
