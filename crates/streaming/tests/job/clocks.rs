//! A wall clock that is set wrong while the job works: rows may be set aside with the reason, but
//! those in the table are right, each once. (Jumps that set nothing aside are in `restarts`.)

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arus_streaming::aside::Why;
use arus_streaming::job::JobOptions;
use arus_streaming::progress::Totals;
use arus_streaming::sink::OutputMode;
use arus_window::Window;

use crate::restarts::{log, simple_plan};
use crate::support::{MemoryAside, MemoryLog, MemoryTable, SteppingClock, job, options, query};

type Records = Vec<Option<Vec<u8>>>;

/// What a job left, over all its runs.
#[derive(Default)]
struct Left {
    folder: Option<tempfile::TempDir>,
    table: Arc<Mutex<MemoryTable>>,
    aside: Arc<MemoryAside>,
}

impl Left {
    /// Runs the job once more, on one partition of which so much is there.
    fn run(
        &mut self,
        records: &Records,
        visible: usize,
        wrong_by_ms: Vec<i64>,
        change: impl FnOnce(&mut JobOptions),
    ) -> Totals {
        let folder = self.folder.get_or_insert_with(|| tempfile::tempdir().unwrap());
        let mut options = options(folder.path());
        change(&mut options);
        let partitions = vec![records.clone()];
        let committed = Arc::default();
        let log = MemoryLog {
            partitions,
            visible: vec![visible],
            chunk: 50,
            committed,
            ..MemoryLog::default()
        };
        let clock = SteppingClock::jumping(7, wrong_by_ms);
        let query = query(Window::Tumbling { size_ms: 10_000 });
        let mode = OutputMode::Append;
        job(query, mode, options, log, &self.table, &self.aside, clock).run().unwrap().total
    }

    /// The rows of the table, each of which must be there once, and what they count in all.
    fn rows(&self) -> (BTreeSet<String>, u64) {
        let all = self.table.lock().unwrap().rows.clone();
        let windows: BTreeSet<String> =
            all.iter().map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|")).collect();
        assert_eq!(windows.len(), all.len(), "a window is there once: {all:?}");
        let counts = all.iter().map(|row| row.split('|').nth(3).unwrap().parse::<u64>().unwrap());
        (all.iter().cloned().collect(), counts.sum())
    }

    /// The offsets of rows that were ahead of the clock.
    fn ahead_of_the_clock(&self) -> BTreeSet<usize> {
        let aside = self.aside.0.lock().unwrap();
        let ahead = aside.iter().filter(|(_, (_, why))| {
            matches!(why, Why::Rejected(reason) if reason.contains("ahead of the clock"))
        });
        ahead.map(|((_, offset), _)| *offset as usize).collect()
    }
}

#[test]
fn a_clock_that_jumps_back_rejects_rows_with_the_reason_and_harms_no_other() {
    let records = log(&simple_plan()).remove(0);
    let mut jumped = Left::default();
    // Now and then the clock is ten years back.
    let back_ms = -10 * 365 * 86_400_000;
    let totals =
        jumped.run(&records, records.len(), vec![0, 0, back_ms], |options| options.drain = true);
    assert_eq!(totals.read, totals.counted + totals.late + totals.rejected);
    let ahead = jumped.ahead_of_the_clock();
    assert!(!ahead.is_empty() && ahead.len() < records.len() / 2, "{}", ahead.len());

    // The same as if those records had never been sent.
    let mut others: Records = Vec::new();
    for (offset, record) in records.iter().enumerate() {
        if !ahead.contains(&offset) {
            others.push(record.clone());
        }
    }
    let mut steady = Left::default();
    let expected = steady.run(&others, others.len(), vec![0], |options| options.drain = true);
    assert_eq!(jumped.rows(), steady.rows());
    assert_eq!((totals.counted, totals.late), (expected.counted, expected.late));
    assert_eq!(jumped.rows().1, totals.counted);
}

#[test]
fn a_clock_that_jumps_ahead_closes_no_window_twice() {
    let records = log(&simple_plan()).remove(0);
    let mut jumped = Left::default();
    let ahead_ms = 10 * 365 * 86_400_000;
    let follow_the_clock = |options: &mut JobOptions| {
        options.close_idle_windows = true;
        options.idle_timeout = Duration::ZERO;
    };
    let mut totals = Totals::default();
    for tenths in [1, 3, 5] {
        let visible = records.len() * tenths / 10;
        totals = jumped.run(&records, visible, vec![0, ahead_ms], follow_the_clock);
        // What was open is closed by the clock, and nothing beyond it.
        assert_eq!(jumped.rows().1, totals.counted);
    }
    let last = |options: &mut JobOptions| options.drain = true;
    let before = totals;
    totals = jumped.run(&records, records.len(), vec![0], last);
    assert_eq!(totals.read, totals.counted + totals.late + totals.rejected);
    assert_eq!(totals.read, records.len() as u64);
    assert_eq!(jumped.rows().1, totals.counted);
    // Rows of later windows are counted, in spite of a clock that was years ahead.
    assert!(totals.counted > before.counted);
    assert_eq!(jumped.ahead_of_the_clock(), BTreeSet::new());
}
