//! What the live views of all jobs are made of.

pub(super) mod head;
pub(super) mod pulse;
pub(super) mod screen;
pub(super) mod text;
