//! The bank's producer against a broker: what is in the log is what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use arus_kafka::admin::topic_setting;
use arus_models::{BankGenerator, BankOptions};
use arus_tests::bank::ledger;
use arus_tests::{LIMIT, World, wait_until};
use chrono::DateTime;
use rustix::process::Signal;

/// What the producer's summary says of the records.
fn tallies(world: &World) -> BTreeMap<String, f64> {
    world.summary_of("producer.json")
}

#[test]
fn the_log_tells_who_is_a_customer_in_the_end() {
    let world = World::named("bank_log").start();
    let ended = world.bank_producer().run().well();
    let records = world.records();
    let found = ledger(&records);

    // The same seed and times, without Kafka.
    let options = BankOptions {
        customers: 500,
        closure_fraction: 0.05,
        out_of_order_fraction: 0.05,
        max_lateness_ms: 5_000,
        duplicate_fraction: 0.05,
        bad_fraction: 0.01,
        ..BankOptions::default()
    };
    let mut generator = BankGenerator::new(7, options).expect("the options are right");
    let start = DateTime::parse_from_rfc3339("2024-01-01T00:00:00Z").expect("a time");
    let mut payload = Vec::new();
    for index in 0..20_000 {
        generator.next(start.timestamp_millis() + index, &mut payload);
    }
    let expected: BTreeMap<_, _> =
        generator.customers().map(|customer| (customer.customer_id, customer)).collect();
    assert_eq!(found.customers, expected);
    assert!((440..=500).contains(&found.customers.len()), "{}", found.customers.len());

    let tallies = tallies(&world);
    let told = |names: &[&str]| names.iter().map(|name| tallies[*name] as u64).sum::<u64>();
    assert_eq!(told(&["sent"]), 20_000);
    assert_eq!(told(&["acknowledged"]), records.len() as u64);
    assert_eq!(
        (told(&["bad"]), told(&["out_of_order"])),
        (found.unreadable.len() as u64, found.older)
    );
    assert_eq!(told(&["closures"]), found.closures);
    let states = ["new", "reopened", "deposits", "withdrawals", "moves", "duplicates"];
    assert_eq!(told(&states), found.updates + found.unknown_closures);
    assert!(found.unknown_closures > 0 && found.closures > 500, "{tallies:?}");
    let line = ended.last_line();
    assert!(line.starts_with("sent 20,000 · acknowledged 20,000 · failed 0 · new "), "{line}");
    assert!(line.ends_with(" events/s"), "{line}");

    for record in &records {
        let in_order = record.timestamp_ms.is_some_and(|ms| ms > start.timestamp_millis() - 6_000);
        assert!(in_order, "{record:?}");
    }
    let homes: BTreeSet<_> = records.iter().map(|it| (it.key.clone(), it.partition)).collect();
    let keys: BTreeSet<_> = records.iter().map(|it| it.key.clone()).collect();
    assert_eq!(homes.len(), keys.len(), "of one customer all records are in one partition");
}

#[test]
fn the_same_flags_give_the_same_log() {
    let logs = ["bank_first", "bank_second"].map(|name| {
        let world = World::named(name).in_memory().start();
        let _ = world.bank_producer().with("--count", 5_000).run().well();
        world.records()
    });
    assert_eq!(logs[0].len(), 5_000);
    assert_eq!(logs[0], logs[1]);
}

#[test]
fn a_compacted_topic_is_made_so_and_another_stays_as_it_is() {
    let world = World::named("bank_compact").in_memory().start();
    let policy = || topic_setting(&world.kafka(), world.topic(), "cleanup.policy");
    let producer = world.bank_producer().with("--count", 1_000).switch("--compact");
    let ended = producer.run().well();
    assert_eq!(policy().expect("the broker tells"), Some("compact".to_owned()));
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
    // Once more: nothing to be warned of.
    let ended = producer.run().well();
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);

    let plain = World::named("bank_plain").in_memory().start();
    plain.make_topic(4);
    let ended = plain.bank_producer().with("--count", 1_000).switch("--compact").run().well();
    assert!(ended.stderr.contains("the topic keeps its settings"), "{}", ended.stderr);
    assert_eq!(plain.records().len(), 1_000);
}

#[test]
fn a_stopped_bank_producer_sends_what_it_has() {
    let world = World::named("bank_stopped").in_memory().start();
    let producer = world.bank_producer().with("--rate", 5_000).with("--count", 1_000_000).start();
    wait_until("some records", LIMIT, || {
        let found = arus_kafka::inspect::read_topic(&world.kafka(), world.topic());
        found.ok().filter(|records| records.len() > 1_000)
    });
    let ended = producer.stopped_by(Signal::TERM).well();
    assert!(ended.last_line().contains("· failed 0 ·"), "{}", ended.stdout);
    assert_eq!(world.records().len() as u64, world.acknowledged());
}
