//! The comparisons docs/scheduler.md publishes, as functions with serialisable results.

mod gains;

pub use gains::{GainPoint, gain_curves};
