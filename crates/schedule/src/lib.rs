//! When a batch job is due, and what became of each run.
