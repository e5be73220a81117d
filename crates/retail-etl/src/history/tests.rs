use std::time::Duration;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn history() -> History {
    let store = Store::connect("sqlite::memory:", Duration::from_secs(1)).await.unwrap();
    History::open(store, "retail-etl", "").await.unwrap()
}

/// A run for that day at 19:00, which began a second later.
fn run(kind: RunKind, day: u32, state: RunState) -> RunRecord {
    let time = at(&format!("2026-11-{day:02}T19:00:00Z"));
    RunRecord {
        job: "retail-etl".to_owned(),
        run_id: format!("{kind}-{day}"),
        kind,
        scheduled_for: Some(time),
        started: time + chrono::TimeDelta::seconds(1),
        ended: state.is_final().then(|| time + chrono::TimeDelta::seconds(9)),
        state,
        attempt: 1,
        rows: state.is_final().then_some(Rows { read: 10, out: 8, rejected: 2 }),
        input: "a.csv".to_owned(),
        input_fingerprint: (state == RunState::Success).then(|| format!("print {day}")),
        error: (state == RunState::Failed).then(|| "it's broken".to_owned()),
        log_file: "a.log".to_owned(),
        process: "process 1 on here".to_owned(),
    }
}

fn step(run: &RunRecord, attempt: u32, step: &str, state: RunState) -> StepRecord {
    StepRecord {
        job: run.job.clone(),
        run_id: run.run_id.clone(),
        attempt,
        step: step.to_owned(),
        started: run.started,
        ended: state.is_final().then_some(run.started),
        state,
        rows: state.is_final().then(Rows::default),
    }
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let history = history().await;
    let written = [
        run(RunKind::Manual, 20, RunState::Failed),
        run(RunKind::Scheduled, 21, RunState::Success),
        RunRecord { scheduled_for: None, ..run(RunKind::Manual, 22, RunState::Running) },
    ];
    for run in &written {
        history.write(Some(run), &[step(run, 1, "extract", run.state)]).await.unwrap();
    }
    let [first, second, third] = written;
    let read = history.runs(vec![], None).await.unwrap();
    assert_eq!(read, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(history.runs(vec![], Some(1)).await.unwrap(), std::slice::from_ref(&third));
    let failed = history.runs_in(&[RunState::Failed, RunState::TimedOut], None).await.unwrap();
    assert_eq!(failed, std::slice::from_ref(&first));
    let (from, to) = (at("2026-11-21T19:00:00Z"), at("2026-11-30T00:00:00Z"));
    assert_eq!(history.runs_for(from, to).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(
        history.steps(&second.run_id).await.unwrap(),
        [step(&second, 1, "extract", RunState::Success)]
    );
    // Another job in the same tables is not ours.
    let other = History { job: "other".to_owned(), ..history.clone() };
    assert_eq!(other.runs(vec![], None).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_next_start_wants_to_know() {
    let history = history().await;
    assert_eq!(history.last_scheduled().await.unwrap(), None);
    assert_eq!(history.last_success().await.unwrap(), None);
    for run in [
        run(RunKind::Scheduled, 20, RunState::Success),
        run(RunKind::Scheduled, 21, RunState::TimedOut),
        run(RunKind::Scheduled, 22, RunState::Interrupted),
        run(RunKind::Backfill, 23, RunState::Success),
        run(RunKind::Manual, 24, RunState::Skipped),
    ] {
        history.write(Some(&run), &[]).await.unwrap();
    }
    let last = history.last_scheduled().await.unwrap();
    assert_eq!(last, Some(at("2026-11-21T19:00:00Z")), "the 22nd is still to be made");
    assert_eq!(history.last_success().await.unwrap().unwrap().run_id, "backfill-23");
}

#[tokio::test]
async fn what_a_dead_process_left() {
    let history = history().await;
    let working = run(RunKind::Scheduled, 20, RunState::Running);
    let waiting = run(RunKind::Backfill, 21, RunState::Retrying);
    let done = run(RunKind::Manual, 22, RunState::Success);
    let steps = [
        step(&working, 1, "extract", RunState::Success),
        step(&working, 1, "load", RunState::Running),
    ];
    history.write(Some(&working), &steps).await.unwrap();
    history.write(Some(&waiting), &[]).await.unwrap();
    history.write(Some(&done), &[]).await.unwrap();
    let now = at("2026-11-25T00:00:00Z");
    let ids: Vec<String> =
        history.interrupt_open(now).await.unwrap().into_iter().map(|run| run.run_id).collect();
    assert_eq!(ids, ["backfill-21", "scheduled-20"]);
    let read = history.runs(vec![], None).await.unwrap();
    assert_eq!(read[0], done);
    for run in &read[1..] {
        assert_eq!((run.state, run.ended), (RunState::Interrupted, Some(now)));
        let error = run.error.as_deref().unwrap();
        assert_eq!(error, "process 1 on here died while it made this run");
    }
    let steps = history.steps(&working.run_id).await.unwrap();
    let states: Vec<(&str, RunState)> =
        steps.iter().map(|step| (step.step.as_str(), step.state)).collect();
    assert_eq!(states, [("extract", RunState::Success), ("load", RunState::Interrupted)]);
    assert!(history.interrupt_open(now).await.unwrap().is_empty());
}
