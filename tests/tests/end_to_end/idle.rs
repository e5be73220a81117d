//! Partitions that deliver nothing do not hold the others up, and the last windows come too.

use std::time::Duration;

use arus_kafka::producer::{CountedProducer, Record};
use arus_models::{Furniture, PurchaseEvent};
use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::process::Running;
use arus_tests::{LIMIT, World};

fn send(world: &World, producer: &CountedProducer, ts: i64) {
    let event = PurchaseEvent {
        order_id: "7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11".parse().expect("a UUID"),
        customer_id: 1,
        furniture: Furniture::Bed,
        color: "oak".to_owned(),
        price: 1_000,
        ts,
    };
    let mut payload = Vec::new();
    event.write_json(&mut payload);
    let record = Record {
        topic: world.topic(),
        partition: Some(0),
        payload: Some(&payload),
        timestamp_ms: Some(ts),
        ..Record::default()
    };
    producer.send(record).expect("the broker takes it");
}

/// The rows, once there are some; the job makes the table when it starts.
fn rows_so_far(world: &World, job: &mut Running) -> usize {
    assert!(job.is_running(), "{}", job.stderr());
    if world.epoch() == 0 { 0 } else { world.rows(&["furniture"]).len() }
}

#[test]
fn windows_close_although_three_of_four_partitions_are_silent() {
    let world = World::named("silent").in_memory().start();
    world.make_topic(4);
    let producer = CountedProducer::new(&world.kafka()).expect("the options are right");
    let mut job = world.streaming().with("--idle-timeout", "1s").start();
    let clock = SystemClock::new();
    let mut ts = 1_704_067_200_000;
    while rows_so_far(&world, &mut job) < 5 {
        assert!(clock.monotonic() < LIMIT, "no window closes");
        send(&world, &producer, ts);
        ts += 200;
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = job.stopped_by(rustix::process::Signal::TERM).well();
    // Not at once, but because the silence had been long enough.
    assert!(clock.monotonic() > Duration::from_secs(1));
}

#[test]
fn the_last_windows_close_when_all_input_has_stopped() {
    let world = World::named("last").in_memory().start();
    world.make_topic(2);
    let producer = CountedProducer::new(&world.kafka()).expect("the options are right");
    let mut job =
        world.streaming().with("--idle-timeout", "1s").switch("--close-idle-windows").start();
    let now_ms = SystemClock::new().wall_ms();
    for back_ms in [2_000, 1_000, 0] {
        send(&world, &producer, now_ms - back_ms);
    }
    arus_tests::wait_until("the last window", LIMIT, || {
        (rows_so_far(&world, &mut job) == 3).then_some(())
    });
    let _ = job.stopped_by(rustix::process::Signal::TERM).well();
    let summary = world.summary();
    assert_eq!((summary.run.counted, summary.run.late, summary.open_windows), (3, 0, 0));
}
