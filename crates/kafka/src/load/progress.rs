//! What a person sees while records are sent: a line that is written over once a second on a
//! terminal, log lines every ten seconds otherwise; and the same figures as metrics.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use arus_runtime::number::group_digits;

use crate::producer::Counts;

const EVERY_ON_TERMINAL: Duration = Duration::from_secs(1);
const EVERY_IN_LOG: Duration = Duration::from_secs(10);

/// Tells how it goes.
pub(super) struct Progress {
    topic: String,
    on_terminal: bool,
    next: Duration,
    /// When it was told last, and what was acknowledged by then.
    last: (Duration, u64),
}

impl Progress {
    pub(super) fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            on_terminal: std::io::stderr().is_terminal(),
            next: EVERY_ON_TERMINAL,
            last: (Duration::ZERO, 0),
        }
    }

    /// Whether it is time to tell.
    pub(super) fn is_due(&self, elapsed: Duration) -> bool {
        elapsed >= self.next
    }

    pub(super) fn tell(&mut self, elapsed: Duration, counts: &Counts) {
        self.next = elapsed + EVERY_ON_TERMINAL;
        measure(counts);
        let passed = elapsed.saturating_sub(self.last.0);
        if !self.on_terminal && passed < EVERY_IN_LOG {
            return;
        }
        let more = (counts.acknowledged - self.last.1) as f64;
        let per_second = (more / passed.as_secs_f64().max(0.001)).round() as u64;
        self.last = (elapsed, counts.acknowledged);
        let (sent, acknowledged) = (counts.sent, counts.acknowledged);
        if self.on_terminal {
            let line = format!(
                "{}: sent {} · acknowledged {} · {} events/s",
                self.topic,
                group_digits(sent),
                group_digits(acknowledged),
                group_digits(per_second),
            );
            // A terminal that went away must not end the run.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        } else {
            let topic = &self.topic;
            tracing::info!(topic, sent, acknowledged, per_second, "sending");
        }
    }

    /// The last figures; the terminal's line is cleared for what comes.
    pub(super) fn end(&mut self, elapsed: Duration, counts: &Counts) {
        measure(counts);
        if self.on_terminal && self.last.0 > Duration::ZERO {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
        tracing::debug!(topic = self.topic, ?elapsed, "done sending");
    }
}

fn measure(counts: &Counts) {
    metrics::counter!("arus_producer_sent_total").absolute(counts.sent);
    metrics::counter!("arus_producer_acknowledged_total").absolute(counts.acknowledged);
    metrics::counter!("arus_producer_failed_total").absolute(counts.failed);
}
