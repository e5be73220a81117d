//! A producer from its flags to its closing line; between the two it makes its maker.

use arus_runtime::clock::{Clock, SystemClock};
use arus_runtime::logging::LogArgs;
use arus_runtime::metrics::MetricsArgs;
use arus_runtime::output;
use arus_runtime::shutdown::{self, Shutdown};

use super::{Load, Maker, ProducerArgs};
use crate::{Error, KafkaArgs};

/// The flags that all producers share, in the order of their `--help`.
#[derive(Clone, Debug, clap::Args)]
pub struct ProgramArgs {
    /// How many, how fast, how long.
    #[command(flatten)]
    pub load: ProducerArgs,

    /// Which broker.
    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// What to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where to serve metrics.
    #[command(flatten)]
    pub metrics: MetricsArgs,
}

/// A producer that is ready to send. Made in `main`, for it has the real clock.
pub struct Program<'a> {
    /// Start of the random numbers: that of the flags, or one that no other run has.
    pub seed: u64,
    args: &'a ProgramArgs,
    clock: SystemClock,
    shutdown: Shutdown,
}

impl<'a> Program<'a> {
    /// Sets up the log, the metrics, the stop signal and the clock, once per process.
    ///
    /// # Errors
    /// [`Error::SetUp`] when one of them cannot be.
    pub fn start(args: &'a ProgramArgs) -> Result<Self, Error> {
        args.log.init()?;
        if let Some(address) = args.metrics.serve()? {
            tracing::info!(%address, "metrics at /metrics");
        }
        let shutdown = shutdown::on_signals_in_a_thread()?;
        let clock = SystemClock::new();
        let seed = args.load.seed.unwrap_or_else(|| own_seed(&clock));
        Ok(Self { seed, args, clock, shutdown })
    }

    /// Sends what `maker` makes to `topic`, which is created with the settings of `topic_configs`
    /// if it is not there; prints the closing line and writes the summary.
    ///
    /// # Errors
    /// Those of [`Load::run`], [`super::Closing::write_summary`] and [`super::Closing::verdict`].
    pub fn send(
        &self,
        topic: &str,
        topic_configs: Vec<(String, String)>,
        maker: &mut dyn Maker,
    ) -> Result<(), Error> {
        let args = &self.args.load;
        tracing::info!(topic, seed = self.seed, rate = args.rate, "making records");
        let load = Load {
            kafka: &self.args.kafka,
            args,
            topic,
            topic_configs,
            clock: &self.clock,
            shutdown: &self.shutdown,
        };
        let closing = load.run(maker)?;
        output::line(&closing)?;
        if let Some(path) = &args.summary {
            closing.write_summary(path)?;
        }
        closing.verdict()
    }
}

/// A seed that another process, or another start, does not have.
fn own_seed(clock: &SystemClock) -> u64 {
    clock.wall_ms().unsigned_abs() << 20 ^ u64::from(std::process::id())
}
