//! Database URLs: which database they name, and how to show them without their password.

use std::fs::File;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

use crate::Error;

/// What sqlx reads from a PostgreSQL URL. Others are dropped here, because sqlx logs them with
/// their values.
const POSTGRES_PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Not parameters of a connection here, but common in URLs that tools hand out: dropped without a
/// warning.
const OTHERS_PARAMETERS: [&str; 2] = ["channel_binding", "connect_timeout"];

/// Those that name the authorities that may sign the server's certificate.
const AUTHORITY_PARAMETERS: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// Those that name our own certificate and its key.
const IDENTITY_PARAMETERS: [&str; 4] = ["sslcert", "ssl-cert", "sslkey", "ssl-key"];

/// A database as its URL names it.
pub(crate) enum Target {
    Postgres(Box<PgConnectOptions>),
    Sqlite { options: Box<SqliteConnectOptions>, in_memory: bool },
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => postgres(text),
            "sqlite" => sqlite(text),
            _ => Err(Error::Url {
                reason: "it begins with neither sqlite:// nor postgres://".to_string(),
            }),
        }
    }

    /// What to call the database in messages; no password.
    pub(crate) fn describe(&self) -> String {
        match self {
            Target::Sqlite { in_memory: true, .. } => "SQLite in memory".to_string(),
            Target::Sqlite { options, .. } => {
                format!("SQLite file {}", options.get_filename().display())
            }
            Target::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                let port = options.get_port();
                match options.get_socket() {
                    Some(folder) => format!("PostgreSQL {}:{port}/{database}", folder.display()),
                    None => format!("PostgreSQL {}:{port}/{database}", options.get_host()),
                }
            }
        }
    }
}

/// Whether a `/`, `?` or `#` that was not percent-encoded ends the address before its `@`: the rest
/// of a password would be taken for a database, and told.
fn is_cut_in_the_password(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (authority, rest) = match address.find(['/', '?', '#']) {
        Some(at) => address.split_at(at),
        None => (address, ""),
    };
    let Some((before, _)) = rest.split_once('@') else { return false };
    // A parameter's value may hold one.
    let parameter = before.split_once('?').and_then(|(_, query)| query.split_once('='));
    let in_parameter = parameter.is_some_and(|(key, _)| is_parameter(key));
    authority.contains(':') && !authority.contains('@') && !in_parameter
}

fn is_parameter(key: &str) -> bool {
    POSTGRES_PARAMETERS.contains(&key) || OTHERS_PARAMETERS.contains(&key)
}

fn postgres(text: &str) -> Result<Target, Error> {
    let refused = |reason: String| Error::Url { reason };
    if is_cut_in_the_password(text) {
        return Err(refused(
            "there is an @ after the host's part: in a user or password write / as %2F, ? as %3F, # as \
             %23 and @ as %40"
                .to_string(),
        ));
    }
    let mut url = Url::parse(text).map_err(|error| refused(error.to_string()))?;
    let known = |key: &str| POSTGRES_PARAMETERS.contains(&key) || key.starts_with("options[");
    let (kept, dropped): (Vec<_>, Vec<_>) = url
        .query_pairs()
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .partition(|(key, _)| known(key));
    for (parameter, _) in &dropped {
        if !OTHERS_PARAMETERS.contains(&parameter.as_str()) {
            tracing::warn!(%parameter, "unknown parameter of the database URL ignored");
        }
    }
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(&kept);
    }
    // The parser's message may quote a parameter's value; the parameters' names say enough.
    let options = url.as_str().parse::<PgConnectOptions>().map_err(|_| {
        let names: Vec<&str> = kept.iter().map(|(key, _)| key.as_str()).collect();
        refused(format!("one of its parameters is not understood ({})", names.join(", ")))
    })?;
    let is_authority = |key: &str| AUTHORITY_PARAMETERS.contains(&key);
    let is_file = |key: &str| is_authority(key) || IDENTITY_PARAMETERS.contains(&key);
    for (key, path) in kept.iter().filter(|(key, _)| is_file(key)) {
        File::open(path)
            .map_err(|error| refused(format!("{path} of {key} cannot be read ({error})")))?;
    }
    // As libpq does it: who names an authority wants it asked.
    let names_authority = kept.iter().any(|(key, _)| is_authority(key))
        || std::env::var_os("PGSSLROOTCERT").is_some();
    let options = match options.get_ssl_mode() {
        PgSslMode::Require if names_authority => options.ssl_mode(PgSslMode::VerifyCa),
        _ => options,
    };
    Ok(Target::Postgres(Box::new(options)))
}

fn sqlite(text: &str) -> Result<Target, Error> {
    let options = text
        .parse::<SqliteConnectOptions>()
        .map_err(|error| Error::Url { reason: error.to_string() })?;
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let in_memory = path.ends_with(":memory:") || query.split('&').any(|p| p == "mode=memory");
    if !in_memory && options.get_filename().as_os_str().is_empty() {
        return Err(Error::Url { reason: "it names no file".to_string() });
    }
    Ok(Target::Sqlite { options: Box::new(options), in_memory })
}

/// Whether there is a password in the URL, in its place or in the parameters.
pub(crate) fn has_password(text: &str) -> bool {
    is_cut_in_the_password(text)
        || Url::parse(text).is_ok_and(|url| {
            url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
        })
}

/// The URL with `***` for a password, in its place or in the parameters; of an unreadable URL only
/// the scheme.
pub(crate) fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_string();
    }
    let url = Url::parse(text).ok().filter(|url| url.scheme().starts_with("postgres"));
    let url = url.filter(|_| !is_cut_in_the_password(text));
    let Some(mut url) = url else {
        return match text.split_once("://") {
            Some((scheme, _)) if scheme.chars().all(char::is_alphanumeric) => {
                format!("{scheme}://…")
            }
            _ => "…".to_string(),
        };
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return format!("{}://…", url.scheme());
    }
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, value)| {
            let shown = is_parameter(&key) && key != "password";
            (key.into_owned(), if shown { value.into_owned() } else { "***".to_string() })
        })
        .collect();
    if !pairs.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(&pairs);
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions() {
        let cases = [
            ("sqlite://.arus/arus.db", "SQLite file .arus/arus.db"),
            ("sqlite:///var/x.db?mode=rw", "SQLite file /var/x.db"),
            ("sqlite::memory:", "SQLite in memory"),
            ("postgres://u:s3cret@db.example/arus", "PostgreSQL db.example:5432/arus"),
            ("postgresql://u:s3cret@h:77/a?sslmode=require", "PostgreSQL h:77/a"),
            ("postgres://h:77/a?user=me@home", "PostgreSQL h:77/a"),
            ("postgres://u@%2Fvar%2Frun/a?port=5433", "PostgreSQL /var/run:5433/a"),
        ];
        for (url, expected) in cases {
            assert_eq!(Target::parse(url).unwrap().describe(), expected, "{url}");
        }
    }

    #[test]
    fn no_error_and_no_shown_url_holds_a_password() {
        let urls = [
            "postgres://u:s3cret@h:notaport/a",
            "postgres://u:s3cret@h/a?sslmode=s3cret",
            "postgres://u@h/a?password=s3cret&passwd=s3cret&port=none",
            "postgres://u:s3cret@",
            "postgres//u:s3cret@h",
            "postgres://u:s3cret/x@h/a",
            "postgres://u:1/s3cret@h/a",
            "postgres://u:1?s3cret@h/a",
            "postgres://u:1#s3cret@h/a",
            "postgres://u:1/s3cret@h:5432/a?sslmode=require",
            "mysql://u:s3cret@h/a",
            "u:s3cret@h/a",
            "s3cret",
            "sqlite:",
        ];
        for url in urls {
            if let Err(error) = Target::parse(url) {
                assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}: {error}");
            }
        }
        for url in urls.iter().filter(|url| !url.contains("sslmode=s3cret")) {
            let shown = without_password(url);
            assert!(!shown.contains("s3cret"), "{url}: {shown}");
        }
        assert_eq!(
            without_password("postgres://u:s3cret@h/a?sslmode=require"),
            "postgres://u:***@h/a?sslmode=require"
        );
    }

    #[test]
    fn who_names_an_authority_wants_it_asked() {
        let mode = |query: &str| match Target::parse(&format!("postgres://u@h/a?{query}")) {
            Ok(Target::Postgres(options)) => format!("{:?}", options.get_ssl_mode()),
            other => panic!("{query}: {:?}", other.err()),
        };
        assert_eq!(mode("sslmode=require"), "Require");
        assert_eq!(mode("sslmode=require&sslrootcert=/dev/null"), "VerifyCa");
        assert_eq!(mode("sslmode=verify-full&sslrootcert=/dev/null"), "VerifyFull");
        assert_eq!(mode("sslmode=disable&sslrootcert=/dev/null"), "Disable");
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        for key in ["sslrootcert", "sslcert", "sslkey"] {
            let url = format!("postgres://u:s3cret@h/a?{key}=/no/such/file");
            let error = Target::parse(&url).err().unwrap().to_string();
            assert!(error.contains("/no/such/file") && error.contains(key), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn unusable_urls_are_refused() {
        for url in [
            "",
            "mysql://h/a",
            "sqlite:",
            "sqlite://",
            "sqlite://a.db?mode=odd",
            "postgres://h:x/a",
            "postgres://u:a/b@h/a",
        ] {
            assert!(matches!(Target::parse(url), Err(Error::Url { .. })), "{url}");
        }
    }
}
