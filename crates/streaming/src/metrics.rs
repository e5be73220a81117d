//! The job's figures for Prometheus.

use std::collections::BTreeSet;

use metrics::{counter, gauge};

use crate::progress::{Progress, Watcher};

/// What a job's figures are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Windows of event time.
    Windows,
    /// A table of the latest row of each key.
    Table,
}

/// Puts every progress into the process's metrics.
#[derive(Debug)]
pub struct MetricsWatcher {
    subject: Subject,
    /// Whether other processes have partitions too: then each tells of what it read itself, so that
    /// the sum over all of them is right.
    shared: bool,
    /// Those that a lag was told of.
    partitions: BTreeSet<i32>,
}

/// Says what the job's metrics mean, for those who scrape them.
pub fn describe() {
    metrics::describe_counter!(
        "arus_rows_read_total",
        "Records read: since the job's first start, or by this process of a shared job"
    );
    metrics::describe_counter!(
        "arus_rows_counted_total",
        "Records read that were neither late nor rejected"
    );
    metrics::describe_counter!("arus_rows_late_total", "Records late for all their windows");
    metrics::describe_counter!("arus_rows_rejected_total", "Records that could not be read");
    metrics::describe_counter!("arus_windows_closed_total", "Windows closed by this process");
    metrics::describe_gauge!("arus_open_windows", "Windows that are open");
    metrics::describe_gauge!(
        "arus_open_rows",
        "Rows (window and group) in open windows, per partition added up"
    );
    metrics::describe_counter!(
        "arus_changes_total",
        "Records by what they were to the table: changed, stale, duplicates, unknown_deletes; since \
         this process started"
    );
    metrics::describe_gauge!("arus_table_rows", "Rows of the table that this process keeps");
    metrics::describe_gauge!("arus_state_bytes", "Memory of the state, bytes");
    metrics::describe_gauge!(
        "arus_watermark_lag_seconds",
        "How far the watermark is behind the wall clock"
    );
    metrics::describe_gauge!(
        "arus_consumer_lag_records",
        "Records in a partition that are not read yet; 0 once another process has the partition"
    );
    metrics::describe_gauge!("arus_epoch", "The last committed epoch");
    metrics::describe_histogram!(
        "arus_end_to_end_latency_seconds",
        "From the newest event of a batch to the commit of its epoch"
    );
    metrics::describe_histogram!(
        "arus_epoch_duration_seconds",
        "From an epoch's cut to its commit"
    );
}

impl MetricsWatcher {
    /// Of a job, `shared` with other processes or not.
    pub fn new(subject: Subject, shared: bool) -> Self {
        Self { subject, shared, partitions: BTreeSet::new() }
    }

    fn tell_lag(&mut self, progress: &Progress) {
        let set = |partition: i32, lag: i64| {
            let number = partition.to_string();
            gauge!("arus_consumer_lag_records", "partition" => number).set(lag as f64);
        };
        let held: BTreeSet<i32> = progress.partitions.iter().map(|it| it.partition).collect();
        for &gone in self.partitions.difference(&held) {
            set(gone, 0);
        }
        for partition in &progress.partitions {
            if let Some(lag) = partition.lag() {
                set(partition.partition, lag);
            }
        }
        self.partitions = held;
    }
}

impl Watcher for MetricsWatcher {
    fn progress(&mut self, progress: &Progress) {
        let rows = if self.shared { progress.run } else { progress.total };
        counter!("arus_rows_read_total").absolute(rows.read);
        counter!("arus_rows_counted_total").absolute(rows.counted);
        counter!("arus_rows_rejected_total").absolute(rows.rejected);
        match self.subject {
            Subject::Windows => {
                counter!("arus_rows_late_total").absolute(rows.late);
                counter!("arus_windows_closed_total").absolute(progress.closed_windows);
                gauge!("arus_open_windows").set(progress.open_windows as f64);
                gauge!("arus_open_rows").set(progress.open_rows as f64);
            }
            Subject::Table => {
                for (&fate, &count) in &progress.tallies {
                    counter!("arus_changes_total", "fate" => fate).absolute(count);
                }
                gauge!("arus_table_rows").set(progress.open_rows as f64);
            }
        }
        gauge!("arus_state_bytes").set(progress.state_bytes as f64);
        gauge!("arus_epoch").set(progress.epoch as f64);
        if let Some(watermark_ms) = progress.watermark_ms {
            let lag_ms = progress.wall_ms.saturating_sub(watermark_ms);
            gauge!("arus_watermark_lag_seconds").set(lag_ms as f64 / 1000.0);
        }
        self.tell_lag(progress);
    }
}
