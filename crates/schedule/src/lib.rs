//! When a batch job is due, and what became of each run.
//!
//! Nothing here waits, reads a clock or does a run. A step is (state, now) → what to do next and
//! when to ask again; the program does it and does the waiting.
//!
//! - [`Timetable`]: a cron expression in a time zone, and what daylight saving does to it.
//! - [`Scheduler`]: which time is due now, and what of those that were missed.
//! - [`Run`]: one run with its attempts: timeout, retries, stop.
//! - [`RunState`]: what a run can be, and can become.
//! - [`backfill`]: the runs that a range of time lacks.
//!
//! ```
//! use arus_schedule::{Catchup, Scheduler, Step, Timetable};
//! use chrono::{DateTime, Utc};
//!
//! let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
//! let timetable = Timetable::parse("0 2 * * *", "Asia/Jakarta").unwrap();
//! let last_run = Some(at("2026-11-24T19:00:00Z"));
//! let mut scheduler = Scheduler::new(timetable, Catchup::Last, last_run, at("2026-11-25T12:00:00Z"));
//!
//! let two_in_jakarta = at("2026-11-25T19:00:00Z");
//! assert_eq!(scheduler.step(at("2026-11-25T12:00:00Z")), Step::Sleep { until: Some(two_in_jakarta) });
//! assert_eq!(scheduler.step(two_in_jakarta), Step::Start { scheduled_for: two_in_jakarta });
//! ```

pub mod backfill;
mod error;
mod run;
mod scheduler;
mod state;
mod timetable;

pub use error::Error;
pub use run::{Action, Outcome, RetryPolicy, Run};
pub use scheduler::{Catchup, MISSED_AFTER, Scheduler, Step};
pub use state::RunState;
pub use timetable::{Timetable, parse_zone};
