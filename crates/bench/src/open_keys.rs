//! What the streaming job keeps in memory, by the number of keys in its open windows.

use crate::programs::{Load, World};

/// Purchases and customers of each topic. A few customers buy a lot, so it takes some purchases
/// until nearly all have bought.
const LOADS: [Load; 4] = [
    Load { topic: "five", events: 1_000_000, customers: 5 },
    Load { topic: "ten-thousand", events: 1_000_000, customers: 10_000 },
    Load { topic: "hundred-thousand", events: 1_000_000, customers: 100_000 },
    Load { topic: "million", events: 4_000_000, customers: 1_100_000 },
];

/// Measures and prints.
pub(crate) fn measure(world: &mut World<'_>) -> anyhow::Result<()> {
    println!("memory: purchase-streaming, by open keys; five aggregates each, nothing closes");
    println!("  {:>11} {:>12} {:>14}", "open keys", "peak memory", "bytes a key");
    let mut base = None;
    for load in LOADS {
        world.produce(load)?;
        // All purchases are of one day.
        let flags = ["--group-by", "customer_id", "--window", "24h"];
        let streamed = world.stream(load, &flags)?;
        let megabytes = streamed.peak as f64 / 1e6;
        print!("  {:>11} {megabytes:>9.0} MB", streamed.open_rows);
        match base {
            None => println!(),
            Some((keys, peak)) => {
                let more = streamed.peak as f64 - peak as f64;
                println!(" {:>14.0}", more / (streamed.open_rows - keys) as f64);
            }
        }
        base = base.or(Some((streamed.open_rows, streamed.peak)));
    }
    Ok(())
}
