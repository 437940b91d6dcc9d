//! Worlds in which policies are compared: seeded, without clock or files, and parallel.
//!
//! [`day`] plays the paper's trace with swarms that truly follow the power law; [`pieces`] plays peers
//! that exchange pieces and assumes no law at all. [`experiment`] asks both the questions that
//! the documentation answers, and [`statistics`] says how sure the answers are.

mod arm;
mod chance;
pub mod day;
pub mod experiment;
pub mod pieces;
mod progress;
pub mod statistics;

pub use arm::Arm;
pub use progress::Progress;

/// A simulation that cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// A field of the scenario is out of range.
    #[error("failed to set up the simulation: {name} = {value} is not {wanted}")]
    Scenario {
        /// Which field.
        name: &'static str,
        /// What it was.
        value: f64,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The solver refused the pool.
    #[error("failed to share the pool in the simulation: {0}")]
    Solve(#[from] crate::solver::SolveError),
}

/// Checks one field of a scenario.
pub(crate) fn check(
    name: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    wanted: &'static str,
) -> Result<(), SimulateError> {
    if range.contains(&value) { Ok(()) } else { Err(SimulateError::Scenario { name, value, wanted }) }
}
