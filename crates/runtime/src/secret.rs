//! Secrets: they come from the environment or from a file, and are shown nowhere.
//!
//! A command line is no place for one: every user of the machine can read it, and shells remember
//! it. So a flag that could hold a secret is parsed by [`discreet`], which knows where its value
//! came from, and never repeats it as clap's own messages do.

use std::ffi::OsStr;
use std::fmt;
use std::fs;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Command};

/// A text that must not be shown. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for whoever connects with it, not for messages.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none: an empty variable is one that is not set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a file that holds the secret and nothing else; a line end after it does not count. An
    /// empty path is no file: what it gives is empty. For clap's `value_parser`, so that the secret
    /// is read once, at the start.
    ///
    /// # Errors
    /// Why the file cannot be read, or that there is nothing in it.
    pub fn from_file(path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err("the file is empty".to_owned()),
            secret => Ok(Self::new(secret)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_empty() { "none" } else { "…" })
    }
}

/// Where the value of a flag comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Typed, so that every user of the machine can read it.
    CommandLine,
    /// From an environment variable, or the default.
    Elsewhere,
}

/// A value parser of clap's for values that are secrets, or may hold one.
#[derive(Clone, Copy, Debug)]
pub struct Discreet<T>(fn(&str, Origin) -> Result<T, String>);

/// Parses a value by `parse`, which gives a sentence for one that it does not take. The value is
/// not repeated beside it.
///
/// ```
/// use arus_runtime::secret::{Origin, Secret, discreet};
/// use clap::Parser;
///
/// #[derive(Debug, Parser)]
/// struct Args {
///     #[arg(long, value_parser = discreet(password), env = "THE_PASSWORD")]
///     password: Option<Secret>,
/// }
///
/// fn password(text: &str, origin: Origin) -> Result<Secret, String> {
///     match origin {
///         Origin::CommandLine => Err("put it into THE_PASSWORD".into()),
///         Origin::Elsewhere => Ok(Secret::new(text)),
///     }
/// }
///
/// let error = Args::try_parse_from(["program", "--password", "hunter2"]).unwrap_err().to_string();
/// assert!(error.contains("put it into THE_PASSWORD") && !error.contains("hunter2"));
/// ```
pub fn discreet<T>(parse: fn(&str, Origin) -> Result<T, String>) -> Discreet<T> {
    Discreet(parse)
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Discreet<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        // Who does not say where the value is from may have it from the command line.
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<T, clap::Error> {
        let origin = match source {
            ValueSource::CommandLine => Origin::CommandLine,
            _ => Origin::Elsewhere,
        };
        let parsed = match value.to_str() {
            Some(text) => (self.0)(text, origin),
            None => Err("it is not UTF-8".to_owned()),
        };
        parsed.map_err(|reason| {
            let name = arg.map_or_else(String::new, ToString::to_string);
            clap::Error::raw(ErrorKind::ValueValidation, format!("{name}: {reason}\n"))
                .with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?} {:#?}", Secret::new("hunter2"), Some(Secret::new("hunter2")));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(format!("{:?}", Secret::default()), "none");
    }

    #[test]
    fn a_file_holds_the_secret_and_a_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (text, secret) in [("hunter2", "hunter2"), ("hun ter2 \r\n", "hun ter2 "), ("h\n", "h")]
        {
            fs::write(path("secret"), text).unwrap();
            assert_eq!(Secret::from_file(&path("secret")).unwrap().expose(), secret);
        }
        fs::write(path("empty"), "\n").unwrap();
        assert!(Secret::from_file(&path("empty")).unwrap_err().contains("empty"));
        assert!(Secret::from_file(&path("absent")).unwrap_err().contains("cannot read"));
        assert!(Secret::from_file("").unwrap().is_empty());
    }
}
