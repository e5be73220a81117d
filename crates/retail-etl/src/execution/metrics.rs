//! Figures for Prometheus.

use std::time::Duration;

use arus_schedule::RunState;
use chrono::{DateTime, Utc};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::history::RunKind;
use crate::run::RunOutcome;

/// Describes all of them; after the recorder is there.
pub fn describe() {
    describe_counter!("etl_runs_total", "Runs that ended, by job, kind and state");
    describe_counter!("etl_attempts_total", "Attempts that began, by job");
    describe_counter!("etl_rows_total", "Rows read by runs that succeeded, by job and fate");
    describe_histogram!("etl_run_duration_seconds", "From a run's begin to its end, retries too");
    describe_gauge!("etl_running", "1 while a run is at work, else 0, by job");
    describe_gauge!("etl_last_success_timestamp_seconds", "When the last run succeeded, by job");
    describe_gauge!("etl_next_run_timestamp_seconds", "When the next run is due, by job");
}

/// An attempt begins.
pub(super) fn attempt_began(job: &str) {
    counter!("etl_attempts_total", "job" => job.to_owned()).increment(1);
    gauge!("etl_running", "job" => job.to_owned()).set(1.0);
}

/// An attempt ended.
pub(super) fn attempt_ended(job: &str) {
    gauge!("etl_running", "job" => job.to_owned()).set(0.0);
}

/// A run ended.
pub(super) fn run_ended(
    job: &str,
    kind: RunKind,
    state: RunState,
    took: Duration,
    outcome: &Option<RunOutcome>,
) {
    let name = || job.to_owned();
    counter!("etl_runs_total", "job" => name(), "kind" => kind.as_str(), "state" => state.as_str())
        .increment(1);
    histogram!("etl_run_duration_seconds", "job" => name()).record(took.as_secs_f64());
    if let Some(RunOutcome::Done(result)) = outcome {
        let rows = |fate| counter!("etl_rows_total", "job" => name(), "fate" => fate);
        rows("loaded").increment(result.quality.loaded);
        rows("rejected").increment(result.quality.rejected);
    }
}

/// The last success was then.
pub fn succeeded(job: &str, at: DateTime<Utc>) {
    gauge!("etl_last_success_timestamp_seconds", "job" => job.to_owned()).set(seconds(at));
}

/// The next run is due then.
pub fn next_run(job: &str, at: DateTime<Utc>) {
    gauge!("etl_next_run_timestamp_seconds", "job" => job.to_owned()).set(seconds(at));
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1e3
}
