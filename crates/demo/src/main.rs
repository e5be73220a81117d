//! The first minute: starts everything, shows it live, ends it cleanly, and adds the numbers up.

mod children;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use arus_kafka::KafkaArgs;
use arus_kafka::admin::{TopicSpec, delete_topic, ensure_topic, wait_for_broker};
use arus_runtime::{duration, exit};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::children::Child;
use crate::summary::Place;

const TOPIC: &str = "demo-purchases";
const TABLE: &str = "demo_purchase_windows";
const BANK_TOPIC: &str = "demo-nasabah-bank";
const BANK_TABLE: &str = "demo_bank_balance_by_city";
const PARTITIONS: i32 = 4;

/// Runs the whole pipeline for a look: broker, producers, streaming job, bank consumer
///
/// Starts an embedded broker of its own (unless KAFKA_BROKERS names one), sends purchases, some of
/// them late and some unreadable, totals them every 30 seconds of event time into a database (a
/// SQLite file unless DATABASE_URL names another), and shows it live. Beside them bank customers
/// and their changes are sent, and the averages of their balances kept. Ctrl-C ends everything:
/// what was sent is read to the end, all windows are closed, and the numbers are added up.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Ends by itself after this long
    #[arg(long = "for", value_parser = duration::parse, value_name = "TIME")]
    length: Option<Duration>,

    /// Purchases a second
    #[arg(long, default_value_t = 2000)]
    rate: u32,

    /// Length of a window
    #[arg(long, value_parser = duration::parse, default_value = "30s", value_name = "TIME")]
    window: Duration,

    /// Share of purchases that come late, by up to a minute
    #[arg(long, default_value_t = 0.05)]
    late_fraction: f64,

    /// Share of records that cannot be read
    #[arg(long, default_value_t = 0.002)]
    bad_fraction: f64,

    /// Folder of the demo's broker, database, checkpoints and logs; emptied at the start
    #[arg(long, default_value = ".arus/demo")]
    folder: PathBuf,
}

/// How Kafka is reached, if it is not the demo's own.
#[derive(Parser)]
struct Environment {
    #[command(flatten)]
    kafka: KafkaArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let run = || -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(demo(&args))
    };
    exit::report(run())
}

async fn demo(args: &Args) -> anyhow::Result<()> {
    // Before anything is started, so that no Ctrl-C finds half of it unattended.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    prepare(&args.folder)?;
    // Read as the programs read it that are started below.
    let mut kafka = Environment::parse_from(["demo"]).kafka;
    let (broker, brokers) = match std::env::var("KAFKA_BROKERS") {
        Ok(brokers) if !brokers.is_empty() => (None, brokers),
        _ => {
            let (broker, address) = Child::broker(&args.folder).await?;
            (Some(broker), address)
        }
    };
    kafka.brokers.clone_from(&brokers);
    make_topics(kafka).await?;
    // What is named may hold a password, so it is not shown.
    let is_named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let (database, place) = match ["DATABASE_URL", "DATABASE_URL_FILE"].into_iter().any(is_named) {
        true => (None, Place::Named),
        false => {
            let file = args.folder.join("arus.db");
            (Some(format!("sqlite://{}", file.display())), Place::File(file))
        }
    };
    let database = database.as_deref();
    let mut streaming = Child::streaming(args, &brokers, database)?;
    let mut producer = Child::producer(args, &brokers)?;
    let mut bank_consumer = Child::bank_consumer(args, &brokers, database, false)?;
    let mut bank_producer = Child::bank_producer(args, &brokers)?;

    let stopped = tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = producer.ended() => ended,
        ended = streaming.ended_early() => ended,
        ended = bank_consumer.ended_early() => ended,
        ended = bank_producer.ended_early() => ended,
    };
    let named = broker.is_none().then_some(brokers.as_str());
    // The producer first: then the job can read all that was sent.
    let leave = async {
        bank_producer.stop(Duration::from_secs(60)).await?;
        producer.stop(Duration::from_secs(60)).await?;
        streaming.stop(Duration::from_secs(90)).await?;
        bank_consumer.stop(Duration::from_secs(60)).await?;
        // What it has not read yet, it reads now.
        let mut rest = Child::bank_consumer(args, &brokers, database, true)?;
        rest.ended_within(Duration::from_secs(60)).await?;
        match broker {
            Some(mut broker) => broker.stop(Duration::from_secs(30)).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        left = leave => stopped.and(left)?,
        // A second signal: the children are killed as their values are dropped.
        _ = interrupt.recv() => bail!("stopped at once: the numbers are not complete"),
        _ = terminate.recv() => bail!("stopped at once: the numbers are not complete"),
    }
    summary::print(&args.folder, named, &place)
}

/// Empties the demo's own folder.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let marker = folder.join("made-by-arus-demo");
    if folder.exists() {
        if !marker.exists() {
            bail!("{} is not a folder of the demo: give another --folder", folder.display());
        }
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(marker, "").with_context(|| format!("cannot write {}", folder.display()))
}

/// Makes the demo's topics anew.
async fn make_topics(kafka: KafkaArgs) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        wait_for_broker(&kafka)?;
        for topic in [TOPIC, BANK_TOPIC] {
            for suffix in ["", ".late", ".rejected"] {
                delete_topic(&kafka, &format!("{topic}{suffix}"))?;
            }
            ensure_topic(&kafka, &TopicSpec::new(topic, PARTITIONS))?;
        }
        Ok(())
    })
    .await?
}
