//! When a run is over: all is read that it is for, it was asked to stop, or it has waited for too long.

use std::collections::BTreeMap;

use super::Run;
use crate::Error;
use crate::job::Job;
use crate::operator::Operator;
use crate::options::millis;

/// How long a job that reads up to an end waits for the next record that the broker has but does not
/// deliver.
const DRAIN_TIMEOUT_MS: i64 = 30_000;

/// A look at all partitions is not over sooner, if some of them do not answer.
const SLOWEST_LOOK_MS: i64 = 15_000;

impl<O: Operator> Run<O> {
    /// A shutdown was asked for: from now on only what is there already is read (with drain), or
    /// nothing more. `false` while the broker does not tell what is there.
    pub(crate) fn stop(&mut self, job: &Job<O>) -> Result<bool, Error> {
        let now_ms = self.shared.monotonic_ms();
        let since_ms = *self.stopping_since_ms.get_or_insert(now_ms);
        let mut ends = BTreeMap::new();
        for &partition in self.lanes.keys().filter(|_| job.options.drain) {
            match job.log.bounds(partition) {
                Err(error) if error.may_pass() && now_ms - since_ms <= DRAIN_TIMEOUT_MS => {
                    tracing::warn!(%error, "the broker does not answer; waiting to hear what is there");
                    return Ok(false);
                }
                Err(error) if error.may_pass() => {
                    let waited_s = ((now_ms - since_ms) / 1000) as u64;
                    return Err(job.silent(Some(partition), waited_s));
                }
                bounds => ends.insert(partition, bounds?.high),
            };
        }
        for (partition, lane) in self.lanes.iter() {
            let end = ends.get(partition).copied().unwrap_or(i64::MIN);
            let mut lane = lane.lock().unwrap();
            lane.stop_at = Some(end.min(lane.stop_at.unwrap_or(i64::MAX)).max(lane.next_offset));
        }
        self.drained = (0, now_ms);
        Ok(true)
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping_since_ms.is_some()
    }

    /// Whether everything that this run is for has been read.
    ///
    /// # Errors
    /// When nothing more comes although the broker has more: its windows must not be closed then.
    pub(crate) fn is_done(&mut self, job: &Job<O>) -> Result<bool, Error> {
        let (mut read, mut done) = (0, true);
        for lane in self.lanes.values() {
            let lane = lane.lock().unwrap();
            read += lane.totals.read;
            // A stop that has nothing to read does not wait to hear whether the log is the same.
            let cut_short = lane.unverified && self.stopping() && !job.options.drain;
            done &= lane.is_done() || cut_short;
        }
        if done && (self.stopping_since_ms.is_none() || self.met_these_ends(job)?) {
            return Ok(true);
        }
        let now_ms = self.shared.monotonic_ms();
        if read > self.drained.0 {
            self.drained = (read, now_ms);
        }
        let patience_ms = match self.stopping() {
            true => DRAIN_TIMEOUT_MS,
            false => DRAIN_TIMEOUT_MS.max(millis(job.options.broker_timeout)),
        };
        match now_ms - self.drained.1 > patience_ms {
            true => Err(Error::DrainStalled { waited_s: patience_ms as u64 / 1000 }),
            false => Ok(false),
        }
    }

    /// The client met the ends of the partitions; were they those that a shutdown asked for? It may
    /// have met one before that, or tell late of one that it met before. It does not tell again, if
    /// what lies between holds no record: so the broker is asked.
    fn met_these_ends(&self, job: &Job<O>) -> Result<bool, Error> {
        for (&partition, lane) in self.lanes.iter() {
            let (from, to) = {
                let lane = lane.lock().unwrap();
                (lane.next_offset, lane.stop_at.unwrap_or(lane.next_offset))
            };
            if from >= to {
                continue;
            }
            let more = match job.log.has_records(partition, from, to) {
                Err(error) if error.may_pass() => return Ok(false),
                more => more?,
            };
            let mut lane = lane.lock().unwrap();
            // It may have come on meanwhile.
            if more && lane.next_offset < to {
                lane.at_end_ms = None;
                return Ok(false);
            }
            lane.next_offset = lane.next_offset.max(to);
        }
        Ok(true)
    }

    /// Gives up when the broker, or the leader of a partition, has been away for too long.
    pub(crate) fn check_broker(&self, job: &Job<O>) -> Result<(), Error> {
        let now_ms = self.shared.monotonic_ms();
        let timeout_ms = millis(job.options.broker_timeout);
        let away_ms = now_ms - self.watch.answered_ms().unwrap_or(self.opened_ms);
        if away_ms > timeout_ms {
            // The watch may have been waiting all the time for partitions that have no leader.
            if job.log.partitions().is_err() {
                let waited_s = (away_ms / 1000) as u64;
                return Err(Error::BrokerAway { brokers: job.brokers.clone(), waited_s });
            }
            self.watch.answered(self.shared.monotonic_ms());
        }
        let oldest = self.watch.longest_unanswered(self.lanes.keys(), self.opened_ms);
        let Some((seen_ms, partition)) = oldest else { return Ok(()) };
        if now_ms - seen_ms <= timeout_ms.max(SLOWEST_LOOK_MS) {
            return Ok(());
        }
        // It may be this process that stood still, or the watch that waited for others.
        match job.log.bounds(partition) {
            Ok(bounds) => {
                self.watch.saw(partition, bounds.high, self.shared.monotonic_ms());
                Ok(())
            }
            // A broker that lacks the leader may also say that it does not know the partition.
            Err(_) => {
                let waited_s = ((now_ms - seen_ms) / 1000) as u64;
                Err(Error::NoLeader { partition: Some(partition), waited_s })
            }
        }
    }
}
