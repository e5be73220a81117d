//! The loop of every program that makes records up and sends them: create the topic, keep to the
//! rate, notice the stop signal and failures, tell the progress, and close with figures that add
//! up.
//!
//! What a record holds is the business of a [`Maker`]; a program is its flags and its maker,
//! between [`Program::start`] and [`Program::send`].

mod closing;
mod program;
mod progress;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use arus_runtime::clock::Clock;
use arus_runtime::duration;
use arus_runtime::shutdown::Shutdown;
use chrono::DateTime;

pub use closing::Closing;
pub use program::{Program, ProgramArgs};

use crate::admin::{self, TopicSpec};
use crate::pacer::Pacer;
use crate::producer::{CountedProducer, Record};
use crate::{Error, KafkaArgs};
use progress::Progress;

/// How many records are made between two looks at the clock and the stop signal.
const CHUNK: u64 = 500;
/// The shortest and the longest sleep while nothing is due.
const SLEEP: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(50);

/// The last time that a reader believes: the end of the year 9999, ms since the Unix epoch.
const LATEST_MS: i64 = 253_402_300_799_999;
/// Event times may lie so far behind the clock, ms: 20 years.
const MOST_BACK_MS: i64 = 20 * 366 * 86_400_000;

/// The flags that all producers share.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load")]
pub struct ProducerArgs {
    /// Records per second; 0 is as fast as it goes
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    pub rate: u64,

    /// Stop after this many records
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,

    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub duration: Option<Duration>,

    /// Partitions of the topic, if it has to be created; a topic that is there keeps its own
    #[arg(
        long,
        default_value_t = 4,
        value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    pub partitions: i32,

    /// Start of the random numbers; without it every run is another, and the log says which
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Event time of the first record, such as 2024-01-01T00:00:00Z; record i is then i/rate later
    /// (1 ms each with --rate 0), whatever the clock says, and the same --seed and --count give the
    /// same log, byte for byte
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    pub start_time: Option<i64>,

    /// Give a record up that the broker has not acknowledged in this time
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration::parse_positive)]
    pub delivery_timeout: Duration,

    /// Write the closing figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

/// Reads an RFC 3339 time as ms since the Unix epoch.
fn parse_time(text: &str) -> Result<i64, String> {
    DateTime::parse_from_rfc3339(text.trim())
        .map(|time| time.timestamp_millis())
        .map_err(|_| format!("\"{text}\" is no time: write 2024-01-01T00:00:00Z"))
}

impl ProducerArgs {
    /// Whether a reader believes the event times: that of the first record, of the last one of
    /// `--count`, and what lies `back_ms` before.
    ///
    /// # Errors
    /// A sentence for the user, when it is not.
    pub fn check_event_times(
        &self,
        back_ms: i64,
        believed_ms: RangeInclusive<i64>,
    ) -> Result<(), String> {
        let Some(start_ms) = self.start_time else {
            return match back_ms > MOST_BACK_MS {
                true => Err("--max-lateness is 20 years at the most".to_owned()),
                false => Ok(()),
            };
        };
        let earliest_ms = start_ms.saturating_sub(back_ms);
        let last = self.count.map_or(0, |count| count.saturating_sub(1));
        let latest_ms = self.offset_ms(last).saturating_add(start_ms);
        if believed_ms.contains(&earliest_ms) && believed_ms.contains(&latest_ms) {
            return Ok(());
        }
        Err("event times must lie in the years 2000 to 9999, the first, the last and the late ones: \
             choose another --start-time"
            .to_owned())
    }

    /// Event time of record `index`, when the flags and not the clock say it. A run without an end
    /// stays at the last time that a reader believes.
    fn replayed_ms(&self, index: u64) -> Option<i64> {
        Some(self.start_time?.saturating_add(self.offset_ms(index)).min(LATEST_MS))
    }

    fn offset_ms(&self, index: u64) -> i64 {
        let per_second = if self.rate == 0 { 1_000 } else { self.rate };
        let offset_ms = u128::from(index) * 1_000 / u128::from(per_second);
        i64::try_from(offset_ms).unwrap_or(i64::MAX)
    }
}

/// A record while it is made. The same one is filled again and again, so that no record costs an
/// allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub payload: Vec<u8>,
    /// Send no value at all, whatever `payload` holds.
    pub tombstone: bool,
    /// The record's timestamp, ms since the Unix epoch.
    pub timestamp_ms: i64,
}

/// Makes records up.
pub trait Maker {
    /// Fills `draft` with the next record, as if it happened at `now_ms` (ms since the Unix epoch).
    fn make(&mut self, now_ms: i64, draft: &mut Draft);

    /// What else to count in the closing line and the summary, such as late records.
    fn tallies(&self) -> Vec<(&'static str, u64)>;
}

/// What the loop works with.
pub struct Load<'a> {
    /// Which broker.
    pub kafka: &'a KafkaArgs,
    /// How many, how fast, how long.
    pub args: &'a ProducerArgs,
    /// Where to.
    pub topic: &'a str,
    /// The topic's own settings, if it has to be created.
    pub topic_configs: Vec<(String, String)>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// When to stop early.
    pub shutdown: &'a Shutdown,
}

impl Load<'_> {
    /// Creates the topic, sends what `maker` makes until the flags, the stop signal or a failed
    /// delivery say stop, and waits for the answers. Whether all was delivered is for
    /// [`Closing::verdict`] to say.
    ///
    /// # Errors
    /// Those of [`admin::ensure_topic`] and [`CountedProducer::new`]: before anything was sent.
    pub fn run(&self, maker: &mut dyn Maker) -> Result<Closing, Error> {
        let starting = self.shutdown.at_once();
        self.prepare_topic()?;
        let timeout = self.args.delivery_timeout;
        let producer = CountedProducer::with_delivery_timeout(self.kafka, timeout)?;
        drop(starting);
        // Whoever waits for this program finds the topic there.
        arus_runtime::metrics::at_work();
        let start = self.clock.monotonic();
        let mut progress = Progress::new(self.topic);
        let sent = self.send_all(maker, &producer, start, &mut progress);
        let counts = producer.flush(producer.delivery_timeout() + Duration::from_secs(5));
        let elapsed = self.clock.monotonic() - start;
        progress.end(elapsed, &counts);
        Ok(Closing { counts, tallies: maker.tallies(), elapsed, stopped_by: sent.err() })
    }

    fn prepare_topic(&self) -> Result<(), Error> {
        let spec = TopicSpec {
            name: self.topic.to_owned(),
            partitions: self.args.partitions,
            configs: self.topic_configs.clone(),
        };
        let state = admin::ensure_topic(self.kafka, &spec)?;
        let (topic, partitions) = (self.topic, state.partitions);
        if state.created {
            tracing::info!(topic, partitions, "topic created");
        } else if partitions != self.args.partitions {
            let asked = self.args.partitions;
            tracing::warn!(topic, partitions, asked, "the topic is there and keeps its partitions");
        }
        if !state.created {
            self.compare_settings();
        }
        Ok(())
    }

    /// Warns of settings that a topic which was there before does not have.
    fn compare_settings(&self) {
        let topic = self.topic;
        for (name, asked) in &self.topic_configs {
            match admin::topic_setting(self.kafka, topic, name) {
                Ok(Some(found)) if found == *asked => {}
                Ok(found) => {
                    let found = found.as_deref().unwrap_or("not set");
                    tracing::warn!(topic, name, asked, found, "the topic keeps its settings");
                }
                // Nothing to fail for: some brokers tell such things to administrators only.
                Err(error) => tracing::warn!(topic, name, %error, "no settings were told"),
            }
        }
    }

    fn send_all(
        &self,
        maker: &mut dyn Maker,
        producer: &CountedProducer,
        start: Duration,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut pacer = Pacer::new(self.args.rate);
        let mut draft = Draft::default();
        let count = self.args.count.unwrap_or(u64::MAX);
        let until = self.args.duration.unwrap_or(Duration::MAX);
        let (mut made, mut owed) = (0, 0_u64);
        loop {
            // Not past the end, so that a rate and a duration give a whole number of records.
            let elapsed = (self.clock.monotonic() - start).min(until);
            let is_over = elapsed == until;
            match pacer.due(elapsed) {
                // More than a second's worth is not made up for: the broker cannot keep up.
                Some(due) => owed = (owed + due).min(self.args.rate),
                None => owed = if is_over { 0 } else { CHUNK },
            }
            let chunk = owed.min(CHUNK).min(count - made);
            let now_ms = self.clock.wall_ms();
            for index in made..made + chunk {
                maker.make(self.args.replayed_ms(index).unwrap_or(now_ms), &mut draft);
                producer.send(self.record(&draft))?;
            }
            made += chunk;
            owed -= chunk;
            if progress.is_due(elapsed) {
                progress.tell(elapsed, &producer.counts());
            }
            let is_done = made == count || (is_over && owed == 0);
            if is_done || self.shutdown.is_requested() || producer.has_failed() {
                return Ok(());
            }
            if owed == 0 && self.args.rate > 0 {
                let wait = pacer.wait(elapsed).clamp(*SLEEP.start(), *SLEEP.end());
                self.shutdown.wait_timeout(wait.min(until - elapsed));
            }
        }
    }

    fn record<'a>(&'a self, draft: &'a Draft) -> Record<'a> {
        Record {
            topic: self.topic,
            partition: None,
            key: Some(&draft.key),
            payload: (!draft.tombstone).then_some(&draft.payload),
            timestamp_ms: Some(draft.timestamp_ms),
            headers: &[],
        }
    }
}

#[cfg(test)]
mod tests;
