//! Several processes share a job: they come, go, are killed and wake up again while records flow,
//! and the tables are what plain Rust makes of the log.

use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::process::{Program, Running};
use arus_tests::{Draw, LIMIT, World, wait_until};
use rustix::process::Signal;

/// How long a process that was killed is missed by nobody. The shortest that Kafka allows by
/// default.
const SESSION: &str = "session.timeout.ms=6000";

/// A process of a shared job, with a summary of its own.
fn member(world: &World, job: Program, number: usize) -> Program {
    job.without("--checkpoint")
        .switch("--shared")
        .with("--kafka-option", SESSION)
        .with("--summary", world.path(&format!("member-{number}.json")).display())
        .with("--trigger", "100ms")
}

/// Waits until each partition was committed by some process, `epochs` epochs after the last time.
fn wait_for_progress(world: &World, job: &str, epochs: u64, members: &mut [Running]) {
    let began = world.job_epoch(job);
    wait_until("the shared job to go on", LIMIT, || {
        for member in members.iter_mut() {
            assert!(member.is_running(), "a process ended: {}", member.stderr());
        }
        (world.job_epoch(job) >= began + epochs).then_some(())
    });
}

/// Waits until the processes at work hold all partitions, each some of them.
fn wait_until_shared_out(members: &mut [Running]) {
    wait_until("the partitions to be shared out", LIMIT, || {
        let shares: Vec<usize> = members.iter_mut().map(|member| share(&member.stderr())).collect();
        (shares.iter().all(|&share| share > 0)).then_some(())
    });
}

/// How many partitions a process was dealt last, by its log.
fn share(log: &str) -> usize {
    let last = log.lines().rfind(|line| line.contains("the group dealt partitions"));
    let list = last.and_then(|line| line.split_once('[')?.1.split_once(']'));
    list.map_or(0, |(list, _)| list.split(',').filter(|number| !number.trim().is_empty()).count())
}

/// Makes a process stand still, but not in its commit: a file of SQLite has one writer, and nobody
/// ends the transaction of one that stands still. (PostgreSQL does, after ten seconds.)
fn freeze(world: &World, job: &str, it: &Running, others: &mut [Running], draw: &mut Draw) {
    for _ in 0..20 {
        it.signal(Signal::STOP);
        let (began, clock) = (world.job_epoch(job), SystemClock::new());
        while clock.monotonic() < Duration::from_secs(4) {
            assert!(others.iter_mut().all(Running::is_running), "a process ended");
            // One more may have been on its way.
            if world.job_epoch(job) > began + 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        it.signal(Signal::CONT);
        std::thread::sleep(draw.moment(Duration::from_millis(200)));
    }
    panic!("it stood still in its commit each time");
}

/// Processes come, go, are killed, and one stands still until others have its partitions.
fn disturb(world: &World, job: &str, start: impl Fn(usize) -> Running) -> Vec<Running> {
    let mut draw = Draw::from_env();
    let mut members = vec![start(0)];
    wait_for_progress(world, job, 3, &mut members);
    members.push(start(1));
    members.push(start(2));
    wait_until_shared_out(&mut members);
    wait_for_progress(world, job, 3, &mut members);

    // One leaves by itself.
    let _ = members.remove(0).stopped_by(Signal::TERM).well();
    wait_for_progress(world, job, 3, &mut members);

    // Two are killed at random moments, and others come.
    for number in [3, 4] {
        std::thread::sleep(draw.moment(Duration::from_millis(300)));
        members.remove(0).kill();
        members.push(start(number));
        wait_for_progress(world, job, 6, &mut members);
    }

    // One stands still for longer than the group waits, and goes on when others have its
    // partitions: what it still has in hand is void.
    wait_until_shared_out(&mut members);
    let mut others = members.split_off(1);
    freeze(world, job, &members[0], &mut others, &mut draw);
    let before = world.shared_offsets(job);
    wait_until("others to take over", LIMIT, || {
        let now = world.shared_offsets(job);
        now.iter().zip(&before).all(|(now, before)| now > before).then_some(())
    });
    members[0].signal(Signal::CONT);
    wait_for_progress(world, job, 10, &mut others);
    members.append(&mut others);
    members
}

#[test]
fn windows_of_processes_that_come_and_go_are_right_and_appear_once() {
    let world = World::named("shared").start();
    world.make_topic(6);
    let producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000);
    let mut producer = producer.start();
    let job = |number| member(&world, world.streaming(), number);
    let members = disturb(&world, world.table(), |number| job(number).start());
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    for member in members {
        let _ = member.stopped_by(Signal::TERM).well();
    }
    // The last one, with all partitions, closes what is open.
    let _ = job(9).with("--trigger", "available-now").switch("--drain").run().well();
    let verdict = world.check(&world.question());
    assert!(verdict.rows.len() > 20, "{} rows", verdict.rows.len());
}

#[test]
fn tables_of_a_bank_whose_consumers_come_and_go_are_right() {
    let world = World::named("shared_bank").start();
    world.make_topic(4);
    let producer = world.bank_producer().with("--rate", 2_000).with("--count", 1_000_000);
    let mut producer = producer.start();
    let job = |number| member(&world, world.bank_consumer(), number);
    let members = disturb(&world, &world.bank_job(), |number| job(number).start());
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    // Nothing new: nobody commits, least of all because another one did.
    let mut same = (0, 0);
    wait_until("the processes to have nothing to commit", LIMIT, || {
        let epoch = world.job_epoch(&world.bank_job());
        same = if same.0 == epoch { (epoch, same.1 + 1) } else { (epoch, 0) };
        (same.1 > 50).then_some(())
    });
    for member in members {
        let _ = member.stopped_by(Signal::TERM).well();
    }
    let _ = job(9).with("--trigger", "available-now").run().well();
    let expected = world.check_bank();
    assert!(expected.customers.len() > 300, "{} customers", expected.customers.len());

    // From the beginning the same tables come again.
    let _ = job(10).with("--trigger", "available-now").switch("--from-beginning").run().well();
    world.check_bank_tables(&expected);
}

/// The broker is killed and comes back, while the processes go on. Kafka's own is restarted in
/// `faults`.
#[test]
fn processes_that_share_a_job_wait_for_a_broker_that_was_killed() {
    let mut world = World::named("shared_broker_killed").embedded().start();
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let producer = world.producer().with("--rate", 2_000).with("--count", 1_000_000);
    let mut producer = producer.with("--delivery-timeout", "2m").start();
    let job = |world: &World, number| member(world, world.streaming(), number);
    let mut members = vec![job(&world, 0).start(), job(&world, 1).start()];
    wait_until_shared_out(&mut members);
    wait_for_progress(&world, world.table(), 3, &mut members);
    for number in 2..5 {
        std::thread::sleep(draw.moment(Duration::from_millis(500)));
        world.kill_broker();
        // One comes while the broker is away, and one is told to leave.
        let last = number == 4;
        std::thread::sleep(draw.moment(Duration::from_millis(1_500)));
        if last {
            let leaving = members.remove(0);
            leaving.signal(Signal::TERM);
            world.restart_broker();
            let _ = leaving.finished(LIMIT).well();
        } else {
            world.restart_broker();
            members.push(job(&world, number).start());
        }
        wait_for_progress(&world, world.table(), 8, &mut members);
    }
    assert!(producer.is_running(), "{}", producer.stderr());
    let _ = producer.stopped_by(Signal::TERM).well();
    for member in members {
        let _ = member.stopped_by(Signal::TERM).well();
    }
    let last = job(&world, 9).with("--trigger", "available-now").switch("--drain");
    let _ = last.run().well();
    let verdict = world.check(&world.question());
    assert!(verdict.rows.len() > 20, "{} rows", verdict.rows.len());
}

#[test]
#[ignore = "needs a real Kafka: make test-real"]
fn a_group_that_takes_no_such_member_is_one_sentence() {
    let world = World::named("shared_refused_member").start();
    world.make_topic(2);
    let job = member(&world, world.streaming(), 0);
    let told = job.with("--kafka-option", "session.timeout.ms=1500").run().sentence();
    assert!(told.contains("cannot join the consumers of"), "{told}");
    assert!(told.contains("session timeout"), "{told}");
}

#[test]
fn what_cannot_be_shared_is_refused_in_a_sentence() {
    let world = World::named("shared_refused").in_memory().start();
    let _ = world.producer().run().well();
    let shared = || member(&world, world.draining(), 0).with("--trigger", "available-now");
    let cases = [
        (shared().without("--window").with("--gap", "1s"), "session windows cannot be shared"),
        (shared().with("--output-mode", "update"), "only append mode can be shared"),
        (shared().with("--sink", "csv"), "--sink database"),
        (shared().with("--start", "committed"), "leave out --start committed"),
    ];
    for (job, part) in cases {
        let told = job.run().refusal();
        assert!(told.contains(part), "{told} should say {part}");
    }
    // A table whose state is in somebody's folder, and the other way round.
    let _ = world.draining().run().well();
    let told = shared().run().sentence();
    assert!(told.contains("of a job that is not shared"), "{told}");
    let _ = shared().switch("--reset").run().well();
    world.check(&world.question());
    let told =
        world.draining().with("--checkpoint", world.path("another").display()).run().sentence();
    assert!(told.contains("holds epoch"), "{told}");

    // What is computed anew alone has nothing of the shared job left that another could go on from.
    let _ = world.draining().switch("--reset").run().well();
    let told = shared().run().sentence();
    assert!(told.contains("of a job that is not shared"), "{told}");
}
