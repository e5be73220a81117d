//! What becomes of each row: loaded, loaded with a warning, or rejected with a reason.
//!
//! The rules are data ([`rules`]), so that they can be found, counted and added to in one place.

mod duplicates;
mod limit;
mod rejects;
pub mod rules;

pub(crate) use duplicates::Duplicates;
pub use limit::MaxRejects;
pub use rejects::FinishedRejects;
pub(crate) use rejects::{Reject, RejectFile};
