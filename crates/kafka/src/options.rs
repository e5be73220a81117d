//! Which broker, and how to speak to it: the flags that every program shares.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use arus_runtime::duration;
use arus_runtime::secret::{Origin, discreet};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::{Error, KafkaSecurity};

/// Where a broker on this machine listens.
const LOCAL: &str = "localhost:9092";

/// An empty variable is as good as none: Docker Compose passes those on that are not set.
fn brokers(text: &str) -> Result<String, Infallible> {
    Ok(if text.trim().is_empty() { LOCAL } else { text }.to_owned())
}

/// The flags.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// Kafka's addresses, separated by commas
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        default_value = LOCAL,
        value_name = "HOST:PORT",
        value_parser = brokers
    )]
    pub brokers: String,

    /// An option for librdkafka, such as linger.ms=50 or socket.timeout.ms=5000; may be given
    /// several times. KAFKA_OPTIONS holds several, separated by commas; the flag goes before it
    #[arg(long = "kafka-option", value_name = "KEY=VALUE", value_parser = discreet(option))]
    pub kafka_options: Vec<KafkaOption>,

    /// KAFKA_OPTIONS; a type of its own because a comma separates there, and not in the flag.
    #[arg(
        long = "kafka-options",
        env = "KAFKA_OPTIONS",
        hide = true,
        hide_env_values = true,
        default_value = "",
        value_parser = discreet(options)
    )]
    pub env_options: KafkaOptions,

    /// How long to wait for a broker that does not answer, before giving up
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    pub retry_for: Duration,

    /// TLS, user and password.
    #[command(flatten)]
    pub security: KafkaSecurity,
}

impl KafkaArgs {
    /// Flags as if only `--brokers` had been given; for tests and tools.
    pub fn for_brokers(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            kafka_options: Vec::new(),
            env_options: KafkaOptions::default(),
            retry_for: Duration::from_secs(30),
            security: KafkaSecurity::default(),
        }
    }

    /// What librdkafka is told: the address, our name, how the connection is secured, and then the
    /// user's options, which win. Every client of ours is made from this.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "arus");
        self.security.apply(&mut config);
        for option in self.env_options.0.iter().chain(&self.kafka_options) {
            // One option with two names: only the later of two is to count.
            let key = match option.key.as_str() {
                "sasl.mechanisms" => "sasl.mechanism",
                key => key,
            };
            config.set(key, &option.value);
        }
        config
    }

    /// Checks that the settings fit together, and the options' names and values against librdkafka,
    /// without a connection.
    ///
    /// # Errors
    /// When they do not, or it does not know a name or take a value.
    pub fn check(&self) -> Result<(), Error> {
        let config = self.client_config();
        self.security.check(&config).map_err(|reason| Error::Security { reason })?;
        let made = config.create_native_config();
        made.map(|_| ()).map_err(|error| Error::Options { reason: reason(&error) })
    }
}

/// One option of librdkafka's. `Debug` does not show the value of a secret one.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOption {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl FromStr for KafkaOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if is_key(key.trim()) => {
                Ok(Self { key: key.trim().to_owned(), value: value.to_owned() })
            }
            // Never repeat the text: it may be a password without its name.
            _ => Err("write KEY=VALUE, for instance security.protocol=SSL".to_owned()),
        }
    }
}

impl fmt::Debug for KafkaOption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if is_secret(&self.key) { "…" } else { &self.value };
        write!(out, "{}={value}", self.key)
    }
}

/// Several options in one text, separated by commas. A part that does not begin like an option
/// belongs to the value before it, so that `debug=broker,topic` stays whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaOptions(Vec<KafkaOption>);

impl FromStr for KafkaOptions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut options: Vec<KafkaOption> = Vec::new();
        for part in text.split(',') {
            match (part.parse(), options.last_mut()) {
                (Ok(option), _) => options.push(option),
                (Err(_), None) if part.trim().is_empty() => {}
                (Err(error), None) => return Err(error),
                (Err(_), Some(last)) => {
                    last.value.push(',');
                    last.value.push_str(part);
                }
            }
        }
        Ok(Self(options))
    }
}

/// Reads `--kafka-option`, which must not hold a secret.
fn option(text: &str, origin: Origin) -> Result<KafkaOption, String> {
    let option: KafkaOption = text.parse()?;
    refuse_typed_secrets(std::slice::from_ref(&option), origin)?;
    Ok(option)
}

/// Reads KAFKA_OPTIONS, which may.
fn options(text: &str, origin: Origin) -> Result<KafkaOptions, String> {
    let options: KafkaOptions = text.parse()?;
    refuse_typed_secrets(&options.0, origin)?;
    Ok(options)
}

fn refuse_typed_secrets(options: &[KafkaOption], origin: Origin) -> Result<(), String> {
    match options.iter().find(|option| origin == Origin::CommandLine && is_secret(&option.key)) {
        None => Ok(()),
        Some(option) => Err(format!(
            "{} on the command line can be read by all users of the machine: put it into \
             KAFKA_OPTIONS, or set KAFKA_SASL_PASSWORD_FILE or KAFKA_SSL_KEY_PASSWORD_FILE",
            option.key
        )),
    }
}

/// Whether this can be the name of an option: `sasl.mechanism`, `acks`.
fn is_key(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase()) && text.bytes().all(allowed)
}

/// Whether the value of this option must not be shown.
fn is_secret(key: &str) -> bool {
    let words = [
        "password",
        "passphrase",
        "secret",
        "token",
        "jaas",
        "credential",
        ".pem",
        "oauthbearer.config",
        "user.info",
    ];
    words.iter().any(|word| key.contains(word))
}

/// librdkafka's word, without the values of secret options.
pub(crate) fn reason(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, key, _) if is_secret(key) => {
            format!("the value of \"{key}\" is not valid")
        }
        // Its text names the option's main name, which need not be the one that was given.
        KafkaError::ClientConfig(_, description, key, _) => format!("\"{key}\": {description}"),
        other => other.to_string(),
    }
}

/// Why librdkafka does not make a client of options that it takes one by one.
pub(crate) fn cannot_make(error: &KafkaError) -> Error {
    let reason = reason(error);
    // It tells the file's option, and then OpenSSL's number for what is in the file.
    let files = [
        ("ssl.ca.location", "the authorities cannot be used", "KAFKA_SSL_CA_LOCATION"),
        (
            "ssl.certificate.location",
            "the certificate cannot be used",
            "KAFKA_SSL_CERTIFICATE_LOCATION",
        ),
        (
            "ssl.key.location",
            "the key cannot be used, by itself, with this password, or with the certificate",
            "KAFKA_SSL_KEY_LOCATION and KAFKA_SSL_KEY_PASSWORD or its file",
        ),
    ];
    match files.iter().find(|(key, ..)| reason.contains(&format!("{key} failed"))) {
        None => Error::Options { reason },
        Some((_, what, names)) => {
            Error::Security { reason: format!("{what} ({reason}); check {names}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        kafka: KafkaArgs,
    }

    fn parse(args: &[&str]) -> Result<KafkaArgs, clap::Error> {
        let args = ["program"].iter().chain(args);
        Program::try_parse_from(args).map(|program| program.kafka)
    }

    #[test]
    fn an_empty_variable_is_none() {
        for (brokers, expected) in [("", LOCAL), (" ", LOCAL), ("a:1,b:2", "a:1,b:2")] {
            assert_eq!(parse(&["--brokers", brokers]).unwrap().brokers, expected);
        }
        assert_eq!(parse(&[]).unwrap().brokers, LOCAL);
    }

    #[test]
    fn the_users_options_win() {
        let args = parse(&[
            "--kafka-options",
            "client.id=env,debug=broker,topic,linger.ms=1",
            "--kafka-option",
            "client.id=flag",
            "--kafka-option",
            "client.rack=a=b,c",
            "--kafka-option",
            "sasl.mechanisms=PLAIN",
        ])
        .unwrap();
        let config = args.client_config();
        let expected = [
            ("client.id", "flag"),
            ("debug", "broker,topic"),
            ("linger.ms", "1"),
            ("client.rack", "a=b,c"),
            ("sasl.mechanism", "PLAIN"),
            ("bootstrap.servers", "localhost:9092"),
        ];
        for (key, value) in expected {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
        assert_eq!(args.retry_for, Duration::from_secs(30));
    }

    #[test]
    fn wrong_options_are_refused_without_repeating_them() {
        for text in ["hunter2", "=hunter2", "SASL PASSWORD=hunter2", ""] {
            let error = text.parse::<KafkaOption>().unwrap_err();
            assert!(error.contains("KEY=VALUE") && !error.contains("hunter2"));
        }
        assert_eq!("".parse::<KafkaOptions>().unwrap(), KafkaOptions::default());
        assert!("hunter2".parse::<KafkaOptions>().is_err());
    }

    #[test]
    fn secrets_on_the_command_line_are_refused_and_not_repeated() {
        for args in [
            ["--kafka-option", "sasl.password=hunter2"],
            ["--kafka-options", "linger.ms=1,ssl.key.password=hunter2"],
            ["--kafka-option", "hunter2"],
            ["--kafka-options", "hunter2"],
        ] {
            let error = parse(&args).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(args[0]) && !told.contains("hunter2"), "{told}");
        }
        // From the environment they are welcome.
        let options = options("sasl.password=a=b,c", Origin::Elsewhere).unwrap();
        assert_eq!(options.0[0].value, "a=b,c");
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "ssl.keystore.password",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
        ];
        for key in keys {
            let mut args = KafkaArgs::for_brokers("localhost:1");
            args.kafka_options = vec![format!("{key}=hunter2").parse().unwrap()];
            args.env_options = format!("{key}=hunter2").parse().unwrap();
            let shown = format!("{args:?} {:?}", args.check());
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains(key), "{shown}");
        }
    }

    #[test]
    fn an_option_that_librdkafka_does_not_know_is_named() {
        let mut args = KafkaArgs::for_brokers("localhost:1");
        args.kafka_options = vec!["no.such.thing=1".parse().unwrap()];
        let error = args.check().unwrap_err().to_string();
        assert!(error.contains("no.such.thing"), "{error}");
    }

    #[test]
    fn an_error_about_a_secret_option_does_not_tell_it() {
        use rdkafka::types::RDKafkaConfRes;
        let source = KafkaError::ClientConfig(
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "Invalid value \"hunter2\"".to_owned(),
            "sasl.password".to_owned(),
            "hunter2".to_owned(),
        );
        let topic = "purchases".to_owned();
        let error = Error::Client { action: "read from", topic, source };
        let told = format!(
            "{error} {error:?} {:?}",
            std::error::Error::source(&error).map(|s| s.to_string())
        );
        assert!(!told.contains("hunter2") && told.contains("sasl.password"), "{told}");
    }
}
