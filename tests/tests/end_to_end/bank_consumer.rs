//! The bank's consumer against a broker and a database: its tables are what plain Rust makes of the
//! log, whatever happens to the consumer meanwhile.

use std::time::Duration;

use arus_tests::bank::{self, Ledger, balances, ledger};
use arus_tests::{Draw, World};
use rustix::process::Signal;

/// Kills in a test.
const KILLS: u32 = 26;

/// The tables, the counts and the rejected topic must be what the judge says; gives that.
#[track_caller]
pub(crate) fn check(world: &World) -> Ledger {
    let expected = ledger(&world.records());
    check_tables(world, &expected);
    let rejected = world.records_of(".rejected");
    let mut places: Vec<_> = rejected
        .iter()
        .map(|record| {
            let text = |name| String::from_utf8(record.header(name).unwrap().to_vec()).unwrap();
            assert!(!text("arus.reason").is_empty());
            (text("arus.partition"), text("arus.offset"))
        })
        .collect();
    // After a kill a record may be there twice.
    places.sort();
    places.dedup();
    assert_eq!(places.len() as u64, expected.unreadable);
    expected
}

/// The tables must be what the judge says.
#[track_caller]
pub(crate) fn check_tables(world: &World, expected: &Ledger) {
    let found = world.bank_customers();
    assert_eq!(found.len(), expected.customers.len());
    for (found, expected) in found.iter().zip(expected.customers.values()) {
        assert_eq!(found, expected);
    }
    for (table, column) in bank::GROUPINGS {
        let expected = balances(expected.customers.values(), column);
        assert_eq!(world.bank_balances(table, column), expected, "{table}");
    }
}

#[test]
fn the_tables_are_what_the_log_says() {
    let world = World::named("bank").start();
    let _ = world.bank_producer().run().well();
    let ended = world.bank_consumer().with("--trigger", "available-now").run().well();
    let expected = check(&world);
    let summary = world.bank_summary();
    let tally = |name: &str| summary.tallies[name];
    assert_eq!(summary.run.read, world.acknowledged());
    assert_eq!(summary.run.rejected, expected.unreadable);
    assert_eq!(tally("stale"), expected.older);
    assert_eq!(tally("unknown_deletes"), expected.unknown_closures);
    assert_eq!(tally("changed") + tally("duplicates"), expected.updates + expected.closures);
    let sum: u64 = summary.tallies.values().sum();
    assert_eq!(summary.run.read, sum + summary.run.rejected);
    assert_eq!(summary.rows_kept, expected.customers.len());
    assert!(ended.last_line().starts_with("read 20,000 = changed "), "{}", ended.stdout);
    assert!(tally("duplicates") > 100 && expected.older > 100, "{summary:?}");
}

#[test]
fn killed_at_random_moments_the_tables_are_exact() {
    let world = World::named("bank_killed").start();
    let mut draw = Draw::from_env();
    world.make_topic(4);
    let producer = world.bank_producer().with("--rate", 3_000).with("--count", 1_000_000);
    let mut producer = producer.start();
    for round in 0..KILLS {
        let epoch = world.epoch();
        let mut job = world.bank_consumer().with("--trigger", "50ms").start();
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
    assert!(world.epoch() >= u64::from(KILLS / 3 * 2), "epochs came between the kills");
    let _ = world.bank_consumer().with("--trigger", "available-now").run().well();
    let expected = check(&world);
    let summary = world.bank_summary();
    assert_eq!(summary.total.read, world.acknowledged());
    assert_eq!(summary.total.rejected, expected.unreadable);
}

#[test]
fn from_the_beginning_the_same_tables_come_again() {
    let world = World::named("bank_again").in_memory().start();
    let _ = world.bank_producer().run().well();
    let available = || world.bank_consumer().with("--trigger", "available-now");
    let _ = available().run().well();
    let first = check(&world);
    // Nothing new: nothing changes.
    let _ = available().run().well();
    assert_eq!(world.bank_summary().run.read, 0);
    check_tables(&world, &first);
    let _ = available().switch("--from-beginning").run().well();
    assert_eq!(world.bank_summary().run.read, world.acknowledged());
    check_tables(&world, &first);
}

#[test]
fn over_messages_the_averages_are_others() {
    let world = World::named("bank_naive").in_memory().start();
    let _ = world.bank_producer().run().well();
    let naive = world.bank_consumer().switch("--per-message");
    let _ = naive.with("--trigger", "available-now").run().well();
    let records = world.records();
    let (count, total) = bank::messages(&records);
    let found = world.bank_naive_totals();
    assert_eq!(found, (count, total));
    let customers = ledger(&records).customers;
    assert!(count > 10 * customers.len() as i64, "messages are many more than customers");
}
