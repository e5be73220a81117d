//! What all consumers of ours share.

use std::ops::Deref;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};

/// A client that is closed by a thread of its own. librdkafka closes it only when its offset commits
/// are answered, which a broker that is gone never does; a second later nobody waits for it any more.
/// What is lost is a commit for the lag tools.
pub(crate) struct ClosedAside<C: ConsumerContext + 'static>(Option<BaseConsumer<C>>);

impl<C: ConsumerContext + 'static> ClosedAside<C> {
    pub(crate) fn new(client: BaseConsumer<C>) -> Self {
        Self(Some(client))
    }
}

impl<C: ConsumerContext + 'static> Deref for ClosedAside<C> {
    type Target = BaseConsumer<C>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is taken by drop only")
    }
}

impl<C: ConsumerContext + 'static> Drop for ClosedAside<C> {
    fn drop(&mut self) {
        let client = self.0.take();
        let closing = thread::spawn(move || drop(client));
        for _ in 0..100 {
            if closing.is_finished() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        tracing::debug!("the broker does not answer the last offset commit: leaving without it");
    }
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
