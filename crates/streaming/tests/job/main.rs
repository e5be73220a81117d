//! The job over a log in memory, with faults on request.

mod markers;
mod restarts;
mod support;
mod tables;
