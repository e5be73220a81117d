//! Why a broker that is there does not let us in: read from what librdkafka says, in words that
//! tell what to look at.
//!
//! librdkafka itself tries again for ever, since it cannot know whether waiting helps. Its texts
//! hold addresses, protocols and the broker's words, but no password.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::security;

/// A refusal after which nothing else is heard for so long stands.
const REFUSED_FOR: Duration = Duration::from_secs(2);

/// What was heard of a connection that did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The other side closed it without a word. It may be one that does not speak our protocol, or
    /// something before a broker that is not there yet.
    Closed,
    /// Waiting does not heal this.
    Final(Reason),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The broker's certificate did not pass.
    BrokerCertificate,
    /// Ours did not, or there is none and it should be.
    OurCertificate,
    /// The user or the password.
    User,
    /// There are no users there.
    NoUsers,
    /// The way to tell user and password; those that the broker takes.
    Mechanism(String),
    /// Something else of TLS or SASL, in librdkafka's words.
    Other(String),
}

/// What one of librdkafka's errors says.
pub(crate) fn of_error(error: &KafkaError, text: &str) -> Option<Refusal> {
    of(error.rdkafka_error_code(), text)
}

/// What one line of its log says.
pub(crate) fn of_log(text: &str) -> Option<Refusal> {
    of(None, text)
}

fn of(code: Option<RDKafkaErrorCode>, text: &str) -> Option<Refusal> {
    let says = |words: &str| text.contains(words);
    let reason = if says("certificate verify failed") || says("verify broker certificate") {
        Reason::BrokerCertificate
    } else if says("SSL alert") {
        // Of the alerts that a broker sends, these are about what we showed.
        let ours = ["bad certificate", "certificate unknown", "certificate required", "unknown ca"];
        match ours.iter().any(|alert| says(alert)) || says("certificate expired") {
            true => Reason::OurCertificate,
            false => Reason::Other(short(text)),
        }
    } else if says("not valid in current SASL state") {
        Reason::NoUsers
    } else if says("Unsupported SASL mechanism") {
        let taken = text.rsplit_once("supported mechanisms: ").map_or("others", |(_, rest)| rest);
        Reason::Mechanism(taken.split(" (after ").next().unwrap_or(taken).trim().to_owned())
    } else {
        match code {
            Some(RDKafkaErrorCode::Authentication) => Reason::User,
            Some(RDKafkaErrorCode::SSL) => Reason::Other(short(text)),
            _ if says("Disconnected") => return Some(Refusal::Closed),
            _ => return None,
        }
    };
    Some(Refusal::Final(reason))
}

/// Without the address before it and the times behind it.
fn short(text: &str) -> String {
    let text = text.split_once("/bootstrap: ").map_or(text, |(_, rest)| rest);
    text.split(" (after ").next().unwrap_or(text).to_owned()
}

impl Reason {
    /// The reason as a sentence about a client of this configuration.
    pub(crate) fn told(&self, config: &ClientConfig) -> String {
        let get = |key: &str| config.get(key).unwrap_or_default();
        let protocol = security::protocol(config);
        match self {
            Self::BrokerCertificate => format!(
                "its certificate did not pass: it is not signed by an authority in {}, it has \
                 expired, or it is not for the host name in --brokers; check KAFKA_SSL_CA_LOCATION",
                match get("ssl.ca.location") {
                    "" => "the system's list",
                    file => file,
                }
            ),
            Self::OurCertificate => format!(
                "it asks for a client's certificate and {}; check KAFKA_SSL_CERTIFICATE_LOCATION \
                 and KAFKA_SSL_KEY_LOCATION",
                match get("ssl.certificate.location") {
                    "" => "none is set".to_owned(),
                    file => format!("does not accept the one in {file}"),
                }
            ),
            Self::User => format!(
                "it does not accept user \"{}\" with this password by {}; check \
                 KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD or its file, and KAFKA_SASL_MECHANISM",
                get("sasl.username"),
                get("sasl.mechanism")
            ),
            Self::NoUsers => format!(
                "it asks for no user on this port, and {protocol} tells it one; check \
                 KAFKA_SECURITY_PROTOCOL and the port"
            ),
            Self::Mechanism(taken) => format!(
                "it does not take a password by {} but by {taken}; check KAFKA_SASL_MECHANISM",
                get("sasl.mechanism")
            ),
            Self::Other(text) => {
                format!("{text}; check KAFKA_SECURITY_PROTOCOL ({protocol}) and the port")
            }
        }
    }
}

/// What was heard since the last look: the last refusal, and of those the final one.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Option<Refusal>>);

impl Refusals {
    pub(crate) fn hear(&self, refusal: Option<Refusal>) {
        let mut heard = self.0.lock().unwrap();
        match (&*heard, refusal) {
            (_, None) | (Some(Refusal::Final(_)), Some(Refusal::Closed)) => {}
            (_, refusal) => *heard = refusal,
        }
    }

    pub(crate) fn take(&self) -> Option<Refusal> {
        self.0.lock().unwrap().take()
    }
}

/// What was heard so far, over several looks, and whether it is the last word.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    latest: Option<Refusal>,
    refused_at: Option<Duration>,
}

impl Hearing {
    /// Takes in what was heard until `now`, and says whether a final refusal stands. One alone does
    /// not at once: of several brokers one may be well, and one that starts may refuse at first. It
    /// does when another comes, or when nothing but it was heard for a while, because librdkafka
    /// does not say the same twice.
    pub(crate) fn is_over(&mut self, heard: Option<Refusal>, now: Duration) -> bool {
        let is_final = |refusal: &Option<Refusal>| matches!(refusal, Some(Refusal::Final(_)));
        let was_refused = is_final(&self.latest);
        let is_over = match self.refused_at {
            Some(at) => is_final(&heard) || now >= at + REFUSED_FOR,
            None => false,
        };
        if is_final(&heard) && !was_refused {
            self.refused_at = Some(now);
        }
        if heard.is_some() && (is_final(&heard) || !was_refused) {
            self.latest = heard;
        }
        is_over
    }

    /// The last final refusal; if there is none, the last one.
    pub(crate) fn latest(&self) -> Option<&Refusal> {
        self.latest.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KafkaArgs;

    const AUTHENTICATION: Option<RDKafkaErrorCode> = Some(RDKafkaErrorCode::Authentication);
    const SSL: Option<RDKafkaErrorCode> = Some(RDKafkaErrorCode::SSL);
    const TRANSPORT: Option<RDKafkaErrorCode> = Some(RDKafkaErrorCode::BrokerTransportFailure);

    /// As heard from librdkafka 2.12 and Apache Kafka 4.3.
    #[test]
    fn what_librdkafka_says_is_understood() {
        let user = Refusal::Final(Reason::User);
        let cases = [
            (
                AUTHENTICATION,
                "sasl_ssl://h:1/bootstrap: SASL authentication error: Authentication failed during \
                 authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after \
                 319ms in state AUTH_REQ)",
                Some(user),
            ),
            (
                AUTHENTICATION,
                "sasl_ssl://h:1/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: \
                 Request not valid in current SASL state: broker's supported mechanisms:  (after \
                 0ms in state AUTH_HANDSHAKE)",
                Some(Refusal::Final(Reason::NoUsers)),
            ),
            (
                AUTHENTICATION,
                "sasl_ssl://h:1/bootstrap: SASL PLAIN mechanism handshake failed: Broker: \
                 Unsupported SASL mechanism: broker's supported mechanisms: \
                 SCRAM-SHA-256,SCRAM-SHA-512 (after 1ms in state AUTH_HANDSHAKE)",
                Some(Refusal::Final(Reason::Mechanism("SCRAM-SHA-256,SCRAM-SHA-512".into()))),
            ),
            (
                TRANSPORT,
                "ssl://h:1/bootstrap: error:0A000086:SSL routines::certificate verify failed",
                Some(Refusal::Final(Reason::BrokerCertificate)),
            ),
            (
                TRANSPORT,
                "ssl://h:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad \
                 certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
                Some(Refusal::Final(Reason::OurCertificate)),
            ),
            (
                SSL,
                "ssl://h:1/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong \
                 version number (after 0ms in state SSL_HANDSHAKE)",
                Some(Refusal::Final(Reason::Other(
                    "SSL handshake failed: error:0A00010B:SSL routines::wrong version number"
                        .into(),
                ))),
            ),
            (
                None,
                "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected: connection closed by peer: \
                 receive 0 after POLLIN (after 100ms in state APIVERSION_QUERY)",
                Some(Refusal::Closed),
            ),
            (
                TRANSPORT,
                "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms)",
                None,
            ),
        ];
        for (code, text, expected) in cases {
            assert_eq!(of(code, text), expected, "{text}");
        }
    }

    #[test]
    fn the_final_word_counts() {
        let refusals = Refusals::default();
        let user = Refusal::Final(Reason::User);
        for heard in [None, Some(Refusal::Closed), Some(user.clone()), Some(Refusal::Closed), None]
        {
            refusals.hear(heard);
        }
        assert_eq!(refusals.take(), Some(user));
        assert_eq!(refusals.take(), None);
    }

    #[test]
    fn a_refusal_stands_when_it_comes_again_or_stays_alone() {
        let user = || Some(Refusal::Final(Reason::User));
        // What is heard at each second, and when that is the end.
        for (heard, over_at) in [
            (vec![user(), user()], Some(1)),
            (vec![None, user(), Some(Refusal::Closed), user()], Some(3)),
            (vec![user(), None, None, None], Some(2)),
            (vec![user(), Some(Refusal::Closed), Some(Refusal::Closed)], Some(2)),
            (vec![user(), None], None),
            (vec![Some(Refusal::Closed); 9], None),
            (vec![None; 9], None),
        ] {
            let mut hearing = Hearing::default();
            let expected = heard.iter().flatten().next().cloned();
            let mut seconds = heard.iter().cloned().zip(0..);
            let over = seconds.find_map(|(heard, second)| {
                hearing.is_over(heard, Duration::from_secs(second)).then_some(second)
            });
            assert_eq!((over, hearing.latest()), (over_at, expected.as_ref()), "{heard:?}");
        }
    }

    #[test]
    fn a_sentence_tells_what_to_check_and_no_password() {
        let mut args = KafkaArgs::for_brokers("h:1");
        args.env_options =
            "sasl.username=ana,sasl.password=hunter2,sasl.mechanism=PLAIN".parse().unwrap();
        let told = |reason: Reason| reason.told(&args.client_config());
        for (reason, words) in [
            (Reason::User, ["\"ana\"", "KAFKA_SASL_PASSWORD"]),
            (Reason::Mechanism("SCRAM-SHA-256".into()), ["SCRAM-SHA-256", "KAFKA_SASL_MECHANISM"]),
            (Reason::BrokerCertificate, ["expired", "KAFKA_SSL_CA_LOCATION"]),
            (Reason::OurCertificate, ["none is set", "KAFKA_SSL_CERTIFICATE_LOCATION"]),
            (Reason::NoUsers, ["PLAINTEXT", "KAFKA_SECURITY_PROTOCOL"]),
        ] {
            let told = told(reason);
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
