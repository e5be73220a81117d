//! How a job fares, as every live view shows it: plain values.

use std::collections::VecDeque;

use crate::progress::Progress;

/// Seconds of the line of events per second.
pub(in crate::sink) const MOST_SECONDS: usize = 180;

/// The job's last progress, and its speed over the last minutes.
#[derive(Debug, Default)]
pub(in crate::sink) struct Pulse {
    /// The job's title: `purchases → purchase_windows`.
    pub(in crate::sink) job: String,
    pub(in crate::sink) progress: Option<Progress>,
    /// Events per second, one value per second of uptime, the newest last.
    pub(in crate::sink) rates: VecDeque<f64>,
    pub(in crate::sink) ended: bool,
    rates_until_s: u64,
}

impl Pulse {
    pub(in crate::sink) fn new(job: String) -> Self {
        Self { job, ..Self::default() }
    }

    pub(in crate::sink) fn uptime_s(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.uptime.as_secs())
    }

    /// Takes the job's state in.
    pub(in crate::sink) fn progress(&mut self, progress: &Progress) {
        self.note_rate(progress.uptime.as_secs(), progress.rows_per_second);
        self.progress = Some(Progress { open: None, ..progress.clone() });
    }

    /// One value per second: several reports in a second keep the last, a second without a report
    /// takes the next one's.
    fn note_rate(&mut self, second: u64, rate: f64) {
        let rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        match self.rates.back_mut() {
            Some(last) if second < self.rates_until_s => *last = rate,
            Some(_) => {
                let first = second.saturating_sub(MOST_SECONDS as u64);
                self.rates_until_s = self.rates_until_s.max(first);
            }
            None => self.rates_until_s = second,
        }
        while self.rates_until_s <= second {
            self.rates.push_back(rate);
            self.rates_until_s += 1;
        }
        while self.rates.len() > MOST_SECONDS {
            self.rates.pop_front();
        }
    }
}
