//! The job over a log in memory, with faults on request.

mod restarts;
mod support;
mod tables;
