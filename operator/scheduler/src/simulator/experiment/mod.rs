//! The comparisons the documentation publishes, as functions with serialisable results.
//!
//! [`gain_curves`] asks what the paper's gain depends on, with power-law truth. On the piece-level truth
//! [`compare`] pairs arms by seed at equal capacity (completion, hunger, `D/S`), and
//! [`EgressQuestion`] asks what the others must spend to serve as many viewers as a target.

mod comparison;
mod egress;
mod gains;

pub use comparison::{ArmVerdicts, Comparison, Measure, compare};
pub use egress::{EgressAnswer, EgressQuestion, FrontierPoint, Saving};
pub use gains::{GainPoint, gain_curves};
