//! The command that is run when a run has failed for good.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use arus_schedule::RunState;
use chrono::{DateTime, SecondsFormat, Utc};
use tokio::process::Command;

use crate::history::RunKind;

/// A mail server may be slow, but the next run must not wait for it for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the command is told.
pub(super) struct Failure<'a> {
    pub(super) run_id: &'a str,
    pub(super) job: &'a str,
    pub(super) kind: RunKind,
    pub(super) state: RunState,
    pub(super) attempt: u32,
    pub(super) scheduled_for: Option<DateTime<Utc>>,
    pub(super) error: String,
    pub(super) log_file: &'a Path,
}

/// Runs it by `sh -c` and waits for its end. That it fails itself is logged.
pub(super) async fn run(command: &str, failure: &Failure<'_>) {
    let scheduled_for =
        failure.scheduled_for.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let child = Command::new("sh")
        .args(["-c", command])
        .env("ARUS_RUN_ID", failure.run_id)
        .env("ARUS_JOB", failure.job)
        .env("ARUS_KIND", failure.kind.as_str())
        .env("ARUS_STATE", failure.state.as_str())
        .env("ARUS_ERROR", failure.error.replace('\0', ""))
        .env("ARUS_ATTEMPT", failure.attempt.to_string())
        .env("ARUS_SCHEDULED_FOR", scheduled_for.unwrap_or_default())
        .env("ARUS_LOG_FILE", failure.log_file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    match tokio::time::timeout(PATIENCE, child).await {
        Ok(Ok(status)) if status.success() => tracing::info!("--on-failure command done"),
        Ok(Ok(status)) => tracing::error!(%status, "the --on-failure command failed"),
        Ok(Err(error)) => tracing::error!(%error, "the --on-failure command could not be started"),
        Err(_) => tracing::error!("the --on-failure command was ended after five minutes"),
    }
}
