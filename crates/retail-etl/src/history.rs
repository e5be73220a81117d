//! The history: every run and its steps, in two tables beside the results.
//!
//! | table | a row is | key |
//! |---|---|---|
//! | `etl_runs` | a run, with its last attempt | `job, run_id` |
//! | `etl_steps` | a step of an attempt | `job, run_id, attempt, step` |
//!
//! A row is written when something begins and again when it ends. Only who holds the job's lock
//! writes, so a run that is open when the lock is taken belongs to a process that died.

mod rows;
pub mod show;

use std::fmt;
use std::str::FromStr;

use arus_schedule::RunState;
use arus_store::{Condition, Selection, Store, TableSpec, TableWrite};
use chrono::{DateTime, TimeDelta, Utc};

use crate::Error;
use crate::run::STEPS;

/// Why a run is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// Somebody asked for it.
    Manual,
    /// Its time came.
    Scheduled,
    /// Its time had gone by.
    Backfill,
}

/// A run, as the history keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The job's name.
    pub job: String,
    /// Its name within the job: `scheduled-20261125T190000Z`.
    pub run_id: String,
    /// Why it was made.
    pub kind: RunKind,
    /// The time that it is for.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// When its last attempt began.
    pub started: DateTime<Utc>,
    /// When its last attempt ended.
    pub ended: Option<DateTime<Utc>>,
    /// What became of it.
    pub state: RunState,
    /// Its last attempt, counted from 1.
    pub attempt: u32,
    /// What was read and what became of it; none if it was not read to its end.
    pub rows: Option<Rows>,
    /// What was to be read.
    pub input: String,
    /// What the input was, for the next run to know it again.
    pub input_fingerprint: Option<String>,
    /// Why its last attempt failed.
    pub error: Option<String>,
    /// Where its log is.
    pub log_file: String,
    /// Who makes or made it: `process 4711 on db1`.
    pub process: String,
}

/// Rows that went in and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Went in.
    pub read: u64,
    /// Came out.
    pub out: u64,
    /// Were set aside.
    pub rejected: u64,
}

/// A step of an attempt, as the history keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// The job's name.
    pub job: String,
    /// The run's name.
    pub run_id: String,
    /// The run's attempt.
    pub attempt: u32,
    /// Its name.
    pub step: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// `running`, or how it ended.
    pub state: RunState,
    /// What went in and came out; none before its end.
    pub rows: Option<Rows>,
}

/// The two tables, for one job.
#[derive(Clone, Debug)]
pub struct History {
    store: Store,
    job: String,
    runs: TableSpec,
    steps: TableSpec,
}

impl History {
    /// The history of a job; its tables are named with the prefix, and made if they are absent.
    ///
    /// # Errors
    /// When a table of that name has another shape; trouble with the database.
    pub async fn open(store: Store, job: &str, prefix: &str) -> Result<Self, Error> {
        let (runs, steps) = (rows::runs_table(prefix), rows::steps_table(prefix));
        for table in [&runs, &steps] {
            store.ensure_table(table).await?;
        }
        Ok(Self { store, job: job.to_owned(), runs, steps })
    }

    /// The same for reading: `None` when there is no history yet.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn find(store: Store, job: &str, prefix: &str) -> Result<Option<Self>, Error> {
        match store.has_table(&rows::runs_table(prefix)).await? {
            true => Ok(Some(Self::open(store, job, prefix).await?)),
            false => Ok(None),
        }
    }

    /// Writes a run and steps of it, all at once.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn write(&self, run: Option<&RunRecord>, steps: &[StepRecord]) -> Result<(), Error> {
        let runs = rows::runs_batch(run.map_or(&[][..], std::slice::from_ref));
        let steps = rows::steps_batch(steps);
        let writes = [
            TableWrite::Upsert { table: &self.runs, rows: &runs },
            TableWrite::Upsert { table: &self.steps, rows: &steps },
        ];
        Ok(self.store.write(&writes).await?)
    }

    /// Runs that fulfil the conditions, the newest first.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn runs(
        &self,
        conditions: Vec<Condition<'_>>,
        limit: Option<u32>,
    ) -> Result<Vec<RunRecord>, Error> {
        let mut conditions = conditions;
        conditions.push(Condition::OneOf { column: "job", texts: vec![&self.job] });
        let selection = Selection { conditions, newest_by: Some("started"), limit };
        let batch = self.store.read_selection(&self.runs, &selection).await?;
        Ok(rows::read_runs(&batch)?)
    }

    /// The runs whose state is one of these, the newest first.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn runs_in(
        &self,
        states: &[RunState],
        limit: Option<u32>,
    ) -> Result<Vec<RunRecord>, Error> {
        self.runs(vec![in_states(states)], limit).await
    }

    /// The runs for times from the first instant to the last, the newest first.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn runs_for(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<RunRecord>, Error> {
        self.runs(vec![Condition::Between { column: "scheduled_for", from, to }], None).await
    }

    /// The time after which scheduled runs are due: the latest one whose run came to an end of its own;
    /// where none did, a moment before the first that was begun. `None` where none was ever begun.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn last_scheduled(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let is_final = |it: &RunState| it.is_final();
        let (ended, open): (Vec<RunState>, _) = RunState::ALL.into_iter().partition(is_final);
        let last = self.scheduled_in(&ended, Some(1)).await?;
        if let Some(run) = last.first() {
            return Ok(run.scheduled_for);
        }
        let begun = self.scheduled_in(&open, None).await?;
        let first = begun.last().and_then(|run| run.scheduled_for);
        Ok(first.map(|time| time - TimeDelta::milliseconds(1)))
    }

    /// The scheduled runs in one of these states, the latest time first.
    async fn scheduled_in(
        &self,
        states: &[RunState],
        limit: Option<u32>,
    ) -> Result<Vec<RunRecord>, Error> {
        let conditions = vec![
            Condition::OneOf { column: "job", texts: vec![&self.job] },
            Condition::OneOf { column: "kind", texts: vec![RunKind::Scheduled.as_str()] },
            in_states(states),
        ];
        let selection = Selection { conditions, newest_by: Some("scheduled_for"), limit };
        let batch = self.store.read_selection(&self.runs, &selection).await?;
        Ok(rows::read_runs(&batch)?)
    }

    /// The last run that loaded its tables.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn last_success(&self) -> Result<Option<RunRecord>, Error> {
        Ok(self.runs_in(&[RunState::Success], Some(1)).await?.pop())
    }

    /// The steps of a run, attempt by attempt, in the order in which they began.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn steps(&self, run_id: &str) -> Result<Vec<StepRecord>, Error> {
        let conditions = vec![
            Condition::OneOf { column: "job", texts: vec![&self.job] },
            Condition::OneOf { column: "run_id", texts: vec![run_id] },
        ];
        let selection = Selection { conditions, ..Selection::default() };
        let batch = self.store.read_selection(&self.steps, &selection).await?;
        let mut steps = rows::read_steps(&batch)?;
        // Two may begin in one millisecond.
        let place = |step: &StepRecord| STEPS.iter().position(|name| *name == step.step);
        steps.sort_by_key(|step| (step.attempt, step.started, place(step)));
        Ok(steps)
    }

    /// Marks the runs and steps that a process left open when it died, and gives them. For the
    /// holder of the lock.
    ///
    /// # Errors
    /// Trouble with the database.
    pub async fn interrupt_open(&self, now: DateTime<Utc>) -> Result<Vec<RunRecord>, Error> {
        let open: Vec<RunState> = RunState::ALL.into_iter().filter(|it| it.is_open()).collect();
        let mut runs = self.runs_in(&open, None).await?;
        for run in &mut runs {
            run.state = RunState::Interrupted;
            run.ended = Some(now);
            run.error = Some(format!("{} died while it made this run", run.process));
            let mut steps = self.steps(&run.run_id).await?;
            steps.retain(|step| step.state.is_open());
            for step in &mut steps {
                step.state = RunState::Interrupted;
                step.ended = Some(now);
            }
            self.write(Some(run), &steps).await?;
        }
        Ok(runs)
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}

fn in_states(states: &[RunState]) -> Condition<'static> {
    let texts = states.iter().map(|state| state.as_str()).collect();
    Condition::OneOf { column: "state", texts }
}

impl RunKind {
    /// Its name as it is kept and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Manual => "manual",
            RunKind::Scheduled => "scheduled",
            RunKind::Backfill => "backfill",
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [RunKind::Manual, RunKind::Scheduled, RunKind::Backfill]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("\"{text}\" is no kind of run"))
    }
}

#[cfg(test)]
mod tests;
