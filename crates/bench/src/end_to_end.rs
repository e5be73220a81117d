//! The streaming job reading from a broker, beside a librdkafka consumer that only counts, each a
//! process of its own.
//!
//! Both run in every round, one right after the other, now this one first and now that one; what is
//! told is the median of the rounds' ratios. So a machine that is slower for a while does not look
//! like a slower program.

use std::time::Duration;

use crate::programs::{Load, World};
use crate::rate;

/// Measures and prints.
pub(crate) fn measure(world: &mut World<'_>, events: usize, rounds: usize) -> anyhow::Result<()> {
    println!("end to end: {events} purchases from the embedded broker, 4 partitions");
    let many = Load { topic: "purchases", events, customers: 10_000 };
    // What a program takes to start and stop, whatever it reads.
    let one = Load { topic: "one", events: 1, customers: 1 };
    world.produce(one)?;
    println!("  producer into the broker: {}", rate(events, world.produce(many)?));

    let mut starts = Rounds::default();
    let mut wholes = Rounds::default();
    for round in 0..rounds {
        starts.run(world, one, round)?;
        wholes.run(world, many, round)?;
    }
    wholes.print("whole processes", events, [Duration::ZERO; 2]);
    let start = [median(&mut starts.counting.clone()), median(&mut starts.streaming.clone())];
    wholes.print("without start and stop", events, start);
    println!("  purchase-streaming's peak memory: {:.0} MB", wholes.peak as f64 / 1e6);
    Ok(())
}

/// How long each took, round by round.
#[derive(Default)]
struct Rounds {
    counting: Vec<Duration>,
    streaming: Vec<Duration>,
    /// The peak of purchase-streaming's memory, bytes.
    peak: u64,
}

impl Rounds {
    fn run(&mut self, world: &mut World<'_>, load: Load, round: usize) -> anyhow::Result<()> {
        let is_counting_first = round.is_multiple_of(2);
        for is_counting in [is_counting_first, !is_counting_first] {
            if is_counting {
                self.counting.push(world.count(load)?);
            } else {
                let streamed = world.stream(load, &["--drain"])?;
                self.streaming.push(streamed.time);
                self.peak = self.peak.max(streamed.peak);
            }
        }
        Ok(())
    }

    /// Without what `start` says that each takes whatever it reads.
    fn print(&self, what: &str, events: usize, start: [Duration; 2]) {
        let net = |times: &[Duration], start: Duration| -> Vec<Duration> {
            times.iter().map(|time| time.saturating_sub(start)).collect()
        };
        let mut counting = net(&self.counting, start[0]);
        let mut streaming = net(&self.streaming, start[1]);
        let pairs = counting.iter().zip(&streaming);
        let mut ratios: Vec<f64> = pairs
            .map(|(counting, streaming)| counting.as_secs_f64() / streaming.as_secs_f64())
            .collect();
        let ratio = median(&mut ratios);
        println!(
            "  {what}: counting {}, purchase-streaming into SQLite {}, ratio {ratio:.2} \
             (from {:.2} to {:.2} in {} rounds)",
            rate(events, median(&mut counting)),
            rate(events, median(&mut streaming)),
            ratios[0],
            ratios[ratios.len() - 1],
            ratios.len(),
        );
    }
}

/// The middle one; sorts them. There is one at least.
fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).expect("times and ratios are numbers"));
    values[values.len() / 2]
}
