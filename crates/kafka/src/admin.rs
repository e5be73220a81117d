//! Topics: is a broker there, make a topic, how many partitions has it, delete it. All of it
//! blocks, and all of it ends.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use arus_runtime::clock::{Clock, SystemClock};
use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::refusal::{self, Hearing, Refusal, Refusals};
use crate::{Error, KafkaArgs, security};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the brokers may take to agree that a topic is there, or gone.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the first request for the brokers may take; each later one twice as long.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its number of partitions, if it has to be made.
    pub partitions: i32,
    /// Its own settings, such as `cleanup.policy`.
    pub configs: Vec<(String, String)>,
}

impl TopicSpec {
    /// A topic without settings of its own.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self { name: name.into(), partitions, configs: Vec::new() }
    }
}

/// A topic as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Whether it was made just now, by us.
    pub created: bool,
    /// The partitions that it has.
    pub partitions: i32,
}

/// Waits until a broker answers, at most `--retry-for`.
///
/// # Errors
/// [`Error::NoBroker`] when none does; at once [`Error::Refused`] when one does not let us in, and
/// [`Error::Security`] and [`Error::Options`] when the settings cannot be.
pub fn wait_for_broker(args: &KafkaArgs) -> Result<(), Error> {
    answering(args).map(|_| ())
}

/// How many partitions the topic has; `None` when there is no such topic. Waits for the broker as
/// [`wait_for_broker`] does, and for a leader of each partition, and never creates the topic.
///
/// # Errors
/// Those of [`wait_for_broker`]; [`Error::Client`] when the broker does not tell; [`Error::Topic`]
/// when it may not; [`Error::TopicUnsettled`] when a partition stays without a leader.
pub fn partitions(args: &KafkaArgs, topic: &str) -> Result<Option<i32>, Error> {
    let client = answering(args)?;
    settle(topic, "ready", args.retry_for, || {
        Ok(match look(&client, topic)? {
            Look::Absent => Some(None),
            Look::Leaderless => None,
            Look::Ready(partitions) => Some(Some(partitions)),
        })
    })
}

/// Makes the topic if it is not there, and waits until every partition can be written to. A topic
/// that is there, or that another program makes at the same time, stays as it is.
///
/// # Errors
/// Those of [`partitions`]; [`Error::Topic`] when the broker refuses.
pub fn ensure_topic(args: &KafkaArgs, spec: &TopicSpec) -> Result<TopicState, Error> {
    let client = answering(args)?;
    let ready = || match look(&client, &spec.name)? {
        Look::Ready(partitions) => Ok(Some(partitions)),
        Look::Absent | Look::Leaderless => Ok(None),
    };
    if answered(args, || look(&client, &spec.name))? != Look::Absent {
        let partitions = settle(&spec.name, "ready", SETTLE_TIMEOUT, ready)?;
        return Ok(TopicState { created: false, partitions });
    }
    let mut topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(-1));
    for (key, value) in &spec.configs {
        topic = topic.set(key, value);
    }
    let mut answer = answered(args, || create(args, &topic))?;
    if answer == Some(RDKafkaErrorCode::InvalidReplicationFactor) {
        // Brokers before 2.4 have no default of their own.
        topic.replication = TopicReplication::Fixed(1);
        answer = answered(args, || create(args, &topic))?;
    }
    let created = match answer {
        None => true,
        Some(RDKafkaErrorCode::TopicAlreadyExists) => false,
        Some(code) => {
            return Err(Error::Topic {
                action: "create",
                topic: spec.name.clone(),
                reason: code.to_string(),
            });
        }
    };
    let partitions = settle(&spec.name, "ready", SETTLE_TIMEOUT, ready)?;
    Ok(TopicState { created, partitions })
}

/// The value of one of the topic's settings, such as `cleanup.policy`, be it the topic's own or the
/// broker's for all topics; `None` when the broker does not tell such a setting. Waits for the
/// broker as [`wait_for_broker`] does.
///
/// # Errors
/// Those of [`wait_for_broker`]; [`Error::Client`] when the broker does not answer;
/// [`Error::Topic`] when it refuses, as when there is no such topic.
pub fn topic_setting(args: &KafkaArgs, topic: &str, name: &str) -> Result<Option<String>, Error> {
    let _ = answering(args)?;
    let asked = [ResourceSpecifier::Topic(topic)];
    let action = "ask for the settings of";
    let answer = answered(args, || {
        let answer = block_on(admin(args)?.describe_configs(&asked, &request_options()));
        answer.map_err(|source| Error::Client { action, topic: topic.to_owned(), source })
    })?;
    let refused = |code: RDKafkaErrorCode| Error::Topic {
        action,
        topic: topic.to_owned(),
        reason: code.to_string(),
    };
    let Some(settings) = answer.into_iter().next().transpose().map_err(refused)? else {
        return Ok(None);
    };
    Ok(settings.get(name).and_then(|setting| setting.value.clone()))
}

/// Deletes the topic and waits until it is gone; tells whether it was there.
///
/// # Errors
/// Those of [`partitions`]; [`Error::Topic`] when the broker refuses; [`Error::TopicUnsettled`]
/// when it stays.
pub fn delete_topic(args: &KafkaArgs, topic: &str) -> Result<bool, Error> {
    let client = answering(args)?;
    if answered(args, || look(&client, topic))? == Look::Absent {
        return Ok(false);
    }
    let admin = admin(args)?;
    let answer = answered(args, || {
        let result = block_on(admin.delete_topics(&[topic], &request_options()));
        refusal(result, "delete", topic)
    })?;
    match answer {
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
        Some(code) => {
            return Err(Error::Topic {
                action: "delete",
                topic: topic.to_owned(),
                reason: code.to_string(),
            });
        }
    }
    let is_gone = || Ok((look(&client, topic)? == Look::Absent).then_some(true));
    settle(topic, "gone", SETTLE_TIMEOUT, is_gone)
}

/// Says nothing of its own: what goes wrong comes back as an error.
#[derive(Default)]
pub(crate) struct Quiet(Refusals);

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
        self.0.hear(refusal::of_log(message));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
        self.0.hear(refusal::of_error(&error, reason));
    }
}

impl ConsumerContext for Quiet {}

/// A client that has had an answer. A consumer, because asking it for a topic's metadata does not
/// create the topic.
fn answering(args: &KafkaArgs) -> Result<BaseConsumer<Quiet>, Error> {
    args.check()?;
    let mut config = args.client_config();
    // At this level it says why a connection was closed.
    config.set("reconnect.backoff.max.ms", "500").set_log_level(RDKafkaLogLevel::Info);
    let client: BaseConsumer<Quiet> = config
        .create_with_context(Quiet::default())
        .map_err(|error| crate::options::cannot_make(&error))?;
    let clock = SystemClock::new();
    let (mut patience, mut hearing) = (FIRST_PATIENCE, Hearing::default());
    loop {
        let left = args.retry_for.saturating_sub(clock.monotonic());
        // Even with nothing left to wait, one honest try.
        match client.fetch_metadata(None, left.clamp(PAUSE, patience)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(client),
            Ok(_) => tracing::debug!("the broker names no brokers yet"),
            Err(error) => tracing::debug!(%error, brokers = args.brokers, "no broker yet"),
        }
        patience = (patience * 2).min(REQUEST_TIMEOUT);
        // The pause until the next look; meanwhile the client tells why it does not get in.
        let pause_ends = clock.monotonic() + PAUSE;
        while clock.monotonic() < pause_ends {
            drop(client.poll(PAUSE));
        }
        let (brokers, waited) = (args.brokers.clone(), args.retry_for);
        let gives_up = clock.monotonic() >= args.retry_for;
        let is_over = hearing.is_over(client.context().0.take(), clock.monotonic());
        match hearing.latest() {
            Some(Refusal::Final(reason)) if is_over || gives_up => {
                return Err(Error::Refused { brokers, reason: reason.told(&config) });
            }
            Some(Refusal::Closed) if gives_up => {
                let protocol = security::protocol(&config);
                return Err(Error::Closed { brokers, waited, protocol });
            }
            _ if gives_up => return Err(Error::NoBroker { brokers, waited }),
            _ => {}
        }
    }
}

/// What the brokers say of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Absent,
    /// It is there, but some partition has no leader: it is being made, or a broker is away.
    Leaderless,
    /// So many partitions, each with a leader.
    Ready(i32),
}

fn look(client: &BaseConsumer<Quiet>, topic: &str) -> Result<Look, Error> {
    let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT).map_err(|source| {
        Error::Client { action: "ask for the partitions of", topic: topic.to_owned(), source }
    })?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else { return Ok(Look::Absent) };
    let partitions = found.partitions();
    Ok(match found.error().map(RDKafkaErrorCode::from) {
        None if partitions.is_empty() => Look::Absent,
        None if partitions.iter().all(|part| part.leader() >= 0) => {
            Look::Ready(partitions.len() as i32)
        }
        None | Some(RDKafkaErrorCode::LeaderNotAvailable) => Look::Leaderless,
        Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => {
            let (action, topic) = ("look at", topic.to_owned());
            return Err(Error::Topic { action, topic, reason: code.to_string() });
        }
        Some(_) => Look::Absent,
    })
}

/// Looks until there is something to see, for a bounded time.
fn settle<T>(
    topic: &str,
    state: &'static str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let unsettled = || Error::TopicUnsettled { topic: topic.to_owned(), state, waited: patience };
    until(patience, || look()?.ok_or_else(unsettled))
}

/// Asks once more whenever the broker, which answered before, is away for the moment, for as long as
/// [`wait_for_broker`] does.
///
/// # Errors
/// [`Error::NoBroker`] when it stays away; else what `ask` says.
pub fn answered<T>(args: &KafkaArgs, ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    until(args.retry_for, ask).map_err(|error| match error.may_pass() {
        true => Error::NoBroker { brokers: args.brokers.clone(), waited: args.retry_for },
        false => error,
    })
}

/// Tries until what waiting may heal is over, or `patience` is.
fn until<T>(patience: Duration, mut ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let clock = SystemClock::new();
    loop {
        match ask() {
            Err(error) if clock.monotonic() < patience && is_of_the_moment(&error) => {
                tracing::debug!(%error, "asking again");
            }
            answer => return answer,
        }
        std::thread::sleep(PAUSE);
    }
}

fn is_of_the_moment(error: &Error) -> bool {
    error.may_pass() || matches!(error, Error::TopicUnsettled { .. })
}

fn admin(args: &KafkaArgs) -> Result<AdminClient<Quiet>, Error> {
    let made = args.client_config().create_with_context(Quiet::default());
    made.map_err(|error| crate::options::cannot_make(&error))
}

fn request_options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

fn create(args: &KafkaArgs, topic: &NewTopic<'_>) -> Result<Option<RDKafkaErrorCode>, Error> {
    let admin = admin(args)?;
    let result = block_on(admin.create_topics([topic], &request_options()));
    refusal(result, "create", topic.name)
}

/// What the broker said about the one topic that was asked for; `None` is yes.
fn refusal(
    result: Result<Vec<TopicResult>, KafkaError>,
    action: &'static str,
    topic: &str,
) -> Result<Option<RDKafkaErrorCode>, Error> {
    let results =
        result.map_err(|source| Error::Client { action, topic: topic.to_owned(), source })?;
    Ok(results.into_iter().find_map(|result| result.err().map(|(_, code)| code)))
}

/// Waits for librdkafka's answer, which comes from a thread of its own: no async runtime is needed.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn an_absent_broker_is_told_in_bounded_time() {
        let mut args = KafkaArgs::for_brokers("127.0.0.1:1");
        args.retry_for = Duration::from_millis(300);
        for error in [
            wait_for_broker(&args).unwrap_err(),
            ensure_topic(&args, &TopicSpec::new("purchases", 1)).unwrap_err(),
            partitions(&args, "purchases").unwrap_err(),
            delete_topic(&args, "purchases").unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                "no Kafka broker answers at 127.0.0.1:1 (waited 300ms): start one with \
                 \"make broker\" or set KAFKA_BROKERS"
            );
        }
    }

    #[test]
    fn a_topic_that_is_there_stays_as_it_is() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("purchases", 3, 1).unwrap();
        let args = KafkaArgs::for_brokers(cluster.bootstrap_servers());
        wait_for_broker(&args).unwrap();
        let state = ensure_topic(&args, &TopicSpec::new("purchases", 8)).unwrap();
        assert_eq!((state.created, state.partitions), (false, 3));
        assert_eq!(partitions(&args, "purchases").unwrap(), Some(3));
    }

    #[test]
    fn a_broker_that_is_away_for_a_moment_is_asked_again() {
        let mut args = KafkaArgs::for_brokers("127.0.0.1:1");
        // How often a question is asked that fails so at first, and then does not.
        let asked = |args: &KafkaArgs, failures: usize, code: RDKafkaErrorCode| {
            let mut times = 0;
            let answer = answered(args, || {
                times += 1;
                let (action, topic) = ("look at", "purchases".to_owned());
                let source = KafkaError::MetadataFetch(code);
                if times > failures { Ok(()) } else { Err(Error::Client { action, topic, source }) }
            });
            (answer.map_err(|error| matches!(error, Error::NoBroker { .. })), times)
        };
        assert_eq!(asked(&args, 2, RDKafkaErrorCode::BrokerTransportFailure), (Ok(()), 3));
        assert_eq!(asked(&args, 2, RDKafkaErrorCode::TopicAuthorizationFailed), (Err(false), 1));
        args.retry_for = Duration::ZERO;
        assert_eq!(asked(&args, 2, RDKafkaErrorCode::BrokerTransportFailure), (Err(true), 1));
    }

    #[test]
    fn to_ask_for_a_topic_does_not_make_it() {
        let cluster = MockCluster::new(1).unwrap();
        let args = KafkaArgs::for_brokers(cluster.bootstrap_servers());
        for _ in 0..2 {
            assert_eq!(partitions(&args, "nothing").unwrap(), None);
        }
        assert!(!delete_topic(&args, "nothing").unwrap());
    }

    #[test]
    fn options_that_librdkafka_does_not_take_are_told_before_any_wait() {
        let mut args = KafkaArgs::for_brokers("127.0.0.1:1");
        args.kafka_options = vec!["linger.ms=soon".parse().unwrap()];
        let error = wait_for_broker(&args).unwrap_err().to_string();
        assert!(error.contains("linger.ms"), "{error}");
    }
}
