//! The figures: what the job writes is what the judge says, whatever the threads, windows, groups,
//! output mode and sink.

use arus_tests::judge::{self, Question};
use arus_tests::{LIMIT, World, rows, wait_until};
use rustix::process::Signal;

#[test]
fn the_table_and_the_topics_beside_it_are_what_the_judge_says() {
    let world = World::named("totals").start();
    let produced = world.producer().run().well();
    assert!(produced.last_line().starts_with("sent 20,000 · acknowledged 20,000 · failed 0"));
    let ended = world.draining().run().well();

    let verdict = world.check(&world.question());
    let summary = world.summary();
    assert_eq!((summary.run.read, world.acknowledged()), (20_000, 20_000));
    assert_eq!(summary.run.counted, verdict.counted);
    assert_eq!(summary.run.late, verdict.late_for_all());
    assert_eq!(summary.run.rejected, verdict.rejected.len() as u64);
    assert_eq!((summary.run, summary.open_windows), (summary.total, 0));
    // The input is what it should be: some of everything.
    assert!(verdict.late.len() > 500 && verdict.rejected.len() > 100 && verdict.rows.len() > 90);
    assert!(ended.last_line().starts_with("read 20,000 = counted 1"), "{}", ended.stdout);

    // Nothing went wrong, so nothing warns.
    assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);

    // There is nothing more to read: the same again changes nothing.
    let _ = world.draining().run().well();
    assert_eq!(world.summary().run.read, 0);
    world.check(&world.question());
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let world = World::named("threads").in_memory().start();
    let _ = world.producer().with("--partitions", 5).run().well();
    let expected = judge::expected(&world.records(), &world.question()).rows;
    for threads in [1, 2, 4] {
        let job = world.draining().with("--threads", threads).switch("--reset");
        let _ = job.run().well();
        rows::assert_same(&format!("{threads} threads"), &world.rows(&["furniture"]), &expected);
    }
    world.check_aside(&world.question());
}

#[test]
fn hopping_windows_and_other_groups() {
    let world = World::named("hopping").in_memory().start();
    let _ = world.producer().run().well();
    let cases: [(&str, &'static [&'static str], i64); 3] = [
        ("furniture,color", &["furniture", "color"], 1_000),
        ("furniture", &["furniture"], 400),
        ("", &[], 250),
    ];
    for (at, (names, group_by, slide_ms)) in cases.into_iter().enumerate() {
        let question = Question { slide_ms, group_by, ..world.question() };
        let job = world
            .draining()
            .with("--group-by", names)
            .with("--slide", format!("{slide_ms}ms"))
            .with("--checkpoint", world.path(&format!("checkpoint-{at}")).display())
            .switch("--reset");
        let _ = job.run().well();
        let verdict = judge::expected(&world.records(), &question);
        rows::assert_same(names, &world.rows(group_by), &verdict.rows);
        let summary = world.summary();
        assert_eq!(summary.run.counted, verdict.counted, "{names}");
        assert_eq!(summary.run.late, verdict.late_for_all(), "{names}");
    }
}

#[test]
fn hopping_windows_that_are_missed_are_told_apart_from_rows_that_are_lost() {
    let world = World::named("missed").in_memory().start();
    let _ = world.producer().run().well();
    let _ = world.draining().with("--slide", "250ms").run().well();
    let question = Question { slide_ms: 250, ..world.question() };
    let verdict = world.check(&question);
    assert!(verdict.late.values().any(|late| late.counted));
}

#[test]
fn every_output_mode_ends_with_the_same_table() {
    let world = World::named("modes").in_memory().start();
    world.make_topic(4);
    // Three jobs at once, while purchases come in: an update has rows to replace.
    let modes = ["append", "update", "complete"];
    let named = |mode| format!("{}_{mode}", world.table());
    let jobs = modes.map(|mode| {
        let place = |kind: &str| world.path(&format!("{kind}-{mode}")).display().to_string();
        let job = world.streaming().with("--job", named(mode)).with("--table", named(mode));
        let job = job.with("--output-mode", mode).with("--trigger", "50ms").switch("--drain");
        let job = job.with("--group-by", "furniture,color");
        job.with("--checkpoint", place("checkpoint")).with("--summary", place("summary")).start()
    });
    for job in &jobs {
        wait_until("the job to work", LIMIT, || {
            job.stderr().contains("results go here").then_some(())
        });
    }
    let _ = world.producer().with("--rate", 5_000).run().well();
    let question = Question { group_by: &["furniture", "color"], ..world.question() };
    let expected = judge::expected(&world.records(), &question).rows;
    for (mode, job) in modes.into_iter().zip(jobs) {
        let _ = job.stopped_by(Signal::TERM).well();
        let rows = world.rows_in(&named(mode), question.group_by);
        rows::assert_same(mode, &rows, &expected);
    }
}

#[test]
fn files_hold_what_the_table_holds() {
    let world = World::named("files").in_memory().start();
    let _ = world.producer().run().well();
    let job = world.draining().with("--sink", "database,csv,parquet,kafka");
    let _ = job.with("--output-topic", format!("{}.out", world.topic())).run().well();
    let expected = world.check(&world.question()).rows;
    rows::assert_same("the topic", &world.topic_rows(&["furniture"]), &expected);
    let output = world.path("output");
    let csv = rows::of_csv(&output.join(format!("{}.csv", world.table())), &["furniture"]);
    rows::assert_same("the CSV file", &csv, &expected);
    let parquet = rows::of_parquet(&output.join(world.table()), 1);
    rows::assert_same("the Parquet files", &parquet, &expected);
}

#[test]
fn one_epoch_or_many_give_the_same() {
    let world = World::named("once").in_memory().start();
    let _ = world.producer().run().well();
    let _ = world.draining().with("--trigger", "once").run().well();
    world.check(&world.question());
    assert_eq!(world.summary().epoch, 1);
    let count = world.producer().with("--count", 5_000).with("--rate", 2_500);
    let mut job = world.streaming().with("--trigger", "20ms").switch("--drain").start();
    let _ = count.with("--start-time", "2024-01-01T00:01:00Z").run().well();
    world.wait_for_epoch_after(20, &mut job);
    let _ = job.stopped_by(Signal::TERM).well();
    world.check(&world.question());
    let summary = world.summary();
    assert_eq!((summary.run.read, summary.total.read), (5_000, 25_000));
    assert!(summary.epoch > 20, "{summary:?}");
}
