//! Which source fetches which bytes next: a pure state machine.
//!
//! Events go in ([`Scheduler::on`]), actions come out ([`Scheduler::poll`]); time is an argument, randomness (jitter only)
//! comes from a seed. No socket, file or clock is touched here, so thousands of seeded scenarios run in a second
//! (`tests/simulation.rs`). Every byte of the content is, at any moment, in exactly one of three places: free, assigned to one
//! lane, or done. Two lanes never own the same byte, which is what lets the trust rules name who wrote it.

mod assign;
mod event;
mod host;
mod lane;
mod plan;
mod ranks;
mod rate;
mod run_length;
mod settings;
mod source;
mod span;
mod steal;

pub use event::{Action, Event, Fault, LaneId, SourceId, SourceSpec, Standing};
pub use plan::Scheduler;
pub use rate::{Rate, Time};
pub use settings::{Order, Settings};
pub use span::{Span, SpanSet};
