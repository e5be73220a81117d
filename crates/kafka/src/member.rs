//! Membership in a consumer group: which partitions are ours to read.
//!
//! A member reads nothing. The group's protocol (heartbeats, dealing partitions out, offset
//! commits) needs a consumer of its own; records are read by the readers of
//! [`crate::source::Source`], at offsets that the caller names. The *eager* protocol is used: when a
//! process comes or goes, all give their partitions back before any is dealt anew, so that two
//! members that keep to it never hold one partition. One that does not (a process that was stopped
//! and goes on) must be kept out where results are committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::client::{close, set_unless_given, tell};

/// What the group has dealt to this member.
#[derive(Debug, Default)]
struct Hand {
    /// `None` while the group deals.
    partitions: Option<Vec<i32>>,
    /// The group wants them back.
    recalled: bool,
    /// Counts deals, for the log.
    deals: u64,
}

/// Takes part in the group's protocol.
struct MemberContext {
    hand: Arc<Mutex<Hand>>,
    leaving: AtomicBool,
}

impl ClientContext for MemberContext {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        tell(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "member error");
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let mut hand = self.hand.lock().unwrap();
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let mut partitions: Vec<i32> =
                list.elements().iter().map(|element| element.partition()).collect();
            partitions.sort_unstable();
            hand.deals += 1;
            tracing::info!(?partitions, deal = hand.deals, "the group dealt partitions");
            *hand = Hand { partitions: Some(partitions), recalled: false, deals: hand.deals };
            // Others read: from the end, paused, nothing is fetched here.
            list.set_all_offsets(Offset::End)
                .and_then(|()| consumer.assign(list))
                .and_then(|()| consumer.pause(list))
        } else if self.leaving.load(Ordering::Acquire) || hand.partitions.is_none() {
            consumer.unassign()
        } else {
            // Given back by `Member::give_back`, when what was read is committed. Until then the
            // group waits, for as long as `max.poll.interval.ms` says.
            hand.recalled = true;
            Ok(())
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the consumer group's deal cannot be followed");
        }
    }
}

/// This process as a member of the group.
pub(crate) struct Member {
    /// Taken by `drop` only.
    consumer: Option<BaseConsumer<MemberContext>>,
    hand: Arc<Mutex<Hand>>,
}

impl Member {
    /// Joins the group that `config` names.
    pub(crate) fn join(config: &ClientConfig, topic: &str) -> KafkaResult<Self> {
        let mut config = config.clone();
        config.set("partition.assignment.strategy", "range").set("auto.offset.reset", "latest");
        for (key, value) in [
            // A process that was killed is missed after this time; only then others go on with its
            // partitions.
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "1000"),
            // New partitions of the topic are dealt out after this time.
            ("topic.metadata.refresh.interval.ms", "30000"),
        ] {
            set_unless_given(&mut config, key, value);
        }
        let hand = Arc::<Mutex<Hand>>::default();
        let context = MemberContext { hand: Arc::clone(&hand), leaving: AtomicBool::new(false) };
        let consumer: BaseConsumer<MemberContext> = config.create_with_context(context)?;
        consumer.subscribe(&[topic])?;
        Ok(Self { consumer: Some(consumer), hand })
    }

    /// The partitions that are ours; `None` while the group deals.
    pub(crate) fn partitions(&self) -> Option<Vec<i32>> {
        self.hand.lock().unwrap().partitions.clone()
    }

    /// Whether the group wants its partitions back.
    pub(crate) fn is_recalled(&self) -> bool {
        self.hand.lock().unwrap().recalled
    }

    /// Gives the partitions back, if the group wants them.
    pub(crate) fn give_back(&self) -> KafkaResult<()> {
        {
            let mut hand = self.hand.lock().unwrap();
            if !std::mem::take(&mut hand.recalled) {
                return Ok(());
            }
            hand.partitions = None;
        }
        self.consumer().unassign()
    }

    /// Serves the group's protocol. To be called at least every few seconds.
    ///
    /// # Errors
    /// When the group does not take this member, and never will.
    pub(crate) fn serve(&self) -> KafkaResult<()> {
        // Records do not come.
        while let Some(event) = self.consumer().poll(Duration::ZERO) {
            match event {
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => tracing::debug!(%error, "consumer group"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Commits offsets to the group, as the member that we are.
    pub(crate) fn commit(&self, list: &TopicPartitionList, mode: CommitMode) -> KafkaResult<()> {
        self.consumer().commit(list, mode)
    }

    fn consumer(&self) -> &BaseConsumer<MemberContext> {
        self.consumer.as_ref().expect("it is taken by drop only")
    }
}

/// What the group's coordinator says again however often it is asked.
fn is_final(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::FencedInstanceId
                | Code::GroupAuthorizationFailed
                | Code::GroupMaxSizeReached
                | Code::InconsistentGroupProtocol
                | Code::InvalidGroupId
                | Code::InvalidSessionTimeout
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
        )
    )
}

impl Drop for Member {
    fn drop(&mut self) {
        // Closing recalls what we hold, and nobody is there any more to give it back.
        self.consumer().context().leaving.store(true, Ordering::Release);
        // Already recalled: closing would wait for the answer.
        if let Err(error) = self.give_back() {
            tracing::debug!(%error, "partitions not given back");
        }
        close(self.consumer.take());
    }
}
