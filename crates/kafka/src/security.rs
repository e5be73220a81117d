//! How a connection to Kafka is secured: TLS, the client's certificate, user and password. One
//! group of flags, from which [`KafkaArgs::client_config`] makes what every client of ours gets.
//!
//! [`KafkaArgs::client_config`]: crate::KafkaArgs::client_config

use std::fs::File;

use arus_runtime::secret::{Origin, Secret, discreet};
use rdkafka::ClientConfig;

/// The flags. Each has the environment variable of its name, and an empty one is one that is not
/// set. Passwords are no flags: they come from the environment or a file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Kafka security")]
pub struct KafkaSecurity {
    /// How to speak to the brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL [default: PLAINTEXT]
    #[arg(
        long = "kafka-security-protocol",
        env = "KAFKA_SECURITY_PROTOCOL",
        value_name = "PROTOCOL"
    )]
    pub protocol: Option<String>,

    /// How user and password are told: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN
    #[arg(long = "kafka-sasl-mechanism", env = "KAFKA_SASL_MECHANISM", value_name = "MECHANISM")]
    pub sasl_mechanism: Option<String>,

    /// The user
    #[arg(long = "kafka-sasl-username", env = "KAFKA_SASL_USERNAME", value_name = "NAME")]
    pub sasl_username: Option<String>,

    /// KAFKA_SASL_PASSWORD.
    #[arg(
        long = "kafka-sasl-password",
        env = "KAFKA_SASL_PASSWORD",
        hide = true,
        hide_env_values = true,
        value_parser = discreet(sasl_password)
    )]
    pub sasl_password: Option<Secret>,

    /// File that holds the user's password. Or KAFKA_SASL_PASSWORD holds it; no flag does, since a
    /// command line can be read by all users of the machine
    #[arg(
        long = "kafka-sasl-password-file",
        env = "KAFKA_SASL_PASSWORD_FILE",
        value_name = "FILE",
        value_parser = Secret::from_file
    )]
    pub sasl_password_file: Option<Secret>,

    /// File (PEM) of the authorities that may sign the brokers' certificates [default: the system's]
    #[arg(long = "kafka-ssl-ca-location", env = "KAFKA_SSL_CA_LOCATION", value_name = "FILE")]
    pub ssl_ca: Option<String>,

    /// File (PEM) of the client's own certificate, for brokers that ask for one
    #[arg(
        long = "kafka-ssl-certificate-location",
        env = "KAFKA_SSL_CERTIFICATE_LOCATION",
        value_name = "FILE"
    )]
    pub ssl_certificate: Option<String>,

    /// File (PEM) of that certificate's key
    #[arg(long = "kafka-ssl-key-location", env = "KAFKA_SSL_KEY_LOCATION", value_name = "FILE")]
    pub ssl_key: Option<String>,

    /// KAFKA_SSL_KEY_PASSWORD.
    #[arg(
        long = "kafka-ssl-key-password",
        env = "KAFKA_SSL_KEY_PASSWORD",
        hide = true,
        hide_env_values = true,
        value_parser = discreet(key_password)
    )]
    pub ssl_key_password: Option<Secret>,

    /// File that holds the password of an encrypted key. Or KAFKA_SSL_KEY_PASSWORD holds it
    #[arg(
        long = "kafka-ssl-key-password-file",
        env = "KAFKA_SSL_KEY_PASSWORD_FILE",
        value_name = "FILE",
        value_parser = Secret::from_file
    )]
    pub ssl_key_password_file: Option<Secret>,
}

fn sasl_password(text: &str, origin: Origin) -> Result<Secret, String> {
    not_typed(text, origin, "KAFKA_SASL_PASSWORD, or into a file for --kafka-sasl-password-file")
}

fn key_password(text: &str, origin: Origin) -> Result<Secret, String> {
    not_typed(
        text,
        origin,
        "KAFKA_SSL_KEY_PASSWORD, or into a file for --kafka-ssl-key-password-file",
    )
}

fn not_typed(text: &str, origin: Origin, where_to: &str) -> Result<Secret, String> {
    match origin {
        Origin::Elsewhere => Ok(Secret::new(text)),
        Origin::CommandLine => Err(format!(
            "a password on the command line can be read by all users of the machine: put it into \
             {where_to}"
        )),
    }
}

/// A text that is there and not empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// The secret, from whichever of the two has one.
fn secret<'a>(variable: &'a Option<Secret>, file: &'a Option<Secret>) -> Option<&'a str> {
    let both = file.iter().chain(variable);
    both.map(Secret::expose).find(|text| !text.is_empty())
}

impl KafkaSecurity {
    /// Sets librdkafka's options of the same names.
    pub(crate) fn apply(&self, config: &mut ClientConfig) {
        // Mechanisms are told apart by case in librdkafka, and by nobody else.
        let mechanism = given(&self.sasl_mechanism).map(str::to_ascii_uppercase);
        for (key, value) in [
            ("security.protocol", given(&self.protocol)),
            ("sasl.mechanism", mechanism.as_deref()),
            ("sasl.username", given(&self.sasl_username)),
            ("sasl.password", secret(&self.sasl_password, &self.sasl_password_file)),
            ("ssl.ca.location", given(&self.ssl_ca)),
            ("ssl.certificate.location", given(&self.ssl_certificate)),
            ("ssl.key.location", given(&self.ssl_key)),
            ("ssl.key.password", secret(&self.ssl_key_password, &self.ssl_key_password_file)),
        ] {
            if let Some(value) = value {
                config.set(key, value);
            }
        }
    }

    /// Whether the settings fit together; `config` is what has come of them and of the options that
    /// go before them.
    ///
    /// # Errors
    /// What is missing, or would not be used: a password that is not sent, or a certificate that is
    /// not looked at, may be worse than no connection.
    pub(crate) fn check(&self, config: &ClientConfig) -> Result<(), String> {
        for (variable, file, name) in [
            (&self.sasl_password, &self.sasl_password_file, "KAFKA_SASL_PASSWORD"),
            (&self.ssl_key_password, &self.ssl_key_password_file, "KAFKA_SSL_KEY_PASSWORD"),
        ] {
            let has = |secret: &Option<Secret>| secret.as_ref().is_some_and(|it| !it.is_empty());
            if has(variable) && has(file) {
                return Err(format!(
                    "both {name} and {name}_FILE hold a password: set one of them"
                ));
            }
        }
        let protocol = protocol(config);
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(format!(
                "security.protocol is {protocol}, which is none of {}: check KAFKA_SECURITY_PROTOCOL",
                PROTOCOLS.join(", ")
            ));
        }
        check_user(config, &protocol)?;
        check_files(config, &protocol)
    }
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

fn is_set(config: &ClientConfig, key: &str) -> bool {
    config.get(key).is_some_and(|value| !value.is_empty())
}

fn check_user(config: &ClientConfig, protocol: &str) -> Result<(), String> {
    let settings = [
        ("sasl.username", "KAFKA_SASL_USERNAME"),
        ("sasl.password", "KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE"),
    ];
    if !protocol.contains("SASL") {
        return match settings.iter().find(|(key, _)| is_set(config, key)) {
            None => Ok(()),
            Some((_, name)) => Err(format!(
                "{name} is set, but {protocol} asks for no user: set KAFKA_SECURITY_PROTOCOL to \
                 SASL_SSL (or SASL_PLAINTEXT)"
            )),
        };
    }
    let Some(mechanism) = config.get("sasl.mechanism") else {
        return Err(format!(
            "{protocol} needs to know how users are told apart: set KAFKA_SASL_MECHANISM to \
             SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN"
        ));
    };
    let by_password = mechanism == "PLAIN" || mechanism.starts_with("SCRAM-");
    match settings.iter().find(|(key, _)| by_password && !is_set(config, key)) {
        None => Ok(()),
        Some((_, name)) => Err(format!("{protocol} needs a user and a password: set {name}")),
    }
}

fn check_files(config: &ClientConfig, protocol: &str) -> Result<(), String> {
    let files = [
        ("ssl.ca.location", "KAFKA_SSL_CA_LOCATION"),
        ("ssl.certificate.location", "KAFKA_SSL_CERTIFICATE_LOCATION"),
        ("ssl.key.location", "KAFKA_SSL_KEY_LOCATION"),
    ];
    if !protocol.contains("SSL") {
        return match files.iter().find(|(key, _)| is_set(config, key)) {
            None => Ok(()),
            Some((_, name)) => Err(format!(
                "{name} is set, but {protocol} is not encrypted: set KAFKA_SECURITY_PROTOCOL to \
                 SSL or SASL_SSL"
            )),
        };
    }
    for (key, name) in files {
        // librdkafka would say the same in OpenSSL's numbers.
        if let Some(path) = config.get(key).filter(|path| !matches!(*path, "" | "probe")) {
            File::open(path).map_err(|error| format!("cannot read {path} of {name}: {error}"))?;
        }
    }
    let has = |place: &str, text: &str| is_set(config, place) || is_set(config, text);
    let certificate = has("ssl.certificate.location", "ssl.certificate.pem");
    match (certificate, has("ssl.key.location", "ssl.key.pem")) {
        (true, false) => Err("a certificate needs its key: set KAFKA_SSL_KEY_LOCATION".to_owned()),
        (false, true) => {
            Err("a key needs its certificate: set KAFKA_SSL_CERTIFICATE_LOCATION".to_owned())
        }
        _ => Ok(()),
    }
}

/// The protocol that is spoken, in capitals.
pub(crate) fn protocol(config: &ClientConfig) -> String {
    config.get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KafkaArgs;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        kafka: KafkaArgs,
    }

    fn parse(args: &[&str]) -> Result<KafkaArgs, String> {
        let parsed = Program::try_parse_from(["program"].iter().chain(args));
        parsed.map(|program| program.kafka).map_err(|error| error.to_string())
    }

    /// Settings that are complete, with a password as if from the environment.
    fn scram() -> KafkaArgs {
        let mut args = parse(&[
            "--kafka-security-protocol=SASL_SSL",
            "--kafka-sasl-mechanism=scram-sha-512",
            "--kafka-sasl-username=ana",
        ])
        .unwrap();
        args.security.sasl_password = Some(Secret::new("hunter2"));
        args
    }

    #[track_caller]
    fn assert_refused(args: &KafkaArgs, words: &[&str]) {
        let error = args.check().unwrap_err();
        let told = format!("{error} {error:?} {args:?}");
        assert!(!told.contains("hunter2"), "{told}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn the_settings_become_options_of_librdkafka() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (ca, cert, key) = (file("ca", ""), file("cert", ""), file("key", ""));
        let mut args = scram();
        args.security.sasl_password = None;
        let password = file("password", "hunter2\n");
        args.security.sasl_password_file = Some(Secret::from_file(&password).unwrap());
        args.security.ssl_ca = Some(ca.clone());
        args.security.ssl_certificate = Some(cert.clone());
        args.security.ssl_key = Some(key.clone());
        args.security.ssl_key_password = Some(Secret::new("hunter3"));
        args.check().unwrap();
        let config = args.client_config();
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "ana"),
            ("sasl.password", "hunter2"),
            ("ssl.ca.location", &ca),
            ("ssl.certificate.location", &cert),
            ("ssl.key.location", &key),
            ("ssl.key.password", "hunter3"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        let shown = format!("{args:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn nothing_set_is_plain_text_and_empty_is_not_set() {
        let args = KafkaArgs::for_brokers("localhost:1");
        args.check().unwrap();
        assert_eq!(args.client_config().get("security.protocol"), None);
        let empty = Some(String::new());
        let mut args = scram();
        args.security = KafkaSecurity {
            protocol: empty.clone(),
            sasl_mechanism: empty.clone(),
            sasl_username: empty.clone(),
            sasl_password: Some(Secret::default()),
            sasl_password_file: Some(Secret::default()),
            ssl_ca: empty,
            ..KafkaSecurity::default()
        };
        args.check().unwrap();
        assert_eq!(args.client_config().get("sasl.password"), None);
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_repeated() {
        for flag in ["--kafka-sasl-password", "--kafka-ssl-key-password"] {
            let error = parse(&[flag, "hunter2"]).unwrap_err();
            assert!(error.contains(flag) && error.contains("_PASSWORD"), "{error}");
            assert!(error.contains("all users") && !error.contains("hunter2"), "{error}");
        }
        let error = parse(&["--kafka-sasl-password-file", "/no/such/file"]).unwrap_err();
        assert!(error.contains("/no/such/file") && error.contains("cannot read"), "{error}");
    }

    #[test]
    fn settings_that_do_not_fit_together_are_told_before_any_connection() {
        let protocol = |args: &mut KafkaArgs, text: &str| {
            args.security.protocol = Some(text.to_owned());
        };
        let mut args = scram();
        args.security.sasl_mechanism = None;
        assert_refused(&args, &["SASL_SSL", "KAFKA_SASL_MECHANISM"]);
        let mut args = scram();
        args.security.sasl_username = None;
        assert_refused(&args, &["KAFKA_SASL_USERNAME"]);
        let mut args = scram();
        args.security.sasl_password = None;
        assert_refused(&args, &["KAFKA_SASL_PASSWORD_FILE"]);
        let mut args = scram();
        args.security.sasl_password_file = Some(Secret::new("hunter2"));
        assert_refused(&args, &["both KAFKA_SASL_PASSWORD and"]);
        let mut args = scram();
        protocol(&mut args, "plaintext");
        assert_refused(&args, &["KAFKA_SASL_USERNAME is set", "PLAINTEXT", "SASL_SSL"]);
        let mut args = scram();
        args.security.ssl_ca = Some("/no/such/ca.pem".to_owned());
        assert_refused(&args, &["cannot read /no/such/ca.pem", "KAFKA_SSL_CA_LOCATION"]);
        protocol(&mut args, "SASL_PLAINTEXT");
        assert_refused(&args, &["KAFKA_SSL_CA_LOCATION is set", "not encrypted"]);
        let mut args = KafkaArgs::for_brokers("localhost:1");
        protocol(&mut args, "SSL");
        args.security.ssl_certificate = Some("/dev/null".to_owned());
        assert_refused(&args, &["KAFKA_SSL_KEY_LOCATION"]);
        args.security.ssl_key = args.security.ssl_certificate.take();
        assert_refused(&args, &["KAFKA_SSL_CERTIFICATE_LOCATION"]);
        protocol(&mut args, "TLS");
        assert_refused(&args, &["security.protocol", "TLS"]);
    }

    #[test]
    fn an_option_of_the_users_goes_before_a_setting() {
        let mut args = scram();
        args.kafka_options = vec!["sasl.mechanism=PLAIN".parse().unwrap()];
        assert_eq!(args.client_config().get("sasl.mechanism"), Some("PLAIN"));
        args.check().unwrap();
    }
}
