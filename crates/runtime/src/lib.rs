//! What every program of the workspace shares at its edge: flag blocks for logs and metrics, flags
//! from the environment, the stop signal, the clock, durations and numbers as people write them,
//! standard output, secrets, files that are whole or not there, and how a program ends.
//!
//! Flow of a `main`: parse the flags of [`environment::with_variables`], [`logging::LogArgs::init`], [`metrics::MetricsArgs::serve`],
//! [`shutdown::on_signals`], make one [`clock::SystemClock`], run, [`exit::report`].
//!
//! There is no domain knowledge here: no Kafka, no SQL, no windows.

pub mod clock;
pub mod duration;
pub mod environment;
mod error;
pub mod exit;
pub mod files;
pub mod logging;
pub mod metrics;
pub mod number;
pub mod output;
pub mod secret;
pub mod shutdown;

pub use error::Error;
