//! The log: one line per event to standard error, as text for people or as JSON for machines.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Error;

/// Log flags, flattened into every program.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace) or a filter by module like
    /// "info,rdkafka=debug"
    #[arg(
        long,
        env = "ARUS_LOG",
        default_value = "info",
        value_name = "FILTER",
        help_heading = "Logs and metrics"
    )]
    pub log: String,

    /// How to log: "text" for people, "json" for machines (one object per line)
    #[arg(
        long,
        env = "ARUS_LOG_FORMAT",
        default_value = "text",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Logs and metrics"
    )]
    pub log_format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Time, level, module, message, fields; in colours on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogArgs {
    /// Logs to standard error from now on; in colours only if that is a terminal and `NO_COLOR` is
    /// not set.
    ///
    /// # Errors
    /// When the filter cannot be read, or the log is set up already.
    pub fn init(&self) -> Result<(), Error> {
        let colours =
            io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        self.install(BoxMakeWriter::new(io::stderr), colours)
    }

    /// Logs to the end of a file from now on: for programs that need the whole terminal.
    ///
    /// # Errors
    /// When the file cannot be opened, the filter cannot be read, or the log is set up already.
    pub fn init_to_file(&self, path: &Path) -> Result<(), Error> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|source| Error::LogFile { path: path.to_owned(), source })?;
        self.install(BoxMakeWriter::new(Arc::new(file)), false)
    }

    fn filter(&self) -> Result<EnvFilter, Error> {
        EnvFilter::builder().parse(&self.log).map_err(|error| Error::LogFilter {
            filter: self.log.clone(),
            reason: error.to_string(),
        })
    }

    fn install(&self, writer: BoxMakeWriter, colours: bool) -> Result<(), Error> {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            .with_writer(writer)
            .with_ansi(colours);
        let installed = match self.log_format {
            LogFormat::Text => builder.finish().try_init(),
            LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
        };
        installed.map_err(|error| Error::LogTwice(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        log: LogArgs,
    }

    fn parse(args: &[&str]) -> LogArgs {
        <Program as clap::Parser>::try_parse_from([&["program"], args].concat()).unwrap().log
    }

    #[test]
    fn filters() {
        for good in ["info", "warn,rdkafka=debug", "off", "arus_streaming=trace"] {
            assert!(parse(&["--log", good]).filter().is_ok(), "{good}");
        }
        let error = parse(&["--log", "info,,=="]).filter().unwrap_err().to_string();
        assert!(error.contains("is no log filter"), "{error}");
    }

    #[test]
    fn json_lines_reach_the_file_and_a_second_set_up_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        let args = parse(&["--log", "info", "--log-format", "json"]);
        args.init_to_file(&path).unwrap();
        tracing::info!(epoch = 7, "committed");
        tracing::debug!("not wanted");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("\"message\":\"committed\"") && text.contains("\"epoch\":7"),
            "{text}"
        );
        assert!(!text.contains("not wanted"), "{text}");
        assert!(matches!(args.init(), Err(Error::LogTwice(_))));
        let missing = folder.path().join("no/such/folder");
        assert!(matches!(args.init_to_file(&missing), Err(Error::LogFile { .. })));
    }
}
