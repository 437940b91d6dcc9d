//! What all handlers share: who may call, bodies and answers, the table of operations, the listener, probes.

mod access;
mod api;
mod body;
mod bounds;
mod limiter;
mod listen;
mod openapi;
mod poll;
mod probes;
mod problem;

pub use access::{Access, Caller, Gate, GateError};
pub use api::{Api, Operation, SchemaOf, Service, Shared, router};
pub use body::Body;
pub use bounds::Bounded;
pub(crate) use bounds::name;
pub use limiter::FailureLimiter;
pub use listen::{Peer, serve};
pub use openapi::document;
pub use poll::Poll;
pub use problem::Problem;
