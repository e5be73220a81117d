//! One run and its attempts: when the next one begins, when one has taken too long, how it ends.

use std::time::Duration;

use crate::RunState;

/// What is done about attempts that fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// From the end of one attempt to the begin of the next.
    pub delay: Duration,
    /// The longest that an attempt may take; none: as long as it takes.
    pub timeout: Option<Duration>,
}

/// How an attempt came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did its work.
    Success,
    /// There was nothing to do.
    Skipped,
    /// It failed.
    Failed,
    /// It gave up its work because it was told to stop.
    Stopped,
}

/// What to do now. Times are those of a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin this attempt, counted from 1.
    Start {
        /// Its number.
        attempt: u32,
    },
    /// Let the attempt work, and ask again when it ends, at this time at the latest.
    Work {
        /// When it will have taken too long.
        until: Option<Duration>,
    },
    /// Tell the attempt to stop, and wait for its end.
    Stop,
    /// Ask again at this time: the next attempt begins then.
    Wait {
        /// When.
        until: Duration,
    },
    /// The run is over.
    Ended {
        /// How.
        state: RunState,
    },
}

/// A run: hand it the time and what happens, do what it says.
///
/// ```
/// use arus_schedule::{Action, Outcome, RetryPolicy, Run, RunState};
/// use std::time::Duration;
///
/// let at = Duration::from_secs;
/// let policy = RetryPolicy { retries: 1, delay: at(300), timeout: Some(at(3600)) };
/// let mut run = Run::new(policy);
/// assert_eq!(run.step(at(0)), Action::Start { attempt: 1 });
/// assert_eq!(run.attempt_ended(Outcome::Failed, at(10)), RunState::Retrying);
/// assert_eq!(run.step(at(10)), Action::Wait { until: at(310) });
/// assert_eq!(run.step(at(310)), Action::Start { attempt: 2 });
/// assert_eq!(run.step(at(311)), Action::Work { until: Some(at(3910)) });
/// assert_eq!(run.attempt_ended(Outcome::Success, at(320)), RunState::Success);
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    policy: RetryPolicy,
    retries_left: u32,
    attempts: u32,
    stop_wanted: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Waiting { until: Duration },
    Working { since: Duration, timed_out: bool },
    Ended { state: RunState },
}

impl Run {
    /// A run that begins at once.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            retries_left: policy.retries,
            attempts: 0,
            stop_wanted: false,
            phase: Phase::Waiting { until: Duration::ZERO },
        }
    }

    /// What to do at this time.
    pub fn step(&mut self, now: Duration) -> Action {
        match &mut self.phase {
            Phase::Waiting { .. } if self.stop_wanted => {
                self.end(RunState::Interrupted);
                Action::Ended { state: RunState::Interrupted }
            }
            Phase::Waiting { until } if now < *until => Action::Wait { until: *until },
            Phase::Waiting { .. } => {
                self.attempts += 1;
                self.phase = Phase::Working { since: now, timed_out: false };
                Action::Start { attempt: self.attempts }
            }
            Phase::Working { since, timed_out } => {
                let until = self.policy.timeout.map(|timeout| since.saturating_add(timeout));
                *timed_out |= !self.stop_wanted && until.is_some_and(|until| now >= until);
                match *timed_out || self.stop_wanted {
                    true => Action::Stop,
                    false => Action::Work { until },
                }
            }
            Phase::Ended { state } => Action::Ended { state: *state },
        }
    }

    /// The time of the attempt that was just started counts from now: it had to wait for others.
    pub fn attempt_begins(&mut self, now: Duration) {
        if let Phase::Working { since, .. } = &mut self.phase {
            *since = now;
        }
    }

    /// Nothing more is to begin, and what works is to stop.
    pub fn stop(&mut self) {
        self.stop_wanted = true;
    }

    /// Takes down how the attempt at work ended, and tells what the run is now.
    ///
    /// # Panics
    /// When no attempt is at work: that is for the caller to know.
    pub fn attempt_ended(&mut self, outcome: Outcome, now: Duration) -> RunState {
        let Phase::Working { timed_out, .. } = self.phase else {
            panic!("an attempt ended, and none was at work: {:?}", self.phase);
        };
        match outcome {
            // Also when it was told to stop and had done its work by then.
            Outcome::Success => self.end(RunState::Success),
            Outcome::Skipped => self.end(RunState::Skipped),
            Outcome::Failed | Outcome::Stopped if self.stop_wanted => {
                let last = outcome == Outcome::Failed && self.retries_left == 0;
                self.end(if last { RunState::Failed } else { RunState::Interrupted })
            }
            Outcome::Stopped if !timed_out => self.end(RunState::Interrupted),
            Outcome::Failed | Outcome::Stopped if self.retries_left > 0 => {
                self.retries_left -= 1;
                self.phase = Phase::Waiting { until: now.saturating_add(self.policy.delay) };
                RunState::Retrying
            }
            Outcome::Failed | Outcome::Stopped => {
                self.end(if timed_out { RunState::TimedOut } else { RunState::Failed })
            }
        }
    }

    fn end(&mut self, state: RunState) -> RunState {
        self.phase = Phase::Ended { state };
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy(retries: u32, timeout: Option<u64>) -> RetryPolicy {
        RetryPolicy { retries, delay: at(300), timeout: timeout.map(at) }
    }

    /// Begins the first attempt at 0.
    fn begun(policy: RetryPolicy) -> Run {
        let mut run = Run::new(policy);
        assert_eq!(run.step(at(0)), Action::Start { attempt: 1 });
        run
    }

    #[test]
    fn attempts_until_there_are_no_more() {
        let mut run = begun(policy(2, None));
        assert_eq!(run.step(at(5)), Action::Work { until: None });
        for (attempt, ended) in [(2, 10), (3, 400)] {
            assert_eq!(run.attempt_ended(Outcome::Failed, at(ended)), RunState::Retrying);
            let until = at(ended + 300);
            assert_eq!(run.step(at(ended)), Action::Wait { until });
            assert_eq!(run.step(until - Duration::from_nanos(1)), Action::Wait { until });
            assert_eq!(run.step(until), Action::Start { attempt });
        }
        assert_eq!(run.attempt_ended(Outcome::Failed, at(800)), RunState::Failed);
        assert_eq!(run.step(at(9_999)), Action::Ended { state: RunState::Failed });
    }

    #[test]
    fn an_attempt_that_takes_too_long_is_stopped_and_tried_again() {
        let mut run = begun(policy(1, Some(60)));
        assert_eq!(run.step(at(59)), Action::Work { until: Some(at(60)) });
        assert_eq!(run.step(at(60)), Action::Stop);
        assert_eq!(run.step(at(61)), Action::Stop, "until it has ended");
        assert_eq!(run.attempt_ended(Outcome::Stopped, at(62)), RunState::Retrying);
        assert_eq!(run.step(at(362)), Action::Start { attempt: 2 });
        assert_eq!(run.step(at(421)), Action::Work { until: Some(at(422)) }, "time counts anew");
        assert_eq!(run.step(at(422)), Action::Stop);
        assert_eq!(run.attempt_ended(Outcome::Stopped, at(423)), RunState::TimedOut);
    }

    #[test]
    fn waiting_for_others_is_not_its_time() {
        let mut run = begun(policy(0, Some(60)));
        run.attempt_begins(at(1_000));
        assert_eq!(run.step(at(1_059)), Action::Work { until: Some(at(1_060)) });
        assert_eq!(run.step(at(1_060)), Action::Stop);
    }

    #[test]
    fn what_was_done_before_it_was_stopped_counts() {
        let mut run = begun(policy(1, Some(60)));
        assert_eq!(run.step(at(60)), Action::Stop);
        assert_eq!(run.attempt_ended(Outcome::Success, at(61)), RunState::Success);
    }

    #[test]
    fn a_stop_ends_the_run_wherever_it_is() {
        let mut working = begun(policy(1, Some(60)));
        working.stop();
        assert_eq!(working.step(at(1)), Action::Stop);
        assert_eq!(working.attempt_ended(Outcome::Stopped, at(2)), RunState::Interrupted);

        let mut late = begun(policy(0, Some(60)));
        late.stop();
        assert_eq!(late.step(at(90)), Action::Stop);
        let ended = late.attempt_ended(Outcome::Stopped, at(91));
        assert_eq!(ended, RunState::Interrupted, "it had no chance to be in time");

        let mut waiting = begun(policy(1, None));
        waiting.attempt_ended(Outcome::Failed, at(1));
        waiting.stop();
        assert_eq!(waiting.step(at(2)), Action::Ended { state: RunState::Interrupted });

        let mut unbegun = Run::new(policy(0, None));
        unbegun.stop();
        assert_eq!(unbegun.step(at(0)), Action::Ended { state: RunState::Interrupted });

        for (retries, state) in [(0, RunState::Failed), (1, RunState::Interrupted)] {
            let mut failing = begun(policy(retries, None));
            failing.stop();
            assert_eq!(failing.attempt_ended(Outcome::Failed, at(1)), state);
        }
    }

    #[test]
    fn every_state_that_comes_may_come() {
        let outcomes = [Outcome::Success, Outcome::Skipped, Outcome::Failed, Outcome::Stopped];
        for outcome in outcomes {
            for (stop, late, retries) in
                [(false, false, 0), (false, true, 0), (true, false, 0), (false, true, 1)]
            {
                let mut run = begun(policy(retries, Some(60)));
                if stop {
                    run.stop();
                }
                run.step(at(if late { 60 } else { 1 }));
                let state = run.attempt_ended(outcome, at(61));
                assert!(RunState::Running.may_become(state), "{outcome:?} {state}");
            }
        }
    }
}
