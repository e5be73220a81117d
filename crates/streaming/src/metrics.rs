//! The job's figures for Prometheus.

use metrics::{counter, gauge};

use crate::progress::{Progress, Watcher};

/// Puts every progress into the process's metrics.
#[derive(Debug, Default)]
pub struct MetricsWatcher;

/// Says what the job's metrics mean, for those who scrape them.
pub fn describe() {
    metrics::describe_counter!("arus_rows_read_total", "Records read, since the job's first start");
    metrics::describe_counter!("arus_rows_counted_total", "Records that went into a window");
    metrics::describe_counter!("arus_rows_late_total", "Records late for all their windows");
    metrics::describe_counter!("arus_rows_rejected_total", "Records that could not be read");
    metrics::describe_counter!("arus_windows_closed_total", "Windows closed by this process");
    metrics::describe_gauge!("arus_open_windows", "Windows that are open");
    metrics::describe_gauge!(
        "arus_open_rows",
        "Rows (window and group) in open windows, per partition added up"
    );
    metrics::describe_gauge!("arus_state_bytes", "Memory of the open windows, bytes");
    metrics::describe_gauge!(
        "arus_watermark_lag_seconds",
        "How far the watermark is behind the wall clock"
    );
    metrics::describe_gauge!(
        "arus_consumer_lag_records",
        "Records in a partition that are not read yet"
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

impl Watcher for MetricsWatcher {
    fn progress(&mut self, progress: &Progress) {
        counter!("arus_rows_read_total").absolute(progress.total.read);
        counter!("arus_rows_counted_total").absolute(progress.total.counted);
        counter!("arus_rows_late_total").absolute(progress.total.late);
        counter!("arus_rows_rejected_total").absolute(progress.total.rejected);
        counter!("arus_windows_closed_total").absolute(progress.closed_windows);
        gauge!("arus_open_windows").set(progress.open_windows as f64);
        gauge!("arus_open_rows").set(progress.open_rows as f64);
        gauge!("arus_state_bytes").set(progress.state_bytes as f64);
        gauge!("arus_epoch").set(progress.epoch as f64);
        if let Some(watermark_ms) = progress.watermark_ms {
            let lag_ms = progress.wall_ms.saturating_sub(watermark_ms);
            gauge!("arus_watermark_lag_seconds").set(lag_ms as f64 / 1000.0);
        }
        for partition in &progress.partitions {
            if let Some(lag) = partition.lag() {
                let number = partition.partition.to_string();
                gauge!("arus_consumer_lag_records", "partition" => number).set(lag as f64);
            }
        }
    }
}
