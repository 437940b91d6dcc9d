//! Tasks: progress in memory, results in SQL, and the stream of changes the operator follows.
//!
//! The life of a task: progress makes it known and running; a failure of a class that is not terminal leaves it running with
//! [`last_failure`](videocloud_protocol::task::TaskRecord::last_failure); success or a terminal failure ends it. Forgetting a
//! task erases all of this, so a result that arrives afterwards counts for the next try: forget a task when its Job and pods are
//! gone.

pub mod http;
mod journal;
mod results;
mod rules;
mod updates;

pub use journal::Journal;
pub use results::{accept, forget, progress};
pub use rules::Standing;
pub use updates::{MAX_BATCH, updates};
