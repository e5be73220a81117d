//! The lock and the history, for as long as a run takes.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arus_schedule::RunState;
use arus_store::{Condition, Store, StoreLock};
use chrono::{DateTime, Utc};

use super::args::JobArgs;
use super::{Ended, Occasion, Surroundings};
use crate::Error;
use crate::history::{History, RunKind, RunRecord, StepRecord};
use crate::load::LoadOptions;

/// How often somebody else's lock is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often a lock that was lost is asked for: for a minute, after which the server has given up a session
/// that is no more.
const LOOKS_FOR_LOST_LOCK: u32 = 120;

/// The steps of the attempt at work.
pub(super) type Steps = Arc<Mutex<Vec<StepRecord>>>;

/// The job's lock, held, and its history.
pub(super) struct Session {
    pub(super) history: History,
    store: Store,
    lock_name: String,
    /// `None` while it is being taken again.
    lock: Option<StoreLock>,
    pub(super) run_id: String,
    /// Attempts of earlier processes at the same run.
    pub(super) attempts_before: u32,
    /// The run as it stands in the history.
    pub(super) run: Option<RunRecord>,
    steps: Steps,
}

/// What came of opening.
pub(super) enum Opening {
    /// The lock is ours.
    Ready(Box<Session>),
    /// The run was made already: by another scheduler of the same job.
    Made(Ended),
}

impl Session {
    /// Opens the database, takes the lock and finds out what was before.
    pub(super) async fn open(
        surroundings: &Surroundings,
        load: &LoadOptions,
        job: &JobArgs,
        occasion: &Occasion,
        base_id: &str,
    ) -> Result<Opening, Error> {
        let store = Store::connect(load.database.url(), load.retry_for).await?;
        let history = History::open(store.clone(), &job.job, &load.table_prefix).await?;
        let lock_name = format!("{}{}", load.table_prefix, job.job);
        let lock = take_lock(&store, &lock_name, job, occasion, &history).await?;
        for run in history.interrupt_open(surroundings.now()).await? {
            tracing::warn!(
                run = %run.run_id, process = %run.process,
                "a process died while it made this run; it is interrupted"
            );
        }
        let mut session = Self {
            history,
            store,
            lock_name,
            lock: Some(lock),
            run_id: base_id.to_owned(),
            attempts_before: 0,
            run: None,
            steps: Steps::default(),
        };
        let Some(time) = occasion.scheduled_for.filter(|_| occasion.kind != RunKind::Manual) else {
            return Ok(Opening::Ready(Box::new(session)));
        };
        let mut earlier = session.history.runs_for(time, time).await?;
        earlier.retain(|run| run.kind == occasion.kind);
        match earlier.first() {
            // Interrupted, so it goes on.
            Some(run) if !run.state.is_final() => {
                session.run_id.clone_from(&run.run_id);
                session.attempts_before = run.attempt;
            }
            Some(run) if occasion.kind == RunKind::Scheduled => {
                let ended = Ended::made_before(run.run_id.clone(), run.state);
                session.close().await;
                return Ok(Opening::Made(ended));
            }
            Some(_) => session.run_id = format!("{base_id}-{}", earlier.len() + 1),
            None => {}
        }
        Ok(Opening::Ready(Box::new(session)))
    }

    /// Whether the lock is still ours.
    pub(super) async fn is_held(&mut self) -> bool {
        match &mut self.lock {
            Some(lock) => lock.is_held().await,
            None => false,
        }
    }

    /// The same before a load, for which it is taken again if it was lost: the database ended its session.
    /// That counts only if nobody else had it meanwhile, which would have told of this run that its process
    /// died.
    ///
    /// # Errors
    /// Trouble with the database.
    pub(super) async fn is_held_again(&mut self) -> Result<bool, Error> {
        if self.is_held().await {
            return Ok(true);
        }
        // Its session may live, and hold it, without being heard.
        self.lock = None;
        for _ in 0..LOOKS_FOR_LOST_LOCK {
            let lock = self.store.try_lock(&self.lock_name).await?;
            if !self.is_still_ours().await? {
                return Ok(false);
            }
            if let Some(lock) = lock {
                tracing::warn!("the lock was lost with the database's session, and is taken again");
                self.lock = Some(lock);
                return Ok(true);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(false)
    }

    /// Whether the history has the run as this process wrote it.
    ///
    /// # Errors
    /// Trouble with the database.
    pub(super) async fn is_still_ours(&self) -> Result<bool, Error> {
        let Some(run) = &self.run else { return Ok(true) };
        let named = Condition::OneOf { column: "run_id", texts: vec![&run.run_id] };
        let found = self.history.runs(vec![named], Some(1)).await?.pop();
        let same = |found: RunRecord| {
            found.state.is_open() && found.attempt == run.attempt && found.process == run.process
        };
        Ok(found.is_some_and(same))
    }

    /// The list of steps, emptied for a new attempt.
    pub(super) fn new_steps(&mut self) -> Steps {
        self.steps = Steps::default();
        Arc::clone(&self.steps)
    }

    /// The steps that were at work when the attempt ended, so as they ended.
    pub(super) fn open_steps(
        &self,
        state: RunState,
        ended: Option<DateTime<Utc>>,
    ) -> Vec<StepRecord> {
        let state = if state == RunState::Retrying { RunState::Failed } else { state };
        let open = |step: &&StepRecord| step.state.is_open();
        let end = |step: &StepRecord| StepRecord { state, ended, ..step.clone() };
        lock(&self.steps).iter().filter(open).map(end).collect()
    }

    /// Lets go of the lock and the database.
    pub(super) async fn close(self) {
        if let Some(lock) = self.lock {
            lock.release().await;
        }
        self.history.close().await;
    }
}

pub(super) fn lock(steps: &Steps) -> MutexGuard<'_, Vec<StepRecord>> {
    steps.lock().expect("nobody panics while holding the steps")
}

async fn take_lock(
    store: &Store,
    name: &str,
    job: &JobArgs,
    occasion: &Occasion,
    history: &History,
) -> Result<StoreLock, Error> {
    let mut told = false;
    loop {
        if let Some(lock) = store.try_lock(name).await? {
            return Ok(lock);
        }
        if !occasion.waits_for_lock {
            return Err(Error::Busy { job: job.job.clone(), holder: holder(history).await? });
        }
        if !told {
            told = true;
            // A warning, so that people see what they wait for.
            tracing::warn!(holder = holder(history).await?, "waiting for the run that is at work");
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Who holds the lock, as far as the history tells.
async fn holder(history: &History) -> Result<String, Error> {
    let open: Vec<RunState> = RunState::ALL.into_iter().filter(|it| it.is_open()).collect();
    let run = history.runs_in(&open, Some(1)).await?.pop();
    Ok(run.map_or_else(
        || "a process that has just begun".to_owned(),
        |run| {
            let since = run.started.format("%Y-%m-%d %H:%M:%S UTC");
            format!("run {} ({}, since {since})", run.run_id, run.process)
        },
    ))
}

/// `process 4711 on db1`.
pub(super) fn this_process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => format!("process {}", std::process::id()),
        host => format!("process {} on {host}", std::process::id()),
    }
}
