//! What can go wrong before a program's own work begins.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A set-up failure, in one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--log` is not a filter.
    #[error(
        "\"{filter}\" is no log filter ({reason}): \
         write a level like \"info\", or \"info,rdkafka=debug\""
    )]
    LogFilter {
        /// What was given.
        filter: String,
        /// The parser's word.
        reason: String,
    },
    /// The log file cannot be opened.
    #[error("cannot open the log file {}: {source}", path.display())]
    LogFile {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Logging is set up twice in one process.
    #[error("the log is set up already: {0}")]
    LogTwice(String),
    /// The metrics address cannot be listened on.
    #[error(
        "cannot serve metrics at {address}: {source}; \
         choose another --metrics-addr (port 0 takes a free one)"
    )]
    MetricsAddress {
        /// What was given.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// The metrics recorder cannot be set up, for instance because it is set up already.
    #[error("cannot set up the metrics: {0}")]
    Metrics(String),
    /// `--health` without an address.
    #[error("--health asks the program at --metrics-addr: set METRICS_ADDR as it has it")]
    NoHealthAddress,
    /// The program at the metrics address is not at work.
    #[error("the program at {address} is not at work: {reason}")]
    NotAtWork {
        /// Where it was asked.
        address: SocketAddr,
        /// Its answer, or why there is none.
        reason: String,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
    /// A thread cannot be started.
    #[error("cannot start the thread \"{name}\": {source}")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// The process cannot listen for signals.
    #[error("cannot listen for the stop signals: {0}")]
    Signals(std::io::Error),
}
