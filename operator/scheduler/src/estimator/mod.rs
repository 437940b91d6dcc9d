//! Learning each swarm's law from what was measured, while the scheduler acts on what it learned.
//!
//! [`Bank`] is the estimator of the system: Kalman filters per swarm that revert to the population,
//! and the three-regime law beside them, in a quarter of a kilobyte. [`least_squares`] is the paper's
//! batch fit and [`Recursive`] the textbook recursion, to compare with. What a sample may
//! teach is decided in [`Sample::lesson`]; what is done with laws lives in [`crate::policy`].

// Sums over matrix indices read as in the literature; iterators over rows and columns do not.
#![allow(clippy::needless_range_loop)]

mod bank;
mod choice;
mod dither;
mod estimate;
mod feedback;
mod filter;
mod least_squares;
mod line;
mod noise;
mod population;
mod recursive;
mod regimes;
mod sample;
mod snapshot;
pub mod trial;

pub use bank::{Bank, Summary, View};
pub use dither::{AMPLITUDE, dither};
pub use estimate::{Estimate, Estimator};
pub use feedback::TargetFeedback;
pub use filter::STATE_BYTES;
pub use least_squares::{Fit, FitError, least_squares};
pub use recursive::Recursive;
pub use sample::{Flags, Lesson, Reports, Sample, SwarmId};
pub use snapshot::RestoreError;
