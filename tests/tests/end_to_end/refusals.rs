//! What cannot work is refused: one sentence that says what, where, and what to do.

use std::fs;
use std::path::Path;

use arus_kafka::admin::delete_topic;
use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::judge::Question;
use arus_tests::process::Program;
use arus_tests::{LIMIT, World, rows, wait_until};
use rustix::process::Signal;

/// Nobody listens there: the port is reserved, and no ordinary program takes it.
const NOBODY: &str = "127.0.0.1:1";

#[track_caller]
fn assert_tells(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "\"{word}\" is missing: {sentence}");
    }
}

#[test]
fn an_absent_broker_is_told_in_bounded_time() {
    let world = World::named("absent").in_memory().start();
    for program in [world.streaming(), world.producer(), world.bank_producer()] {
        let clock = SystemClock::new();
        let ended = program.with("--brokers", NOBODY).with("--retry-for", "1s").run();
        assert_tells(&ended.sentence(), &["no Kafka broker answers", NOBODY, "make broker"]);
        assert!(clock.monotonic().as_secs() < 15, "{:?}", clock.monotonic());
    }
}

#[test]
fn a_broker_that_stays_away_is_given_up_on() {
    let mut world = World::named("gone").embedded().start();
    let _ = world.producer().with("--count", 1_000).run().well();
    let mut job = world.streaming().with("--broker-timeout", "2s").start();
    world.wait_for_epoch_after(0, &mut job);
    world.kill_broker();
    let sentence = job.finished(LIMIT).sentence();
    assert_tells(&sentence, &["no Kafka broker answers", world.brokers(), "start it again"]);
    world.restart_broker();
    let _ = world.draining().run().well();
    world.check(&world.question());
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let world = World::named("no_topic").in_memory().start();
    let sentence = world.draining().with("--topic", "no-such-topic").run().sentence();
    assert_tells(&sentence, &["no topic", "no-such-topic", "create it"]);
}

#[test]
fn wrong_use_is_code_2_and_lists_what_is_right() {
    let world = World::named("wrong_use").in_memory().start();
    let cases = [
        (world.streaming().with("--sink", "nonsense"), "parquet"),
        (world.streaming().with("--window", "soon"), "30s"),
        (world.streaming().with("--trigger", "sometimes"), "available-now"),
        (world.streaming().with("--threads", 0), "1..=256"),
        (world.streaming().switch("--frobnicate"), "--help"),
        (world.streaming().with("--gap", "1s"), "'--window <DURATION>' cannot be used with"),
        (world.streaming().with("--broker-timeout", "1s"), "2s or more"),
        (world.producer().with("--late-fraction", 2), "from 0 to 1"),
        (world.producer().with("--start-time", "yesterday"), "2024-01-01T00:00:00Z"),
        (world.bank_producer().with("--closure-fraction", 2), "from 0 to 1"),
        (world.bank_producer().with("--customers", 0), "1 customer or more"),
    ];
    for (program, word) in cases {
        let ended = program.run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert_tells(&ended.stderr, &[word]);
    }
}

#[test]
fn choices_that_cannot_work_are_told_before_anything_is_written() {
    let world = World::named("choices").in_memory().start();
    world.make_topic(1);
    let cases = [
        (world.draining().with("--group-by", "size"), vec!["size", "furniture"]),
        (world.draining().with("--agg", "sum(colour)"), vec!["colour"]),
        (world.draining().with("--window", "0s"), vec!["window", "1 ms"]),
        (world.draining().with("--slide", "2s"), vec!["slide", "longer"]),
        (world.draining().with("--sink", "csv").with("--output-mode", "update"), vec!["update"]),
        (
            world.draining().with("--sink", "kafka").with("--output-topic", world.topic()),
            vec!["--output-topic", world.topic()],
        ),
        (world.draining().with("--late-topic", world.topic()), vec!["--late-topic"]),
        (
            world
                .draining()
                .with("--sink", "kafka")
                .with("--output-topic", "results")
                .with("--late-topic", "results"),
            vec!["--late-topic", "which takes the results"],
        ),
        (world.draining().with("--sink", "csv,csv"), vec!["--sink names csv twice"]),
        (world.draining().with("--trigger", "0s"), vec!["--trigger"]),
        (
            world
                .draining()
                .without("--window")
                .with("--gap", "1s")
                .with("--output-mode", "update"),
            vec!["session", "append or complete"],
        ),
    ];
    for (program, words) in cases {
        assert_tells(&program.run().refusal(), &words);
        assert_eq!(world.epoch(), 0);
    }
}

/// At the start, not after hours of work.
#[test]
fn a_summary_that_cannot_be_written_is_told_first() {
    let world = World::named("no_summary").in_memory().start();
    world.make_topic(1);
    let nowhere = world.path("nowhere").join("summary.json").display().to_string();
    for job in [world.draining(), world.bank_consumer()] {
        let sentence = job.with("--summary", &nowhere).run().sentence();
        assert_tells(&sentence, &["cannot write", &nowhere]);
        assert_eq!(world.epoch(), 0);
    }
}

#[test]
fn a_checkpoint_folder_that_cannot_be_is_named() {
    let world = World::named("checkpoint_file").in_memory().start();
    let _ = world.producer().with("--count", 1_000).run().well();
    let file = world.path("file");
    fs::write(&file, "not a folder").expect("the folder is writable");
    for place in [file.clone(), file.join("under")] {
        let place = place.display().to_string();
        let sentence = world.draining().with("--checkpoint", &place).run().sentence();
        assert_tells(&sentence, &["checkpoint folder", &place]);
    }
    let _ = world.draining().run().well();
    world.check(&world.question());
}

/// A topic of that name that has grown past what was read of the one before.
#[test]
fn a_topic_that_was_made_anew_is_not_read_from_the_middle() {
    let world = World::named("made_anew").in_memory().start();
    let _ = world.producer().with("--count", 2_000).run().well();
    let _ = world.draining().run().well();
    assert!(delete_topic(&world.kafka(), world.topic()).expect("the broker is there"));
    let another = world.producer().with("--start-time", "2024-02-01T00:00:00Z");
    let _ = another.with("--count", 4_000).run().well();
    let sentence = world.draining().run().sentence();
    assert_tells(&sentence, &["has another record at offset", "made anew", "--reset"]);
    let _ = world.draining().switch("--reset").run().well();
    assert_eq!(world.summary().total.read, 4_000);
}

/// Runs a job that meets a full disk at work, then one that does not; gives what the first said.
///
/// Records come in portions, each when the job has made an epoch of the one before: so its epochs, and
/// with them its checkpoints, are small however slow the machine is.
fn meet_a_full_disk(world: &World, job: impl Fn(Program) -> Program, kib: u32) -> String {
    const PORTION: usize = 500;
    world.make_topic(4);
    // No log, which is a file too.
    let job = |program: Program| job(program).with("--log", "error");
    let mut full = job(world.streaming().with("--trigger", "50ms")).with_largest_file(kib).start();
    let producer = world.producer().with("--rate", 0).with("--out-of-order", "0s");
    for portion in 0..40 {
        let epoch = epochs_in(&world.path("checkpoint"));
        // A record each ms.
        let (second, ms) = (portion * PORTION / 1000, portion * PORTION % 1000);
        let start = format!("2024-01-01T00:00:{second:02}.{ms:03}Z");
        let _ = producer.clone().with("--count", PORTION).with("--start-time", start).run().well();
        let went_on = wait_until("an epoch or the end", LIMIT, || match full.is_running() {
            true => (epochs_in(&world.path("checkpoint")) > epoch).then_some(true),
            false => Some(false),
        });
        if !went_on {
            break;
        }
    }
    let sentence = full.finished(LIMIT).sentence();
    let _ = job(world.draining()).run().well();
    sentence
}

/// The last epoch that there is a checkpoint of; 0 for none.
fn epochs_in(checkpoint: &Path) -> u64 {
    let files = fs::read_dir(checkpoint).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let numbers = names
        .filter_map(|name| name.strip_prefix("epoch-")?.strip_suffix(".checkpoint")?.parse().ok());
    numbers.max().unwrap_or(0)
}

#[test]
fn a_full_disk_under_the_checkpoint() {
    let world = World::named("full_checkpoint").in_memory().start();
    // The file with the rows is smaller than the state until the end.
    let sentence = meet_a_full_disk(&world, |job| job.with("--sink", "csv"), 4);
    assert_tells(&sentence, &["checkpoint", "too large"]);
    assert_exact_file(&world, &world.question());
}

#[test]
fn a_full_disk_under_the_database() {
    let world = World::named("full_database").in_memory().start();
    let sentence = meet_a_full_disk(&world, |job| job.with("--window", "100ms"), 100);
    assert_tells(&sentence, &["arus.db"]);
    world.check(&Question::tumbling(100, 500));
}

#[test]
fn a_full_disk_under_a_file() {
    let world = World::named("full_file").in_memory().start();
    // Windows that close at once: the file soon outgrows the state.
    let job = |job: Program| job.with("--sink", "csv").with("--watermark", "0s");
    let sentence = meet_a_full_disk(&world, |it| job(it).with("--window", "20ms"), 48);
    assert_tells(&sentence, &[".csv", "too large"]);
    assert_exact_file(&world, &Question::tumbling(20, 0));
}

#[track_caller]
fn assert_exact_file(world: &World, question: &Question) {
    let verdict = world.check_aside(question);
    let file = world.path("output").join(format!("{}.csv", world.table()));
    rows::assert_same("the file", &rows::of_csv(&file, question.group_by), &verdict.rows);
}

#[test]
fn a_second_job_on_the_same_checkpoint_is_refused() {
    let world = World::named("second").in_memory().start();
    let _ = world.producer().run().well();
    let mut first = world.streaming().start();
    world.wait_for_epoch_after(0, &mut first);
    let other = world.path("other.json");
    let second = world.streaming().with("--summary", other.display()).run();
    let folder = world.path("checkpoint").display().to_string();
    assert_tells(&second.sentence(), &["another process", &folder, "--checkpoint"]);
    assert!(first.is_running(), "{}", first.stderr());
    let _ = first.stopped_by(Signal::TERM).well();
    let _ = world.draining().run().well();
    world.check(&world.question());
}

#[test]
fn a_job_whose_rows_are_there_but_not_its_checkpoint_is_refused() {
    let world = World::named("lost_checkpoint").in_memory().start();
    let _ = world.producer().run().well();
    let _ = world.draining().run().well();
    let elsewhere = world.path("elsewhere").display().to_string();
    let sentence = world.draining().with("--checkpoint", &elsewhere).run().sentence();
    assert_tells(&sentence, &["epoch", &elsewhere, "--reset"]);
    world.check(&world.question());
    // And the other way round: a checkpoint without its rows. It holds those of its last epoch.
    let _ = world.producer().with("--count", 1_000).run().well();
    let _ = world.draining().run().well();
    let other = World::named("lost_rows").without_broker().start();
    let database = format!("sqlite://{}", other.path("other.db").display());
    let sentence = world.draining().env("DATABASE_URL", &database).run().sentence();
    assert_tells(&sentence, &["holds nothing of this job", "--reset"]);
}

#[test]
fn of_two_jobs_that_start_on_the_same_output_one_gives_up() {
    let world = World::named("two").in_memory().start();
    world.make_topic(4);
    let mut jobs: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let place = |kind: &str| world.path(&format!("{kind}-{name}")).display().to_string();
            let job = world.streaming().with("--checkpoint", place("checkpoint"));
            job.with("--summary", place("summary")).switch("--drain").start()
        })
        .collect();
    for job in &jobs {
        wait_until("the job to be ready", LIMIT, || {
            job.stderr().contains("results go here").then_some(())
        });
    }
    let _ = world.producer().with("--rate", 4_000).run().well();
    let loser = wait_until("one of them to give up", LIMIT, || {
        jobs.iter_mut().position(|job| !job.is_running())
    });
    let sentence = jobs.remove(loser).finished(LIMIT).sentence();
    assert_tells(&sentence, &["epoch"]);
    let _ = jobs.remove(0).stopped_by(Signal::TERM).well();
    world.check(&world.question());
}

#[test]
fn a_changed_query_cannot_go_on_from_old_state() {
    let world = World::named("changed").in_memory().start();
    let _ = world.producer().run().well();
    let _ = world.draining().run().well();
    let cases = [
        (world.draining().with("--window", "2s"), "window"),
        (world.draining().with("--group-by", "furniture,color"), "group by"),
        (world.draining().with("--agg", "count(*)"), "aggregates"),
        (world.draining().with("--output-mode", "complete"), "output mode"),
    ];
    for (program, word) in cases {
        assert_tells(&program.run().sentence(), &["checkpoint", word, "--reset"]);
    }
    world.check(&world.question());
}
