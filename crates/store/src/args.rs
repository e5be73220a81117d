//! The flags that say which database, the same in every program.

use std::fmt;

use arus_runtime::secret::{Origin, Secret, discreet};

use crate::url::{has_password, without_password};

/// Where rows go unless said otherwise.
const DEFAULT: &str = "sqlite://.arus/arus.db";

/// The shared `--database-url` flag. Neither `Display` nor `Debug` nor `--help` shows its password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Database to write to: sqlite://FILE or postgres://USER@HOST:PORT/DATABASE
    ///
    /// A password may be in DATABASE_URL, or better in DATABASE_URL_FILE, PGPASSWORD or ~/.pgpass,
    /// but not in this flag: a command line can be read by all users of the machine. TLS follows
    /// the URL's parameters: sslmode=verify-full&sslrootcert=FILE, sslcert, sslkey, …
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = DEFAULT,
        hide_env_values = true,
        value_parser = discreet(given_url)
    )]
    database_url: GivenUrl,

    /// File that holds the URL, password and all; it goes before DATABASE_URL
    #[arg(
        long,
        env = "DATABASE_URL_FILE",
        value_name = "FILE",
        value_parser = Secret::from_file
    )]
    database_url_file: Option<Secret>,
}

/// A URL, and whether it was typed. Not parsed any further here: a URL that cannot be is told by
/// [`crate::Store::connect`].
#[derive(Clone)]
struct GivenUrl {
    url: Secret,
    typed: bool,
}

fn given_url(text: &str, origin: Origin) -> Result<GivenUrl, String> {
    let typed = origin == Origin::CommandLine;
    if typed && has_password(text) {
        return Err("a password on the command line can be read by all users of the machine: put \
                    the URL into DATABASE_URL or a file for DATABASE_URL_FILE, or the password \
                    into PGPASSWORD or ~/.pgpass"
            .to_owned());
    }
    // An empty variable is one that is not set.
    let text = if text.is_empty() && !typed { DEFAULT } else { text };
    Ok(GivenUrl { url: Secret::new(text), typed })
}

impl DatabaseArgs {
    /// The URL as given, password included: for [`crate::Store::connect`], not for messages. What
    /// was typed goes before what the environment says.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.database_url_file {
            Some(file) if !file.is_empty() && !self.database_url.typed => file.expose(),
            _ => self.database_url.url.expose(),
        }
    }
}

impl fmt::Display for DatabaseArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(self.url()))
    }
}

impl fmt::Debug for DatabaseArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseArgs").field("database_url", &without_password(self.url())).finish()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        database: DatabaseArgs,
    }

    const URL: &str = "postgres://ana:s3cret@db.example:5432/arus?sslmode=require";

    fn parse(args: &[&str]) -> Result<DatabaseArgs, clap::Error> {
        let parsed = Program::try_parse_from(["program"].iter().chain(args));
        parsed.map(|program| program.database)
    }

    #[test]
    fn password_is_never_shown() {
        let database = DatabaseArgs {
            database_url: given_url(URL, Origin::Elsewhere).unwrap(),
            database_url_file: None,
        };
        assert_eq!(database.url(), URL);
        let shown = format!("{database:?} {database:#?} {database}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("db.example"), "{shown}");
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_repeated() {
        for url in [URL, "postgres://ana@db.example/arus?password=s3cret"] {
            let error = parse(&["--database-url", url]).unwrap_err().to_string();
            assert!(error.contains("DATABASE_URL_FILE") && !error.contains("s3cret"), "{error}");
        }
        assert!(parse(&["--database-url", "postgres://ana@db.example/arus"]).is_ok());
    }

    #[test]
    fn what_is_typed_goes_before_the_file_and_the_file_before_the_variable() {
        let file = || Some(Secret::new(URL));
        let with = |text: &str, origin, database_url_file| {
            let database_url = given_url(text, origin).unwrap();
            DatabaseArgs { database_url, database_url_file }.url().to_owned()
        };
        assert_eq!(with("sqlite://typed.db", Origin::CommandLine, file()), "sqlite://typed.db");
        assert_eq!(with("sqlite://variable.db", Origin::Elsewhere, file()), URL);
        let empty = Some(Secret::default());
        assert_eq!(with("sqlite://v.db", Origin::Elsewhere, empty), "sqlite://v.db");
        assert_eq!(with("", Origin::Elsewhere, None), DEFAULT);
    }

    #[test]
    fn help_hides_the_value_of_the_environment_variable() {
        let command = Program::command();
        let argument = command.get_arguments().find(|a| a.get_id() == "database_url").unwrap();
        assert!(argument.is_hide_env_values_set());
    }
}
