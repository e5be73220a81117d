//! Secured connections to real servers: every way works, the wrong ones end in one sentence soon,
//! and nobody sees a secret.

use std::fs;
use std::path::Path;
use std::process::Command;

use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::process::{Program, Running};
use arus_tests::servers::{Kafka, Postgres};
use arus_tests::{World, bank};
use rustix::process::Signal;

/// Environment variables.
type Settings = Vec<(&'static str, String)>;

/// A password that is not the right one, to look for where it must not be.
const WRONG: &str = "hunter2-is-wrong";

fn with(program: Program, settings: &Settings) -> Program {
    settings.iter().fold(program, |program, (name, value)| program.env(name, value))
}

fn and(mut settings: Settings, more: &[(&'static str, String)]) -> Settings {
    settings.extend_from_slice(more);
    settings
}

fn speaking(protocol: &str) -> Settings {
    vec![("KAFKA_SECURITY_PROTOCOL", protocol.to_owned())]
}

fn tls(kafka: &Kafka, protocol: &str) -> Settings {
    and(speaking(protocol), &[("KAFKA_SSL_CA_LOCATION", kafka.tls("ca.pem"))])
}

/// The client's certificate, with an encrypted key.
fn certificate(kafka: &Kafka, name: &str) -> Settings {
    let more = [
        ("KAFKA_SSL_CERTIFICATE_LOCATION", kafka.tls(&format!("{name}.pem"))),
        ("KAFKA_SSL_KEY_LOCATION", kafka.tls(&format!("{name}.key"))),
    ];
    and(tls(kafka, "SSL"), &more)
}

/// User and password; with TLS unless the protocol is without.
fn user(kafka: &Kafka, protocol: &str, mechanism: &str) -> Settings {
    let settings =
        if protocol.ends_with("SSL") { tls(kafka, protocol) } else { speaking(protocol) };
    let more = [
        ("KAFKA_SASL_MECHANISM", mechanism.to_owned()),
        ("KAFKA_SASL_USERNAME", "ana".to_owned()),
        ("KAFKA_SASL_PASSWORD", kafka.password()),
    ];
    and(settings, &more)
}

/// The same with the password in a file.
fn user_by_file(kafka: &Kafka, protocol: &str, mechanism: &str) -> Settings {
    let mut settings = user(kafka, protocol, mechanism);
    settings.retain(|(name, _)| *name != "KAFKA_SASL_PASSWORD");
    and(settings, &[("KAFKA_SASL_PASSWORD_FILE", kafka.password_file())])
}

/// Ways to the database: its certificate is checked in each.
fn ways_to(postgres: &Postgres, folder: &Path) -> Vec<Settings> {
    let verified = format!("sslmode=verify-full&sslrootcert={}", postgres.tls("ca.pem"));
    let password = postgres.password();
    let with_password = postgres.url_of(&format!("ana:{password}"), &verified);
    let file = folder.join("url");
    fs::write(&file, format!("{with_password}\n")).expect("the folder is writable");
    let certificate = format!(
        "sslmode=verify-ca&sslrootcert={}&sslcert={}&sslkey={}",
        postgres.tls("ca.pem"),
        postgres.tls("client.pem"),
        postgres.tls("client.key"),
    );
    vec![
        vec![("DATABASE_URL", with_password)],
        vec![("DATABASE_URL", postgres.url_of("ana", &verified)), ("PGPASSWORD", password)],
        // The file goes before the variable, which the world has set.
        vec![("DATABASE_URL_FILE", file.display().to_string())],
        vec![("DATABASE_URL", postgres.url_of("client", &certificate))],
    ]
}

/// Nothing that a program of this world wrote may hold a secret.
#[track_caller]
fn assert_untold(world: &World, secrets: &[&str]) {
    let mut folders = vec![world.path("")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the world's folder is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("the world's files are readable");
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "{} holds a secret", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 0, "there is something to look at");
}

/// Nor may its process's title.
#[track_caller]
fn assert_untitled(running: &Running, secrets: &[&str]) {
    let pid = running.pid().to_string();
    let listed = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid]).output();
    let title = String::from_utf8_lossy(&listed.expect("ps is there").stdout).into_owned();
    assert!(title.contains("--topic"), "{title}");
    assert!(!secrets.iter().any(|secret| title.contains(secret)), "a secret in {title}");
}

/// Purchases go to Kafka and their totals to the database, each way; the logs tell all they can.
fn flow(kafka: &Kafka, ways: Vec<(&str, Settings)>) {
    let postgres = Postgres::shared();
    let secrets = [kafka.password(), postgres.password()];
    let secrets = [secrets[0].as_str(), secrets[1].as_str()];
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let to_database = ways_to(&postgres, folder.path());
    for (at, (listener, to_kafka)) in ways.iter().enumerate() {
        println!("{listener} {:?}", to_kafka.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let world = World::named("way").start();
        let program = |program: Program| {
            let program = program
                .with("--brokers", kafka.address(listener))
                .with("--log", "trace")
                .and("--kafka-option", "debug=security,broker,conf");
            with(with(program, to_kafka), &to_database[at % to_database.len()])
        };
        let _ = program(world.producer()).with("--count", 3_000).run().well();
        let job = program(world.draining()).with("--sink", "database,kafka");
        let _ = job.with("--output-topic", format!("{}.out", world.topic())).run().well();
        let rows = world.check(&world.question()).rows;
        assert_eq!(world.records_of(".out").len(), rows.len());
        assert_untold(&world, &secrets);
    }
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn purchases_flow_in_plain_text_and_over_tls() {
    let kafka = Kafka::shared();
    let encrypted_key = [
        ("KAFKA_SSL_KEY_LOCATION", kafka.tls("client-encrypted.key")),
        ("KAFKA_SSL_KEY_PASSWORD_FILE", kafka.password_file()),
    ];
    let ways = vec![
        ("PLAINTEXT", vec![]),
        ("SSL", tls(&kafka, "SSL")),
        ("MTLS", certificate(&kafka, "client")),
        ("MTLS", and(certificate(&kafka, "client"), &encrypted_key)),
    ];
    flow(&kafka, ways);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn purchases_flow_with_user_and_password() {
    let kafka = Kafka::shared();
    let ways = vec![
        ("SASL_PLAINTEXT", user(&kafka, "SASL_PLAINTEXT", "SCRAM-SHA-256")),
        ("SASL_PLAINTEXT", user_by_file(&kafka, "SASL_PLAINTEXT", "SCRAM-SHA-512")),
        ("SASL_PLAINTEXT", user(&kafka, "SASL_PLAINTEXT", "PLAIN")),
    ];
    flow(&kafka, ways);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn purchases_flow_with_user_and_password_over_tls() {
    let kafka = Kafka::shared();
    let ways = vec![
        ("SASL_SSL", user(&kafka, "SASL_SSL", "SCRAM-SHA-256")),
        ("SASL_SSL", user_by_file(&kafka, "SASL_SSL", "SCRAM-SHA-512")),
        ("SASL_SSL", user(&kafka, "SASL_SSL", "PLAIN")),
    ];
    flow(&kafka, ways);
}

/// The programs at work, so that their titles can be looked at.
#[test]
#[ignore = "needs real servers: make test-real"]
fn the_bank_flows_and_nobody_sees_a_secret() {
    let (kafka, postgres) = (Kafka::shared(), Postgres::shared());
    let world = World::named("bank_secure").start();
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let to_database = &ways_to(&postgres, folder.path())[0];
    let secrets = [kafka.password(), postgres.password()];
    let secrets = [secrets[0].as_str(), secrets[1].as_str()];
    let program = |program: Program| {
        let program = program.with("--brokers", kafka.address("SASL_SSL")).with("--log", "trace");
        with(with(program, &user(&kafka, "SASL_SSL", "SCRAM-SHA-512")), to_database)
    };
    world.make_topic(4);
    let producer = program(world.bank_producer()).with("--rate", 2_000).start();
    let mut consumer = program(world.bank_consumer()).start();
    world.wait_for_epoch_after(world.epoch(), &mut consumer);
    assert_untitled(&producer, &secrets);
    assert_untitled(&consumer, &secrets);
    let _ = producer.stopped_by(Signal::TERM).well();
    let _ = consumer.stopped_by(Signal::TERM).well();
    let _ = program(world.bank_consumer()).with("--trigger", "available-now").run().well();
    let ledger: bank::Ledger = world.check_bank();
    assert!(!ledger.customers.is_empty());
    assert_untold(&world, &secrets);
}

/// One sentence with these words, soon, and without the password that was tried.
#[track_caller]
fn assert_refused(world: &World, program: Program, words: &[&str]) {
    let clock = SystemClock::new();
    let ended = program.run();
    let took = clock.monotonic();
    let sentence = ended.sentence();
    for word in words {
        assert!(sentence.contains(word), "\"{word}\" is missing: {sentence}");
    }
    assert!(took.as_secs() < 15, "{took:?}: {sentence}");
    assert_untold(world, &[WRONG]);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn wrong_ways_to_kafka_end_in_one_sentence() {
    let kafka = Kafka::shared();
    let world = World::named("wrong_kafka").start();
    let change = |mut settings: Settings, name, value: String| {
        settings.retain(|(other, _)| *other != name);
        and(settings, &[(name, value)])
    };
    let ca = |file: &str| change(tls(&kafka, "SSL"), "KAFKA_SSL_CA_LOCATION", kafka.tls(file));
    let wrong = |mechanism| {
        let settings = user(&kafka, "SASL_SSL", mechanism);
        change(settings, "KAFKA_SASL_PASSWORD", WRONG.to_owned())
    };
    let scram = || user(&kafka, "SASL_SSL", "SCRAM-SHA-512");
    let wrong_key = change(
        certificate(&kafka, "client"),
        "KAFKA_SSL_KEY_LOCATION",
        kafka.tls("client-encrypted.key"),
    );
    let wrong_key = and(wrong_key, &[("KAFKA_SSL_KEY_PASSWORD", WRONG.to_owned())]);
    let cases: Vec<(&str, Settings, &[&str])> = vec![
        ("SASL_SSL", wrong("SCRAM-SHA-256"), &["\"ana\"", "KAFKA_SASL_PASSWORD"]),
        ("SASL_SSL", wrong("SCRAM-SHA-512"), &["cannot be used", "\"ana\""]),
        ("SASL_SSL", wrong("PLAIN"), &["\"ana\"", "by PLAIN"]),
        ("SASL_SSL", change(scram(), "KAFKA_SASL_USERNAME", "bob".into()), &["\"bob\""]),
        ("SASL_SSL", change(scram(), "KAFKA_SASL_MECHANISM", "SCRAM-SHA-1".into()), &["SHA-1"]),
        ("SSL", ca("other-ca.pem"), &["certificate", "other-ca.pem", "KAFKA_SSL_CA_LOCATION"]),
        ("SSL", speaking("SSL"), &["certificate", "the system's list"]),
        ("SSL", ca("no-such.pem"), &["cannot read", "no-such.pem"]),
        ("EXPIRED", tls(&kafka, "SSL"), &["certificate", "expired"]),
        ("ELSEWHERE", tls(&kafka, "SSL"), &["certificate", "host name"]),
        ("MTLS", tls(&kafka, "SSL"), &["client's certificate", "none is set"]),
        ("MTLS", certificate(&kafka, "expired"), &["client's certificate", "expired.pem"]),
        ("MTLS", wrong_key, &["key", "KAFKA_SSL_KEY_PASSWORD"]),
        ("SSL", scram(), &["no user", "KAFKA_SECURITY_PROTOCOL"]),
        ("SSL", vec![], &["closed every connection", "PLAINTEXT", "KAFKA_SECURITY_PROTOCOL"]),
        ("SASL_PLAINTEXT", vec![], &["closed every connection", "PLAINTEXT"]),
        ("PLAINTEXT", tls(&kafka, "SSL"), &["closed every connection", "SSL"]),
        ("SASL_PLAINTEXT", scram(), &["closed every connection", "SASL_SSL"]),
    ];
    for (listener, settings, words) in cases {
        println!("{listener} {words:?}");
        let producer = world.producer().with("--count", 10).with("--retry-for", "2s");
        let producer = producer.with("--brokers", kafka.address(listener));
        assert_refused(&world, with(producer, &settings), words);
    }
    // A job says the same.
    let job = world.streaming().with("--brokers", kafka.address("SASL_SSL"));
    assert_refused(&world, with(job, &wrong("SCRAM-SHA-512")), &["\"ana\"", "KAFKA_SASL_PASSWORD"]);
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn wrong_ways_to_the_database_end_in_one_sentence() {
    let postgres = Postgres::shared();
    let world = World::named("wrong_database").start();
    world.make_topic(1);
    let (ca, other_ca) = (postgres.tls("ca.pem"), postgres.tls("other-ca.pem"));
    let verified = |ca: &str| format!("sslmode=verify-full&sslrootcert={ca}");
    let by_name = |url: String| url.replace("127.0.0.1", "localhost");
    let wrong = format!("ana:{WRONG}");
    let cases: Vec<(String, &[&str])> = vec![
        (postgres.url_of(&wrong, &verified(&ca)), &["refused", "\"ana\"", "password"]),
        (postgres.url_of(&wrong, &verified(&other_ca)), &["securely", "UnknownIssuer"]),
        (postgres.url_of(&wrong, "sslmode=verify-full"), &["securely", "sslrootcert"]),
        // As in libpq, who names an authority wants it asked.
        (
            postgres.url_of(&wrong, &format!("sslmode=require&sslrootcert={other_ca}")),
            &["securely", "UnknownIssuer"],
        ),
        (by_name(postgres.url_of(&wrong, &verified(&ca))), &["securely", "localhost"]),
        (postgres.url_of(&wrong, &verified("/no/such.pem")), &["/no/such.pem", "sslrootcert"]),
        (postgres.url_of(&wrong, "sslmode=disable"), &["refused", "no encryption"]),
        (postgres.url_of("client", &verified(&ca)), &["refused", "certificate"]),
    ];
    for (url, words) in cases {
        println!("{words:?}");
        assert_refused(&world, world.streaming().env("DATABASE_URL", &url), words);
    }
}

#[test]
#[ignore = "needs real servers: make test-real"]
fn a_database_whose_certificate_has_expired_is_not_trusted() {
    let postgres = Postgres::start();
    let world = World::named("expired_database").start();
    world.make_topic(1);
    let ca = postgres.tls("ca.pem");
    let url = postgres.url_of("arus", &format!("sslmode=verify-full&sslrootcert={ca}"));
    let job = || world.draining().env("DATABASE_URL", &url);
    let _ = job().run().well();
    let certificate = postgres.tls("expired.pem");
    postgres.sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{certificate}'"));
    postgres.sql("ALTER SYSTEM SET ssl_key_file = 'expired.key'");
    postgres.crash();
    assert_refused(&world, job(), &["securely", "expired"]);
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let world = World::named("typed").without_broker().start();
    let url = format!("postgres://ana:{WRONG}@127.0.0.1:1/arus");
    let cases = [
        (world.streaming().with("--database-url", &url), "DATABASE_URL_FILE"),
        (world.streaming().with("--kafka-sasl-password", WRONG), "KAFKA_SASL_PASSWORD"),
        (
            world.producer().with("--kafka-option", format!("sasl.password={WRONG}")),
            "KAFKA_SASL_PASSWORD_FILE",
        ),
        (world.producer().with("--kafka-ssl-key-password", WRONG), "KAFKA_SSL_KEY_PASSWORD"),
    ];
    for (program, word) in cases {
        let ended = program.run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        assert!(ended.stderr.contains("all users of the machine"), "{}", ended.stderr);
        assert_untold(&world, &[WRONG]);
    }
}

#[test]
fn settings_that_do_not_fit_together_are_told_at_once() {
    let world = World::named("unfit").without_broker().start();
    let password = ("KAFKA_SASL_PASSWORD", WRONG.to_owned());
    let mechanism = ("KAFKA_SASL_MECHANISM", "PLAIN".to_owned());
    let cases: Vec<(Settings, &[&str])> = vec![
        (vec![password.clone()], &["KAFKA_SASL_PASSWORD", "PLAINTEXT asks for no user"]),
        (and(speaking("SASL_SSL"), std::slice::from_ref(&password)), &["KAFKA_SASL_MECHANISM"]),
        (and(speaking("SASL_SSL"), &[password, mechanism]), &["KAFKA_SASL_USERNAME"]),
        (speaking("TLS"), &["TLS", "SASL_SSL"]),
        (vec![("KAFKA_SSL_CA_LOCATION", "ca.pem".into())], &["not encrypted", "SSL"]),
        // Empty is not set: then nobody answers.
        (vec![("KAFKA_SSL_CA_LOCATION", String::new())], &["no Kafka broker answers"]),
    ];
    for (settings, words) in cases {
        let producer = world.producer().with("--brokers", "127.0.0.1:1").with("--retry-for", "1s");
        assert_refused(&world, with(producer, &settings), words);
    }
}
