//! Reads and checks invoices, and does nothing with them: how fast is that?
//!
//! ```sh
//! cargo run --workspace --example extract -- ../shared/data/online-retail-dataset.csv.zst
//! ```
//! An option before the input, such as `--threads 2`, says how many threads decode.

use arus_runtime::clock::{Clock, SystemClock};
use clap::Parser;
use retail_etl::extract::{ExtractArgs, Progress, extract};

/// Reads and checks invoices, and says how long it took.
#[derive(Parser)]
struct Args {
    /// Threads that decode.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How often.
    #[arg(long, default_value_t = 5)]
    times: u32,
    #[command(flatten)]
    extract: ExtractArgs,
}

fn main() -> Result<(), retail_etl::Error> {
    let args = Args::parse();
    let folder = std::env::temp_dir();
    let options = args.extract.options(&folder, args.threads);
    let clock = SystemClock::new();
    for _ in 0..args.times {
        let began = clock.monotonic();
        let mut blocks = 0;
        let extracted = extract(&options, &mut Progress::new(&clock, true), &mut |_| {
            blocks += 1;
            Ok(())
        })?;
        let took = clock.monotonic() - began;
        let quality = extracted.quality;
        println!("{took:?}: {blocks} blocks, {} rows, {} rejected", quality.rows, quality.rejected);
    }
    Ok(())
}
