//! What all consumers of ours share.

use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Closes clients, each by a thread of its own, since rdkafka takes a tenth of a second for one.
/// librdkafka closes a client only when its offset commits are answered, which a broker that is gone
/// never does; a second later nobody waits for it any more. What is lost is a commit for the lag
/// tools.
pub(crate) fn close<C: Send + 'static>(clients: impl IntoIterator<Item = C>) {
    let closing: Vec<_> =
        clients.into_iter().map(|client| thread::spawn(move || drop(client))).collect();
    for _ in 0..100 {
        if closing.iter().all(thread::JoinHandle::is_finished) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    tracing::debug!("the broker does not answer the last offset commit: leaving without it");
}

/// Sets an option unless the user did.
pub(crate) fn set_unless_given(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

/// Keeps librdkafka's own words for those who look for them: what matters comes as an error too.
pub(crate) fn tell(_: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", facility, "{message}");
}
