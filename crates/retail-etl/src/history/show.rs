//! The history for people, and for machines.

use std::fmt::Write as _;
use std::time::Duration;

use arus_runtime::duration;
use arus_runtime::number::group_digits;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::{Rows, RunRecord, StepRecord};

/// One line a run.
#[must_use]
pub fn runs_text(runs: &[RunRecord], zone: Tz) -> String {
    let head = ["run", "state", "scheduled for", "started", "took", "try", "rows in", "rejected"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for run in runs {
        lines.push(vec![
            run.run_id.clone(),
            run.state.to_string(),
            run.scheduled_for.map_or_else(dash, |time| minute(time, zone)),
            second(run.started, zone),
            took(run.started, run.ended),
            run.attempt.to_string(),
            number(run.rows, |rows| rows.read),
            number(run.rows, |rows| rows.rejected),
        ]);
    }
    aligned(&lines, 4)
}

/// All that is known of a run.
#[must_use]
pub fn run_text(run: &RunRecord, steps: &[StepRecord], zone: Tz) -> String {
    let time = |time: Option<DateTime<Utc>>| time.map_or_else(dash, |time| second(time, zone));
    let facts = [
        ("run", run.run_id.clone()),
        ("job", run.job.clone()),
        ("state", run.state.to_string()),
        ("kind", run.kind.to_string()),
        ("scheduled for", time(run.scheduled_for)),
        ("started", time(Some(run.started))),
        ("ended", time(run.ended)),
        ("took", took(run.started, run.ended)),
        ("attempt", run.attempt.to_string()),
        ("rows", rows(run.rows)),
        ("input", run.input.clone()),
        ("error", run.error.clone().unwrap_or_else(dash)),
        ("log", run.log_file.clone()),
        ("process", run.process.clone()),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14} {value}");
    }
    if steps.is_empty() {
        return text;
    }
    let head = ["try", "step", "state", "started", "took", "rows in", "rows out", "rejected"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for step in steps {
        lines.push(vec![
            step.attempt.to_string(),
            step.step.clone(),
            step.state.to_string(),
            second(step.started, zone),
            took(step.started, step.ended),
            number(step.rows, |rows| rows.read),
            number(step.rows, |rows| rows.out),
            number(step.rows, |rows| rows.rejected),
        ]);
    }
    let _ = write!(text, "\n{}", aligned(&lines, 4));
    text
}

/// Runs as a JSON array.
#[must_use]
pub fn runs_json(runs: &[RunRecord]) -> String {
    let runs: Vec<Value> = runs.iter().map(run_value).collect();
    format!("{:#}\n", Value::from(runs))
}

/// A run as a JSON object, with its steps.
#[must_use]
pub fn run_json(run: &RunRecord, steps: &[StepRecord]) -> String {
    let mut value = run_value(run);
    let steps = steps.iter().map(|step| {
        json!({
            "attempt": step.attempt,
            "step": step.step,
            "state": step.state.as_str(),
            "started": instant(step.started),
            "ended": step.ended.map(instant),
            "rows_in": step.rows.map(|rows| rows.read),
            "rows_out": step.rows.map(|rows| rows.out),
            "rows_rejected": step.rows.map(|rows| rows.rejected),
        })
    });
    value["steps"] = steps.collect();
    format!("{value:#}\n")
}

fn run_value(run: &RunRecord) -> Value {
    json!({
        "run_id": run.run_id,
        "job": run.job,
        "kind": run.kind.as_str(),
        "scheduled_for": run.scheduled_for.map(instant),
        "started": instant(run.started),
        "ended": run.ended.map(instant),
        "state": run.state.as_str(),
        "attempt": run.attempt,
        "rows_in": run.rows.map(|rows| rows.read),
        "rows_out": run.rows.map(|rows| rows.out),
        "rows_rejected": run.rows.map(|rows| rows.rejected),
        "input": run.input,
        "input_fingerprint": run.input_fingerprint,
        "error": run.error,
        "log_file": run.log_file,
        "process": run.process,
    })
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn minute(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()
}

fn second(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// `1.25s` while it is short, `1h2m3s` when it is not.
fn took(started: DateTime<Utc>, ended: Option<DateTime<Utc>>) -> String {
    let Some(ended) = ended else { return dash() };
    let took = (ended - started).to_std().unwrap_or_default();
    match took.as_secs() {
        0..60 => format!("{:.2}s", took.as_secs_f64()),
        seconds => duration::display(Duration::from_secs(seconds)),
    }
}

fn number(rows: Option<Rows>, which: impl Fn(Rows) -> u64) -> String {
    rows.map_or_else(dash, |rows| group_digits(which(rows)))
}

fn rows(rows: Option<Rows>) -> String {
    rows.map_or_else(dash, |rows| {
        let [read, out, rejected] = [rows.read, rows.out, rows.rejected].map(group_digits);
        format!("{read} = {out} loaded + {rejected} rejected")
    })
}

fn dash() -> String {
    "-".to_owned()
}

/// Columns two blanks apart; those after the first `left` are numbers, so they end together.
fn aligned(lines: &[Vec<String>], left: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use arus_schedule::RunState;

    use super::*;
    use crate::history::RunKind;

    fn runs() -> [RunRecord; 2] {
        let time: DateTime<Utc> = "2026-11-24T19:00:00Z".parse().unwrap();
        let first = RunRecord {
            job: "retail-etl".to_owned(),
            run_id: "scheduled-20261124T190000Z".to_owned(),
            kind: RunKind::Scheduled,
            scheduled_for: Some(time),
            started: time,
            ended: Some(time + chrono::TimeDelta::milliseconds(1_250)),
            state: RunState::Success,
            attempt: 2,
            rows: Some(Rows { read: 541_909, out: 541_900, rejected: 9 }),
            input: "a.csv".to_owned(),
            input_fingerprint: Some("print".to_owned()),
            error: None,
            log_file: "a.log".to_owned(),
            process: "process 1 on here".to_owned(),
        };
        let second = RunRecord {
            run_id: "manual-1".to_owned(),
            kind: RunKind::Manual,
            scheduled_for: None,
            ended: None,
            state: RunState::Running,
            attempt: 1,
            rows: None,
            ..first.clone()
        };
        [first, second]
    }

    #[test]
    fn a_table_of_runs() {
        assert_eq!(
            runs_text(&runs(), chrono_tz::Asia::Jakarta),
            "\
run                         state    scheduled for         started                   took  try  rows in  rejected
scheduled-20261124T190000Z  success  2026-11-25 02:00 WIB  2026-11-25 02:00:00 WIB  1.25s    2  541,909         9
manual-1                    running  -                     2026-11-25 02:00:00 WIB      -    1        -         -
"
        );
    }

    #[test]
    fn a_run_and_its_steps() {
        let [run, _] = runs();
        let step = StepRecord {
            job: run.job.clone(),
            run_id: run.run_id.clone(),
            attempt: 1,
            step: "extract".to_owned(),
            started: run.started,
            ended: Some(run.started + chrono::TimeDelta::seconds(125)),
            state: RunState::Failed,
            rows: None,
        };
        let text = run_text(&run, std::slice::from_ref(&step), Tz::UTC);
        for line in [
            "state          success\n",
            "ended          2026-11-24 19:00:01 UTC\n",
            "rows           541,909 = 541,900 loaded + 9 rejected\n",
            "error          -\n",
            "try  step     state   started                  took  rows in  rows out  rejected\n",
            "1    extract  failed  2026-11-24 19:00:00 UTC  2m5s        -         -         -\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let json: Value = serde_json::from_str(&run_json(&run, &[step])).unwrap();
        assert_eq!(json["ended"], "2026-11-24T19:00:01.250Z");
        assert_eq!(json["rows_in"], 541_909);
        assert_eq!(json["steps"][0]["step"], "extract");
        assert_eq!(json["steps"][0]["rows_in"], Value::Null);
    }

    #[test]
    fn runs_as_json() {
        let json: Value = serde_json::from_str(&runs_json(&runs())).unwrap();
        assert_eq!(json[0]["run_id"], "scheduled-20261124T190000Z");
        assert_eq!(json[1]["state"], "running");
        assert_eq!(runs_json(&[]), "[]\n");
    }
}
