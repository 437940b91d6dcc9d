//! Sharing a capacity: exact, deterministic, and never a byte above it.
//!
//! [`one_price`] is the kernel; [`Problem`] adds clusters, masks, tenants' shares and floors that do
//! not fit; [`Certificate`] proves the result. Who asks for how much at a price is a
//! [`Demand`], made by [`crate::policy`].

mod certificate;
mod curves;
mod demand;
mod dinic;
mod exp;
mod network;
mod price;
mod problem;
mod quantum;
mod route;
mod split;
mod supply;
mod vector;

pub use certificate::{Certificate, marginal_deviation};
pub use curves::Curves;
pub use demand::{Demand, Shape};
pub use price::{Price, one_price};
pub use problem::{Block, Problem, ScaledFloor, Solution};
pub use quantum::Quantum;
pub use split::{Costs, Part, Placement, split};
pub use supply::{Seat, SolveError, Supply};
