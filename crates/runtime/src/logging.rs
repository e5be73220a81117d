//! The log: one line per event to standard error, as text for people or as JSON for machines.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::Error;

/// Log flags, flattened into every program; where it has subcommands, before them or after.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace) or a filter by module like
    /// "info,rdkafka=debug"
    #[arg(
        long,
        global = true,
        env = "ARUS_LOG",
        default_value = "info",
        value_name = "FILTER",
        help_heading = "Logs and metrics"
    )]
    pub log: String,

    /// How to log: "text" for people, "json" for machines (one object per line)
    #[arg(
        long,
        global = true,
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
        self.install(BoxMakeWriter::new(io::stderr), colours())
    }

    /// Like [`LogArgs::init`], and a copy of the log goes wherever the answer is told. For programs
    /// that talk to people themselves, standard error can get warnings only, as long as `--log` is
    /// left at info.
    ///
    /// # Errors
    /// As [`LogArgs::init`].
    pub fn init_with_copy(&self, warnings_only: bool) -> Result<LogCopy, Error> {
        let copy = LogCopy::default();
        let writer = copy.clone();
        let to_stderr = BoxMakeWriter::new(io::stderr);
        let to_copy = BoxMakeWriter::new(move || writer.clone());
        let level = match warnings_only && self.log == "info" {
            true => LevelFilter::WARN,
            false => LevelFilter::TRACE,
        };
        let log = tracing_subscriber::registry().with(self.filter()?);
        let installed = match self.log_format {
            LogFormat::Text => log
                .with(layer(to_stderr, colours()).with_filter(level))
                .with(layer(to_copy, false))
                .try_init(),
            LogFormat::Json => log
                .with(layer(to_stderr, false).json().flatten_event(true).with_filter(level))
                .with(layer(to_copy, false).json().flatten_event(true))
                .try_init(),
        };
        installed.map_err(|error| Error::LogTwice(error.to_string()))?;
        Ok(copy)
    }

    /// Logs to the end of a file from now on: for programs that need the whole terminal.
    ///
    /// # Errors
    /// When the file cannot be opened, the filter cannot be read, or the log is set up already.
    pub fn init_to_file(&self, path: &Path) -> Result<(), Error> {
        let file = open(path)?;
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

/// A copy of the log in a file that can change while the program runs: one a run, say. At first
/// there is none. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct LogCopy {
    file: Arc<Mutex<Option<File>>>,
}

impl LogCopy {
    /// Copies to the end of this file from now on; its folder is made if it is absent.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn begin(&self, path: &Path) -> Result<(), Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| Error::LogFile { path: path.to_owned(), source })?;
        }
        *self.lock() = Some(open(path)?);
        Ok(())
    }

    /// Copies nowhere from now on.
    pub fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().expect("nobody panics while holding the file")
    }
}

impl Write for LogCopy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.lock().as_mut() {
            Some(file) => file.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Events as text.
fn layer<S>(
    writer: BoxMakeWriter,
    colours: bool,
) -> fmt::Layer<S, DefaultFields, Format, BoxMakeWriter> {
    fmt::layer().with_writer(writer).with_ansi(colours)
}

fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn open(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| Error::LogFile { path: path.to_owned(), source })
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

    #[test]
    fn the_copy_follows_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a/first.log", "b/second.log"].map(|name| folder.path().join(name));
        let copy = LogCopy::default();
        let say = |text: &str| copy.clone().write_all(text.as_bytes()).unwrap();
        say("nowhere\n");
        copy.begin(&first).unwrap();
        say("one\n");
        copy.begin(&second).unwrap();
        say("two\n");
        copy.begin(&first).unwrap();
        say("three\n");
        copy.end();
        say("nowhere\n");
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "one\nthree\n");
        assert_eq!(std::fs::read_to_string(&second).unwrap(), "two\n");
        let error = copy.begin(&first.join("below.log")).unwrap_err().to_string();
        assert!(error.starts_with("cannot open the log file"), "{error}");
    }
}
