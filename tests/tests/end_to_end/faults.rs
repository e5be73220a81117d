//! What goes wrong around the programs: networks, brokers and databases that fail in the middle of
//! the work. The job goes on by itself, and the table is what the judge says.
//!
//! Kills of the programs themselves are in `kills`, full disks in `refusals`.

use std::ops::Range;
use std::time::Duration;

use arus_kafka::KafkaArgs;
use arus_kafka::admin::partitions;
use arus_tests::process::{Program, Running};
use arus_tests::proxy::Proxy;
use arus_tests::servers::{Kafka, Postgres};
use arus_tests::{Draw, LIMIT, World, wait_until};
use rustix::process::Signal;

/// How many bytes a connection carries one way until it is cut: some never finish their greeting.
const KAFKA_LIFE: Range<u64> = 500..800_000;
const DATABASE_LIFE: Range<u64> = 500..40_000;

/// Purchases that come in, and a job that totals them.
struct Flow {
    producer: Running,
    job: Running,
    epoch: u64,
}

impl Flow {
    /// Starts both, once the topic is there.
    fn start(world: &World, change: impl Fn(Program) -> Program) -> Self {
        // Kafka forgets a producer by the timestamps of its records, and with it which of them it has:
        // a broker that starts again would take records of 2024 twice.
        world.make_topic_with(4, &[("message.timestamp.type", "LogAppendTime")]);
        let producer = world.producer().with("--rate", 1_500).with("--count", 1_000_000);
        let producer = change(producer.with("--delivery-timeout", "2m")).start();
        let job = world.streaming().with("--trigger", "50ms").switch("--drain");
        let mut flow = Self { producer, job: change(job).start(), epoch: 0 };
        flow.more_epochs(world, 1);
        flow
    }

    /// Waits until the job has made so many epochs more.
    fn more_epochs(&mut self, world: &World, count: u32) {
        for _ in 0..count {
            self.epoch = world.wait_for_epoch_after(self.epoch, &mut self.job);
        }
    }

    /// Lets both end, and checks that nothing was lost or doubled.
    fn end(mut self, world: &World) {
        assert!(self.producer.is_running(), "{}", self.producer.stderr());
        let _ = self.producer.stopped_by(Signal::TERM).well();
        let _ = self.job.stopped_by(Signal::TERM).well();
        let verdict = world.check(&world.question());
        let summary = world.summary();
        assert!(!verdict.rows.is_empty(), "there was something to get wrong");
        // Neither lost by the broker nor doubled by the producer's retries.
        assert_eq!(world.records().len() as u64, world.acknowledged());
        assert_eq!(summary.total.read, world.acknowledged());
        assert_eq!(summary.total.counted, verdict.counted);
    }
}

#[test]
fn a_network_that_is_cut_and_slow_changes_nothing() {
    let mut draw = Draw::from_env();
    let (world, to_kafka) = match std::env::var_os("ARUS_TEST_KAFKA") {
        Some(_) => {
            let kafka = Kafka::shared();
            let proxy = Proxy::start(&kafka.address("PROXY"), draw.number(), KAFKA_LIFE);
            proxy.lead_to(&kafka.address("PROXIED"));
            (World::named("cut").start(), proxy)
        }
        None => {
            let proxy = Proxy::start("127.0.0.1:0", draw.number(), KAFKA_LIFE);
            let world = World::named("cut").embedded().advertised_at(proxy.address()).start();
            proxy.lead_to(world.brokers());
            (world, proxy)
        }
    };
    // A file needs no network.
    let to_database = world.database_url().strip_prefix("postgres://").map(|url| {
        let (user, rest) = url.split_once('@').expect("the URL names a user");
        let (server, database) = rest.split_once('/').expect("and a database");
        let proxy = Proxy::start("127.0.0.1:0", draw.number(), DATABASE_LIFE);
        proxy.lead_to(server);
        let url = format!("postgres://{user}@{}/{database}", proxy.address());
        (proxy, url)
    });
    let disturb = |disturbs| {
        to_kafka.disturb(disturbs);
        let _ = to_database.as_ref().map(|(proxy, _)| proxy.disturb(disturbs));
    };
    let cuts = || (to_kafka.cuts(), to_database.as_ref().map_or(u64::MAX, |(it, _)| it.cuts()));
    disturb(true);
    let mut flow = Flow::start(&world, |program| {
        let program = program
            .with("--brokers", to_kafka.address())
            // What one request or answer carries must not be more than what a connection does.
            .and("--kafka-option", "fetch.message.max.bytes=50000")
            .and("--kafka-option", "batch.size=50000");
        match &to_database {
            Some((_, url)) => program.env("DATABASE_URL", url),
            None => program,
        }
    });
    while cuts() < (20, 0) || cuts().1 < 3 {
        flow.more_epochs(&world, 1);
    }
    flow.more_epochs(&world, 5);
    disturb(false);
    flow.end(&world);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn a_kafka_that_is_killed_and_comes_back_changes_nothing() {
    let kafka = Kafka::start();
    let world = World::named("kafka_killed").on_kafka(kafka.address("PLAINTEXT")).start();
    let mut draw = Draw::from_env();
    let mut flow = Flow::start(&world, |program| program);
    for _ in 0..2 {
        std::thread::sleep(draw.moment(Duration::from_millis(500)));
        kafka.kill();
        kafka.start_again();
        // Not the epochs of what was read before the kill: some later one needs the new broker.
        flow.more_epochs(&world, 8);
    }
    flow.end(&world);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn partitions_without_a_leader_are_waited_for() {
    let kafka = Kafka::start();
    let second = kafka.second();
    let world = World::named("no_leader").on_kafka(kafka.address("PLAINTEXT")).start();
    let mut flow = Flow::start(&world, |program| program);
    second.kill();
    // The first node is well all the time.
    let impatient = KafkaArgs { retry_for: Duration::from_secs(1), ..world.kafka() };
    wait_until("partitions without a leader", LIMIT, || {
        let told = partitions(&impatient, world.topic());
        matches!(told, Err(arus_kafka::Error::TopicUnsettled { .. })).then_some(())
    });
    second.start_again();
    wait_until("a leader for each partition", LIMIT, || {
        partitions(&world.kafka(), world.topic()).ok().flatten()
    });
    flow.more_epochs(&world, 8);
    flow.end(&world);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn a_partition_that_stays_without_a_leader_is_told() {
    let kafka = Kafka::start();
    let second = kafka.second();
    let world = World::named("no_leader_ever").on_kafka(kafka.address("PLAINTEXT")).start();
    world.make_topic(4);
    // Nothing that would be set aside: those topics have partitions without a leader too.
    let clean = world.producer().with("--late-fraction", 0).with("--bad-fraction", 0);
    let _ = clean.with("--out-of-order", "0s").run().well();
    let mut job = world.streaming().with("--broker-timeout", "5s").start();
    world.wait_for_epoch_after(0, &mut job);
    second.kill();
    let sentence = job.finished(LIMIT).sentence();
    for words in ["of the topic has had no leader that answers", "though other brokers do"] {
        assert!(sentence.contains(words), "{sentence}");
    }
    second.start_again();
    wait_until("a leader for each partition", LIMIT, || {
        partitions(&world.kafka(), world.topic()).ok().flatten()
    });
    let _ = world.draining().run().well();
    world.check(&world.question());
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn a_database_that_crashes_in_the_middle_of_a_transaction_changes_nothing() {
    let postgres = Postgres::start();
    let world = World::named("postgres_crashed").on_database(postgres.url()).start();
    let mut flow = Flow::start(&world, |program| program);
    for _ in 0..2 {
        // The job's transaction has moved the epoch, and waits here before its rows.
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", world.table());
        let other = postgres.session("arus", &["BEGIN", lock.as_str()]);
        wait_until("the job to be in the middle of its transaction", LIMIT, || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'arus' \
                           AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL";
            (postgres.sql(waiting) == "1").then_some(())
        });
        postgres.crash();
        drop(other);
        flow.more_epochs(&world, 20);
    }
    assert!(flow.job.stderr().contains("database unavailable"), "{}", flow.job.stderr());
    flow.end(&world);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn a_database_without_a_free_connection_is_waited_for() {
    let postgres = Postgres::shared();
    let name = format!("few_{}", std::process::id());
    postgres.sql(&format!("CREATE ROLE {name} LOGIN CONNECTION LIMIT 0"));
    postgres.sql(&format!("CREATE DATABASE {name} OWNER {name}"));
    let url_of = |user: &str| format!("postgres://{user}@{}/{name}", postgres.address());
    let limit = |connections: u32| {
        postgres.sql(&format!("ALTER ROLE {name} CONNECTION LIMIT {connections}"));
    };
    let world = World::named("few").on_database(url_of("arus")).start();
    let url = url_of(&name);
    let limited = |program: Program| program.env("DATABASE_URL", &url);

    world.make_topic(4);
    let impatient = limited(world.streaming()).with("--retry-for", "1s").run();
    let sentence = impatient.sentence();
    assert!(sentence.contains("too many connections") && sentence.contains("1s"), "{sentence}");

    // Two are enough, once they are there: at the start, and when they were taken away. (One call
    // follows the other sooner than the pool takes a connection back.)
    let job = limited(world.streaming()).with("--trigger", "50ms").switch("--drain").start();
    wait_until("the job to wait", LIMIT, || {
        job.stderr().contains("too many connections").then_some(())
    });
    limit(2);
    let producer = world.producer().with("--rate", 1_500).with("--count", 1_000_000).start();
    let mut flow = Flow { producer, job, epoch: 0 };
    flow.more_epochs(&world, 5);
    let waits = |job: &Running| job.stderr().matches("no connection became free").count();
    let before = waits(&flow.job);
    limit(0);
    postgres.sql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
    ));
    wait_until("the job to wait again", LIMIT, || (waits(&flow.job) > before).then_some(()));
    limit(2);
    flow.more_epochs(&world, 20);
    flow.end(&world);
    drop(world);
    postgres.sql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    postgres.sql(&format!("DROP ROLE {name}"));
}
