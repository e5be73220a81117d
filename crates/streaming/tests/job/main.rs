//! The job over a log in memory, with faults on request.

mod clocks;
mod faults;
mod markers;
mod refused;
mod restarts;
mod sharing;
mod support;
mod tables;
