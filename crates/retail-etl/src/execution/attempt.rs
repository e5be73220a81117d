//! An attempt: the work on a thread of its own, its steps on their way to the history.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arus_runtime::shutdown::Shutdown;
use arus_schedule::{Action, Run, RunState};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Surroundings;
use super::session::{Session, Steps, lock};
use crate::Error;
use crate::history::{History, Rows, RunRecord, StepRecord};
use crate::run::{self, RunOptions, RunOutcome, StepEvent};

/// How long an attempt that was told to stop may take to do so, before its thread is left alone:
/// it may hang in the operating system, on a pipe that nobody writes to or a network drive. It
/// cannot do harm any more, because it looks at the stop signal before it loads.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// More events than an attempt has.
const EVENTS: usize = 64;

/// An attempt at work.
pub(super) struct Attempt {
    stop: Shutdown,
    result: oneshot::Receiver<Result<RunOutcome, Error>>,
    recorder: JoinHandle<()>,
    /// Whether it has begun to load: then its end must be waited for.
    loads: Arc<AtomicBool>,
    /// Asked before the load: whether the lock is held still.
    asks: mpsc::Receiver<oneshot::Sender<Result<bool, Error>>>,
}

impl Attempt {
    /// Starts the work.
    pub(super) fn start(
        surroundings: &Surroundings,
        session: &mut Session,
        run: &RunRecord,
        mut options: RunOptions,
    ) -> Result<Self, Error> {
        let stop = Shutdown::new();
        options.stop = stop.clone();
        // In containers all processes may be number 1 of a host of the same name.
        let began = run.started.format("%Y%m%dT%H%M%S%.3fZ");
        options.mark =
            format!("{}/{}/{} by {} at {began}", run.job, run.run_id, run.attempt, run.process);
        let (events, received) = mpsc::channel(EVENTS);
        let (tell, result) = oneshot::channel();
        let loads = Arc::new(AtomicBool::new(false));
        let recorder = Recorder {
            history: session.history.clone(),
            steps: session.new_steps(),
            surroundings: surroundings.clone(),
            run: run.clone(),
        };
        let recorder = tokio::spawn(recorder.record(received));
        let (clock, load_began) = (Arc::clone(&surroundings.clock), Arc::clone(&loads));
        let (ask, asks) = mpsc::channel::<oneshot::Sender<Result<bool, Error>>>(1);
        let job = run.job.clone();
        let work = move || {
            let mut on_step = |event| {
                if event == (StepEvent::Started { name: "load" }) {
                    load_began.store(true, Ordering::SeqCst);
                    let (reply, answer) = oneshot::channel();
                    // Where nobody listens, the question is dropped, and with it the answer.
                    let _ = ask.blocking_send(reply);
                    match answer.blocking_recv() {
                        Ok(Ok(true)) => {}
                        Ok(Ok(false)) => return Err(Error::LockLost { job: job.clone() }),
                        Ok(Err(error)) => return Err(error),
                        // Nobody answers when the attempt was given up, or is to stop.
                        Err(_) => return Err(Error::Stopped),
                    }
                }
                // Nobody listens any more when the attempt was given up.
                let _ = events.blocking_send(event);
                Ok(())
            };
            let result = run::run(&options, &*clock, &mut on_step);
            let _ = tell.send(result);
        };
        // Not a thread of the runtime, whose end would wait for it.
        let spawned = std::thread::Builder::new().name("run".to_owned()).spawn(work);
        spawned.map_err(Error::Threads)?;
        Ok(Self { stop, result, recorder, loads, asks })
    }

    /// Waits for its end; stops it when its time is over or the program is to stop.
    pub(super) async fn wait(
        mut self,
        surroundings: &Surroundings,
        session: &mut Session,
        machine: &mut Run,
    ) -> Result<RunOutcome, Error> {
        let result = loop {
            if surroundings.shutdown.is_requested() {
                machine.stop();
            }
            let now = surroundings.clock.monotonic();
            match machine.step(now) {
                Action::Work { until } => {
                    let left = until.map_or(Duration::MAX, |until| until.saturating_sub(now));
                    tokio::select! {
                        result = self.result(session) => break result,
                        () = surroundings.wait(left) => {}
                    }
                }
                Action::Stop => {
                    self.stop.request();
                    let patience = tokio::time::timeout(STOP_PATIENCE, self.result(session));
                    match patience.await {
                        Ok(result) => break result,
                        Err(_) if self.loads.load(Ordering::SeqCst) => {}
                        Err(_) => {
                            tracing::warn!("the run does not stop: its thread is left alone");
                            self.recorder.abort();
                            return Err(Error::Stopped);
                        }
                    }
                }
                other => unreachable!("{other:?} while an attempt is at work"),
            }
        };
        // Its thread has ended, so no more events come.
        if let Err(error) = self.recorder.await {
            tracing::error!(%error, "the steps could not be recorded");
        }
        result.unwrap_or(Err(Error::Panicked))
    }
}

type Answer = Result<Result<RunOutcome, Error>, oneshot::error::RecvError>;

impl Attempt {
    /// The work's result. Answers what is asked on the way. May be called again after it was dropped, when the
    /// attempt is to stop: a question that was not answered then is answered by that.
    async fn result(&mut self, session: &mut Session) -> Answer {
        loop {
            tokio::select! {
                result = &mut self.result => return result,
                Some(reply) = self.asks.recv() => {
                    // The thread may have been left alone.
                    let _ = reply.send(session.is_held_again().await);
                }
            }
        }
    }
}

/// Writes steps into the history while the work goes on.
struct Recorder {
    history: History,
    steps: Steps,
    surroundings: Surroundings,
    run: RunRecord,
}

impl Recorder {
    async fn record(self, mut events: mpsc::Receiver<StepEvent>) {
        let mut received = Vec::new();
        // What came while the last ones were written is written at once.
        while events.recv_many(&mut received, EVENTS).await > 0 {
            let changed: Vec<StepRecord> =
                received.drain(..).map(|event| self.take_down(&event)).collect();
            if let Err(error) = self.history.write(None, &changed).await {
                tracing::error!(%error, "the steps could not be recorded");
            }
        }
    }

    /// The step as it is after the event.
    fn take_down(&self, event: &StepEvent) -> StepRecord {
        let mut steps = lock(&self.steps);
        match *event {
            StepEvent::Started { name } => {
                tracing::info!(step = name, "step started");
                let step = StepRecord {
                    job: self.run.job.clone(),
                    run_id: self.run.run_id.clone(),
                    attempt: self.run.attempt,
                    step: name.to_owned(),
                    started: self.surroundings.now(),
                    ended: None,
                    state: RunState::Running,
                    rows: None,
                };
                steps.push(step.clone());
                step
            }
            StepEvent::Ended { name, rows_in, rows_out, rows_rejected } => {
                tracing::info!(step = name, rows_in, rows_out, rows_rejected, "step ended");
                let step = steps.iter_mut().find(|step| step.step == name);
                let step = step.expect("a step that ends has begun");
                step.ended = Some(self.surroundings.now());
                step.state = RunState::Success;
                step.rows = Some(Rows { read: rows_in, out: rows_out, rejected: rows_rejected });
                step.clone()
            }
        }
    }
}

/// What a run did with its rows, if it had any.
pub(super) fn rows(outcome: &RunOutcome) -> Option<Rows> {
    let RunOutcome::Done(result) = outcome else { return None };
    let quality = &result.quality;
    Some(Rows { read: quality.rows, out: quality.loaded, rejected: quality.rejected })
}

/// The same where too many of them were rejected.
pub(super) fn rejected_rows(error: &Error) -> Option<Rows> {
    match *error {
        Error::TooManyRejects { rejected, rows, .. } => Some(Rows { read: rows, out: 0, rejected }),
        Error::AllRejected { rejected, .. } => Some(Rows { read: rejected, out: 0, rejected }),
        _ => None,
    }
}
