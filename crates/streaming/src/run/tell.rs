//! What a run tells those who watch it.

use std::sync::MutexGuard;
use std::time::Duration;

use super::Run;
use crate::Error;
use crate::cut::{tallied, tallies};
use crate::job::Job;
use crate::lane::Lane;
use crate::operator::{Operator, Partition};
use crate::progress::{PartitionProgress, Progress};

impl<O: Operator> Run<O> {
    /// How things stand now.
    pub(crate) fn progress(
        &mut self,
        job: &Job<O>,
        with_open_rows: bool,
    ) -> Result<Progress, Error> {
        let lanes = self.lanes();
        let lanes: Vec<MutexGuard<'_, Lane<O::Partition>>> =
            lanes.values().map(|lane| lane.lock().unwrap()).collect();
        let total = lanes.iter().fold(self.lanes_base, |sum, lane| sum + lane.totals);
        let partitions = lanes
            .iter()
            .map(|lane| PartitionProgress {
                partition: lane.partition,
                next_offset: lane.next_offset,
                end_offset: self.watch.of(lane.partition).map(|sighting| {
                    match sighting.nothing_left(lane.at_end_ms) {
                        true => sighting.end_offset.min(lane.next_offset),
                        false => sighting.end_offset,
                    }
                }),
                watermark_ms: lane.state.watermark_ms(),
                idle: self.is_idle(job, lane),
            })
            .collect();
        let open_rows = lanes.iter().map(|lane| lane.state.rows()).sum();
        let state_bytes = lanes.iter().map(|lane| lane.state.size()).sum();
        let now = tallies(lanes.iter().map(|lane| &**lane));
        let tallies = tallied(&self.tallies_before, &self.tallies_began, &now);
        drop(lanes);
        let now_ms = self.shared.monotonic_ms();
        let elapsed_ms = now_ms - self.reported.0;
        if elapsed_ms >= 200 {
            self.rate =
                total.read.saturating_sub(self.reported.1) as f64 * 1000.0 / elapsed_ms as f64;
            self.reported = (now_ms, total.read);
        }
        let open = match &self.taken {
            Some(taken) if with_open_rows => job.operator.open_rows(taken)?,
            _ => None,
        };
        Ok(Progress {
            epoch: self.epoch,
            wall_ms: job.clock.wall_ms(),
            uptime: Duration::from_millis((now_ms - self.started_ms).max(0) as u64),
            run: self.run_before + (total - self.lanes_began),
            total,
            tallies,
            rows_per_second: self.rate,
            watermark_ms: job.operator.watermark_ms(),
            partitions,
            open_windows: self.open_windows,
            open_rows,
            closed_windows: self.closed_windows,
            state_bytes,
            epoch_duration: self.epoch_duration,
            open,
        })
    }
}
