//! Whether programs at work grow without bound. Linux only: it reads `/proc`.

use std::fmt;

/// By how much a program may be larger at the end than at the start: a quarter, for queues that are
/// fuller and memory that the allocator keeps, and so many MiB, which are noise in a small one.
const GROWTH: f64 = 1.25;
const NOISE_MIB: f64 = 24.0;

/// The memory that a process holds now (its resident set), MiB; `None` when it has ended.
pub fn resident_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The most that a program held in the first part of a stretch of steady work, and in the last part
/// of as long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// The program.
    pub name: String,
    /// MiB at the start.
    pub start_mib: f64,
    /// MiB at the end.
    pub end_mib: f64,
}

impl Growth {
    /// Nothing seen yet.
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes a look in; `share` is how much of the stretch has passed, 0 to 1.
    pub fn see(&mut self, share: f64, mib: f64) {
        if share < 0.2 {
            self.start_mib = self.start_mib.max(mib);
        } else if share >= 0.8 {
            self.end_mib = self.end_mib.max(mib);
        }
    }

    /// Whether it grew by more than a program does that keeps its bounds.
    pub fn is_too_much(&self) -> bool {
        self.end_mib > self.start_mib * GROWTH + NOISE_MIB
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, start_mib, end_mib } = self;
        write!(out, "{name:<20} {start_mib:>8.1} MiB at the start {end_mib:>8.1} MiB at the end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_noise() {
        let cases = [(100.0, 100.0, false), (100.0, 148.0, false), (100.0, 150.0, true)];
        for (start, end, too_much) in cases {
            let mut growth = Growth::of("program");
            for (share, mib) in [(0.0, start / 2.0), (0.1, start), (0.5, 900.0), (0.9, end)] {
                growth.see(share, mib);
            }
            assert_eq!((growth.start_mib, growth.end_mib), (start, end));
            assert_eq!(growth.is_too_much(), too_much, "{growth}");
        }
    }

    #[test]
    fn this_process_holds_some() {
        assert!(resident_mib(std::process::id()).is_some_and(|mib| mib > 1.0));
    }
}
