//! One execution: a run that is locked, recorded, logged, stopped in time, and tried again.
//!
//! ```text
//! take the lock ─► history: running ─► attempt ─► history: how it ended ─► release, alert
//!                      ▲                  │
//!                      └── retry-delay ◄──┘ failed, or took longer than --timeout
//! ```
//!
//! When to do what is decided by [`arus_schedule::Run`]; here it is done.

pub mod args;
mod attempt;
mod failure_command;
mod logs;
pub mod metrics;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arus_runtime::clock::Clock;
use arus_runtime::duration;
use arus_runtime::logging::LogCopy;
use arus_runtime::shutdown::Shutdown;
use arus_schedule::{Action, Outcome, Run, RunState};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use self::args::JobArgs;
use self::attempt::Attempt;
use self::session::{Opening, Session};
use crate::history::{RunKind, RunRecord};
use crate::run::{self, RunOptions, RunOutcome};
use crate::{Error, placeholders};

/// What executions get from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The stop signal.
    pub shutdown: Shutdown,
    /// The log's copy.
    pub log_copy: LogCopy,
}

impl Surroundings {
    /// The wall clock's time, to the millisecond.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.clock.wall_ms()).unwrap_or_default()
    }

    /// Waits, but no longer than until the stop signal comes.
    pub async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shutdown.requested() => {}
        }
    }
}

/// Which run is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// Why.
    pub kind: RunKind,
    /// The time that it is for, if it is for one.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// On whose clock the placeholders of the input are filled.
    pub zone: Tz,
    /// Whether to wait for another run's end rather than fail.
    pub waits_for_lock: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Its name in the history.
    pub run_id: String,
    /// How.
    pub state: RunState,
    /// What it made, or that there was nothing to do.
    pub outcome: Option<RunOutcome>,
    /// Why its last attempt failed.
    pub error: Option<Error>,
}

impl Ended {
    /// A run that needed not be made again.
    fn made_before(run_id: String, state: RunState) -> Self {
        Self { run_id, state, outcome: None, error: None }
    }
}

/// Makes a run, with all its attempts. A failed run is no error here.
///
/// # Errors
/// When no attempt could begin: another run is at work, or the input's name cannot be filled.
pub async fn execute(
    surroundings: &Surroundings,
    options: &RunOptions,
    job: &JobArgs,
    occasion: &Occasion,
) -> Result<Ended, Error> {
    let began = surroundings.now();
    let base_id = base_id(occasion, began);
    let time = occasion.scheduled_for.unwrap_or(began);
    let mut options = options.clone();
    options.extract.inputs =
        placeholders::fill(&options.extract.inputs, time.with_timezone(&occasion.zone))?;
    run::refuse_own_input(&options)?;
    let logs = job.logs.clone().unwrap_or_else(|| options.load.output.join("logs"));
    let mut execution = Execution {
        surroundings,
        options,
        job,
        occasion,
        base_id,
        log_file: PathBuf::new(),
        logs,
        machine: Run::new(job.policy()),
        session: None,
        attempts_before: None,
        last: Last::default(),
    };
    execution.begin_log(&execution.base_id.clone());
    let ended = execution.all_attempts().await;
    surroundings.log_copy.end();
    ended
}

/// `scheduled-20261125T190000Z`: the kind and the time; of runs for no time, when they began.
fn base_id(occasion: &Occasion, began: DateTime<Utc>) -> String {
    match occasion.scheduled_for {
        Some(time) if occasion.kind != RunKind::Manual => {
            format!("{}-{}", occasion.kind, time.format("%Y%m%dT%H%M%SZ"))
        }
        _ => format!("{}-{}", occasion.kind, began.format("%Y%m%dT%H%M%S%.3fZ")),
    }
}

struct Execution<'a> {
    surroundings: &'a Surroundings,
    options: RunOptions,
    job: &'a JobArgs,
    occasion: &'a Occasion,
    base_id: String,
    /// The folder of the logs.
    logs: PathBuf,
    log_file: PathBuf,
    machine: Run,
    /// Lock and history, once the database could be reached.
    session: Option<Session>,
    /// Attempts that an earlier process made of the same run, once that is known.
    attempts_before: Option<u32>,
    last: Last,
}

/// What is known of the last attempt.
#[derive(Default)]
struct Last {
    attempt: u32,
    outcome: Option<RunOutcome>,
    error: Option<Error>,
}

impl Execution<'_> {
    async fn all_attempts(&mut self) -> Result<Ended, Error> {
        let began = self.surroundings.clock.monotonic();
        let state = loop {
            if self.surroundings.shutdown.is_requested() {
                self.machine.stop();
            }
            let now = self.surroundings.clock.monotonic();
            match self.machine.step(now) {
                Action::Start { attempt } => {
                    if let Some(made) = self.attempt(attempt).await? {
                        return Ok(made);
                    }
                }
                Action::Wait { until } => {
                    let delay = until.saturating_sub(now);
                    tracing::info!(delay = %duration::display(rounded(delay)), "waiting to retry");
                    self.surroundings.wait(delay).await;
                }
                Action::Ended { state } => break state,
                Action::Work { .. } | Action::Stop => {
                    unreachable!("an attempt is over when attempt() returns")
                }
            }
        };
        let took = self.surroundings.clock.monotonic().saturating_sub(began);
        self.end(state, took).await
    }

    /// From now on all that is told goes to the log file of this run too. Without one the run is made all
    /// the same: results are worth more than their log.
    fn begin_log(&mut self, run_id: &str) {
        self.log_file = self.logs.join(format!("{run_id}.log"));
        if let Err(error) = self.surroundings.log_copy.begin(&self.log_file) {
            tracing::warn!(%error, "the run has no log file");
        }
    }

    fn remove_old_logs(&self) {
        match logs::keep_newest(&self.logs, self.job.keep_logs as usize, &self.log_file) {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "old log files removed"),
            // No reason not to make the run.
            Err(error) => {
                let folder = self.logs.display();
                tracing::warn!(%folder, %error, "old log files could not be removed");
            }
        }
    }

    /// Makes one attempt; the whole run's end if somebody else has made it already.
    async fn attempt(&mut self, attempt: u32) -> Result<Option<Ended>, Error> {
        self.last = Last { attempt, ..Last::default() };
        let opened = match self.open().await {
            Ok(None) => Ok(()),
            Ok(Some(made)) => return Ok(Some(made)),
            Err(error @ Error::Busy { .. }) => return Err(error),
            Err(error) if error.is_wrong_use() => return Err(error),
            Err(error) => Err(error),
        };
        let result = match opened {
            Ok(()) => self.work(attempt).await,
            Err(error) => Err(error),
        };
        let outcome = match &result {
            Ok(RunOutcome::Done(_)) => Outcome::Success,
            Ok(RunOutcome::Unchanged { .. }) => Outcome::Skipped,
            Err(Error::Stopped) => Outcome::Stopped,
            Err(_) => Outcome::Failed,
        };
        let now = self.surroundings.clock.monotonic();
        let was_late = outcome == Outcome::Stopped
            && !self.surroundings.shutdown.is_requested()
            && self.machine.step(now) == Action::Stop;
        let state = self.machine.attempt_ended(outcome, now);
        match result {
            Ok(outcome) => self.last.outcome = Some(outcome),
            // It was stopped because its time was over, and that is why it failed.
            Err(_) if was_late => {
                let timeout = self.job.timeout.unwrap_or_default();
                self.last.error = Some(Error::TimedOut { timeout: duration::display(timeout) });
            }
            Err(error) => self.last.error = Some(error),
        }
        self.record(state).await;
        Ok(None)
    }

    /// Sees to it that the lock is held and the history open; the run's end if somebody else has
    /// made it already.
    async fn open(&mut self) -> Result<Option<Ended>, Error> {
        if let Some(session) = &mut self.session {
            tokio::select! {
                held = session.is_held() => if held {
                    return Ok(None);
                },
                () = self.surroundings.shutdown.requested() => return Err(Error::Stopped),
            }
        }
        self.session = None;
        let load = &self.options.load;
        let opening =
            Session::open(self.surroundings, load, self.job, self.occasion, &self.base_id);
        tokio::select! {
            opened = opening => match opened? {
                Opening::Ready(session) => {
                    // Opened again, it would count our own attempts.
                    self.attempts_before.get_or_insert(session.attempts_before);
                    if session.run_id != self.base_id {
                        self.begin_log(&session.run_id);
                    }
                    // Only now that the lock is held: no run of this job is at work on another's log.
                    self.remove_old_logs();
                    self.session = Some(*session);
                    Ok(None)
                }
                Opening::Made(ended) => Ok(Some(ended)),
            },
            () = self.surroundings.shutdown.requested() => Err(Error::Stopped),
        }
    }

    /// Lets the work be done, with steps and state in the history.
    async fn work(&mut self, attempt: u32) -> Result<RunOutcome, Error> {
        let session = self.session.as_mut().expect("it was opened");
        // Attempts of an earlier process are numbered through.
        let attempt = attempt + self.attempts_before.unwrap_or_default();
        self.last.attempt = attempt;
        let run = RunRecord {
            job: self.job.job.clone(),
            run_id: session.run_id.clone(),
            kind: self.occasion.kind,
            scheduled_for: self.occasion.scheduled_for,
            started: self.surroundings.now(),
            ended: None,
            state: RunState::Running,
            attempt,
            rows: None,
            input: self.options.extract.inputs.join(" "),
            input_fingerprint: None,
            error: None,
            log_file: self.log_file.display().to_string(),
            process: session::this_process(),
        };
        tracing::info!(run = %run.run_id, attempt, input = %run.input, "run started");
        session.run = Some(run.clone());
        session.history.write(Some(&run), &[]).await?;
        let mut options = self.options.clone();
        if !self.job.force {
            options.last_fingerprint =
                session.history.last_success().await?.and_then(|run| run.input_fingerprint);
        }
        let attempt = Attempt::start(self.surroundings, session, &run, options)?;
        self.machine.attempt_begins(self.surroundings.clock.monotonic());
        metrics::attempt_began(&self.job.job);
        let result = attempt.wait(self.surroundings, session, &mut self.machine).await;
        metrics::attempt_ended(&self.job.job);
        result
    }

    /// Writes into the history how the attempt ended.
    async fn record(&mut self, state: RunState) {
        log_end(&self.last, state);
        let Some(session) = &mut self.session else { return };
        let Some(run) = &mut session.run else { return };
        assert!(run.state.may_become(state), "{} to {state}", run.state);
        run.state = state;
        run.ended = Some(self.surroundings.now());
        run.error = self.last.error.as_ref().map(ToString::to_string);
        if let Some(outcome) = &self.last.outcome {
            run.input_fingerprint = Some(outcome.fingerprint().to_owned());
            run.rows = attempt::rows(outcome);
        } else if let Some(error) = &self.last.error {
            run.rows = attempt::rejected_rows(error);
        }
        let run = run.clone();
        let steps = session.open_steps(state, run.ended);
        // Whoever had the lock meanwhile has written down that this process died.
        if !session.is_held().await && !session.is_still_ours().await.unwrap_or(false) {
            tracing::error!(run = %run.run_id, "the lock was lost, so the end of the run is not recorded");
            return;
        }
        if let Err(error) = session.history.write(Some(&run), &steps).await {
            // The database went away: the next start will find the run open, and say so.
            tracing::error!(run = %run.run_id, %error, "the end of the run could not be recorded");
        }
    }

    /// Writes down a run that ended between two attempts, lets go of the lock, and tells.
    async fn end(&mut self, state: RunState, took: Duration) -> Result<Ended, Error> {
        let between = self.session.as_ref().and_then(|session| session.run.as_ref());
        if between.is_some_and(|run| run.state != state) {
            self.record(state).await;
        }
        let mut run_id = self.base_id.clone();
        if let Some(session) = self.session.take() {
            run_id.clone_from(&session.run_id);
            session.close().await;
        }
        metrics::run_ended(&self.job.job, self.occasion.kind, state, took, &self.last.outcome);
        // Of unchanged input the results are as good as new.
        if matches!(state, RunState::Success | RunState::Skipped) {
            metrics::succeeded(&self.job.job, self.surroundings.now());
        }
        if let (Some(command), RunState::Failed | RunState::TimedOut) =
            (&self.job.on_failure, state)
        {
            let failure = failure_command::Failure {
                run_id: &run_id,
                job: &self.job.job,
                kind: self.occasion.kind,
                state,
                attempt: self.last.attempt,
                scheduled_for: self.occasion.scheduled_for,
                error: self.last.error.as_ref().map(ToString::to_string).unwrap_or_default(),
                log_file: &self.log_file,
            };
            failure_command::run(command, &failure).await;
        }
        let Last { outcome, error, .. } = std::mem::take(&mut self.last);
        Ok(Ended { run_id, state, outcome, error })
    }
}

/// Into the run's log. To people the failure is told once, by the command that asked for the run.
fn log_end(last: &Last, state: RunState) {
    let attempt = last.attempt;
    match &last.error {
        Some(error) if state == RunState::Retrying => {
            tracing::warn!(attempt, %error, "attempt failed, it will be tried again");
        }
        Some(error) => tracing::info!(attempt, %state, reason = %error, "run ended"),
        None => tracing::info!(attempt, %state, "run ended"),
    }
}

/// To the second, as long as there is more than one.
fn rounded(time: Duration) -> Duration {
    match time.as_secs() {
        0 => Duration::from_millis(time.as_millis().try_into().unwrap_or(u64::MAX)),
        seconds => Duration::from_secs(seconds),
    }
}

#[cfg(test)]
mod tests;
