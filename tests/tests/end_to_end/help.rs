//! `--help` of every program: the flags that a user needs first, and what the exit codes mean.

use arus_tests::World;

#[test]
fn every_program_tells_how_it_is_used() {
    let world = World::named("help").without_broker().start();
    let cases: [(&'static str, &[&str]); 6] = [
        (
            "purchase-streaming",
            &[
                "--window",
                "--slide",
                "--gap",
                "--watermark",
                "--group-by",
                "--agg",
                "--sink",
                "--output-mode",
                "--trigger",
                "--checkpoint",
                "--drain",
                "--reset",
                "--threads",
                "--brokers",
                "KAFKA_BROKERS",
                "DATABASE_URL",
                "DATABASE_URL_FILE",
                "KAFKA_SECURITY_PROTOCOL",
                "KAFKA_SASL_PASSWORD_FILE",
                "METRICS_ADDR",
                "--health",
                "ARUS_MAX_SKEW",
                "at-least-once",
                "exactly-once",
                "Exit codes",
                "Examples",
            ],
        ),
        (
            "purchase-producer",
            &[
                "--rate",
                "--count",
                "--duration",
                "--late-fraction",
                "--max-lateness",
                "--out-of-order",
                "--bad-fraction",
                "--partitions",
                "--seed",
                "--start-time",
                "KAFKA_BROKERS",
                "--health",
                "ARUS_MAX_LATENESS",
                "Exit codes",
            ],
        ),
        (
            "bank-consumer",
            &[
                "--per-message",
                "--from-beginning",
                "--trigger",
                "--start",
                "--checkpoint",
                "--table-prefix",
                "--threads",
                "KAFKA_BROKERS",
                "DATABASE_URL",
                "METRICS_ADDR",
                "--health",
                "ARUS_MAX_SKEW",
                "at-least-once",
                "exactly-once",
                "bank_balance_by_city",
                "Exit codes",
                "Examples",
            ],
        ),
        (
            "bank-producer",
            &[
                "--customers",
                "--compact",
                "--withdrawal-fraction",
                "--move-fraction",
                "--closure-fraction",
                "--out-of-order-fraction",
                "--duplicate-fraction",
                "--bad-fraction",
                "--rate",
                "--count",
                "--seed",
                "--start-time",
                "KAFKA_BROKERS",
                "--health",
                "ARUS_MAX_LATENESS",
                "Exit codes",
            ],
        ),
        ("broker", &["--listen", "--advertise", "--data", "--memory"]),
        ("demo", &["--for", "--window", "--folder", "KAFKA_BROKERS"]),
    ];
    for (name, words) in cases {
        let ended = world.program(name).switch("--help").run().well();
        for word in words {
            assert!(ended.stdout.contains(word), "{name} --help does not tell {word}");
        }
        let longest = ended.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(120), "{name} --help has a line of {longest:?} columns");
        let version = world.program(name).switch("--version").run().well();
        assert!(version.stdout.starts_with(name), "{}", version.stdout);
    }
}
