//! What a run can be, and what it can become.

use std::fmt;
use std::str::FromStr;

/// The state of a run.
///
/// ```text
/// scheduled ─► running ─► success · failed · timed_out · skipped      (these stay)
///                │  ▲
///                │  ├── retrying       an attempt failed, another one will come
///                └──┴── interrupted    stopped or killed; may be taken up again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// It will run; nothing was done yet.
    Scheduled,
    /// An attempt is at work.
    Running,
    /// An attempt failed, and the next one waits for its time.
    Retrying,
    /// It did what it was there for.
    Success,
    /// Its last attempt failed.
    Failed,
    /// Its last attempt took longer than it may.
    TimedOut,
    /// It was stopped, or its process died.
    Interrupted,
    /// There was nothing to do.
    Skipped,
}

impl RunState {
    /// All of them.
    pub const ALL: [RunState; 8] = [
        RunState::Scheduled,
        RunState::Running,
        RunState::Retrying,
        RunState::Success,
        RunState::Failed,
        RunState::TimedOut,
        RunState::Interrupted,
        RunState::Skipped,
    ];

    /// Its name as it is kept and shown: `timed_out`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Scheduled => "scheduled",
            RunState::Running => "running",
            RunState::Retrying => "retrying",
            RunState::Success => "success",
            RunState::Failed => "failed",
            RunState::TimedOut => "timed_out",
            RunState::Interrupted => "interrupted",
            RunState::Skipped => "skipped",
        }
    }

    /// Whether a process is, or was, at work on it: what a dead process leaves behind.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, RunState::Running | RunState::Retrying)
    }

    /// Whether it came to an end of its own, good or bad; an interrupted one did not.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            RunState::Success | RunState::Failed | RunState::TimedOut | RunState::Skipped
        )
    }

    /// Whether a run in this state can come into the next one.
    ///
    /// ```
    /// use arus_schedule::RunState;
    ///
    /// assert!(RunState::Interrupted.may_become(RunState::Running));
    /// assert!(!RunState::Success.may_become(RunState::Running));
    /// ```
    #[must_use]
    pub fn may_become(self, next: RunState) -> bool {
        match self {
            RunState::Scheduled | RunState::Retrying => {
                matches!(next, RunState::Running | RunState::Interrupted)
            }
            RunState::Running => {
                next == RunState::Retrying || !next.is_open() && next != Self::Scheduled
            }
            RunState::Interrupted => next == RunState::Running,
            RunState::Success | RunState::Failed | RunState::TimedOut | RunState::Skipped => false,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        RunState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
            format!("\"{text}\" is no state of a run: write one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RunState::*;
    use super::*;

    #[test]
    fn what_can_become_what() {
        let allowed = [
            (Scheduled, vec![Running, Interrupted]),
            (Running, vec![Retrying, Success, Failed, TimedOut, Interrupted, Skipped]),
            (Retrying, vec![Running, Interrupted]),
            (Interrupted, vec![Running]),
            (Success, vec![]),
            (Failed, vec![]),
            (TimedOut, vec![]),
            (Skipped, vec![]),
        ];
        assert_eq!(allowed.len(), RunState::ALL.len());
        for (state, nexts) in allowed {
            for next in RunState::ALL {
                assert_eq!(state.may_become(next), nexts.contains(&next), "{state} to {next}");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for state in RunState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        let error = "done".parse::<RunState>().unwrap_err();
        assert!(error.contains("timed_out"), "{error}");
    }
}
