//! The flag that says which database, the same in every program.

use std::fmt;

use crate::url::without_password;

/// The shared `--database-url` flag. Neither `Display` nor `Debug` nor `--help` shows its password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Database to write to: sqlite://FILE or postgres://USER@HOST:PORT/DATABASE
    ///
    /// A password belongs in PGPASSWORD or ~/.pgpass rather than in the URL. TLS follows the URL's
    /// parameters: sslmode=require, sslmode=verify-full, sslrootcert=FILE, …
    // Not parsed here: clap quotes a refused value in full, password and all.
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://.arus/arus.db",
        hide_env_values = true
    )]
    database_url: String,
}

impl DatabaseArgs {
    /// The URL as given, password included: for [`crate::Store::connect`], not for messages.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.database_url
    }
}

impl fmt::Display for DatabaseArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.database_url))
    }
}

impl fmt::Debug for DatabaseArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseArgs")
            .field("database_url", &without_password(&self.database_url))
            .finish()
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

    #[test]
    fn password_is_never_shown() {
        let url = "postgres://ana:s3cret@db.example:5432/arus?sslmode=require";
        let program = Program::try_parse_from(["program", "--database-url", url]).unwrap();
        assert_eq!(program.database.url(), url);
        let shown = format!("{program:?} {program:#?} {}", program.database);
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("db.example"), "{shown}");
    }

    #[test]
    fn help_hides_the_value_of_the_environment_variable() {
        let command = Program::command();
        let argument = command.get_arguments().find(|a| a.get_id() == "database_url").unwrap();
        assert!(argument.is_hide_env_values_set());
    }
}
