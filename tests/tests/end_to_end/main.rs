//! The programs together, as real processes: producer, broker, streaming job, demo.

mod bad_records;
mod bank_consumer;
mod bank_producer;
mod compose;
mod demo;
mod faults;
mod help;
mod idle;
mod kills;
mod metrics;
mod peers;
mod refusals;
mod secure;
mod sharing;
mod stops;
mod totals;
mod transactions;
